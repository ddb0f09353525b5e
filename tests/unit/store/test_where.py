"""The parser of the query language: what it accepts, and where it says that a mistake is."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.errors import WhereError
from ael_otel.store.where.fields import FIELDS
from ael_otel.store.where.parsing import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse
from ael_otel.store.where.scope import scoped
from ael_otel.store.where.statement import PostgresJson, SqliteJson, condition

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "query-language.md"


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "empty"),
        ("status", 7, "an operator is missing after 'status'"),
        ("status = ", 10, "a value is missing after '='"),
        ("inputs.a = ", 12, "a value is missing after '=': a text in quotes"),
        ("inputs.a = and x = 1", 12, "a value is missing after '='"),
        ("status in (failed, )", 20, "a value is missing after ','"),
        ("status = 5", 10, "'status' is a text"),
        ('status = "faild"', 10, "did you mean 'failed'?"),
        ('step.tol = "x"', 6, "a step has no field 'tol'; did you mean 'tool'?"),
        ("workflw = x", 1, "did you mean 'workflow'?"),
        ("step = x", 1, "write a field of the step"),
        ("status.x = y", 8, "'status' has nothing below it"),
        ("duration > x", 12, "not a duration"),
        ("started > 5", 11, "a time"),
        ("steps > 2s", 9, "'steps' is a number"),
        ("inputs.a > 2s", 12, "content has no durations"),
        ("inputs.a > null", 10, "compare null with = or != only"),
        ("inputs.a < true", 10, "compare true and false"),
        ("steps ~ 5", 7, "'~' asks whether a text contains"),
        ("errors != X", 8, "compare 'errors' with = or in"),
        ('status = "failed', 10, "no closing"),
        ("status = failed workflow = x", 17, "join terms with 'and' or 'or'"),
        ("(status = failed", 17, "')' is missing"),
        ("status in failed", 11, "'(' is missing after 'in'"),
        ("status = failed and", 20, "the expression ends where a field is expected"),
        ("status = failed; DROP", 16, "';' has no meaning here"),
        ("inputs.a = 12abc", 12, "not a number or a duration"),
        ("steps = 9007199254740993", 9, "at most 9007199254740992"),
        ("inputs.a = 1e999", 12, "too large"),
        ("inputs[1.5] = 1", 8, "an index is a whole number"),
        (r'inputs."a\"b" = 1', 8, "a name in a path"),
        (r'inputs.a = "\q"', 13, "is not an escape"),
        ("inputs.a . = 1", 12, "a name is missing after '.'"),
        ("has status = failed", 5, "'(' is missing after 'has'"),
    ],
)
def test_mistake_is_reported_with_its_column(text: str, column: int, words: str) -> None:
    """Proves that each kind of mistake is found where it is, in one line that says what to write."""
    with pytest.raises(WhereError) as refused:
        parse(text)
    assert (refused.value.column, words in str(refused.value)) == (column, True), str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a" * (MAX_LENGTH + 1), "longer than 4,000 characters"),
        ("(" * (MAX_DEPTH + 2) + "status = failed", "more than 16 levels"),
        ("not " * 900 + "status = failed", "more than 16 levels"),
        (" or ".join(["steps = 1"] * (MAX_TERMS + 1)), "more than 64 comparisons"),
        ("inputs" + ".a" * 17 + " = 1", "up to 16 parts"),
    ],
)
def test_expression_is_bounded(text: str, words: str) -> None:
    """Proves that length, depth, terms and paths have limits."""
    with pytest.raises(WhereError, match=re.escape(words)):
        parse(text)


SIGNS = list("""step.tool inputs"'\\=!<>~()[],-0123456789and or not has in null""")


@given(text=st.text(st.sampled_from(SIGNS), max_size=60))
def test_any_text_is_an_expression_or_a_mistake_with_a_column(text: str) -> None:
    """Proves that the parser raises nothing else, and always a column of the text."""
    column = 1
    try:
        parse(text)
    except WhereError as error:
        column = error.column
    assert 1 <= column <= len(text) + 1


@pytest.mark.parametrize("dialect", [SqliteJson(), PostgresJson()])
def test_nothing_of_an_expression_becomes_sql(dialect: SqliteJson | PostgresJson) -> None:
    """Proves that names and values of an expression are parameters only."""
    odd = "zq'; DROP TABLE executions; --"
    text = f'inputs."{odd}".a = "{odd}" or step.params."{odd}" ~ "{odd}" or workflow != "{odd}" or call.tool = "{odd}"'
    written = condition(scoped(parse(text)), dialect)
    assert "zq" not in written.sql
    assert written.sql.count("?") == len(written.parameters)
    assert "%" not in written.sql


def test_every_field_is_in_the_reference() -> None:
    """Proves that the page lists the names that the language has, and no other."""
    tables = re.findall(r"^\| (`[^|]+) \|", PAGE.read_text("utf-8").partition("## Fields")[2], re.MULTILINE)
    listed = {name for row in tables for name in re.findall(r"`([\w.]+)`", row)}
    names = {"run": "", "step": "step.", "call": "call."}
    assert listed == {names[of] + name for of, fields in FIELDS.items() for name in fields}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('failed > 1 or errors = "x"', 'failed > 1 and errors = "x"'),
        ("inputs.n = 1", "inputs.n = true"),
        ("has (step.tool = echo)", "not (step.tool = echo)"),
    ],
)
def test_expressions_of_the_same_parts_stay_apart(one: str, other: str) -> None:
    """Proves that each expression has its own condition, also right after one that looks like it."""
    scoped.cache_clear()
    after = [repr(condition(scoped(parse(text)), SqliteJson())) for text in (one, other)]
    scoped.cache_clear()
    alone = repr(condition(scoped(parse(other)), SqliteJson()))
    assert after[1] == alone != after[0]
