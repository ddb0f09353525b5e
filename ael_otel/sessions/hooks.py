"""Call the application's functions for events of sessions and tool calls: the HookSystem of the PRD.

The thread that causes an event only queues it. Each function has its own queue and thread, so that a function that is
slow or hangs delays neither the engine nor other functions.
"""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from threading import RLock
from time import perf_counter
from typing import Any, Final, Literal, NamedTuple, get_args
from weakref import WeakSet

import msgspec
from msgspec.structs import replace

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.caller import current_caller
from ael_otel.core.faults import fault_barrier
from ael_otel.core.metrics import shared_metrics
from ael_otel.core.redaction import active_redaction
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.errors import AelOtelError
from ael_otel.lifecycle import Moment, ToolCall, observe_tool_calls
from ael_otel.sessions.events import SessionEvent, event_key

type HookEvent = Literal[
    "tool.execute.before",
    "tool.execute.after",
    "session.start",
    "session.end",
    "enforcement.idle",
    "enforcement.message",
]
type HookFunction = Callable[[SessionEvent], Awaitable[object] | object]
type Content = Callable[[], dict[str, Any] | None]

EVENTS: Final[tuple[str, ...]] = get_args(HookEvent.__value__)

BUDGET_S: Final = 0.05
"""Seconds that one call of a function may take without a warning."""

ASYNC_S: Final = 30.0
"""Seconds after which a coroutine of a function is cancelled (`timeout`)."""

MAX_WAITING: Final = 1_024
"""Maximum number of events that wait for one function; it is not called for further ones (`queue_full`)."""

_EVENT_BYTES: Final = 1_024
_MAX_BYTES: Final = 16 * 1024 * 1024

logger = logging.getLogger("ael_otel")


class _Note(NamedTuple):
    event: SessionEvent
    content: Content | None


class Hook:
    """A function that is called for one kind of event until `remove`; created by `on`.

    Attributes:
        called: number of calls that returned.
        failed: number of calls that raised, or were cancelled after `ASYNC_S` seconds.
        skipped: number of events without a call, because too many waited.
        slow: number of calls that took longer than `BUDGET_S`; coroutines are not measured.
    """

    def __init__(self, event: str, function: HookFunction) -> None:
        self.event = event
        self.called = self.failed = self.skipped = self.slow = 0
        self._function = function
        self._removed = self._said_error = self._said_slow = False
        self._queue = TelemetryThread(
            max_notes=MAX_WAITING, max_bytes=_MAX_BYTES, gather_s=0, notes_at_once=1, name="ael-hook"
        )

    def __repr__(self) -> str:
        return f"<Hook {self.event}: {self._name}>"

    def remove(self) -> None:
        """Stop calling the function, also for events that wait; calling it again changes nothing."""
        self._removed = True
        _remove(self)
        self._queue.close(0)

    def submit(self, note: _Note) -> None:
        """Queue an event for the function."""
        self._queue.submit(self, note, _EVENT_BYTES)

    def flush(self, timeout_s: float) -> bool:
        """Wait until the function was called for every event so far; return whether that took less than `timeout_s`."""
        return self._queue.flush(timeout_s)

    def after_fork(self) -> None:
        """Reset a forked child; the waiting events are the parent's."""
        self._queue.after_fork_in_child()

    def take(self, notes: Sequence[_Note], /) -> None:
        """Call the function for each event."""
        for note in notes:
            if not self._removed:
                self._call(note)

    def dropped(self, reason: TelemetryDropReason, count: int, /) -> None:
        """Count events for which the function was not called."""
        if not self._removed:
            self.skipped += count
            _State.lost(reason, count)

    def _call(self, note: _Note) -> None:
        event, content = note.event, None
        if note.content is not None:
            with fault_barrier("hook.content"):
                content = note.content()
        began = perf_counter()
        reason: TelemetryDropReason = "hook_error"
        try:
            # Each function gets a copy, since it may change the content.
            answer = self._function(replace(event, content=content))
            if isawaitable(answer):
                reason = "timeout"
                asyncio.run(_within(answer, ASYNC_S))
        except TimeoutError as error:
            self._failed(reason, error)
        except Exception as error:
            self._failed("hook_error", error)
        else:
            self.called += 1
            self._took(perf_counter() - began, waited=isawaitable(answer))

    def _failed(self, reason: TelemetryDropReason, error: Exception) -> None:
        self.failed += 1
        _State.lost(reason, 1)
        if not self._said_error:
            self._said_error = True
            logger.warning(
                "the function %s, registered for %s, failed: %s; further failures are only counted",
                self._name,
                self.event,
                active_redaction().error_text(f"{type(error).__name__}: {error}"),
            )

    def _took(self, seconds: float, *, waited: bool) -> None:
        if seconds <= BUDGET_S or waited:
            return
        self.slow += 1
        if not self._said_slow:
            self._said_slow = True
            logger.warning(
                "the function %s, registered for %s, took %.0f ms: events wait for it, and are skipped while more than "
                "%d wait",
                self._name,
                self.event,
                seconds * 1e3,
                MAX_WAITING,
            )

    @property
    def _name(self) -> str:
        return str(getattr(self._function, "__qualname__", type(self._function).__qualname__))


