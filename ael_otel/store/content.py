"""Convert content (inputs, parameters, results, printed text) to what is stored: plain JSON, bounded, no exceptions.

`Capture` freezes a value into JSON at once, since the application may change it later. A value that JSON cannot express
is marked: `{"ael.type": "decimal.Context", "text": "..."}` stands for a value of that class, `{"ael.cycle": true}` for
a container inside itself, and `{"ael.truncated": {"bytes": 10485760}, "preview": "..."}` for a value that was too
large, with as much of it (of its JSON, unless it is text) as fits. NUL and lone surrogates become U+FFFD.
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
"""Maximum bytes of JSON of one value (`telemetry.redaction.max_result_size`)."""

TYPE: Final = "ael.type"
CYCLE: Final = "ael.cycle"
TRUNCATED: Final = "ael.truncated"
PREVIEW: Final = "preview"

OVERLAP: Final = 16_384
"""Characters at the end of a cut text that may contain part of a secret: the length of a long key."""

MAX_PARSED: Final = 4_194_304
"""Maximum characters of JSON text that is parsed in order to be cut; of a longer one only the size is stored."""

MAX_FROZEN: Final = 4_194_304
"""Maximum bytes of a value that waits for redaction; a larger one is redacted and cut before its call returns."""

_MAX_DEPTH: Final = 64
_MAX_REPR: Final = 1_000
_NUL: Final = b"\\u0000"
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class Capture:
    """Freezes content as JSON of at most `limit` bytes (and some bytes of marker).

    Args:
        limit: maximum bytes of each value.
        blank: store only a marker instead of the value.
        redact: applied to plain JSON values before they are cut; if it raises, a marker replaces the value.

    Only the part that can be stored is redacted, so a large value is cut twice: roughly before redaction, exactly after
    it. The first cut may have split a secret, so the last `OVERLAP` characters of a text are removed, and text that
    contains JSON, whose fields are redacted by name, is cut as the value that it encodes.
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
            value: the content to store.
            mode: how it is stored: `none`, `keys` (with a marker for each value), `redacted` or `full`, which includes
                secrets. `blank` overrides all modes but `none`.
            redact: used instead of the function that was passed to the constructor.
            exact: whether the value comes from `thawed`, so that it contains no types of an application.
        """
        if value is None:
            return None
        if redact is None:
            redact = self._redact
        if self.blank or mode == "none":
            if redact is not None:
                # A value that is not stored is scanned too: its secrets may appear elsewhere in the run.
                self._redacted(value, redact, keys=False, exact=exact)
            return None if mode == "none" else REDACTED
        if redact is not None and mode != "full":
            return self._redacted(value, redact, keys=mode == "keys", exact=exact)
        if isinstance(value, str) and len(value) > self.limit:
            # Its end would only be discarded after it had been copied twice.
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
    """Return a copy of a value's current state for `thawed`; None if it must be traversed instead.

    Values of JSON's types, bytes, tuples and sets are copied unchanged, others in the form that JSON would have, except
    for named tuples, whose field names JSON loses (None). The result is also None for a value that is larger than
    `MAX_FROZEN` bytes or nested deeper than stored content may be.
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
    """Return a copy of the value that `frozen` was called with."""
    return marshal.loads(data)  # noqa: S302 - bytes of `frozen`, which never leave this process


def _is_exact(value: Any, nodes: int) -> bool:
    """Return whether a value consists of exact types only: `marshal` treats every object with a buffer as bytes.

    A value with more than `nodes` nodes contains one container several times, or itself. All containers of one depth
    are checked together, which takes half the time of checking them one by one.
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
    """Return a value in JSON types, and its JSON; None for the JSON if it must be traversed: too large, or not JSON."""
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
        # Bytes stay bytes: in base64, no rule would match the text that they often are.
        return msgspec.to_builtins(value, builtin_types=_BYTES, str_keys=True, enc_hook=_hook), data
    except Exception:
        return None, None


_BYTES: Final = (bytes, bytearray, memoryview)
_LEAVES: Final = frozenset({str, int, float, bool, type(None)})


def _has_names(value: Any, depth: int) -> bool:
    """Return whether a dict or list contains a named tuple: JSON makes it a list, which loses the field names."""
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
    """Return the bytes of a value as JSON, or of a text; 0 if that cannot be determined."""
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
    """Return `value` as JSON: complete if possible, otherwise at least `limit` bytes of it."""
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
    """Return `value` in JSON types only, with the markers of this module; bytes beyond `budget` are left out."""
    return _Plain(budget).of(value, 0)


def clean(text: str) -> str:
    """Return `text` in a form that every backend can store: NUL and lone surrogates are replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text.replace("\0", _REPLACEMENT)


