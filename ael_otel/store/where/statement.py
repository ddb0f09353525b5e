"""Translate an expression to a SQL condition on the run `e`, for SQLite or PostgreSQL; parameters are written `?`.

No condition is NULL, so that `NOT` is its opposite.
"""

# ruff: noqa: S608 - only names from this package are put into statements; values are parameters

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, NamedTuple, cast, override

import msgspec

from ael_otel.store.where.scope import asks_parts_of_document, document_parts, needs_document
from ael_otel.store.where.tree import And, Code, Constant, Exists, Key, Not, Or, Part, Term

MAX_NEEDLES: Final = 4
RARE: Final = 1_000
"""Maximum calls of a tool whose runs are looked up at once, instead of run by run."""


class Needle(NamedTuple):
    """A text that every matching run has in its body; with `folded`, the case of A to Z is ignored.

    The text is as in JSON, without the quotes around it.
    """

    text: str
    folded: bool = False


_GLOB: Final = re.compile(r"[*?\[]")
"""Special characters in a pattern of GLOB."""


class Condition(NamedTuple):
    """A part of a SQL statement, and its parameters in their order."""

    sql: str
    parameters: tuple[Any, ...] = ()


ALWAYS: Final = Condition("1 = 1")


class Dialect(ABC):
    """A database's syntax for JSON and texts; `document` is an expression for a JSON value."""

    document: str
    """The body of the run."""

    @abstractmethod
    def body(self, needles: Iterable[Needle], condition: Condition) -> Condition:
        """Return the condition that the run's body contains the needles and satisfies the condition on `b`."""

    def matched(self, needles: Iterable[Needle], part: Part, expression: str) -> Condition | None:
        """Return a faster condition than JSON for needles and part, None if there is none.

        `expression` is the text whose parts on documents make up `part`.
        """
        return None

    def called(self, tool: str, condition: Condition = ALWAYS) -> Condition:
        """Return the condition that the run has a call of this tool that satisfies the condition on `c`."""
        return Condition(
            f"EXISTS (SELECT 1 FROM tool_calls c WHERE c.execution = e.id AND c.tool_name = ? AND {condition.sql})",
            (tool, *condition.parameters),
        )

    @abstractmethod
    def steps(self, condition: Condition) -> Condition:
        """Return the condition that a step of the body, `s.value`, satisfies the condition."""

    @abstractmethod
    def calls(self, condition: Condition) -> Condition:
        """Return the condition that a call of the body, `c.value`, satisfies the condition."""

    @abstractmethod
    def is_absent(self, document: str, path: tuple[Key, ...]) -> Condition:
        """Return the condition that there is no value, or null."""

    @abstractmethod
    def equals_bool(self, document: str, path: tuple[Key, ...], value: bool) -> Condition:
        """Return the condition that the value is `value`, which is true or false."""

    @abstractmethod
    def text(self, document: str, path: tuple[Key, ...], operator: str, value: str) -> Condition:
        """Return the condition that the value is a text in this relation; `~` is LIKE, ignoring the case of A to Z."""

    @abstractmethod
    def number(self, document: str, path: tuple[Key, ...], operator: str, value: float) -> Condition:
        """Return the condition that the value is a number in this relation."""

    @abstractmethod
    def is_like(self, column: str) -> str:
        """Return the comparison of a column with a pattern, ignoring the case of A to Z."""


