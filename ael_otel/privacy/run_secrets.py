"""The secrets of one run: values that a rule detected, and the values that its caller passed in.

A secret is detected by its name or its shape, and may reappear without either: a tool returns the password that it
received, an error quotes it, a later step gets the content of an excluded file. So a detected value is remembered for
the length of the run, and masked everywhere else in that run.
"""

import contextlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from threading import RLock
from typing import Any, Final, cast

from ael_otel.privacy.markers import ALL_MARKERS, MARKER, REDACTED

MIN_SECRET: Final = 6
"""Minimum characters of a value to search for: a shorter one would match by chance."""

MAX_SECRETS: Final = 2_048
"""Maximum number of values that are remembered of one run."""

MIN_GIVEN: Final = 4
MAX_GIVEN: Final = 256
_HEAD: Final = 24
"""Characters of a long value that prove that a text quotes it, even if the text cuts it off."""

_LONG: Final = 16
"""Minimum length of a value that is not part of another word by chance."""

_FEW: Final = 32
"""Maximum number of values that are searched one by one; more are found by their ends, in one pass over the text."""

SETTLE_SECONDS: Final = 1.0
"""Maximum seconds that a text waits while another thread judges content that was captured before it."""

_MAX_LEAVES: Final = 2_048
_MAX_DEPTH: Final = 64


class RunSecrets:
    """The secrets of one run and the number of redactions of each kind; shared by the frames of the run.

    `later` queues content that is not judged yet, in the order in which it was captured. `settle` judges it, and is
    called before each use of `values`: a text must not pass before the secrets of earlier content are known.
    """

    __slots__ = (
        "_busy",
        "_by_end",
        "_counting",
        "_longest_first",
        "_process",
        "_settling",
        "_unknown",
        "_waiting",
        "counts",
        "values",
    )

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.counts: dict[str, int] = {}
        self._longest_first: tuple[tuple[str, str], ...] = ()
        self._by_end: Mapping[str, Sequence[tuple[str, str]]] = {}
        self._waiting: deque[Callable[[], object]] = deque()
        self._unknown = False
        self._begin()

    def _begin(self) -> None:
        # A forked child gets new locks: the parent's may have been held.
        self._process = os.getpid()
        self._settling = RLock()
        self._counting = RLock()
        self._busy = False

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the known secrets: an exception that is sent to a sandbox contains its run."""
        self.settle()
        return _restored, (dict(self.values), dict(self.counts))

    def later(self, judge: Callable[[], object]) -> None:
        """Queue `judge` for the next `settle`; it judges content, and must not raise."""
        self._waiting.append(judge)

    def settle(self, timeout_s: float = SETTLE_SECONDS) -> bool:
        """Judge all queued content, in its order; return whether that was done within `timeout_s` seconds.

        If another thread is judging it, this waits for that thread. A call from within a judgement returns True at
        once.
        """
        waiting = self._waiting
        if self._unknown:
            return False
        if not waiting:
            return True
        if self._process != os.getpid():
            self._begin()
        if not self._settling.acquire(timeout=timeout_s):
            return False
        try:
            if not self._busy:
                self._busy = True
                try:
                    while waiting:
                        # It stays in the queue until it is judged, so that other threads wait for it.
                        try:
                            waiting[0]()
                        finally:
                            waiting.popleft()
                finally:
                    self._busy = False
        finally:
            self._settling.release()
        return True

    def take_over(self, other: "RunSecrets", timeout_s: float = SETTLE_SECONDS) -> None:
        """Mask the secrets of another run too.

        If its content is not judged within `timeout_s` seconds, `settle` returns False from now on.
        """
        self._unknown = not other.settle(timeout_s) or self._unknown
        self.values.update(other.values)

    def count(self, kind: str, number: int) -> None:
        """Count redactions of a kind; several threads may do so at once."""
        with self._counting:
            self.counts[kind] = self.counts.get(kind, 0) + number

    def remember(self, value: str, marker: str) -> None:
        """Mask `value` in later texts of the run."""
        value = value.strip()
        if len(value) >= MIN_SECRET and value not in ALL_MARKERS and len(self.values) < MAX_SECRETS:
            self.values.setdefault(value, marker)

    def learn(self, raw: Any, clean: Any) -> None:
        """Remember each text of `raw` that is only a marker in `clean`."""
        for before, after in _pairs(raw, clean, 0):
            for leaf in _leaves(before):
                self.remember(leaf, after)

    def learn_all(self, raw: Any, marker: str) -> None:
        """Remember every text of `raw`, as a whole and line by line."""
        for leaf in _leaves(raw):
            self.remember(leaf, marker)
            if "\n" in leaf:
                for line in leaf.splitlines():
                    self.remember(line, marker)
            if leaf.lstrip()[:1] in ("{", "["):
                with contextlib.suppress(ValueError, RecursionError):
                    for inner in _leaves(json.loads(leaf)):
                        self.remember(inner, marker)

    def mask_text(self, text: str) -> str:
        """Return `text` with the remembered values replaced."""
        # Longer ones first: otherwise a value that is part of another would leave the rest of that one. Another thread
        # may do the same at this moment, with fewer values: this thread uses its own tuple.
        longest_first = self._longest_first
        if len(longest_first) != len(self.values):
            found = sorted(self.values.items(), key=lambda item: len(item[0]), reverse=True)
            self._by_end = _by_end(found)
            self._longest_first = longest_first = tuple(found)
        if len(longest_first) > _FEW:
            # Searching 2,048 values one by one in 10,000 texts took a second.
            longest_first = _ending_in(text, self._by_end)
        for value, marker in longest_first:
            if value in text:
                text = text.replace(value, marker)
        return text

    def mask(self, value: Any) -> Any:
        """Return plain JSON `value` with the remembered values replaced, also in keys; the same object if unchanged."""
        return self._mask(value, 0) if self.values else value

    def _mask(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self.mask_text(value)
        if depth > _MAX_DEPTH:
            return value
        if isinstance(value, dict):
            items = cast("dict[str, Any]", value)
            found = {self.mask_text(key): self._mask(item, depth + 1) for key, item in items.items()}
            same = all(new is old for new, old in zip(found.values(), items.values(), strict=False))
            return items if same and found.keys() == items.keys() else found
        if isinstance(value, (list, tuple)):
            listed = cast("list[object]", value)
            replaced = [self._mask(item, depth + 1) for item in listed]
            return listed if all(new is old for new, old in zip(replaced, listed, strict=True)) else replaced
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            text = repr(value)
            return self.values.get(text, value) if len(text) >= MIN_SECRET else value
        return value


def _by_end(values: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return values and their markers by the last characters of the value."""
    found: dict[str, list[tuple[str, str]]] = {}
    for value, marker in values:
        found.setdefault(value[-MIN_SECRET:], []).append((value, marker))
    return found