class _Plain:
    """One traversal of one value; `left` is the approximate number of bytes that may still be stored.

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
                # Stored as a list, redacted by the names of its fields.
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
            # In base64, no rule would match the text that bytes often are.
            try:
                text = some.decode()
            except UnicodeDecodeError:
                # This also decodes a text that ends in the middle of a character, or that has two bytes a letter.
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
            # Cut at the same place wherever it occurs in a run, it is redacted only once.
            kept = self._cut_safely(text, room - room % OVERLAP or room, self._redact)
        self.left -= len(kept)
        return kept

    def _cut_safely(self, text: str, room: int, redact: Callable[[Any], Any]) -> str:
        if text.lstrip()[:1] in ("{", "["):
            # Its fields are redacted by their names, for which the complete JSON is needed.
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
    """Return a substitute for a value that is not JSON: its plain form, or its class and `repr`."""
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
"""Maximum bytes of JSON of the content of one run (`telemetry.limits.run_mb`)."""


DEFAULT_RUN_CALLS: Final = 10_000
"""Maximum tool calls in the record of one run (`telemetry.limits.run_calls`)."""

PART_BYTES: Final = 512
"""Approximate bytes of a step or call in memory, without its content."""

CALLS_LEFT_OUT: Final = "calls_left_out"
"""Key in a run's metadata: the number of calls that were left out of its record."""


class RunContent:
    """Bounds the record of one run: once its content takes `limit` bytes, further values are cut to a marker.

    A quarter is reserved for the inputs and outputs of the run itself, so that many calls do not displace its result.

    Args:
        limit: bytes of JSON, without markers.
        calls: maximum tool calls of all steps.
    """

    __slots__ = ("_calls", "_for_steps", "_left", "_limit", "_used")

    def __init__(self, limit: int = DEFAULT_RUN_BYTES, calls: int = DEFAULT_RUN_CALLS) -> None:
        self._calls = self._left = calls
        self._limit = limit
        self._for_steps = limit - limit // 4
        self._used = 0

    def has_room_for_a_call(self) -> bool:
        """Reserve room for one more tool call; return False if there is none left."""
        self._left -= 1
        return self._left >= 0

    @property
    def held(self) -> int:
        """The approximate number of bytes that the record of the run holds."""
        return self._used + PART_BYTES * (self._calls - max(0, self._left))

    def fit(self, value: Any, *, of_run: bool = False) -> Any:
        """Return frozen content, cut if there is no room for it; `of_run` allows it to use the reserve."""
        if not isinstance(value, msgspec.Raw):
            return value
        size, room = len(value), (self._limit if of_run else self._for_steps) - self._used
        if size > room:
            value = cut_to(value, max(0, room))
            size = min(size, max(0, room))
        self._used += size
        return value


def cut_to(value: msgspec.Raw, limit: int) -> msgspec.Raw:
    """Return JSON cut to `limit` bytes, with a marker that contains its original size."""
    size, text = len(value), ""
    if limit:
        found = msgspec.json.decode(value)
        if isinstance(found, str):
            text = found
        elif isinstance(found, dict) and TRUNCATED in found and PREVIEW in found:
            # It was cut before: the marker still contains the original size.
            marked = cast("dict[str, Any]", found)
            facts = marked[TRUNCATED]
            text = str(marked[PREVIEW])
            if isinstance(facts, dict):
                size = int(cast("dict[str, Any]", facts).get("bytes") or size)
        else:
            text = bytes(value).decode()
    return msgspec.Raw(_truncated(text, size, limit))
