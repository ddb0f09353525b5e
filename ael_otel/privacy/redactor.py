"""The one redactor: what it returns may leave the process and lie on disk.

Names of fields are judged first, and a secret name takes the whole value; then every text is searched, and only what
was found goes. A text that holds JSON is read as what it holds. A fault never lets a value through: it becomes
`[REDACTION_ERROR]`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, MappingView
from contextlib import suppress
from dataclasses import fields, is_dataclass
from fnmatch import translate
from typing import Any, Final, NamedTuple, cast

import msgspec

from ael_otel.privacy import markers
from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.scan import Scanner, Span, merged
from ael_otel.privacy.validators import is_card

MAX_CHARS: Final = 4 * 1024 * 1024
"""Characters of one text that are searched. What is behind them is cut off, not passed on."""

MAX_DEPTH: Final = 128
"""Containers inside one another that are walked; what is deeper becomes `[REDACTION_ERROR]`."""

_QUICK_DEPTH: Final = 4
_QUICK_ITEMS: Final = 16
_QUICK_CHARS: Final = 256
_ENDS_JSON: Final = "]} \n\r\t"
_OVERLAP: Final = 64 * 1024
_NAMES_KEPT: Final = 4096
_LONGEST_NAME: Final = 256
_PASSES: Final = 6
_SMALLEST_CARD: Final = 10**12
_COUNTS: Final = "counts"
_WORKING_FOLDERS: Final = frozenset({"PWD", "OLDPWD"})
_FOLDERS: Final = frozenset(
    {"cwd", "dir", "directory", "folder", "root", "base", "workdir", "working_directory"}
)
_NAMING: Final = ("name", "key", "Name", "Key", "header")
# The second of two texts may be another name, or what a person reads beside it.
_WORDS: Final = re.compile(r"[^\W\d]{0,64}(?:[ .\-/:_][^\W\d]{0,64}){0,32}")

_MARKER: Final = re.compile("|".join(map(re.escape, sorted(markers.ALL_MARKERS))))
_UNSEEN: Final = object()
_CONTAINERS: Final[frozenset[type[Any]]] = frozenset({list, tuple, dict, set, frozenset})
_SCALARS: Final = frozenset({int, float, bool, type(None), complex})


class Finding(NamedTuple):
    """One redaction, for people: never the text that was found.

    Attributes:
        rule: name of the rule, `field_name`, `field_pattern`, `excluded_path` or `fault`.
        kind: what it is counted as.
        marker: what stands there now.
        where: JSON path of the value, `$` for the whole one; its names are redacted too.
        start: first character of the match in its text; 0 for a whole value.
        end: character behind the match; 0 for a whole value.
    """

    rule: str
    kind: str
    marker: str
    where: str
    start: int = 0
    end: int = 0


class _Name(NamedTuple):
    """What is known of a field's name."""

    kind: str | None
    rule: str
    clean: str
    allowed: bool