def _ending_in(text: str, by_end: Mapping[str, Sequence[tuple[str, str]]]) -> tuple[tuple[str, str], ...]:
    """Return the values whose last characters are in a text, so that they may be in it; longer ones first."""
    ends = {end for at in range(len(text) - MIN_SECRET + 1) if (end := text[at : at + MIN_SECRET]) in by_end}
    found = [each for end in ends for each in by_end[end]]
    found.sort(key=lambda item: len(item[0]), reverse=True)
    return tuple(found)


def _restored(values: dict[str, str], counts: dict[str, int]) -> RunSecrets:
    found = RunSecrets()
    found.values.update(values)
    found.counts.update(counts)
    return found


class CallerInputs:
    """The values that a caller passed in, to redact texts that repeat them, above all errors.

    Args:
        values: inputs or parameters, read when the first text is searched.
        literals: texts and numbers of the workflow's definition; its author wrote them, so they are not redacted.
        outer: the inputs of the enclosing run.
    """

    __slots__ = ("_found", "_literals", "_outer", "_values")

    def __init__(self, values: Any, *, literals: Any = None, outer: "CallerInputs | None" = None) -> None:
        self._values = values
        self._literals = literals
        self._outer = outer
        self._found: tuple[str, ...] | None = None

    def hide(self, text: str) -> str:
        """Return `text` with each of these values replaced by `[REDACTED]`."""
        if not text:
            return text
        found = self._found
        if found is None:
            found = self._found = self._read()
        if found:
            text = _without(text, found)
        return text if self._outer is None else self._outer.hide(text)

    def freeze(self) -> None:
        """Read the values now: the caller may change them before a text is searched."""
        if self._found is None:
            self._found = self._read()
        if self._outer is not None:
            self._outer.freeze()

    def _read(self) -> tuple[str, ...]:
        known = set(_leaves(self._literals)) if self._literals is not None else set[str]()
        source = self._literals if isinstance(self._literals, str) else ""
        found: set[str] = set()
        for leaf in _leaves(self._values):
            text = leaf.strip()
            if len(text) < MIN_GIVEN or leaf in known or (source and text in source) or text in _WORDS:
                continue
            found.add(text)
            quoted = repr(text)[1:-1]
            if quoted != text:
                found.add(quoted)
            if len(found) >= MAX_GIVEN:
                break
        return tuple(sorted(found, key=len, reverse=True))


