"""Content (inputs, parameters, results, printed text) made fit to keep: plain JSON, bounded, never an exception.

`Capture` freezes a value into JSON at once, since the application goes on to change it. What JSON has no word for is
marked: `{"ael.type": "decimal.Context", "text": "..."}` stands for a value of that class, `{"ael.cycle": true}` for a
container inside itself, and `{"ael.truncated": {"bytes": 10485760}, "preview": "..."}` for a value that was too large,
with as much of it (of its JSON, unless it is text) as fits. NUL and lone surrogates become U+FFFD.
"""

import base64
import marshal
import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, MappingView
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain
from pathlib import PurePath
from typing import Any, Final, cast
from uuid import UUID

import msgspec

from ael_otel.privacy.markers import FAULT, REDACTED

DEFAULT_LIMIT: Final = 65_536
"""Bytes of JSON that one value may take (`telemetry.redaction.max_result_size`)."""

TYPE: Final = "ael.type"
CYCLE: Final = "ael.cycle"
TRUNCATED: Final = "ael.truncated"
PREVIEW: Final = "preview"

OVERLAP: Final = 16_384
"""Characters in which the end of a text that was cut before redaction may hide part of a secret: a long key."""

MAX_PARSED: Final = 4_194_304
"""Characters of JSON in a text that is read when it must be cut; of a longer one nothing but its size is kept."""

MAX_FROZEN: Final = 4_194_304
"""Bytes of a value that waits to be redacted; a larger one is redacted and cut before its call returns."""

_MAX_DEPTH: Final = 64
_MAX_REPR: Final = 1_000
_NUL: Final = b"\\u0000"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class Capture:
    """Freezes content as JSON of at most `limit` bytes (and some bytes of marker).

    Args:
        limit: bytes kept of each value.
        blank: keep nothing but that there was a value.
        redact: applied to plain JSON values before they are cut; what it raises blanks the value.

    Only so much is redacted as can be kept, so a large value is cut twice: roughly before, exactly after. What the
    first cut may have halved is not kept: of a text its last `OVERLAP` characters go, and text that holds JSON, whose
    fields are judged by their names, is cut as the value that it stands for.
    """

    __slots__ = ("_redact", "blank", "limit")

    def __init__(
        self,
        limit: int = DEFAULT_LIMIT,
        *,
        blank: bool = False,
        redact: Callable[[Any], Any] | None = None,
    ) -> None:
        self.limit = limit
        self.blank = blank
        self._redact = redact

    def __call__(
        self,
        value: Any,
        mode: str = "redacted",
        *,
        redact: Callable[[Any], Any] | None = None,
        exact: bool = False,
    ) -> Any:
        """Return `value` frozen (`msgspec.Raw`), None for None; never raises.

        Args:
            value: what is kept.
            mode: how much of it: `none`, `keys` (with a marker for each value), `redacted` or `full`, which keeps
                secrets too. `blank` goes before all but `none`.
            redact: applied instead of what the capture was made with.
            exact: whether the value comes from `thawed`, so that it has no types of an application.
        """
        if value is None:
            return None
        if redact is None:
            redact = self._redact
        if self.blank or mode == "none":
            if redact is not None:
                # What is not kept is looked at all the same: the run may say its secrets elsewhere.
                self._redacted(value, redact, keys=False, exact=exact)
            return None if mode == "none" else REDACTED
        if redact is not None and mode != "full":
            return self._redacted(value, redact, keys=mode == "keys", exact=exact)
        if isinstance(value, str) and len(value) > self.limit:
            # Its end would only be thrown away, after having been copied twice.
            return msgspec.Raw(_truncated(value, _bytes_of(value), self.limit))
        data = to_json(value, self.limit)
        if len(data) <= self.limit:
            return msgspec.Raw(data)
        text = value if isinstance(value, str) else data.decode()
        return msgspec.Raw(_truncated(text, len(data), self.limit))

    def _redacted(self, value: Any, redact: Callable[[Any], Any], *, keys: bool, exact: bool) -> Any:
        try:
            budget = max(self.limit * 4, 2 * OVERLAP)
            plain, data = _decoded(value, budget, exact=exact)
            cut = data is None
            if cut:
                walk = _Plain(budget, redact)
                plain = walk.of(value, 0)
                cut = walk.cut
            clean = redact(plain)
            if keys:
                clean = _keys_only(clean, 0)
            if clean is not plain or data is None:
                data = to_json(clean, self.limit)
            if len(data) <= self.limit and not cut:
                return msgspec.Raw(data)
            text = clean if isinstance(clean, str) else data.decode()
            return msgspec.Raw(_truncated(text, _size_of(value), self.limit))
        except Exception:
            return FAULT


