"""A thread that redacts for a queue gives way again and again: the event loop waits for the lock that it holds."""

import sys
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from ael_otel.core.redaction import active_redaction
from ael_otel.core.telemetry_thread import TelemetryThread
from ael_otel.privacy import turns
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from tests.support.waiting import until

SIZE = 262_144
MOST_CALLS = 55_000
"""Calls of Python and C functions between two turns: together less than 5 ms, the interpreter's own turn."""
VALUES: dict[str, Any] = {
    "rows of short texts": [{"id": f"n{n}", "name": f"word {n}", "state": "done"} for n in range(SIZE // 45)],
    "short texts": [f"text {n * 7919}" for n in range(SIZE // 14)],
    "texts with a secret": [f"password=a9b8c7d6{n}" for n in range(SIZE // 22)],
    "names": {f"name{n}": n for n in range(SIZE // 18)},
    "a text of quotes": "password='\\" * (SIZE // 11),
    "a text of e-mail addresses": "".join(f"a{n}@example.org " for n in range(SIZE // 19)),
    "a text of numbers": "4111 1111 1111 1112 " * (SIZE // 20),
    "a text of short words": "of a " * (SIZE // 5),
    "a text of long words": "".join(f"{n:024x} " for n in range(SIZE // 25)),
    "a text of escapes": "%41" * (SIZE // 3),
    "a text of options": "-x --y " * (SIZE // 7),
    "a text of rows": "user,password\n" + "ada,a9b8c7d6e5\n" * (SIZE // 15),
    "a text of lines of YAML": "passwords:\n" + "- a9b8c7d6e5\n" * (SIZE // 13),
    "long texts": [f"{'of a ' * 100}{n}" for n in range(SIZE // 500)],
}


def _calls_between_turns(value: Any) -> list[int]:
    """Return how many functions are called in each turn of a redaction."""
    redactor = Redactor(Policy())
    calls, between = 0, []

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    def give_way() -> None:
        nonlocal calls
        between.append(calls)
        calls = 0

    turns.begin(give_way)
    sys.setprofile(count)
    try:
        redactor.value(value)
    finally:
        sys.setprofile(None)
        turns.begin(None)
    return [*between, calls]


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_no_turn_of_a_long_value_is_long(value: Any) -> None:
    """Counts the calls of functions between two turns, which are the same on every machine."""
    between = _calls_between_turns(value)
    assert len(between) > 10
    assert max(between) < MOST_CALLS


def test_short_value_takes_one_turn() -> None:
    """What is redacted in less than a millisecond needs no sleep."""
    assert len(_calls_between_turns({"text": "write to ada@example.org", "n": [1, 2, 3]})) == 1


def test_thread_of_a_caller_does_not_give_way() -> None:
    """Only a thread that has asked for it sleeps: the event loop and `ael privacy` do not."""
    given: list[int] = []
    turns.begin(lambda: given.append(1))
    Redactor().value(VALUES["short texts"])
    assert given
    given.clear()
    turns.begin(None)
    Redactor().value(VALUES["short texts"])
    assert not given


def test_thread_of_a_queue_gives_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread sleeps in the middle of one note, and does all of it."""
    slept: list[float] = []
    monkeypatch.setattr("ael_otel.core.telemetry_thread.pause", slept.append)
    done: list[Any] = []

    class _Redacts:
        def take(self, notes: Any) -> None:
            before = len(slept)
            done.extend(active_redaction().redactor.value(note) for note in notes)
            done.append(len(slept) - before)

        def dropped(self, reason: Any, count: int) -> None:
            raise AssertionError((reason, count))

    queue = TelemetryThread(gather_s=0)
    assert queue.submit(_Redacts(), VALUES["short texts"], 1)
    until(lambda: queue.delivered)
    assert done[0] == VALUES["short texts"]
    assert done[1] > 10
    assert min(slept[:10]) > 0
    assert queue.close(30)


@pytest.mark.parametrize("ends", [TelemetryThread.flush, TelemetryThread.close])
def test_thread_of_a_queue_does_not_sleep_while_one_waits_for_it(
    monkeypatch: pytest.MonkeyPatch, ends: Callable[[TelemetryThread, float], bool]
) -> None:
    """A process that ends, or flushes, does not wait for the sleeps of the thread that redacts its last value."""
    slept: list[float] = []
    begun, flushing = Event(), Event()
    monkeypatch.setattr("ael_otel.core.telemetry_thread.pause", slept.append)

    class _Redacts:
        def take(self, notes: Any) -> None:
            begun.set()
            until(lambda: queue._hurry)
            slept.clear()
            for note in notes:
                active_redaction().redactor.value(note)
            flushing.set()

        def dropped(self, reason: Any, count: int) -> None:
            raise AssertionError((reason, count))

    queue = TelemetryThread(gather_s=0)
    assert queue.submit(_Redacts(), VALUES["names"], 1)
    assert begun.wait(30)
    assert ends(queue, 30)
    assert flushing.is_set()
    assert len(slept) > 10
    assert set(slept) == {0}
    queue.close(30)