class Redactor:
    """Takes secrets out of values; safe to share between threads.

    Args:
        policy: what to take out.
        on_redacted: told the kind and how many of it, once for each text or field; what it raises is ignored.
    """

    def __init__(
        self, policy: Policy | None = None, *, on_redacted: Callable[[str, int], None] | None = None
    ) -> None:
        self.policy = policy if policy is not None else Policy()
        self._tell = on_redacted
        self._scanner = Scanner(pii=self.policy.scrub_pii)
        self._paths = ExcludedPaths(self.policy.excluded_paths)
        self._has_paths = bool(self._paths)
        self._patterns = [re.compile(each, re.IGNORECASE) for each in self.policy.sensitive_field_patterns]
        allowed = "|".join(translate(each) for each in self.policy.allow_fields)
        self._allowed = re.compile(allowed, re.IGNORECASE) if allowed else None
        self._names: dict[str, _Name] = {}

    # --- what others call ---------------------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text without its secrets, the same object when it has none."""
        try:
            return self._text(text, None, "$")
        except Exception:  # noqa: BLE001 - no fault lets a value through
            return self._fault(None, "$")

    def value(self, value: Any) -> Any:
        """Return a value of any shape without its secrets, the same object when it has none.

        What JSON has no word for is judged by its fields and its text, and becomes a dict or a text when it held a
        secret. A container inside itself becomes a marker.
        """
        try:
            if self._is_clean(value, _QUICK_DEPTH):
                return value
            return self._value(value, _Walk(None), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            return self._fault(None, "$")

    def field(self, key: str, value: Any) -> Any:
        """Return the value of one field, judged by its name too."""
        try:
            name = self._name(key)
            return self._field(name, value, _Walk(None), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            return self._fault(None, "$")

    def attributes(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return flat attributes without their secrets, the same object when there are none."""
        try:
            return cast("Mapping[str, Any]", self._mapping(attributes, _Walk(None), "$", 0))
        except Exception:  # noqa: BLE001 - as above
            return {"redaction": self._fault(None, "$")}

    def path(self, path: str) -> bool:
        """Return whether a file is excluded; a path that cannot be judged is."""
        try:
            return self._paths.matches(path)
        except Exception:  # noqa: BLE001 - as above
            return True

    def names_excluded(self, value: Any) -> bool:
        """Return whether a call with these parameters is about excluded files.

        It is when any text in them names one, the folder all of which is excluded, a wild card that such a file fits,
        or a folder and the name of an excluded file in it.
        """
        if not self._paths:
            return False
        try:
            texts: list[str] = []
            return self._any_excluded(value, 0, set(), texts) or self._paths.reads_apart(texts)
        except Exception:  # noqa: BLE001 - as above
            return True

    def explain(self, value: Any) -> list[Finding]:
        """Return what would be redacted and why, in the order of the walk; nothing is counted."""
        findings: list[Finding] = []
        try:
            self._value(value, _Walk(findings), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            self._fault(findings, "$")
        return findings

    # --- the walk -----------------------------------------------------------------------------------------------------

    def _is_clean(self, value: Any, depth: int) -> bool:
        """Return whether a small value of plain JSON is clean; False also where only the walk can tell.

        Most values are of this sort, and the walk, which remembers where it has been, takes twice as long.
        """
        kind = cast("type[object]", type(value))
        if kind is str:
            return len(value) < 4 or (
                len(value) <= _QUICK_CHARS
                and value[-1] not in _ENDS_JSON
                and not (self._has_paths and self._paths.may_name(value))
                and not self._scanner.spans(value)
            )
        if kind is dict:
            if depth == 0 or len(value) > _QUICK_ITEMS or "value" in value or "Value" in value:
                return False
            names: list[_Name] = []
            for key in cast("dict[object, object]", value):
                name = self._names.get(key) if type(key) is str else None
                if name is None or name.kind is not None or name.clean != key:
                    return False
                names.append(name)
            for name, item in zip(names, cast("dict[str, object]", value).values(), strict=True):
                if not name.allowed and not self._is_clean(item, depth - 1):
                    return False
            return True
        if kind is list:
            size = len(cast("list[object]", value))
            if depth == 0 or size == 2 or size > _QUICK_ITEMS:
                return False  # the first of two may be the name of the second
            for item in cast("list[object]", value):
                if not self._is_clean(item, depth - 1) or (type(item) is str and item[:2] == "--"):
                    return False
            return True
        return value is None or kind is bool or ((kind is int or kind is float) and value < _SMALLEST_CARD)

    def _value(self, value: Any, walk: "_Walk", where: str, depth: int) -> Any:
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is str:
            return self._text(value, walk.findings, where)
        if kind in _SCALARS:
            if (
                (kind is int or kind is float)
                and value >= _SMALLEST_CARD
                and self.policy.scrub_pii
                and value < 10**19
                and value == int(value)
                and is_card(str(int(value)))
            ):
                return self._marked(markers.CREDIT_CARD, "payment_card", walk.findings, where)
            return value
        if depth > MAX_DEPTH:
            return self._fault(walk.findings, where)
        if isinstance(value, str):
            # A subclass: an enumeration's member, a text marked as safe. Its own methods are not to be trusted.
            plain = str.__str__(value)
            clean = self._text(plain, walk.findings, where)
            return self._as_shown(value, walk, where) if clean is plain else clean
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(cast("bytes | bytearray | memoryview[int]", value), walk, where)
        return self._container(value, walk, where, depth)

    def _container(self, value: Any, walk: "_Walk", where: str, depth: int) -> Any:
        identity = id(value)
        known = walk.seen.get(identity, _UNSEEN)
        if known is not _UNSEEN:
            # Inside itself, it has no result yet.
            return self._marked(markers.FIELD, "cycle", walk.findings, where) if known is walk else known
        walk.seen[identity] = walk
        walk.alive.append(value)
        result: Any
        if type(value) is dict or isinstance(value, Mapping):
            result = self._mapping(cast("Mapping[object, object]", value), walk, where, depth)
        elif _is_named(value):
            result = self._named_items(value, walk, where, depth)
        elif isinstance(value, (list, tuple, set, frozenset, MappingView)):
            result = self._items(cast("Iterable[object]", value), walk, where, depth)
        else:
            result = self._object(value, walk, where, depth)
        walk.seen[identity] = result
        return result

    def _mapping(self, value: Mapping[Any, Any], walk: "_Walk", where: str, depth: int) -> Any:
        changed: dict[Any, Any] | None = None
        taken = 0
        names = self._names
        named = self._named_value(value) if "value" in value or "Value" in value else None
        for key, item in value.items():
            if type(key) is str:
                name = names.get(key) or self._name(key)
                clean_key: Any = name.clean
                if clean_key is not key and walk.findings is not None and clean_key != key:
                    self._text(key, walk.findings, f"{where}.(name)")
            else:
                name, clean_key = self._odd_name(key, walk, where, depth)
            inner = where if walk.findings is None else _below(where, clean_key)
            if named is not None and key in {"value", "Value"}:
                name = named
            clean = self._field(name, item, walk, inner, depth)
            if changed is None and (clean is not item or clean_key is not key):
                if type(key) is str and clean is item and clean_key == key:
                    continue
                changed = {}
                for earlier, kept in value.items():
                    if earlier is key:
                        break
                    changed[earlier] = kept
            if changed is not None:
                if clean_key in changed:
                    taken += 1
                    clean_key = f"{clean_key}#{taken + 1}"
                changed[clean_key] = clean
        return value if changed is None else changed

    def _named_value(self, value: Mapping[Any, Any]) -> _Name | None:
        """Return the name that another field gives to `value`, if it is a secret's: headers, variables, parameters."""
        for field in _NAMING:
            name = value.get(field)
            if type(name) is str and (known := self._name(name)).kind is not None:
                return known
        return None

    def _before(self, name: str, value: Any) -> _Name | None:
        """Return the name that stands before an item, if it is a secret's: an option, the first of a pair."""
        if type(value) is not str or len(name) > _LONGEST_NAME:
            return None
        known = self._name(name)
        if known.kind is None or value[:1] == "-" or len(value) < 4:
            return None
        if name[:2] != "--" and _WORDS.fullmatch(value):
            return None
        return known

    def _odd_name(self, key: Any, walk: "_Walk", where: str, depth: int) -> tuple[_Name, Any]:
        """Judge a name that is no text: bytes, a tuple, a number."""
        if isinstance(key, (int, float, type(None))) and not isinstance(key, str):
            clean = self._value(key, walk, f"{where}.(name)", depth + 1) if type(key) is int else key
            return _PLAIN_NAME, clean
        text = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
        name = self._name(text)
        return name, (key if name.clean == text else name.clean)

    def _items(self, value: Iterable[Any], walk: "_Walk", where: str, depth: int) -> Any:
        changed: list[Any] | None = None
        items = list(value)
        kind = cast("type[object]", type(value))
        pair = len(items) == 2 and (kind is list or kind is tuple)
        before: str | None = None
        for place, item in enumerate(items):
            inner = where if walk.findings is None else f"{where}[{place}]"
            if before is not None and (name := self._before(before, item)) is not None:
                clean = self._field(name, item, walk, inner, depth)
            else:
                clean = self._value(item, walk, inner, depth + 1)
            before = item if type(item) is str and (pair or item[:2] == "--") else None
            if clean is not item and changed is None:
                changed = items[:place]
            if changed is not None:
                changed.append(clean)
        if changed is None:
            return value
        if kind is list:
            return changed
        if isinstance(value, (set, frozenset)):
            try:
                return frozenset(changed) if isinstance(value, frozenset) else set(changed)
            except TypeError:
                return changed
        return tuple(changed) if isinstance(value, tuple) else changed

    def _named_items(self, value: Any, walk: "_Walk", where: str, depth: int) -> Any:
        """Judge a named tuple as a mapping, and return a plain tuple of what may stay."""
        inside = dict(zip(value._fields, value, strict=True))
        clean = self._mapping(inside, walk, where, depth)
        return value if clean is inside else tuple(clean.values())

    def _object(self, value: Any, walk: "_Walk", where: str, depth: int) -> Any:
        inside: dict[str, Any] = {}
        if isinstance(value, msgspec.Raw):
            return self._raw(value, walk, where)
        if isinstance(value, type):
            return value
        if is_dataclass(value):
            inside = {field.name: getattr(value, field.name, None) for field in fields(value)}
        elif isinstance(value, msgspec.Struct):
            inside = {name: getattr(value, name, None) for name in value.__struct_fields__}
        elif isinstance(vars_of := getattr(value, "__dict__", None), dict):
            inside = cast("dict[str, Any]", vars_of)
        if inside:
            clean = self._mapping(inside, walk, where, depth + 1)
            if clean is not inside:
                return dict(clean)
        return self._as_shown(value, walk, where)

    def _as_shown(self, value: Any, walk: "_Walk", where: str) -> Any:
        for shown in (str(value), repr(value)):  # whoever keeps it may write either
            clean_text = self._text(shown, walk.findings, where)
            if clean_text is not shown:
                return clean_text
        return value

    def _raw(self, value: msgspec.Raw, walk: "_Walk", where: str) -> Any:
        data = bytes(value)
        clean = self._value(msgspec.json.decode(data), walk, where, 1)
        again = msgspec.json.decode(data)
        return value if clean == again else msgspec.Raw(msgspec.json.encode(clean))

    def _bytes(self, value: "bytes | bytearray | memoryview[Any]", walk: "_Walk", where: str) -> Any:
        data = bytes(value)
        try:
            text, encoding = data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            text, encoding = data.decode("latin-1"), "latin-1"
        clean = self._text(text, walk.findings, where)
        return value if clean is text else clean.encode(encoding)

    # --- names --------------------------------------------------------------------------------------------------------

    def _name(self, key: str) -> _Name:
        known = self._names.get(key)
        if known is not None:
            return known
        if self._allowed is not None and (
            self._allowed.match(key) or self._allowed.match(key.rpartition(".")[2])
        ):
            name = _Name(None, "", key, allowed=True)
        else:
            # A marker in a name is what a secret has left behind: it says nothing of the value.
            kind, rule = kind_of(_MARKER.sub(" x ", key) if "[" in key else key), "field_name"
            if kind in markers.PII and not self.policy.scrub_pii:
                kind = None
            shown = key if len(key) <= _LONGEST_NAME else key[:128] + key[-128:]
            if any(pattern.search(shown) for pattern in self._patterns):
                kind, rule = markers.FIELD, "field_pattern"
            if key == "redactions" and kind is None:
                kind, rule = markers.FIELD, _COUNTS
            name = _Name(kind, rule, self._text(key, None, "$"), allowed=False)
        if len(key) <= _LONGEST_NAME:
            if len(self._names) >= _NAMES_KEPT:
                self._names.clear()
            self._names[key] = name
        return name

    def _field(self, name: _Name, value: Any, walk: "_Walk", where: str, depth: int) -> Any:
        if name.allowed:
            return value
        if name.kind is None or value is None or value is True or value is False or value in ("", b""):
            return self._value(value, walk, where, depth + 1)
        if name.rule == _COUNTS:
            return value if _are_counts(value) else self._value(value, walk, where, depth + 1)
        if isinstance(value, str) and (value in markers.ALL_MARKERS or value.lower() in {"none", "null"}):
            return value
        if type(value) in _CONTAINERS and not value:
            return value
        if name.clean in _WORKING_FOLDERS and type(value) is str and value[0] == "/":
            return self._value(value, walk, where, depth + 1)
        return self._marked(name.kind, name.rule, walk.findings, where)

    # --- texts --------------------------------------------------------------------------------------------------------

    def _text(self, text: str, findings: list[Finding] | None, where: str) -> str:
        size = len(text)
        if size < 4:
            return text
        if size > MAX_CHARS:
            text = self._cut(text, findings, where)
        clean = text
        if size > 8 and text[-1] in _ENDS_JSON and (first := text.lstrip()[:1]) and first in "[{":
            read = self._json(text, findings, where)
            if read is not None:
                return read
        spans = self._scanner.spans(clean)
        for _ in range(_PASSES):
            if self._has_paths and self._paths.may_name(clean):
                spans = self._with_paths(clean, spans)
            if not spans:
                return clean
            spans = merged(spans)
            clean = self._replaced(clean, spans, findings, where)
            if findings is not None:
                return clean
            spans = self._scanner.spans_near(clean, _places(spans))
        # Each pass made something new that looks like a secret.
        return self._fault(findings, where)

    def _with_paths(self, text: str, spans: "Iterable[Span]") -> list[Span]:
        found = [Span(a, b, markers.EXCLUDED_PATH, "excluded_path") for a, b in self._paths.spans(text)]
        return sorted([*spans, *found]) if found else list(spans)

    def _replaced(self, text: str, spans: list[Span], findings: list[Finding] | None, where: str) -> str:
        parts: list[str] = []
        counts: dict[str, int] = {}
        at = 0
        for start, end, kind, rule in spans:
            marker = markers.MARKERS[kind]
            parts += (text[at:start], marker)
            at = end
            counts[kind] = counts.get(kind, 0) + 1
            if findings is not None:
                findings.append(Finding(rule, kind, marker, where, start, end))
        parts.append(text[at:])
        if findings is None:
            for kind, count in counts.items():
                self._count(kind, count)
        return "".join(parts)

    def _json(self, text: str, findings: list[Finding] | None, where: str) -> str | None:
        """Redact the JSON that a text holds; the text itself if there is nothing to redact, None if it is no JSON."""
        repeated: list[bool] = []

        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            made = dict(pairs)
            if len(made) < len(pairs):
                repeated.append(True)
            return made

        try:
            value = json.loads(text, object_pairs_hook=once)
        except (ValueError, RecursionError):
            return None
        clean = self._value(value, _Walk(findings), where, 1)
        # Of names that are there twice only the last was seen; the text is written anew without the others.
        if clean is value and not repeated:
            return text
        return json.dumps(clean, ensure_ascii=False, separators=(",", ":") if ": " not in text else None)

    def _cut(self, text: str, findings: list[Finding] | None, where: str) -> str:
        """Return as much of a long text as is searched, cut before a secret that reaches over the end."""
        if len(text) <= MAX_CHARS + len(markers.REDACTED) and text.endswith(markers.REDACTED):
            return text
        end = MAX_CHARS
        for span in self._scanner.spans(text[MAX_CHARS - _OVERLAP : MAX_CHARS + _OVERLAP]):
            if span.start < _OVERLAP < span.end:
                end = min(end, MAX_CHARS - _OVERLAP + span.start)
        return text[:end] + self._marked(markers.FIELD, "too_long", findings, where)

    # --- excluded files -----------------------------------------------------------------------------------------------

    def _any_excluded(self, value: Any, depth: int, seen: set[int], texts: list[str]) -> bool:
        # Exact types first: asking an abstract class takes longer than all the rest.
        kind = cast("type[object]", type(value))
        if kind is str:
            return self._text_excluded(value, depth, seen, texts)
        if kind in _SCALARS and depth <= MAX_DEPTH:
            return False
        if kind is bytes or isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str):
            return self._text_excluded(value, depth, seen, texts)
        if depth > MAX_DEPTH:
            return True
        if id(value) in seen:
            return False
        if kind is dict or isinstance(value, Mapping):
            seen.add(id(cast("object", value)))
            for key, item in cast("Mapping[object, object]", value).items():
                # A parameter's own name is no file of the working directory.
                if type(key) is str and not self._paths.may_name(key):
                    texts.append(key)
                elif self._any_excluded(key, depth + 1, seen, texts):
                    return True
                if self._any_excluded(item, depth + 1, seen, texts):
                    return True
            return self._joined(cast("Mapping[object, object]", value))
        if isinstance(value, (list, tuple, set, frozenset)):
            seen.add(id(cast("object", value)))
            return any(
                self._any_excluded(item, depth + 1, seen, texts) for item in cast("Iterable[object]", value)
            )
        if isinstance(value, _PATH_LIKE):
            return self._text_excluded(str(value), depth, seen, texts)
        return False

    def _text_excluded(self, text: str, depth: int, seen: set[int], texts: list[str]) -> bool:
        if self._paths.reads(text):
            return True
        if text[:1] in {"{", "["}:
            try:
                return self._any_excluded(json.loads(text), depth + 1, seen, texts)
            except (ValueError, RecursionError):
                pass
        texts.append(text)
        return False

    def _joined(self, value: Mapping[Any, Any]) -> bool:
        """Return whether a folder and a name that are given apart make an excluded file."""
        texts = [item for item in value.values() if isinstance(item, str) and 0 < len(item) <= 512][:8]
        folders = [each for each in texts if "/" in each or each in {"~", ".", ".."}]
        folders += [
            item
            for key, item in value.items()
            if isinstance(item, str) and item not in folders and key in _FOLDERS and 0 < len(item) <= 512
        ]
        return any(
            self._paths.matches(f"{folder}/{name}")
            for folder in folders
            for name in texts
            if name is not folder
        )

    # --- counting -----------------------------------------------------------------------------------------------------

    def _marked(self, kind: str, rule: str, findings: list[Finding] | None, where: str) -> str:
        marker = markers.MARKERS[kind]
        if findings is None:
            self._count(kind, 1)
        else:
            findings.append(Finding(rule, kind, marker, where))
        return marker

    def _fault(self, findings: list[Finding] | None, where: str) -> str:
        return self._marked(markers.ERROR, "fault", findings, where)

    def _count(self, kind: str, count: int) -> None:
        if self._tell is not None:
            with suppress(Exception):  # counting must not cost the value
                self._tell(kind, count)


class _Walk:
    """What one walk over a value remembers: results by identity, and the objects, whose identities must stay theirs."""

    __slots__ = ("alive", "findings", "seen")

    def __init__(self, findings: list[Finding] | None) -> None:
        self.findings = findings
        self.seen: dict[int, Any] = {}
        self.alive: list[Any] = []


def _is_named(value: object) -> bool:
    """Return whether a value is a tuple with names: a row, a named tuple."""
    if not isinstance(value, tuple):
        return False
    row = cast("tuple[object, ...]", value)
    return len(getattr(row, "_fields", ())) == len(row) > 0


def _are_counts(value: Any) -> bool:
    """Return whether a value is what a run record says of its redactions: a number for each kind of secret."""
    return isinstance(value, dict) and all(
        kind in markers.KINDS and type(number) is int and 0 <= number < 2**31
        for kind, number in cast("dict[object, object]", value).items()
    )


def _places(spans: Iterable[Span]) -> Iterator[tuple[int, int]]:
    """Yield where the markers of these spans stand in the text that has them instead."""
    shift = 0
    for span in spans:
        start = span.start + shift
        end = start + len(markers.MARKERS[span.kind])
        yield start, end
        shift = end - span.end


_PLAIN_NAME: Final = _Name(None, "", "", allowed=False)


def _path_like() -> tuple[type, ...]:
    from pathlib import PurePath

    return (PurePath,)


_PATH_LIKE: Final = _path_like()


def _below(where: str, key: Any) -> str:
    text = str(key)
    return f"{where}.{text}" if text.isidentifier() else f"{where}[{json.dumps(text, ensure_ascii=False)}]"
