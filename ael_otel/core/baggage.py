"""Redact the baggage that leaves this process in headers and in `_meta` of MCP requests."""

from opentelemetry import baggage, propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

from ael_otel.core.redaction import active_redaction


class CleanBaggage(TextMapPropagator):
    """Propagator that redacts baggage and passes it to `inner`; extracted baggage is left unchanged for the
    application.

    An entry whose name contains a secret is dropped; in the value of any other entry only the secret is replaced.
    """

    def __init__(self, inner: TextMapPropagator) -> None:
        self.inner = inner

    @property
    def fields(self) -> set[str]:
        """The carrier fields that `inner` writes."""
        return self.inner.fields

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Extract the caller's baggage unchanged."""
        return self.inner.extract(carrier, context, getter)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Inject the baggage without secrets."""
        self.inner.inject(carrier, _clean(context), setter)


def install() -> bool:
    """Wrap the propagator of this process in `CleanBaggage`; return False if it is wrapped already."""
    current = propagate.get_global_textmap()
    if isinstance(current, CleanBaggage):
        return False
    propagate.set_global_textmap(CleanBaggage(current))
    return True


def remove() -> None:
    """Undo `install`."""
    current = propagate.get_global_textmap()
    if isinstance(current, CleanBaggage):
        propagate.set_global_textmap(current.inner)


def _clean(context: Context | None) -> Context | None:
    """Return a context with redacted baggage; the same object if nothing was redacted."""
    entries = baggage.get_all(context)
    if not entries:
        return context
    guard = active_redaction()
    found = context
    for key, value in entries.items():
        if guard.name(key) != key:
            found = baggage.remove_baggage(key, found)
            continue
        clean = (guard.attributes({key: value}) or {}).get(key)
        clean = guard.text(clean) if isinstance(clean, str) else clean
        if clean is not value:
            found = baggage.set_baggage(key, clean, found)
    return found
