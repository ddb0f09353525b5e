"""What the frames of a run leave to another thread: to judge content, and to keep a run that has ended.

The thread of the engine freezes a value and notes what is to be done with it. Judging it (redaction, what is cut, what
the run has shown to be secret) and encoding the record is done by the thread of runs, in the order of the run. A text
of the run that is to be masked meanwhile has the content before it judged first, by whichever thread needs it.

If the queue is full, or a value belongs to no run, the caller does the work itself, so nothing is lost. Content must
not be dropped unjudged: its secrets would stay unknown, and could not be masked in the run's log lines.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from ael_otel._generated.attributes import TelemetryDropReason
from ael_otel.core.faults import fault_barrier
from ael_otel.core.redaction import ActiveRedaction, active_redaction
from ael_otel.core.run_context import RunScope, current_run
from ael_otel.core.telemetry_thread import TelemetryThread, run_thread
from ael_otel.privacy.run_secrets import RunSecrets
from ael_otel.store.content import frozen, thawed

type Judge = Callable[[Any, ActiveRedaction, bool], None]
"""Does what is to be done with content: the value, the redaction in force when it was captured, whether it is exact."""

_NOTE_BYTES: Final = 1_024
"""What a note holds in memory besides the value itself."""


class _Work(Protocol):
    def work(self) -> None: ...


class _Workers:
    """Works on the notes of all runs."""

    def take(self, notes: Sequence[_Work]) -> None:
        """Do what is noted, each on its own: a fault costs its own note."""
        for note in notes:
            with fault_barrier("run_notes"):
                note.work()

    def dropped(self, reason: TelemetryDropReason, count: int) -> None:
        """Do nothing: notes are offered, and a fault is counted where it is caught."""


_WORKERS: Final = _Workers()


class _Content:
    """One value of a run, judged with the content that was captured before it."""

    __slots__ = ("_data", "_judge", "_redaction", "_scope", "_secrets")

    def __init__(self, judge: Judge, data: bytes, scope: RunScope, secrets: RunSecrets) -> None:
        self._judge = judge
        self._data = data
        self._scope = scope
        self._secrets = secrets
        self._redaction = active_redaction()

    def work(self) -> None:
        self._secrets.settle()

    def judge(self) -> None:
        """Judge this value, as the run's own scope; called once, in its turn."""
        token = current_run.set(self._scope)
        try:
            with fault_barrier("content"):
                self._judge(thawed(self._data), self._redaction, True)
        finally:
            current_run.reset(token)


class _End:
    """The end of a run: what is to be done when all of its content is judged."""

    __slots__ = ("_keep", "_secrets")

    def __init__(self, keep: Callable[[], None], secrets: RunSecrets) -> None:
        self._keep = keep
        self._secrets = secrets

    def work(self) -> None:
        self._secrets.settle()
        self._keep()


class RunNotes:
    """Does the work of frames on another thread, or at once.

    Args:
        later: whether another thread does it.
        queue: where notes wait; None takes that of the process.
    """

    __slots__ = ("_queue", "later")

    def __init__(self, *, later: bool, queue: TelemetryThread | None = None) -> None:
        self.later = later
        self._queue = run_thread() if queue is None else queue

    def content(self, judge: Judge, value: Any, scope: RunScope | None) -> None:
        """Have `judge` called with `value` as it is now; with a copy, unless this thread does it at once."""
        secrets = None if scope is None else scope.secrets
        if scope is not None and secrets is not None and self.later:
            data = frozen(value)
            if data is not None:
                note = _Content(judge, data, scope, secrets)
                secrets.later(note.judge)
                if not self._queue.offer(_WORKERS, note, _NOTE_BYTES + len(data)):
                    secrets.settle()
                return
        if secrets is not None:
            secrets.settle()
        token = current_run.set(scope)
        try:
            judge(value, active_redaction(), False)
        finally:
            current_run.reset(token)

    def end(self, keep: Callable[[], None], secrets: RunSecrets, size: int) -> None:
        """Have `keep` called once all content of the run is judged; `size` is what the run holds in bytes."""
        end = _End(keep, secrets)
        if not self.later or not self._queue.offer(_WORKERS, end, _NOTE_BYTES + size):
            end.work()
