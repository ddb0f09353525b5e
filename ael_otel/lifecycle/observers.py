"""Observers of tool calls and code: None unless a higher room sets one; checking costs one variable read."""

from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self

from ael_otel.core.faults import fault_barrier

type Moment = Literal["before", "after"]
type ToolObserver = Callable[[Moment, Any], None]
"""Called with the moment and the `ToolCall`, whose module imports this one."""


class _InForce:
    observer: ToolObserver | None = None


def observe_tool_calls(observer: ToolObserver | None) -> None:
    """Call `observer` on the caller's thread when a tool call begins and ends; None removes it."""
    _InForce.observer = observer


def tool_call_observed(moment: Moment, call: object) -> bool:
    """Report a moment of a tool call to the observer; return whether there is one."""
    observer = _InForce.observer
    if observer is None:
        return False
    with fault_barrier("tool_call.observer"):
        observer(moment, call)
    return True


class Unwatched:
    """Context manager that does nothing, for a call or code without an observer."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        return None

    def entered(self, frame: Any, /) -> None:
        """Receive the frame of the call, which has begun."""


UNWATCHED: Final = Unwatched()


class CallWatch(Protocol):
    """Watches calls from before their frames are entered, so that its own waiting is not part of their durations."""

    def tool(self, tool: str, params: Any) -> Unwatched:
        """Return a context manager for a tool call."""
        ...

    def code(self, code: str | None) -> Unwatched:
        """Return a context manager for code."""
        ...