class SqliteJson(Dialect):
    """JSON in SQLite; a damaged document satisfies no condition."""

    document = "b.body"

    @override
    def body(self, needles: Iterable[Needle], condition: Condition) -> Condition:
        return self._of_body(
            needles, Condition(f"json_valid(b.body) THEN {condition.sql}", condition.parameters)
        )

    @override
    def matched(self, needles: Iterable[Needle], part: Part, expression: str) -> Condition | None:
        if not asks_parts_of_document(part):
            return None
        return self._of_body(needles, Condition("1 THEN ael_matches(CAST(b.body AS BLOB), ?)", (expression,)))

    def _of_body(self, needles: Iterable[Needle], condition: Condition) -> Condition:
        # Patterns are three times as fast as instr(), which compares at each character, and fastest if the text begins
        # with a rare character: not with a quote.
        wanted = tuple(needles)
        tests = "".join(
            f"b.body {"LIKE ? ESCAPE '!'" if needle.folded else 'GLOB ?'} AND " for needle in wanted
        )
        patterns = [
            _pattern(needle.text) if needle.folded else f"*{_GLOB.sub(r'[\g<0>]', needle.text)}*"
            for needle in wanted
        ]
        return Condition(
            "EXISTS (SELECT 1 FROM bodies b WHERE b.execution = e.id AND CASE WHEN"
            f" {tests}{condition.sql} ELSE 0 END)",
            (*patterns, *condition.parameters),
        )

    @override
    def called(self, tool: str, condition: Condition = ALWAYS) -> Condition:
        # A search in the index for each run is fast if one of the next runs matches, and slow if none does.
        own = super().called(tool, condition)
        calls = f"FROM tool_calls WHERE tool_name = ? LIMIT {RARE}"
        return Condition(
            f"((e.id IN (SELECT execution {calls}) OR (SELECT count(*) FROM (SELECT 1 {calls})) = {RARE})"
            f" AND {own.sql})",
            (tool, tool, *own.parameters),
        )

    @override
    def steps(self, condition: Condition) -> Condition:
        return Condition(
            f"EXISTS (SELECT 1 FROM json_each(b.body, '$.steps') s WHERE {condition.sql})",
            condition.parameters,
        )

    @override
    def calls(self, condition: Condition) -> Condition:
        return Condition(
            "EXISTS (SELECT 1 FROM (SELECT value FROM json_each(b.body, '$.tool_calls') UNION ALL SELECT i.value FROM"
            f" json_each(b.body, '$.steps') p, json_each(p.value, '$.tool_calls') i) c WHERE {condition.sql})",
            condition.parameters,
        )

    @override
    def is_absent(self, document: str, path: tuple[Key, ...]) -> Condition:
        return Condition(f"coalesce(json_type({document}, ?), 'null') = 'null'", (_sqlite_path(path),))

    @override
    def equals_bool(self, document: str, path: tuple[Key, ...], value: bool) -> Condition:
        return Condition(
            f"coalesce(json_type({document}, ?), '') = ?", (_sqlite_path(path), "true" if value else "false")
        )

    @override
    def text(self, document: str, path: tuple[Key, ...], operator: str, value: str) -> Condition:
        at = _sqlite_path(path)
        compared = "LIKE ? ESCAPE '!'" if operator == "~" else f"{operator} ?"
        return Condition(
            f"(coalesce(json_type({document}, ?), '') = 'text' AND json_extract({document}, ?) {compared})",
            (at, at, value),
        )

    @override
    def number(self, document: str, path: tuple[Key, ...], operator: str, value: float) -> Condition:
        at = _sqlite_path(path)
        return Condition(
            f"(coalesce(json_type({document}, ?), '') IN ('integer', 'real')"
            f" AND json_extract({document}, ?) {operator} ?)",
            (at, at, value),
        )

    @override
    def is_like(self, column: str) -> str:
        return f"{column} LIKE ? ESCAPE '!'"


