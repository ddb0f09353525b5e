"""Baggage that leaves this process, redacted: callees get it in headers and in `_meta` of MCP requests."""

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
    """Hands baggage to `inner` without secrets, whatever its format; what comes in stays as it is for the application.

    An entry whose name holds a secret is not passed on; of the others only what is secret in the value goes.
    """

    def __init__(self, inner: TextMapPropagator) -> None:
        self.inner = inner

    @property
    def fields(self) -> set[str]:
        """The fields that `inner` writes."""
        return self.inner.fields

    def extract(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        getter: Getter[CarrierT] = default_getter,
    ) -> Context:
        """Read what a caller sent."""
        return self.inner.extract(carrier, context, getter)

    def inject(
        self,
        carrier: CarrierT,
        context: Context | None = None,
        setter: Setter[CarrierT] = default_setter,
    ) -> None:
        """Write what goes out."""
        self.inner.inject(carrier, _clean(context), setter)


def install() -> bool:
    """Put `CleanBaggage` around the propagator of this process; returns False where it is there already."""
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
    """Return a context without secrets in its baggage; the same where there are none."""
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