def frozen(value: Any) -> bytes | None:
    """Return a value as it is now, for `thawed`; None for one that must be walked to be kept.

    Values of JSON's types, bytes, tuples and sets are copied as they are. Of others there is what JSON would have of
    them, but for what that would not tell: the fields of a named tuple. None also for what is larger than `MAX_FROZEN`
    bytes or nested deeper than content is kept.
    """
    if type(value) is str and len(value) > MAX_FROZEN:
        return None
    try:
        data = marshal.dumps(value)
        if len(data) > MAX_FROZEN:
            return None
        if _is_exact(value, len(data)):
            return data
    except ValueError:
        pass  # an object of a class
    except Exception:
        return None
    try:
        plain, text = _decoded(value, MAX_FROZEN)
        return None if text is None else marshal.dumps(plain)
    except Exception:
        return None


def thawed(data: bytes) -> Any:
    """Return a copy of what `frozen` was called with."""
    return marshal.loads(data)  # noqa: S302 - bytes of `frozen`, which never leave this process


def _is_exact(value: Any, nodes: int) -> bool:
    """Tell whether a value is made of exact types only: `marshal` takes whatever has a buffer for bytes.

    A value with more than `nodes` nodes holds one container several times, or itself. All containers of one depth are
    looked at together, which takes half the time of one after another.
    """
    if type(value) in _EXACT_LEAVES:
        return True
    level: list[Any] = [value]
    for _ in range(_MAX_DEPTH):
        kinds = set(map(type, level))
        if not _EXACT_CONTAINERS.issuperset(kinds):
            return False
        nodes -= sum(map(len, level))
        if nodes < 0:
            return False
        inner: list[Any] = []
        if dict in kinds:
            dicts: list[Any] = (
                level if len(kinds) == 1 else [each for each in level if isinstance(each, dict)]
            )
            if not _EXACT_LEAVES.issuperset(map(type, chain.from_iterable(dicts))):
                return False
            inner.extend(chain.from_iterable(map(_values, dicts)))
        if len(kinds) > 1 or dict not in kinds:
            inner.extend(chain.from_iterable(each for each in level if not isinstance(each, dict)))
        if _EXACT_LEAVES.issuperset(map(type, inner)):
            return True
        level = [each for each in inner if type(each) not in _EXACT_LEAVES]
    return False


_values: Final[Callable[[Any], Iterable[Any]]] = cast("Any", dict).values
_EXACT_LEAVES: Final = frozenset({str, int, float, bool, type(None), bytes})
_EXACT_CONTAINERS: Final = frozenset({dict, list, tuple, set, frozenset})


def _decoded(value: Any, budget: int, *, exact: bool = False) -> tuple[Any, bytes | None]:
    """Return a value as JSON has it, and its JSON; None for what must be walked: too large, or no JSON."""
    if type(value) is str:
        if len(value) > budget:
            return None, None
    elif not isinstance(value, (dict, list, int, float)):
        return None, None
    try:
        data = _encoder.encode(value)
        if len(data) > budget or _NUL in data or (not exact and _has_names(value, 0)):
            return None, None
        if isinstance(value, str):
            return value, data
        # Bytes stay bytes: in base64 no rule finds what it finds in the text that they often are.
        return msgspec.to_builtins(value, builtin_types=_BYTES, str_keys=True, enc_hook=_hook), data
    except Exception:
        return None, None


_BYTES: Final = (bytes, bytearray, memoryview)
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})


def _has_names(value: Any, depth: int) -> bool:
    """Tell whether a named tuple is in a dict or list: as JSON it is a list, without what its fields say of it."""
    if not isinstance(value, (dict, list, tuple)):
        return False
    items: Iterable[object] = cast("Any", value.values() if isinstance(value, dict) else value)
    if _LEAVES.issuperset(map(type, items)):
        return False
    for item in items:
        if _is_named(item):
            return True
        if depth > _MAX_DEPTH or _has_names(item, depth + 1):
            return True
    return False


def _is_named(value: object) -> bool:
    if not isinstance(value, tuple):
        return False
    row = cast("tuple[object, ...]", value)
    return len(getattr(row, "_fields", ())) == len(row) > 0


def _size_of(value: Any) -> int:
    """Return how many bytes of JSON, or of text, a value has; 0 where that cannot be told."""
    if isinstance(value, str):
        return _bytes_of(value)
    try:
        return len(_encoder.encode(value))
    except Exception:
        return 0


def _keys_only(value: Any, depth: int) -> Any:
    if depth >= _MAX_DEPTH:
        return REDACTED
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value)
        return {key: _keys_only(item, depth + 1) for key, item in items.items()}
    if isinstance(value, list):
        return [_keys_only(item, depth + 1) for item in cast("list[object]", value)]
    return None if value is None else REDACTED