class PostgresJson(Dialect):
    """JSON in PostgreSQL, as jsonb."""

    document = "b.document"

    @override
    def body(self, needles: Iterable[Needle], condition: Condition) -> Condition:
        wanted = tuple(needles)
        tests = "".join(
            f" AND {"w.body ILIKE ? ESCAPE '!'" if needle.folded else 'strpos(w.body, ?) > 0'}"
            for needle in wanted
        )
        patterns = [_pattern(needle.text) if needle.folded else needle.text for needle in wanted]
        # Without OFFSET the planner may parse the document once per use, and before the tests.
        return Condition(
            "EXISTS (SELECT 1 FROM (SELECT CAST(w.body AS jsonb) AS document FROM bodies w WHERE w.execution = e.id"
            f"{tests} OFFSET 0) b WHERE {condition.sql})",
            (*patterns, *condition.parameters),
        )

    @override
    def steps(self, condition: Condition) -> Condition:
        return Condition(
            f"EXISTS (SELECT 1 FROM jsonb_array_elements({_items('b.document', 'steps')}) s(value)"
            f" WHERE {condition.sql})",
            condition.parameters,
        )

    @override
    def calls(self, condition: Condition) -> Condition:
        return Condition(
            "EXISTS (SELECT 1 FROM (SELECT o.value FROM"
            f" jsonb_array_elements({_items('b.document', 'tool_calls')}) o(value) UNION ALL SELECT i.value FROM"
            f" jsonb_array_elements({_items('b.document', 'steps')}) p(value),"
            f" jsonb_array_elements({_items('p.value', 'tool_calls')}) i(value)) c WHERE {condition.sql})",
            condition.parameters,
        )

    @override
    def is_absent(self, document: str, path: tuple[Key, ...]) -> Condition:
        return Condition(f"coalesce(jsonb_typeof({_walk(document, path)}), 'null') = 'null'", path)

    @override
    def equals_bool(self, document: str, path: tuple[Key, ...], value: bool) -> Condition:
        return Condition(
            f"coalesce({_walk(document, path)} = CAST(? AS jsonb), false)",
            (*path, "true" if value else "false"),
        )

    @override
    def text(self, document: str, path: tuple[Key, ...], operator: str, value: str) -> Condition:
        found = _walk(document, path)
        compared = "ILIKE ? ESCAPE '!'" if operator == "~" else f"{operator} ?"
        return Condition(
            f"(coalesce(jsonb_typeof({found}), '') = 'string'"
            f" AND coalesce(({found} #>> '{{}}') COLLATE \"C\" {compared}, false))",
            (*path, *path, value),
        )

    @override
    def number(self, document: str, path: tuple[Key, ...], operator: str, value: float) -> Condition:
        found = _walk(document, path)
        return Condition(
            f"CASE WHEN coalesce(jsonb_typeof({found}), '') = 'number'"
            f" THEN CAST({found} #>> '{{}}' AS numeric) {operator} ? ELSE false END",
            (*path, *path, Decimal(repr(value))),
        )

    @override
    def is_like(self, column: str) -> str:
        return f"{column} COLLATE \"C\" ILIKE ? ESCAPE '!'"


def _sqlite_path(path: tuple[Key, ...]) -> str:
    written = (f'."{key}"' if isinstance(key, str) else "[#-1]" if key < 0 else f"[{key}]" for key in path)
    return f"${''.join(written)}"


def _walk(document: str, path: tuple[Key, ...]) -> str:
    steps = "".join(" -> CAST(? AS text)" if isinstance(key, str) else " -> CAST(? AS int)" for key in path)
    return f"({document}{steps})"


def _items(document: str, name: str) -> str:
    found = f"({document} -> '{name}')"
    return f"CASE WHEN jsonb_typeof({found}) = 'array' THEN {found} ELSE '[]' END"


def condition(part: Part, dialect: Dialect, expression: str | None = None) -> Condition:
    """Return the condition for the result of `scoped` for the text of an expression.

    Without the text, JSON is always evaluated in the database.
    """
    parts = part.parts if isinstance(part, And) else (part,)
    inside = document_parts(part)
    outside = [_written(each, dialect, in_table=False) for each in parts if not needs_document(each)]
    if inside:
        whole = inside[0] if len(inside) == 1 else And(inside)
        needles = sorted(_needles(whole), key=lambda each: (-len(each.text), each))[:MAX_NEEDLES]
        matched = None if expression is None else dialect.matched(needles, whole, expression)
        if matched is None:
            matched = dialect.body(needles, _written(whole, dialect, in_table=False))
        outside.append(matched)
    return _joined("AND", outside)


def _joined(word: str, conditions: Iterable[Condition]) -> Condition:
    written = list(conditions)
    if len(written) == 1:
        return written[0]
    sql = f" {word} ".join(each.sql for each in written)
    return Condition(f"({sql})", tuple(value for each in written for value in each.parameters))


