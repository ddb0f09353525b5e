"""Parse text into an expression; a mistake is reported with its column.

expression = and { "or" and }          and = part { "and" part }
part       = "not" part | "has" "(" expression ")" | "(" expression ")" | term
term       = field operator literal | field [ "not" ] "in" "(" literal { "," literal } ")"
field      = [ "step." | "call." ] name { "." ( name | string ) | "[" index "]" }
operator   = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
literal    = string | number | duration | word | "true" | "false" | "null"
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn, cast

from ael_otel.config.file import nearest
from ael_otel.errors import QueryError, WhereError
from ael_otel.store.content import clean
from ael_otel.store.times import parse_duration_ms, parse_when, to_us
from ael_otel.store.where.fields import FIELDS, KEPT_ONCE, Field
from ael_otel.store.where.tree import And, Code, Key, Of, Operator, Or, Part, Sentence, Term, Value

MAX_LENGTH: Final = 4_000
"""Maximum characters of an expression."""

MAX_TERMS: Final = 64
"""Maximum comparisons in an expression; each value of a list counts."""

MAX_DEPTH: Final = 16
"""Maximum nesting of parentheses, `not` and `has`."""

MAX_PATH: Final = 16
"""Maximum parts of the path to a value inside content."""

MAX_INDEX: Final = 1_000_000
MAX_NUMBER: Final = 2**53
"""Largest whole number that is the same in JSON, in both databases and in Python."""

_KEYWORDS: Final = frozenset({"and", "or", "not", "in", "has", "true", "false", "null"})
_TOKEN: Final = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    | (?P<duration>\d+(?:\.\d+)?(?:ms|s|m|h|d|w)(?![A-Za-z0-9_]))
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![A-Za-z0-9_]))
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*)
    | (?P<operator><=|>=|!=|!~|=|<|>|~)
    | (?P<mark>[()\[\],.])
    )""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "t": "\t", "\\": "\\", '"': '"', "'": "'"}
_NO_KEY: Final = re.compile(r'["\\\x00-\x1f]')
"""Characters that are not allowed in a key of a path, because SQLite has no syntax for them."""


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Literal(NamedTuple):
    value: Value
    kind: str
    at: int


@lru_cache(maxsize=64)
def _parsed(text: str, now: datetime) -> Part:
    return _Parser(text, now).whole()


def parse(text: str, now: datetime | None = None) -> Part:
    """Return the expression.

    Args:
        text: the expression, up to `MAX_LENGTH` characters.
        now: the time from which durations count back in comparisons of times, default the current minute.

    Raises:
        WhereError: it is not an expression; the error has the column.
    """
    if len(text) > MAX_LENGTH:
        raise WhereError(f"longer than {MAX_LENGTH:,} characters", text[:MAX_LENGTH], MAX_LENGTH + 1)
    return _parsed(text, now or datetime.now(UTC).replace(second=0, microsecond=0))


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            odd = text[at]
            if odd in "\"'":
                raise WhereError(f"this text has no closing {odd}", text, at + 1)
            if odd.isdigit() or odd == "-":
                raise WhereError("this is not a number or a duration such as 250ms, 1.5s, 2m", text, at + 1)
            raise WhereError(f"{odd!r} has no meaning here", text, at + 1)
        found.append(_Token(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
        at = match.end()
    found.append(_Token("end", "", len(text)))
    return found


class _Parser:
    def __init__(self, text: str, now: datetime) -> None:
        self.text = text
        self.now = now
        self.tokens = _tokens(text)
        self.at = 0
        self.terms = 0

    # --- tokens -------------------------------------------------------------------------------------------------------

    @property
    def next(self) -> _Token:
        return self.tokens[self.at]

    def take(self) -> _Token:
        token = self.tokens[self.at]
        self.at += token.kind != "end"
        return token

    def accept(self, *texts: str) -> bool:
        """Skip the next token and return True if it is one of these words or marks."""
        token = self.next
        if (
            token.kind == "string"
            or (token.text.lower() if token.kind == "word" else token.text) not in texts
        ):
            return False
        self.take()
        return True

    def expect(self, mark: str, after: str) -> None:
        if not self.accept(mark):
            self.fail(f"{mark!r} is missing after {after}", self.next.at)

    def fail(self, message: str, at: int) -> NoReturn:
        raise WhereError(message, self.text, at + 1)

    # --- grammar ------------------------------------------------------------------------------------------------------

    def whole(self) -> Part:
        if self.next.kind == "end":
            self.fail('the expression is empty: write, for example, status = "failed"', 0)
        part = self.expression(0)
        token = self.next
        if token.kind != "end":
            self.fail(f"{token.text!r} follows a whole term: join terms with 'and' or 'or'", token.at)
        return part

    def expression(self, depth: int) -> Part:
        parts = [self.conjunction(depth)]
        while self.accept("or"):
            parts.append(self.conjunction(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self, depth: int) -> Part:
        parts = [self.part(depth)]
        while self.accept("and"):
            parts.append(self.part(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def part(self, depth: int) -> Part:
        if depth > MAX_DEPTH:
            self.fail(f"more than {MAX_DEPTH} levels of parentheses, 'not' and 'has'", self.next.at)
        if self.accept("not"):
            return Sentence(self.part(depth + 1), negated=True)
        if self.accept("has"):
            self.expect("(", "'has'")
            inside = Sentence(self.expression(depth + 1), negated=False)
            self.expect(")", "the expression of 'has'")
            return inside
        if self.accept("("):
            part = self.expression(depth + 1)
            self.expect(")", "an expression that begins with '('")
            return part
        return self.term()

    def term(self) -> Part:
        start = self.next
        if start.kind != "word" or start.text.lower() in _KEYWORDS:
            what = "the expression ends" if start.kind == "end" else f"{start.text!r} stands"
            self.fail(f"{what} where a field is expected, such as status or step.tool", start.at)
        of, name, field, path = self.field()
        operator = self.next
        absent = self.accept("not")
        if self.accept("in"):
            return self.among(of, name, field, path, absent=absent)
        if absent or operator.kind != "operator":
            self.fail(f"an operator is missing after {name!r}: = != < <= > >= ~ !~ or in", operator.at)
        self.take()
        literal = self.literal()
        if operator.text == "!~":
            return Sentence(self.compared(of, name, field, path, "~", literal, operator.at), negated=True)
        return self.compared(of, name, field, path, cast("Operator", operator.text), literal, operator.at)

    def among(self, of: Of, name: str, field: Field, path: tuple[Key, ...], *, absent: bool) -> Part:
        at = self.next.at
        self.expect("(", "'in'")
        literals = [self.literal()]
        while self.accept(","):
            literals.append(self.literal())
        self.expect(")", "the values of 'in'")
        operator: Operator = "!=" if absent else "="
        parts = tuple(self.compared(of, name, field, path, operator, each, at) for each in literals)
        if len(parts) == 1:
            return parts[0]
        return And(parts) if absent else Or(parts)

    def field(self) -> tuple[Of, str, Field, tuple[Key, ...]]:
        start = self.take()
        of: Of = "run"
        known = FIELDS[of]
        first = start
        if start.text in ("step", "call"):
            of = "step" if start.text == "step" else "call"
            known = FIELDS[of]
            if not self.accept("."):
                self.fail(f"write a field of the {of}, such as {of}.tool", start.at)
            first = self.take()
        name = first.text
        if first.kind != "word" or name not in known:
            names = [each for each in known if "." not in each]
            near = nearest(name, names)
            owner = "run" if of == "run" else of
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(names)}"
            self.fail(f"a {owner} has no field {name!r}; {hint}", first.at)
        path: list[Key] = []
        while (mark := self.next).text in (".", "[") and mark.kind == "mark":
            self.take()
            path.append(self.key() if mark.text == "." else self.index())
            if len(path) > MAX_PATH:
                self.fail(f"a path has up to {MAX_PATH} parts", mark.at)
        field = known[name]
        if path and field.kind != "content":
            longer = f"{name}.{path[0]}"
            if len(path) > 1 or longer not in known:
                self.fail(f"{name!r} has nothing below it", self.tokens[self.at - 1].at)
            return of, f"{_prefix(of)}{longer}", known[longer], ()
        return of, f"{_prefix(of)}{name}", field, tuple(path)

    def key(self) -> str:
        token = self.take()
        if token.kind not in ("word", "string"):
            self.fail(
                "a name is missing after '.'; put names that are not words in quotes: inputs.\"1st\"",
                token.at,
            )
        key = self.unquoted(token) if token.kind == "string" else token.text
        if not key or _NO_KEY.search(key):
            self.fail(
                "a name in a path must not be empty or have quotes, backslashes or line breaks", token.at
            )
        return clean(key)

    def index(self) -> int:
        token = self.take()
        if token.kind != "number" or not token.text.isdecimal() or int(token.text) > MAX_INDEX:
            self.fail(f"an index is a whole number from 0 to {MAX_INDEX:,}", token.at)
        self.expect("]", "an index")
        return int(token.text)

    def unquoted(self, token: _Token) -> str:
        def plain(match: re.Match[str]) -> str:
            if match[1] not in _ESCAPES:
                at = token.at + 1 + match.start()
                self.fail(rf"\{match[1]} is not an escape: there are \" \' \\ \n \t", at)
            return _ESCAPES[match[1]]

        return _ESCAPE.sub(plain, token.text[1:-1])

    def literal(self) -> _Literal:
        before, token = self.tokens[self.at - 1], self.take()
        if token.kind == "string":
            return _Literal(clean(self.unquoted(token)), "text", token.at)
        if token.kind == "number":
            return _Literal(self.number(token), "number", token.at)
        if token.kind == "duration":
            return _Literal(token.text, "duration", token.at)
        if token.kind == "word":
            word = token.text.lower()
            if word in ("true", "false"):
                return _Literal(word == "true", "bool", token.at)
            if word == "null":
                return _Literal(None, "null", token.at)
            if word not in _KEYWORDS:
                return _Literal(token.text, "text", token.at)
        return self.fail(
            f"a value is missing after {before.text!r}: a text in quotes, a number, true, false or null",
            token.at,
        )

    def number(self, token: _Token) -> int | float:
        if token.text.lstrip("-").isdecimal():
            if len(token.text) > 20 or abs(int(token.text)) > MAX_NUMBER:
                self.fail(f"a whole number is at most {MAX_NUMBER}", token.at)
            return int(token.text)
        value = float(token.text)
        if abs(value) > 1e300 or 0 < abs(value) < 1e-300:
            self.fail("this number is too large or too small", token.at)
        return value

    # --- terms --------------------------------------------------------------------------------------------------------

    def compared(
        self,
        of: Of,
        name: str,
        field: Field,
        path: tuple[Key, ...],
        operator: Operator,
        literal: _Literal,
        at: int,
    ) -> Part:
        self.terms += 1
        if self.terms > MAX_TERMS:
            self.fail(f"more than {MAX_TERMS} comparisons", literal.at)
        if literal.kind == "null" and operator not in ("=", "!="):
            self.fail("compare null with = or != only", at)
        if literal.kind == "bool" and operator not in ("=", "!="):
            self.fail("compare true and false with = or != only", at)
        if operator == "~" and (literal.kind != "text" or field.kind not in ("text", "content")):
            self.fail("'~' asks whether a text contains another text", at)
        value = self.value(name, field, literal)
        if field.kind == "code":
            if operator != "=" or not isinstance(value, str):
                self.fail(f"compare {name!r} with = or in, and a code: errors = TOOL_FAILED", at)
            return Code(value)
        whole = (*field.path, *path)
        if of == "step" and field.path and field.path[0] in KEPT_ONCE:
            return _of_tool_step(operator, value, field.path[0], path)
        return Term(of, operator, value, whole, field.column)

    def value(self, name: str, field: Field, literal: _Literal) -> Value:
        kind, value = literal.kind, literal.value
        if kind == "null":
            return None
        if field.kind == "content":
            if kind == "duration":
                self.fail("content has no durations: write a number", literal.at)
            return value
        if field.kind in ("text", "code"):
            if kind != "text":
                self.fail(f"{name!r} is a text: write it in quotes", literal.at)
            text = cast("str", value)
            if field.values and text not in field.values:
                near = nearest(text, list(field.values))
                hint = f"; did you mean {near!r}?" if near else ""
                self.fail(f"{text!r} is not one of {', '.join(field.values)}{hint}", literal.at)
            return text
        if field.kind == "number":
            if kind != "number":
                self.fail(f"{name!r} is a number", literal.at)
            return value
        try:
            if field.kind == "duration" and kind in ("duration", "number", "text"):
                return parse_duration_ms(str(value))
            if field.kind == "time" and kind in ("duration", "text"):
                return to_us(parse_when(str(value), self.now))
        except QueryError as error:
            self.fail(str(error), literal.at)
        wanted = (
            "a duration: 250ms, 1.5s, 2m, 1h"
            if field.kind == "duration"
            else 'a time: "2026-01-31", 7d (ago)'
        )
        return self.fail(f"{name!r} is {wanted}", literal.at)


def _prefix(of: Of) -> str:
    return "" if of == "run" else f"{of}."


def _of_tool_step(operator: Operator, value: Value, own: Key, path: tuple[Key, ...]) -> Part:
    """Return the term for content of a tool step, which is in its last call unless the step has it itself."""
    last = "tool_calls", -1, KEPT_ONCE[str(own)]
    return Or(
        (
            And(
                (
                    Or((Term("step", "!=", None, (own,)), Term("step", "=", "code", ("step_type",)))),
                    Term("step", operator, value, (own, *path)),
                )
            ),
            And(
                (
                    Term("step", "=", None, (own,)),
                    Term("step", "=", "tool", ("step_type",)),
                    Term("step", operator, value, (*last, *path)),
                )
            ),
        )
    )
