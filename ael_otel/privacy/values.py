"""Redact values of any type: names of fields first, then every text, number and object inside."""

import json
import re
from collections.abc import Container, Iterable, Mapping, MappingView, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, Final, cast

import msgspec

from ael_otel.privacy import markers
from ael_otel.privacy.budget import ARGUMENT, ROW_IN_LIST, STEP, TEXT, Budget
from ael_otel.privacy.commands import LISTED, in_list
from ael_otel.privacy.field_judge import COUNTS, LONGEST_NAME, PLAIN_NAME, FieldJudge, FieldName
from ael_otel.privacy.field_names import holds_secret
from ael_otel.privacy.findings import Finding, Tally
from ael_otel.privacy.key_value import is_empty_authorization
from ael_otel.privacy.neighbours import (
    COLUMN_FIELDS,
    Neighbours,
    any_reach,
    fields_of,
    has_columns,
    heading_of,
    is_numbered,
    neighbours_of,
    spans_across,
    table_of,
)
from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.scan import TOO_MANY, Scanner, Span
from ael_otel.privacy.texts import ENDS_JSON, TextRedactor
from ael_otel.privacy.turns import worked
from ael_otel.privacy.validators import is_card, is_placeholder, looks_secret

MAX_DEPTH: Final = 128
"""Maximum depth of nested containers; a deeper value becomes `[REDACTION_ERROR]`."""

QUICK_DEPTH: Final = 4
_QUICK_ITEMS: Final = 16
_QUICK_TEXTS: Final = 32
_QUICK_CHARS: Final = 256
# A number of 13 digits alone is more often a barcode than a card: it needs a name, as in text.
_SMALLEST_CARD: Final = 10**13
_WORKING_FOLDERS: Final = frozenset({"PWD", "OLDPWD"})
# The private parameters of a JSON web key (RFC 7518, section 6); the others are public.
_WEB_KEY_SECRETS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})
_WEB_KEY_NAME: Final = FieldName(markers.PRIVATE_KEY, "field_name", "private_key", allowed=False)
# The fields by which browsers and their drivers describe a cookie.
_COOKIE_FIELDS: Final = frozenset({"httpOnly", "HttpOnly", "httponly", "sameSite", "hostOnly"})
# Weak, like the name of a session's cookie: the value must look like a secret.
_COOKIE: Final = FieldName(markers.TOKEN, "field_name", "phpsessid", allowed=False)
_NAMING: Final = ("name", "key", "Name", "Key", "header")
# The second of two texts may be another name, a label for people, or a type of SQL.
_WORDS: Final = re.compile(r"[^\W\d]{0,64}(?:[ .\-/:_][^\W\d]{0,64}){0,32}(?:\([0-9, ]{1,16}\))?")

_UNSEEN: Final = object()
_REMEMBERED: Final = 256
"""Maximum characters of a text that a traversal remembers as clean."""
_TOGETHER: Final = 8
"""Minimum number of texts in a value that are searched together first."""
_CONTAINERS: Final[frozenset[type[Any]]] = frozenset({list, tuple, dict, set, frozenset})
# Fields of a mapping that can make others secret.
_TELLING: Final = frozenset({"value", "Value", "kty", "kind", *COLUMN_FIELDS})
SCALARS: Final = frozenset({int, float, bool, type(None), complex})


class Walk:
    """The state of one traversal of a value: results by identity, and references to the objects, to keep identities
    unique.

    Args:
        findings: collects the findings of an explanation; None for a redaction.
        budget: limits the work; by default that of one value.

    Attributes:
        clean: texts that contain no secret.
        unnamed: texts that contain no name of one.
        passed: mappings that `_passes` has checked.
        passed_fields: the fields of these.
    """

    __slots__ = ("alive", "budget", "clean", "findings", "passed", "passed_fields", "seen", "unnamed")

    def __init__(self, findings: list[Finding] | None = None, budget: Budget | None = None) -> None:
        self.budget = Budget() if budget is None else budget
        self.findings = findings
        self.seen: dict[int, Any] = {}
        self.alive: list[Any] = []
        self.clean: set[str] = set()
        self.unnamed: set[str] = set()
        self.passed = self.passed_fields = 0