def _written(part: Part, dialect: Dialect, *, in_table: bool) -> Condition:
    if isinstance(part, Term):
        if part.column and (part.of == "run" or in_table):
            return _of_column(part, dialect)
        return _of_document(part, dialect)
    if isinstance(part, (And, Or)):
        word = "AND" if isinstance(part, And) else "OR"
        return _joined(word, (_written(each, dialect, in_table=in_table) for each in part.parts))
    if isinstance(part, Not):
        inner = _written(part.part, dialect, in_table=in_table)
        return Condition(f"NOT ({inner.sql})", inner.parameters)
    if isinstance(part, Code):
        return Condition("e.id IN (SELECT execution FROM errors WHERE code = ?)", (part.value,))
    if isinstance(part, Constant):
        return ALWAYS if part.value else Condition("1 = 0")
    exists = cast("Exists", part)
    inner = _written(exists.part, dialect, in_table=exists.indexed)
    if exists.indexed:
        tool, rest = _tool(exists.part)
        if tool is not None:
            return dialect.called(tool, _written(rest, dialect, in_table=True))
        return Condition(
            f"EXISTS (SELECT 1 FROM tool_calls c WHERE c.execution = e.id AND {inner.sql})", inner.parameters
        )
    return (dialect.steps if exists.of == "step" else dialect.calls)(inner)


def _tool(part: Part) -> tuple[str | None, Part]:
    """Return the tool in a condition on calls, None if there is none, and its other parts."""
    parts = part.parts if isinstance(part, And) else (part,)
    for each in parts:
        if not isinstance(each, Term) or (each.of, each.column, each.operator) != ("call", "tool_name", "="):
            continue
        if isinstance(each.value, str):
            others = tuple(other for other in parts if other is not each)
            return each.value, And(others) if others else Constant(True)
    return None, part


def _of_column(term: Term, dialect: Dialect) -> Condition:
    column = f"{'e' if term.of == 'run' else 'c'}.{term.column}"
    if term.value is None:
        return Condition(f"{column} IS {'NOT ' if term.operator == '!=' else ''}NULL")
    if term.operator == "~":
        return Condition(
            f"({column} IS NOT NULL AND {dialect.is_like(column)})", (_pattern(cast("str", term.value)),)
        )
    operator = "<>" if term.operator == "!=" else term.operator
    return Condition(f"({column} IS NOT NULL AND {column} {operator} ?)", (stored(term),))


def stored(term: Term) -> Any:
    """Return the value that a term compares with a column: durations are columns of microseconds."""
    if term.column == "duration_us" and term.value is not None:
        return cast("float", term.value) * 1e3
    return term.value


def _of_document(term: Term, dialect: Dialect) -> Condition:
    document = {"run": dialect.document, "step": "s.value", "call": "c.value"}[term.of]
    operator, value, path = term.operator, term.value, term.path
    if operator == "!=":
        absent = dialect.is_absent(document, path)
        if value is None:
            return Condition(f"NOT ({absent.sql})", absent.parameters)
        same = _of_document(replace(term, operator="="), dialect)
        return Condition(f"(NOT ({absent.sql}) AND NOT ({same.sql}))", (*absent.parameters, *same.parameters))
    if value is None:
        return dialect.is_absent(document, path)
    if isinstance(value, bool):
        return dialect.equals_bool(document, path, value)
    if isinstance(value, str):
        return dialect.text(document, path, operator, _pattern(value) if operator == "~" else value)
    return dialect.number(document, path, operator, value)


def _pattern(text: str) -> str:
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text}%"


def _needles(part: Part) -> frozenset[Needle]:
    """Return texts that are in the body of each run for which the part is true; searching for them is fast."""
    if isinstance(part, Term):
        if part.column and part.of == "run":
            return frozenset()
        if part.operator == "=" and isinstance(part.value, str):
            return frozenset({Needle(_in_json(part.value))})
        if part.operator == "~":
            return frozenset({Needle(_in_json(cast("str", part.value))[:-1], folded=True)})
        if part.operator == "=" and part.value is None:
            return frozenset()
        keys = [key for key in part.path if isinstance(key, str)]
        return frozenset({Needle(_in_json(keys[-1]))} if keys else ())
    if isinstance(part, And):
        return frozenset[Needle]().union(*map(_needles, part.parts))
    if isinstance(part, Or):
        first, *others = map(_needles, part.parts)
        return first.intersection(*others)
    if isinstance(part, Exists):
        return _needles(part.part)
    return frozenset()


def _in_json(text: str) -> str:
    """Return a text as it is in JSON, with the closing quote."""
    return msgspec.json.encode(text).decode()[1:]
