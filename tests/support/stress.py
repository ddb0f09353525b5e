"""Put telemetry under stress in processes that suites start: `STRESS_TELEMETRY=limits|paused|switches`.

`make stress` runs the suites of canaries, differences, overlap and outcomes once per kind:

- `limits`: the queues of notes have two places, so that nearly every note finds its queue full.
- `paused`: the threads of these queues work only when a caller waits for them.
- `switches`: the interpreter switches threads after a few bytecodes, and notes do not wait for a batch.

The variable's name does not begin with a prefix that `clean_variables` strips.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

VARIABLE: Final = "STRESS_TELEMETRY"
KINDS: Final = ("limits", "paused", "switches")
PLACES: Final = 2
SWITCH_SECONDS: Final = 1e-6


def stress_kind() -> str:
    """Return the active kind of stress; empty for none."""
    kind = os.environ.get(VARIABLE, "")
    if kind and kind not in KINDS:
        raise ValueError(f"{VARIABLE}={kind}: set one of {', '.join(KINDS)}")
    return kind


def switch_threads() -> None:
    """Make the threads of this process switch as often as possible, if the kind is `switches`."""
    if stress_kind() == "switches":
        sys.setswitchinterval(SWITCH_SECONDS)


def begin(*, lossless: bool) -> None:
    """Put the queues of this process under the active stress; call this after the configuration is applied.

    Args:
        lossless: whether a caller that finds a queue of lines full waits and tries again (the product drops the line):
            for suites that count lines.
    """
    from ael_otel.core import telemetry_thread as module

    kind = stress_kind()
    queues = (module.telemetry_thread(), module.run_thread())
    switch_threads()
    for queue in queues:
        _watch(queue)
        if kind == "limits":
            queue.limit(PLACES, 1 << 40)
        elif kind == "paused":
            queue._gather_s = 86_400.0
            module.HURRY = sys.maxsize  # type: ignore[misc]
        elif kind == "switches":
            queue._gather_s = 0.0
            queue._notes_at_once = 1
    if kind == "limits" and lossless:
        lines, submit = queues[0], queues[0].submit

        def wait_and_submit(consumer: Any, note: Any, size: int, *, reserved: bool = False) -> bool:
            while not lines.offer(consumer, note, size):
                if not lines.flush(30.0):  # the note of a line that is logged while another note is processed
                    return submit(consumer, note, size, reserved=reserved)
            return True

        lines.submit = wait_and_submit  # type: ignore[method-assign]


@dataclass
class Met:
    """How often notes found a full queue, and the most notes that a queue held: proof that there was stress."""

    full: int = 0
    most: int = 0


met: Final = Met()


def _watch(queue: Any) -> None:
    append = queue._append

    def appended(consumer: Any, note: Any, size: int, reserve: int) -> bool | None:
        result: bool | None = append(consumer, note, size, reserve)
        met.full += result is None
        met.most = max(met.most, len(queue._notes))
        return result

    queue._append = appended


class Kept[T]:
    """A delivery that stores the items of a processor of this package."""

    def __init__(self) -> None:
        self.items: list[T] = []

    def deliver(self, batch: Sequence[T], settled: Callable[[int, None], None]) -> None:
        """Store a batch."""
        self.items += batch
        settled(len(batch), None)

    def hurry(self) -> None:
        """Do nothing: there are no retries."""

    def abort(self) -> None:
        """Do nothing: there are no retries."""

    def take(self) -> list[T]:
        """Return and remove the stored items."""
        taken, self.items = self.items, []
        return taken