def to_json(value: Any, limit: int = DEFAULT_LIMIT) -> bytes:
    """Return `value` as JSON; the whole of it where that is possible, at least `limit` bytes of it where not."""
    try:
        data = _encoder.encode(value)
    except Exception:
        data = b""
    if data and _NUL not in data:
        return data
    try:
        return _encoder.encode(as_plain(value, limit * 4))
    except Exception as error:
        return _encoder.encode({TYPE: _class_of(value), "text": f"[not kept: {type(error).__name__}]"})


def as_plain(value: Any, budget: int = DEFAULT_LIMIT * 4) -> Any:
    """Return `value` as JSON values only, with the marks of this module; what is beyond `budget` bytes is left out."""
    return _Plain(budget).of(value, 0)


def clean(text: str) -> str:
    """Return `text` as every backend can keep it: NUL and lone surrogates are replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", _REPLACEMENT)


class _Plain:
    """One walk through one value; `left` bytes may still be kept, about.

    With `redact`, a text that must be cut is redacted first, and loses its end, where the cut may have halved a secret.
    """

    def __init__(self, budget: int, redact: Callable[[Any], Any] | None = None) -> None:
        self.left = budget
        self.cut = False
        self._redact = redact
        self._around: set[int] = set()

    def of(self, value: Any, depth: int) -> Any:
        self.left -= 8
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str) and not isinstance(value, Enum):
            return self._text(value)
        if isinstance(value, int) and not isinstance(value, Enum):
            return value if -(2**63) <= value < 2**64 else self._text(_repr(value))
        if isinstance(value, float):
            return value if math.isfinite(value) else str(value)
        if isinstance(value, (datetime, date, time, timedelta, Decimal, UUID, PurePath)):
            return str(value)
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(bytes(cast("bytes", value)[: max(self.left, 0)]), len(cast("bytes", value)))
        if isinstance(value, msgspec.Raw):
            return self.of(msgspec.json.decode(value), depth)
        return self._container(value, depth)

    def _container(self, value: Any, depth: int) -> Any:
        identity = id(value)
        if identity in self._around:
            return {CYCLE: True}
        if depth >= _MAX_DEPTH or self.left <= 0:
            self.cut = self.cut or self.left <= 0
            return {TRUNCATED: True}
        self._around.add(identity)
        try:
            if isinstance(value, Mapping):
                return self._mapping(cast("Mapping[object, Any]", value), depth)
            if self._redact is not None and _is_named(value):
                # Kept as a list, judged by the names of its fields.
                named = dict(zip(value._fields, value, strict=True))
                return list(self._redact(self._mapping(named, depth)).values())
            if isinstance(value, (list, tuple, set, frozenset, deque, MappingView)):
                return self._sequence(cast("list[Any]", value), depth)
            if isinstance(value, msgspec.Struct):
                return {name: self.of(getattr(value, name), depth + 1) for name in value.__struct_fields__}
            return self.of(_plain_or_marked(value), depth + 1)
        finally:
            self._around.discard(identity)

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in list(value.items()):
            if self.left <= 0:
                self.cut = True
                found[TRUNCATED] = True
                break
            found[self._text(key if isinstance(key, str) else _repr(key))] = self.of(item, depth + 1)
        return found

    def _sequence(self, value: list[Any], depth: int) -> list[Any]:
        found: list[Any] = []
        for item in list(value):
            if self.left <= 0:
                self.cut = True
                found.append({TRUNCATED: True})
                break
            found.append(self.of(item, depth + 1))
        return found

    def _bytes(self, some: bytes, size: int) -> str:
        self.cut = self.cut or len(some) < size
        if self._redact is not None:
            # In base64 no rule would find what it finds in the text that bytes often are.
            try:
                text = some.decode()
            except UnicodeDecodeError:
                # Also a cut letter, or two bytes for each.
                some = bytes(self._redact(some))[: -OVERLAP if len(some) < size else None]
            else:
                found = self._redact(text)
                if found != text or len(some) < size:
                    some = str(found)[: -OVERLAP if len(some) < size else None].encode()
        return self._text(base64.b64encode(some).decode())

    def _text(self, text: str) -> str:
        room = max(self.left, 0)
        if len(text) <= room:
            kept = clean(text)
        elif self._redact is None:
            self.cut = True
            kept = clean(text[:room])
        else:
            self.cut = True
            # Cut at the same place wherever in a run it stands, it is redacted once.
            kept = self._cut_safely(text, room - room % OVERLAP or room, self._redact)
        self.left -= len(kept)
        return kept

    def _cut_safely(self, text: str, room: int, redact: Callable[[Any], Any]) -> str:
        if text.lstrip()[:1] in ("{", "["):
            # Its fields are judged by their names, which needs the whole of it.
            if len(text) > MAX_PARSED:
                return ""
            try:
                held = msgspec.json.decode(text)
            except Exception:
                return ""
            self.left -= room // 2
            return _encoder.encode(redact(_Plain(room // 2, redact).of(held, 0))).decode()[:room]
        found = str(redact(clean(text[:room])))
        return found[:-OVERLAP]


def _plain_or_marked(value: Any) -> Any:
    """Return what stands for a value that is no JSON: its own plain form, or its class and `repr`."""
    if isinstance(value, Enum):
        return cast("object", value.value)
    if isinstance(value, (deque, MappingView)):
        return list(cast("Iterable[object]", value))
    kind: Any = type(cast("object", value))
    dump = getattr(kind, "model_dump", None)
    if callable(dump):
        try:
            return dump(value, mode="json")
        except Exception:
            return {TYPE: _class_of(value), "text": _repr(value)}
    try:
        return msgspec.to_builtins(value)
    except Exception:
        return {TYPE: _class_of(value), "text": _repr(value)}


def _hook(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[object, Any]", value))
    return _plain_or_marked(value)


_encoder: Final = msgspec.json.Encoder(enc_hook=_hook)


def _class_of(value: object) -> str:
    kind = type(value)
    return f"{kind.__module__}.{kind.__qualname__}"


def _repr(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"[no repr: {type(error).__name__}]"
    return text if len(text) <= _MAX_REPR else f"{text[:_MAX_REPR]}…"


def _bytes_of(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def _truncated(text: str, size: int, limit: int) -> bytes:
    preview = clean(text[:limit])
    while (length := len(_encoder.encode(preview)) - 2) > limit and preview:
        preview = preview[: min(len(preview) - 1, len(preview) * limit // length)]
    return _encoder.encode({TRUNCATED: {"bytes": size}, PREVIEW: preview})


# --- the content of one run -------------------------------------------------------------------------------------------

DEFAULT_RUN_BYTES: Final = 8 * 1_048_576
"""Bytes of JSON that the content of one run may take (`telemetry.limits.run_mb`)."""


DEFAULT_RUN_CALLS: Final = 10_000
"""Tool calls that the record of one run holds (`telemetry.limits.run_calls`)."""

PART_BYTES: Final = 512
"""What a step or a call holds in memory besides its content, about."""

CALLS_LEFT_OUT: Final = "calls_left_out"
"""Key in a run's metadata: how many calls found no room in its record."""


