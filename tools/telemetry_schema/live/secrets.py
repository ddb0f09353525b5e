"""Text that must not be in telemetry: values that redaction would still replace, and planted canaries."""

from collections.abc import Iterable, Iterator
from functools import cache

from ael_otel.privacy.redactor import Redactor
from tools.telemetry_schema.live.samples import Value

_NAMES = ("field_name", "field_pattern")


def secrets_in(
    values: Iterable[tuple[str, Value]], canaries: Iterable[str] = ()
) -> Iterator[tuple[str, str]]:
    """Return key and kind of each value that contains a secret; never the value itself."""
    planted = tuple(canaries)
    for key, value in values:
        text = value.decode("utf-8", errors="replace") if isinstance(value, bytes) else value
        if any(canary in str(text) for canary in planted):
            yield key, "a planted canary"
            continue
        for rule in dict.fromkeys(finding.rule for finding in _redactor().explain({key: text})):
            yield (
                key,
                "a value under the name of a secret" if rule in _NAMES else f"a secret of the rule {rule}",
            )


@cache
def _redactor() -> Redactor:
    return Redactor()