class JointInputs(CallerInputs):
    """The inputs of several overlapping calls: a text may repeat those of any of them.

    Args:
        parts: the inputs of each call.
    """

    __slots__ = ("_parts",)

    def __init__(self, parts: Iterable[CallerInputs]) -> None:
        super().__init__(None)
        self._parts = tuple(parts)

    def hide(self, text: str) -> str:
        """Return `text` with each value of each call replaced by `[REDACTED]`."""
        for part in self._parts:
            text = part.hide(text)
        return text

    def freeze(self) -> None:
        """Read the values of each call now."""
        for part in self._parts:
            part.freeze()


_WORDS: Final = frozenset({"true", "false", "none", "null", "error", "default"})
"""Values without information that many texts contain."""


def _without(text: str, values: Sequence[str]) -> str:
    """Replace values that are complete in a text, then the rest of those that the text cuts off."""
    for value in values:
        at = text.find(value)
        while at >= 0:
            end = at + len(value)
            if len(value) >= _LONG or _stands_alone(text, at, end):
                text = text[:at] + REDACTED + text[end:]
                end = at + len(REDACTED)
            at = text.find(value, end)
    for value in values:
        if len(value) <= _HEAD:
            break
        head = value[:_HEAD]
        at = text.find(head)
        while at >= 0:
            # Other spellings of the value may begin alike: the longest common part is replaced.
            end = at + max(_common(text, at, other) for other in values if other.startswith(head))
            text = text[:at] + REDACTED + text[end:]
            at = text.find(head, at + len(REDACTED))
    return text


def _common(text: str, at: int, value: str) -> int:
    """Return how many characters of `value` are in `text` from `at` on."""
    length = 0
    for one, other in zip(value, text[at : at + len(value)], strict=False):
        if one != other:
            break
        length += 1
    return length


def _stands_alone(text: str, start: int, end: int) -> bool:
    """Return whether a short value is a whole word in `text`, not part of another one by chance."""
    before, after = text[start - 1 : start], text[end : end + 1]
    return not (_of_a_word(before) or _of_a_word(after))


def _of_a_word(character: str) -> bool:
    return character.isalnum() or character in ("_", "-") if character else False


def _pairs(raw: Any, clean: Any, depth: int) -> Iterator[tuple[Any, str]]:
    if raw is clean or depth > _MAX_DEPTH:
        return
    if isinstance(clean, str):
        if MARKER.fullmatch(clean) and clean != raw:
            yield raw, clean
    elif isinstance(raw, dict) and isinstance(clean, dict):
        after = cast("dict[object, object]", clean)
        for key, item in cast("dict[object, object]", raw).items():
            if key in after:
                yield from _pairs(item, after[key], depth + 1)
    elif isinstance(raw, (list, tuple)) and isinstance(clean, (list, tuple)):
        for one, other in zip(cast("list[object]", raw), cast("list[object]", clean), strict=False):
            yield from _pairs(one, other, depth + 1)


def _leaves(value: Any) -> list[str]:
    found: list[str] = []
    _gather(value, found, 0)
    return found


def _gather(value: Any, found: list[str], depth: int) -> None:
    if len(found) >= _MAX_LEAVES or depth > _MAX_DEPTH or value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, (int, float)):
        text = repr(value)
        if len(text) >= MIN_SECRET:
            found.append(text)
    elif isinstance(value, Mapping):
        for item in list(cast("Mapping[object, object]", value).values()):
            _gather(item, found, depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in list(cast("Iterable[object]", value)):
            _gather(item, found, depth + 1)
