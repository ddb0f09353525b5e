"""Prepare events of agents for storing: redact every text, and drop content that is disabled or excluded."""

from collections.abc import Iterable
from typing import Any, Final

from msgspec.structs import replace

from ael_otel.core.redaction import ActiveRedaction
from ael_otel.sessions.events import MAX_PATH, MAX_TEXT, SessionEvent

MAX_CONTENT: Final = 64 * 1024
"""The default of `telemetry.redaction.max_result_size`."""

_TEXTS: Final = (
    "session_id",
    "agent",
    "agent_version",
    "model",
    "source",
    "reason",
    "parent_session_id",
    "turn_id",
    "subagent_id",
    "subagent_type",
    "tool",
    "server",
    "call_id",
    "error_type",
    "about",
    "decision",
)


def redacted_events(
    events: Iterable[SessionEvent],
    redaction: ActiveRedaction,
    *,
    content: bool,
    max_content: int = MAX_CONTENT,
) -> list[SessionEvent]:
    """Return events as they may be stored.

    Args:
        events: as a hook spooled them; a hook drops excluded paths already.
        redaction: the active redaction.
        content: whether content is stored; never for a call that named an excluded path.
        max_content: maximum bytes of a text in the content, after redaction.
    """
    events = list(events)
    excluded = {event.call_id for event in events if event.excluded_paths and event.call_id}
    return [
        _redacted(
            event,
            redaction,
            content=content and not event.excluded_paths and event.call_id not in excluded,
            max_content=max_content,
        )
        for event in events
    ]


def _redacted(
    event: SessionEvent, redaction: ActiveRedaction, *, content: bool, max_content: int
) -> SessionEvent:
    changes: dict[str, object] = {}
    for name in _TEXTS:
        value = getattr(event, name)
        if value is not None and (clean := redaction.text(value[:MAX_TEXT])) != value:
            changes[name] = clean
    if event.workspace is not None:
        changes["workspace"] = redaction.text(event.workspace[:MAX_PATH])
    if event.paths:
        changes["paths"] = [redaction.text(path[:MAX_PATH]) for path in event.paths]
    if event.content is not None:
        changes["content"] = (
            {name: _cut(redaction.content(value), max_content) for name, value in event.content.items()}
            if content
            else None
        )
    return replace(event, **changes) if changes else event


def _cut(value: Any, limit: int) -> Any:
    """Return the beginning of a text; all content of hooks is text."""
    data = value.encode("utf-8", "replace") if isinstance(value, str) else b""
    return data[:limit].decode("utf-8", "ignore") if len(data) > limit else value
