"""Detect span names and attributes under our scopes that the registry lacks; enabled only with the live schema."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from ael_otel._generated import scopes, spans
from ael_otel.core.redaction import active_redaction
from ael_otel.emit.activity import note_unknown
from ael_otel.sdk.run_spans import starter

_SCOPES: Final = frozenset({scopes.AEL, scopes.AEL_LOG})
_ATTRIBUTES: Final = frozenset(key for spec in spans.ALL for key in spec.attributes)
_NAMES: Final = tuple(re.compile(re.sub(r"\\\{.*?\\\}", ".+", re.escape(spec.name))) for spec in spans.ALL)


class UnknownNames(SpanProcessor):
    """Counts span names and attributes of ours that are not in the registry; changes nothing."""

    run_span_starter = staticmethod(starter)

    def on_end(self, span: ReadableSpan) -> None:
        """Count the unknown names of one span."""
        scope = span.instrumentation_scope
        if scope is None or scope.name not in _SCOPES:
            return
        if not _is_known(span.name):
            note_unknown("spans", active_redaction().name(span.name))
        attributes: Mapping[str, object] = span.attributes or {}
        for key in attributes.keys() - _ATTRIBUTES:
            note_unknown("attributes", active_redaction().name(key))


@lru_cache(maxsize=1_024)
def _is_known(name: str) -> bool:
    return any(pattern.fullmatch(name) for pattern in _NAMES)