class RunContent:
    """Bounds what the record of one run holds: once its content takes `limit` bytes, what comes later is cut to a mark.

    A quarter is reserved for the inputs and outputs of the run itself, so that many calls do not displace its result.

    Args:
        limit: bytes of JSON, marks apart.
        calls: tool calls of all steps.
    """

    __slots__ = ("_calls", "_for_steps", "_left", "_limit", "_used")

    def __init__(self, limit: int = DEFAULT_RUN_BYTES, calls: int = DEFAULT_RUN_CALLS) -> None:
        self._calls = self._left = calls
        self._limit = limit
        self._for_steps = limit - limit // 4
        self._used = 0

    def has_room_for_a_call(self) -> bool:
        """Take room for one more tool call; returns False where there is none left."""
        self._left -= 1
        return self._left >= 0

    @property
    def held(self) -> int:
        """How many bytes the record of the run holds, about."""
        return self._used + PART_BYTES * (self._calls - max(0, self._left))

    def fit(self, value: Any, *, of_run: bool = False) -> Any:
        """Return frozen content, cut where there is no room for it; `of_run` says that it may use the reserve."""
        if not isinstance(value, msgspec.Raw):
            return value
        size, room = len(value), (self._limit if of_run else self._for_steps) - self._used
        if size > room:
            value = cut_to(value, max(0, room))
            size = min(size, max(0, room))
        self._used += size
        return value


def cut_to(value: msgspec.Raw, limit: int) -> msgspec.Raw:
    """Return JSON cut to `limit` bytes and a mark that says how large it was."""
    size, text = len(value), ""
    if limit:
        found = msgspec.json.decode(value)
        if isinstance(found, str):
            text = found
        elif isinstance(found, dict) and TRUNCATED in found and PREVIEW in found:
            # It was cut before: the mark goes on to say how large it was at first.
            marked = cast("dict[str, Any]", found)
            facts = marked[TRUNCATED]
            text = str(marked[PREVIEW])
            if isinstance(facts, dict):
                size = int(cast("dict[str, Any]", facts).get("bytes") or size)
        else:
            text = bytes(value).decode()
    return msgspec.Raw(_truncated(text, size, limit))