class ValueRedactor:
    """Redacts values of any type.

    Args:
        names: judges the names of fields.
        texts: redacts texts.
        scanner: that of `texts`; used for small texts without a traversal.
        paths: the excluded files.
        tally: reports redactions.
        scrub_pii: whether numbers that are payment cards are redacted.
    """

    def __init__(
        self,
        names: FieldJudge,
        texts: TextRedactor,
        scanner: Scanner,
        paths: ExcludedPaths,
        tally: Tally,
        *,
        scrub_pii: bool,
    ) -> None:
        self._names = names
        self._texts = texts
        self._scanner = scanner
        self._paths = paths
        self._has_paths = bool(paths)
        self._tally = tally
        self._scrub_pii = scrub_pii

    def is_clean(self, value: Any) -> bool:
        """Return whether a small value of plain JSON is clean; False also if only a traversal can decide.

        Most values are small, and a traversal, which records its path, takes twice as long.
        """
        return self._is_clean(value, QUICK_DEPTH, [_QUICK_TEXTS])

    def _is_clean(self, value: Any, depth: int, left: list[int]) -> bool:
        """Judge a value as `is_clean` does; `left` is the number of texts that may still be searched."""
        kind = cast("type[object]", type(value))
        if kind is str:
            left[0] -= 1
            return len(value) < 4 or (
                left[0] >= 0
                and len(value) <= _QUICK_CHARS
                and value[-1] not in ENDS_JSON
                and not (self._has_paths and self._paths.may_name(value))
                and not self._scanner.spans(value)
            )
        if kind is dict:
            if (
                depth == 0
                or len(value) > _QUICK_ITEMS
                or "value" in value
                or "Value" in value
                or "kty" in value
                or has_columns(cast("dict[Any, Any]", value))
                or is_numbered(cast("dict[Any, Any]", value))
                or cast("dict[Any, Any]", value).get("kind") == "Secret"
            ):
                return False
            names: list[FieldName] = []
            for key in cast("dict[object, object]", value):
                name = self._names.known.get(key) if type(key) is str else None
                if name is None or name.kind is not None or name.clean != key:
                    return False
                names.append(name)
            for name, item in zip(names, cast("dict[str, object]", value).values(), strict=True):
                if not name.allowed and not self._is_clean(item, depth - 1, left):
                    return False
            return True
        if kind is list:
            size = len(cast("list[object]", value))
            if depth == 0 or size == 2 or size > _QUICK_ITEMS:
                return False  # the first of two may be the name of the second
            if size > 1 and any_reach(cast("list[object]", value)):
                return False
            for item in cast("list[object]", value):
                if not self._is_clean(item, depth - 1, left) or (type(item) is str and item[:1] == "-"):
                    return False
            return True
        return value is None or kind is bool or kind is float or (kind is int and value < _SMALLEST_CARD)

    def _passes(self, value: object, walk: "Walk", depth: int) -> bool:
        """Return whether a small container of plain JSON is clean, from what the traversal has found in advance.

        Like `is_clean`, but without a search: its texts are among those of the traversal without a secret. Costs are
        added to the traversal.
        """
        kind = type(value)
        if kind is str:
            return value in walk.clean or len(cast("str", value)) < 4
        if kind is dict:
            fields = cast("dict[object, object]", value)
            if depth == 0 or len(fields) > _QUICK_ITEMS or not _TELLING.isdisjoint(fields):
                return False
            if is_numbered(fields):
                return False
            walk.passed_fields += len(fields)
            walk.passed += 1
            known = self._names.known
            for key, item in fields.items():
                name = known.get(key) if type(key) is str else None
                if name is None or name.kind is not None or name.clean != key:
                    return False
                if type(item) is str and item in walk.clean:
                    continue
                if not name.allowed and not self._passes(item, walk, depth - 1):
                    return False
            return True
        if kind is list:
            items = cast("list[object]", value)
            if len(items) == 2 or len(items) > _QUICK_ITEMS:
                return False  # as above
            return all(
                type(item) is str and item in walk.unnamed and item in walk.clean and item[:1] != "-"
                for item in items
            )
        return (
            value is None
            or kind is bool
            or kind is float
            or (kind is int and cast("int", value) < _SMALLEST_CARD)
        )

    def walk(self, value: Any, findings: list[Finding] | None = None, budget: Budget | None = None) -> Walk:
        """Return the state for a traversal of a value; the texts of a container are searched at once, as far as
        possible.

        Args:
            value: the value.
            findings: collects the findings of an explanation; None for a redaction.
            budget: limits the work; by default that of one value.
        """
        walk = Walk(findings, budget)
        if cast("type[object]", type(value)) in _CONTAINERS:
            texts: list[str] = []
            _collect(value, self._names.known, texts, set(), 0)
            if len(texts) >= _TOGETHER:
                walk.clean, walk.unnamed = self._texts.clean_among(texts, walk.budget)
        return walk

    def value(self, value: Any, walk: "Walk", where: str, depth: int) -> Any:
        """Return a value without its secrets, the same object if it has none."""
        kind = type(value)  # pyright: ignore[reportUnknownVariableType]
        if kind is str:
            if value in walk.clean:
                return value
            if depth == 0 or len(value) < 4:
                return self._texts.redact(value, walk.findings, where, walk.budget)
            if walk.budget.is_spent_between(TEXT) and walk.clean and value not in markers.ALL_MARKERS:
                return self._texts.unjudged(walk.findings, where)
            clean = self._texts.redact(value, walk.findings, where, walk.budget)
            if clean is value and len(value) <= _REMEMBERED:
                walk.clean.add(value)
            return clean
        if kind in SCALARS:
            # A float is a measurement or a counter; no program stores a card number as a float.
            if kind is int and _SMALLEST_CARD <= value < 10**19 and self._scrub_pii and is_card(str(value)):
                return self._tally.marked(markers.CREDIT_CARD, "payment_card", walk.findings, where)
            return value
        if depth > MAX_DEPTH:
            return self._tally.fault(walk.findings, where)
        if isinstance(value, str):
            # A subclass: an enumeration's member, a text marked as safe. Its own methods are not trusted.
            plain = str.__str__(value)
            clean = self._texts.redact(plain, walk.findings, where, walk.budget)
            return self._as_shown(value, walk, where) if clean is plain else clean
        if isinstance(value, (bytes, bytearray, memoryview)):
            return self._bytes(cast("bytes | bytearray | memoryview[int]", value), walk, where)
        if kind is dict and walk.clean and walk.findings is None:
            walk.passed = walk.passed_fields = 0
            if self._passes(value, walk, QUICK_DEPTH) and not walk.budget.are_too_many(
                walk.passed, walk.passed_fields
            ):
                return value
        return self._container(value, walk, where, depth)

    def _container(self, value: Any, walk: "Walk", where: str, depth: int) -> Any:
        identity = id(value)
        known = walk.seen.get(identity, _UNSEEN)
        if known is not _UNSEEN:
            # A container inside itself has no result yet.
            return (
                self._tally.marked(markers.FIELD, "cycle", walk.findings, where) if known is walk else known
            )
        walk.seen[identity] = walk
        walk.alive.append(value)
        result: Any
        size = len(value) if cast("type[object]", type(value)) in _CONTAINERS else 1
        if walk.budget.is_too_much(size, fields=type(value) is dict) and depth > 0:
            result = self._texts.unjudged(walk.findings, where)
        elif type(value) is dict or isinstance(value, Mapping):
            result = self.mapping(cast("Mapping[object, object]", value), walk, where, depth)
        elif _is_named(value):
            result = self._named_items(value, walk, where, depth)
        elif isinstance(value, (list, tuple, set, frozenset, MappingView)):
            result = self._items(cast("Iterable[object]", value), walk, where, depth)
        else:
            result = self._object(value, walk, where, depth)
        walk.seen[identity] = result
        return result

    def mapping(self, value: Mapping[Any, Any], walk: "Walk", where: str, depth: int) -> Any:
        """Return a mapping without its secrets, the same object if it has none."""
        changed: dict[Any, Any] | None = None
        taken = 0
        names = self._names.known
        named = self._named_value(value, walk) if "value" in value or "Value" in value else None
        web_key = "kty" in value and isinstance(value["kty"], str)
        given = self._apart(value, walk, where, depth)
        searched = walk.clean
        special = named is not None or web_key or bool(given)
        for key, item in value.items():
            if type(key) is str:
                name = names.get(key) or self._judged(key, walk)
                clean_key: Any = name.clean
                if name.kind is None and changed is None and not special and clean_key is key:
                    kind = cast("type[object]", type(item))
                    if (kind is str and item in searched) or (kind in SCALARS and kind is not int):
                        continue
                if clean_key is not key and walk.findings is not None and clean_key != key:
                    self._texts.redact(key, walk.findings, f"{where}.(name)")
            else:
                name, clean_key = self._odd_name(key, walk, where, depth)
            inner = where if walk.findings is None else _below(where, clean_key)
            if named is not None and key in {"value", "Value"}:
                name = named
            elif web_key and key in _WEB_KEY_SECRETS:
                name = _WEB_KEY_NAME
            clean = self.field(name, given.get(key, item) if given else item, walk, inner, depth, value)
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

    def _named_value(self, value: Mapping[Any, Any], walk: "Walk") -> FieldName | None:
        """Return the name that another field has for `value`, if it is a secret's: headers, variables, cookies."""
        if not _COOKIE_FIELDS.isdisjoint(value):
            return _COOKIE
        for field in _NAMING:
            name = value.get(field)
            if type(name) is str and (known := self._names.judge(name, walk.budget)).kind is not None:
                return known
        return None

    def _apart(self, value: Mapping[Any, Any], walk: "Walk", where: str, depth: int) -> dict[Any, Any]:
        """Return the fields of a mapping without the secrets that other fields name: rows of a table, lines."""
        if has_columns(value) and (table := table_of(value)) is not None:
            names, field = table
            rows = list(value[field])
            self._rows(rows, 0, names, walk, f"{where}.{field}", depth, sure=True)
            return (
                {field: rows}
                if any(one is not two for one, two in zip(rows, value[field], strict=True))
                else {}
            )
        if value.get("kind") == "Secret":
            return self._kubernetes(value, walk, where)
        if is_numbered(value):
            keys, items = list(value), list(value.values())
            found = neighbours_of(items, walk.budget, walk.unnamed)
            self._across(items, found, walk, where, keys)
            if found.cut is not None:
                items[found.cut :] = [self._unjudged(item, walk, where) for item in items[found.cut :]]
            return {key: item for key, item in zip(keys, items, strict=True) if item is not value[key]}
        return {}

    def _kubernetes(self, value: Mapping[Any, Any], walk: "Walk", where: str) -> dict[Any, Any]:
        """Redact every value in the data of a Kubernetes secret, whatever its name."""
        found: dict[Any, Any] = {}
        for field in ("data", "stringData"):
            data = value.get(field)
            if isinstance(data, Mapping) and data:
                found[field] = {
                    key: each
                    if not isinstance(each, str)
                    or not each
                    or is_placeholder(each)
                    or markers.MARKER.fullmatch(each)
                    or (type(key) is str and self._names.judge(key, walk.budget).allowed)
                    else self._tally.marked(
                        markers.FIELD, "named_secret", walk.findings, _below(f"{where}.{field}", key)
                    )
                    for key, each in cast("dict[Any, Any]", data).items()
                }
                if found[field] == data:
                    del found[field]
        return found

    def _across(
        self,
        items: list[Any],
        found: Neighbours,
        walk: "Walk",
        where: str,
        keys: Sequence[object] | None = None,
    ) -> None:
        """Replace, in a list, the items with secrets that the items before them name."""

        def spans_in(text: str, places: list[tuple[int, int]]) -> Sequence[Span]:
            return self._scanner.spans_in(text, places, walk.budget)

        for place, (part, spans) in spans_across(found.parts, found.reaching, spans_in).items():
            inner = f"{where}[{place}]" if keys is None else _below(where, keys[place])
            if part.field is not None:
                inner = f"{inner}.{part.field}"
            if spans[0].rule == TOO_MANY:
                text = self._texts.unjudged(walk.findings, inner)
            else:
                text, _ = self._texts.replaced(part.text, spans, walk.findings, inner)
            items[place] = text if part.field is None else {**fields_of(items[place]), part.field: text}

    def _rows(
        self,
        rows: list[Any],
        first: int,
        names: Sequence[str],
        walk: "Walk",
        where: str,
        depth: int,
        *,
        sure: bool,
    ) -> None:
        """Replace, in a list of rows, those with a secret in a column with the name of a secret."""
        judged = [
            (at, name)
            for at, each in enumerate(names)
            if (name := self._names.judge(each, walk.budget)).kind is not None
        ]
        for place in range(first, len(rows)):
            row = rows[place]
            if not isinstance(row, (list, tuple)) or len(cast("Sequence[Any]", row)) != len(names):
                continue
            if judged and walk.budget.is_spent_between(ROW_IN_LIST):
                rows[place:] = [self._unjudged(each, walk, f"{where}[{place}]") for each in rows[place:]]
                return
            cells = list(cast("Sequence[Any]", row))
            for at, name in judged:
                if sure or (type(cells[at]) is str and looks_secret(cells[at])):
                    inner = f"{where}[{place}][{at}]"
                    cells[at] = self.field(name, cells[at], walk, inner, depth + 1)
            if any(one is not two for one, two in zip(cells, cast("Sequence[Any]", row), strict=True)):
                rows[place] = cells if isinstance(row, list) else tuple(cells)

    def _named_apart(self, items: list[Any], walk: "Walk", where: str, depth: int) -> None:
        """Replace, in a list, the values whose names are in the mapping before them."""
        for place in range(1, len(items)):
            one, two = items[place - 1], items[place]
            if {type(one), type(two)} != {dict} or len(two) > 2:
                continue
            field = "value" if "value" in two else "Value" if "Value" in two else None
            if field is None or field in one or any(each in two for each in _NAMING):
                continue
            name = self._named_value(one, walk)
            if name is not None:
                clean = self.field(name, two[field], walk, f"{where}[{place}].{field}", depth + 1)
                items[place] = {**two, field: clean}

    def _before(self, name: str, value: Any, walk: "Walk") -> FieldName | None:
        """Return the name before an item, if it is a secret's: an option, the first of a pair."""
        if type(value) is not str or len(name) > LONGEST_NAME:
            return None
        known = self._names.judge(name, walk.budget)
        if known.kind is None or value[:1] == "-" or len(value) < 4:
            return None
        if name[:2] != "--" and _WORDS.fullmatch(value):
            return None
        return known

    def _unjudged(self, item: Any, walk: "Walk", where: str) -> Any:
        """Return the replacement of a list item that is not judged: its content is not searched."""
        kind = cast("type[object]", type(item))
        if kind in SCALARS and (kind is not int or item < _SMALLEST_CARD):
            return item
        if kind is str and (len(item) < 4 or item in markers.ALL_MARKERS):
            return item
        return self._texts.unjudged(walk.findings, where)

    def _judged(self, key: str, walk: "Walk") -> FieldName:
        """Judge a new name."""
        if key in walk.clean:
            return self._names.judge(key, walk.budget, is_clean=True)
        walk.budget.pass_over(len(key))
        return self._names.judge(key, walk.budget)

    def _odd_name(self, key: Any, walk: "Walk", where: str, depth: int) -> tuple[FieldName, Any]:
        """Judge a name that is not text: bytes, a tuple, a number."""
        if isinstance(key, (int, float, type(None))) and not isinstance(key, str):
            clean = self.value(key, walk, f"{where}.(name)", depth + 1) if type(key) is int else key
            return PLAIN_NAME, clean
        text = key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)
        name = self._names.judge(text, walk.budget)
        return name, (key if name.clean == text else name.clean)

    def _items(self, value: Iterable[Any], walk: "Walk", where: str, depth: int) -> Any:
        changed: list[Any] | None = None
        items = list(value)
        kind = cast("type[object]", type(value))
        pair = len(items) == 2 and (kind is list or kind is tuple)
        before: str | None = None
        given = items
        worked(len(items) * STEP)
        flat: frozenset[int] = frozenset()
        plain = False
        cut: int | None = None
        if len(items) > 1:
            found = neighbours_of(items, walk.budget, walk.unnamed)
            cut = found.cut
            flat = found.flat
            plain = not (pair or flat or found.dashed or cut is not None)
            given = self._together(items, found, walk, where, depth)
        for place, item in enumerate(items):
            inner = where if walk.findings is None else f"{where}[{place}]"
            if plain:
                clean = self.value(given[place], walk, inner, depth + 1)
            elif cut is not None and place >= cut:
                clean = self._unjudged(item, walk, inner)
            elif before is not None and (name := self._before(before, item, walk)) is not None:
                clean = self.field(name, item, walk, inner, depth)
            elif (before in LISTED or (type(item) is str and item[:2] == "-p")) and (
                command := _argument(items, place, walk)
            ) is not None:
                rule = TOO_MANY if command == markers.FIELD else "command_option"
                clean = self._tally.marked(command, rule, walk.findings, inner)
            elif place in flat:
                clean = self.field(self._names.judge(items[place - 1], walk.budget), item, walk, inner, depth)
            else:
                clean = self.value(given[place], walk, inner, depth + 1)
            if not plain:
                before = item if type(item) is str and (pair or item[:1] == "-") else None
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

    def _together(
        self, items: list[Any], found: Neighbours, walk: "Walk", where: str, depth: int
    ) -> list[Any]:
        """Return the items of a list without the secrets that their neighbours name."""
        if not found.reaching and type(items[0]) is str:
            return items
        given = list(items)
        if type(given[0]) in {list, tuple}:
            names = heading_of(given)
            if names is not None:
                self._rows(given, 1, names, walk, where, depth, sure=False)
        else:
            if found.reaching:
                self._across(given, found, walk, where)
            if type(given[0]) is dict:
                self._named_apart(given, walk, where, depth)
        return given

    def _named_items(self, value: Any, walk: "Walk", where: str, depth: int) -> Any:
        """Judge a named tuple as a mapping, and return a plain tuple of the redacted fields."""
        inside = dict(zip(value._fields, value, strict=True))
        clean = self.mapping(inside, walk, where, depth)
        return value if clean is inside else tuple(clean.values())

    def _object(self, value: Any, walk: "Walk", where: str, depth: int) -> Any:
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
            clean = self.mapping(inside, walk, where, depth + 1)
            if clean is not inside:
                return dict(clean)
        return self._as_shown(value, walk, where)

    def _as_shown(self, value: Any, walk: "Walk", where: str) -> Any:
        for shown in (str(value), repr(value)):  # either of the two may be used for output
            clean_text = self._texts.redact(shown, walk.findings, where, walk.budget)
            if clean_text is not shown:
                return clean_text
        return value

    def _raw(self, value: msgspec.Raw, walk: "Walk", where: str) -> Any:
        data = bytes(value)
        clean = self.value(msgspec.json.decode(data), walk, where, 1)
        again = msgspec.json.decode(data)
        return value if clean == again else msgspec.Raw(msgspec.json.encode(clean))

    def _bytes(self, value: "bytes | bytearray | memoryview[Any]", walk: "Walk", where: str) -> Any:
        data = bytes(value)
        try:
            text, encoding = data.decode("utf-8"), "utf-8"
        except UnicodeDecodeError:
            text, encoding = data.decode("latin-1"), "latin-1"
        clean = self._texts.redact(text, walk.findings, where, walk.budget)
        return value if clean is text else clean.encode(encoding)

    def field(
        self,
        name: FieldName,
        value: Any,
        walk: "Walk",
        where: str,
        depth: int,
        beside: Mapping[Any, Any] | None = None,
    ) -> Any:
        """Return the value of a field without its secrets; a secret name redacts the whole value.

        Args:
            name: the judgement of the name.
            value: the value.
            walk: the state of the traversal.
            where: JSON path of the value.
            depth: number of containers around it.
            beside: the mapping that contains the field.
        """
        if name.allowed:
            return value
        if name.kind is None or value is None or value is True or value is False or value in ("", b""):
            return self.value(value, walk, where, depth + 1)
        if name.rule == COUNTS:
            return value if _are_counts(value) else self.value(value, walk, where, depth + 1)
        if isinstance(value, str) and (markers.MARKER.fullmatch(value) or value.lower() in {"none", "null"}):
            return value
        if type(value) in _CONTAINERS and not value:
            return value
        if name.rule == "field_name" and (
            not holds_secret(name.clean, name.kind, value, beside)
            or (isinstance(value, str) and is_empty_authorization(value))
        ):
            return self.value(value, walk, where, depth + 1)
        if name.clean in _WORKING_FOLDERS and type(value) is str and value[0] == "/":
            return self.value(value, walk, where, depth + 1)
        return self._tally.marked(name.kind, name.rule, walk.findings, where)