async def _within(answer: Awaitable[object], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await answer


def _count(reason: TelemetryDropReason, count: int) -> None:
    shared_metrics().lost("hooks", reason, count)


class _State:
    lock = RLock()
    hooks: dict[str, tuple[Hook, ...]] = {}  # noqa: RUF012 - replaced, never changed
    all: WeakSet[Hook] = WeakSet()  # noqa: RUF012 - of this process
    watchers: dict[int, Callable[[Moment, ToolCall], None]] = {}  # noqa: RUF012 - as above
    lost: Callable[[TelemetryDropReason, int], None] = staticmethod(_count)


def on(event: HookEvent, function: HookFunction) -> Hook:
    """Call `function` for each event of one kind: tool calls of the engine, and sessions of this process.

    The function may be a coroutine function. It gets an event with the session, the agent, the tool, the outcome and,
    in `content`, the redacted parameters and results that the run store has. `enforcement.idle` comes once a session
    has been silent for `telemetry.sessions.idle_seconds`. The function runs on its own thread and cannot change the
    call: if it raises, or if more than 1,024 events wait for it, that is counted and logged once.

        >>> import ael_otel
        >>> names = []
        >>> hook = ael_otel.on("tool.execute.after", lambda event: names.append((event.tool, event.outcome)))
        >>> with ael_otel.tool_call("search"):
        ...     pass
        >>> ael_otel.flush()
        True
        >>> names
        [('search', 'success')]
        >>> hook.remove()

    Args:
        event: `tool.execute.before`, `tool.execute.after`, `session.start`, `session.end`, `enforcement.idle` or
            `enforcement.message`.
        function: called with the event as its only argument.

    Returns:
        A handle: `remove()` ends the calls, `flush(seconds)` waits for them.

    Raises:
        AelOtelError: the event does not exist, or `function` is not callable.
    """
    if event not in EVENTS:
        raise AelOtelError(f"{event!r} is not an event of hooks: use one of {', '.join(EVENTS)}")
    if not callable(function):
        raise AelOtelError(f"{function!r} is not a function")
    hook = Hook(event, function)
    with _State.lock:
        _State.hooks = {**_State.hooks, event: (*_State.hooks.get(event, ()), hook)}
        _State.all.add(hook)
        _refresh()
    return hook


def _remove(hook: Hook) -> None:
    with _State.lock:
        left = tuple(each for each in _State.hooks.get(hook.event, ()) if each is not hook)
        others = {event: hooks for event, hooks in _State.hooks.items() if event != hook.event}
        _State.hooks = {**others, hook.event: left} if left else others
        _refresh()


def watch_tools(owner: object, watcher: Callable[[Moment, ToolCall], None]) -> None:
    """Call `watcher` for each tool call until `unwatch_tools`; once per call even if it has several owners."""
    with _State.lock:
        _State.watchers = {**_State.watchers, id(owner): watcher}
        _refresh()


def unwatch_tools(owner: object) -> None:
    """Undo `watch_tools`."""
    with _State.lock:
        _State.watchers = {key: each for key, each in _State.watchers.items() if key != id(owner)}
        _refresh()


def _refresh() -> None:
    wanted = _State.watchers or any(event.startswith("tool.") for event in _State.hooks)
    observe_tool_calls(_observed if wanted else None)


def _observed(moment: Moment, call: ToolCall) -> None:
    for watcher in set(_State.watchers.values()):
        watcher(moment, call)
    hooks = _State.hooks.get(f"tool.execute.{moment}")
    if hooks:
        execution = call.execution
        session_id = None if execution is None else execution.metadata.get("session_id")
        caller = current_caller.get()
        event = SessionEvent(
            session_id=session_id or "",
            agent=(None if execution is None else execution.caller_id) or "",
            kind=f"tool.execute.{moment}",  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            at_us=call.clock.now_ns() // 1_000,
            origin=caller.origin if caller is not None and caller.session_id == session_id else None,
            **facts_of(moment, call),
        )
        _give(hooks, _Note(event, lambda: _content_of(moment, call)))


def facts_of(moment: Moment, call: ToolCall) -> dict[str, Any]:
    """Return the fields of an event for a tool call."""
    record, execution = call.record, call.execution
    facts: dict[str, Any] = {
        "key": event_key(f"tool.execute.{moment}", record.call_id),
        "tool": record.tool_name,
        "server": record.server,
        "call_id": record.call_id,
        "execution_id": None if execution is None else execution.execution_id or None,
        "trace_id": None if execution is None else execution.trace_id or None,
        "span_id": record.span_id or None,
    }
    if moment == "after":
        facts["outcome"] = record.status
        facts["error_type"] = None if record.error is None else record.error.code
        facts["duration_us"] = int((record.duration_ms or 0.0) * 1e3)
    return facts


def _content_of(moment: Moment, call: ToolCall) -> dict[str, Any] | None:
    """Return the content of a call as the run store has it, as far as it is redacted already."""
    scope, record = call.scope, call.record
    if scope is not None and scope.secrets is not None and not scope.secrets.settle():
        return None
    kept = (
        {"input": record.params} if moment == "before" else {"input": record.params, "output": record.result}
    )
    found = {name: _plain(value) for name, value in kept.items() if value is not None}
    return found or None


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, (bytes, msgspec.Raw)) else value


def notify(event: SessionEvent, content: dict[str, Any] | None = None) -> None:
    """Call the functions that are registered for an event of a session, with redacted content."""
    hooks = _State.hooks.get(event.kind)
    if hooks and not event.kind.startswith("tool."):  # events of tools come from the calls themselves
        _give(hooks, _Note(event, None if content is None else lambda: dict(content)))


def _give(hooks: Sequence[Hook], note: _Note) -> None:
    for hook in hooks:
        hook.submit(note)


def flush(timeout_s: float) -> bool:
    """Wait until all functions were called for every event so far; return whether that took less than `timeout_s`."""
    deadline = perf_counter() + timeout_s
    hooks = [hook for each in _State.hooks.values() for hook in each]
    done = [hook.flush(max(0.0, deadline - perf_counter())) for hook in hooks]
    return all(done)


def _after_fork() -> None:
    _State.lock = RLock()
    for hook in list(_State.all):
        hook.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
