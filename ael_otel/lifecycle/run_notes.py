"""Work of frames that another thread does: redacting content, and storing a run that has ended.

The thread of the engine freezes a value and queues a note with the work to do. The thread of runs redacts and cuts the
value, collects the secrets of the run, and encodes the record, in the order of the run. If a text of the run must be
masked in the meantime, the thread that does this first processes the content that was queued before it.

If the queue is full, or a value belongs to no run, the caller does the work itself, so nothing is lost. Content must
not be dropped unprocessed: its secrets would stay undetected, and could not be masked in the run's log lines.
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
"""Processes content: the value, the redaction that was active when it was captured, whether it is exact."""

_NOTE_BYTES: Final = 1_024
"""Bytes that a note needs in memory besides the value itself."""


class _Work(Protocol):
    def work(self) -> None: ...


class _Workers:
    """Processes the notes of all runs."""

    def take(self, notes: Sequence[_Work]) -> None:
        """Process each note separately: a fault drops only its own note."""
        for note in notes:
            with fault_barrier("run_notes"):
                note.work()

    def dropped(self, reason: TelemetryDropReason, count: int) -> None:
        """Do nothing: notes are offered, and a fault is counted where it is caught."""


_WORKERS: Final = _Workers()


class _Content:
    """One value of a run, processed after the content that was captured before it."""

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
        """Process this value in the run's own scope; called once, after all earlier values."""
        token = current_run.set(self._scope)
        try:
            with fault_barrier("content"):
                self._judge(thawed(self._data), self._redaction, True)
        finally:
            current_run.reset(token)


class _End:
    """The end of a run: the work that follows when all of its content is processed."""

    __slots__ = ("_keep", "_secrets")

    def __init__(self, keep: Callable[[], None], secrets: RunSecrets) -> None:
        self._keep = keep
        self._secrets = secrets

    def work(self) -> None:
        self._secrets.settle()
        self._keep()


class RunNotes:
    """Queues the work of frames for another thread, or does it at once.

    Args:
        later: whether another thread does the work.
        queue: queue for the notes; None uses that of the process.
    """

    __slots__ = ("_queue", "later")

    def __init__(self, *, later: bool, queue: TelemetryThread | None = None) -> None:
        self.later = later
        self._queue = run_thread() if queue is None else queue

    def content(self, judge: Judge, value: Any, scope: RunScope | None) -> None:
        """Call `judge` with the current state of `value`: later with a copy, or at once with the value itself."""
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
        """Call `keep` once all content of the run is processed; `size` is the run's size in bytes."""
        end = _End(keep, secrets)
        if not self.later or not self._queue.offer(_WORKERS, end, _NOTE_BYTES + size):
            end.work()