def _is_named(value: object) -> bool:
    """Return whether a value is a tuple with names: a row, a named tuple."""
    if not isinstance(value, tuple):
        return False
    row = cast("tuple[object, ...]", value)
    return len(getattr(row, "_fields", ())) == len(row) > 0


def _collect(
    value: Iterable[object], known: Container[str], texts: list[str], seen: set[int], depth: int
) -> None:
    """Add the texts of a container, and the names of unknown fields, to a list."""
    identity = id(value)
    if identity in seen or depth > MAX_DEPTH:
        return
    seen.add(identity)
    worked(STEP * 4)
    items: Iterable[object] = value
    if isinstance(value, dict):
        inside = cast("dict[object, object]", value)
        texts += [key for key in inside if type(key) is str and key not in known]
        items = inside.values()
    for item in items:
        kind = type(item)
        if type(item) is str:
            texts.append(item)
        elif kind in _CONTAINERS:
            _collect(cast("Iterable[object]", item), known, texts, seen, depth + 1)


def _argument(items: list[Any], place: int, walk: Walk) -> str | None:
    """Return the kind of one argument in a list of arguments; None if it is not a secret."""
    if items[place] in markers.ALL_MARKERS:
        return None
    if walk.budget.is_spent_between(ARGUMENT):
        return markers.FIELD
    return in_list(items, place)


def _are_counts(value: Any) -> bool:
    """Return whether a value is a run record's count of redactions: a number for each kind of secret."""
    return isinstance(value, dict) and all(
        kind in markers.KINDS and type(number) is int and 0 <= number < 2**31
        for kind, number in cast("dict[object, object]", value).items()
    )


def _below(where: str, key: Any) -> str:
    text = str(key)
    return f"{where}.{text}" if text.isidentifier() else f"{where}[{json.dumps(text, ensure_ascii=False)}]"
