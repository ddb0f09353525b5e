"""The query language returns the same results on every store, as its rules define."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ael_otel.errors import WhereError
from ael_otel.store import ErrorRecord, ExecutionRecord, RunQuery, StepRecord, ToolCallRecord
from ael_otel.store.sqlite import SqliteStore
from tests.store.making import START, WORD, call, filled, run, runs, step
from tests.store.test_contract import FAST, _cleared, _one, ids

# --- a naive reading of the language: try each step and each call ----------------------------------------------------

type Choice = tuple[ExecutionRecord, StepRecord | None, ToolCallRecord | None]


class Asked(NamedTuple):
    """An expression as text, and what it says of a run, a step and a call."""

    text: str
    holds: Callable[[Choice], bool]


def sentence(asked: Asked, record: ExecutionRecord) -> bool:
    """Whether there is a step (or none) and a call (or none) for which an expression is true."""
    calls = [*record.tool_calls, *(each for one in record.steps for each in one.tool_calls)]
    return any(asked.holds((record, a, b)) for a in (*record.steps, None) for b in (*calls, None))


def quoted(text: str) -> str:
    """Write a text as the language does."""
    for plain, written in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\t", "\\t")):
        text = text.replace(plain, written)
    return f'"{text}"'


def literal(value: Any) -> str:
    """Write any value as the language does."""
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    return quoted(value) if isinstance(value, str) else repr(value)


def kind(value: Any) -> str:
    """Return the JSON kind of a value; whole and broken numbers are one."""
    return (
        "bool"
        if isinstance(value, bool)
        else "number"
        if isinstance(value, (int, float))
        else type(value).__name__
    )


def fold(text: str) -> str:
    """Return the text with A to Z in lower case."""
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def compare(found: Any, operator: str, value: Any) -> bool:
    """Compare as the rules say: never unknown."""
    if value is None:
        return (found is None) == (operator == "=")
    if found is None:
        return False
    if kind(found) != kind(value):
        return operator == "!="
    return {
        "=": lambda: found == value,
        "!=": lambda: found != value,
        "<": lambda: found < value,
        "<=": lambda: found <= value,
        ">": lambda: found > value,
        ">=": lambda: found >= value,
        "~": lambda: fold(value) in fold(found),
    }[operator]()


def term(
    name: str, get: Callable[[Choice], Any], operator: str, value: Any, written: str | None = None
) -> Asked:
    """Return a comparison of what `get` finds."""
    text = f"{name} {operator} {literal(value) if written is None else written}"
    owner = {"step": 1, "call": 2}.get(name.partition(".")[0], 0)
    return Asked(text, lambda choice: choice[owner] is not None and compare(get(choice), operator, value))


def at(value: Any, *path: Any) -> Any:
    """Return the value at a path of content, or None."""
    for key in path:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int):
            value = value[key] if key < len(value) else None
        else:
            return None
    return value


TEXTS: dict[str, Callable[[Any], Any]] = {
    "workflow": lambda c: c[0].workflow_name,
    "caller": lambda c: c[0].caller_id,
    "session": lambda c: c[0].metadata.get("session_id"),
    "error": lambda c: c[0].error and c[0].error.code,
    "step.name": lambda c: c[1].step_id,
    "step.error": lambda c: c[1].error and c[1].error.code,
    "step.tool": lambda c: c[1].tool_name,
    "call.tool": lambda c: c[2].tool_name,
    "call.error": lambda c: c[2].error and c[2].error.code,
    "call.error.message": lambda c: c[2].error and c[2].error.message,
}
STATUSES: dict[str, tuple[Callable[[Any], Any], list[str]]] = {
    "status": (lambda c: c[0].status, ["completed", "failed", "running"]),
    "step.status": (lambda c: c[1].status, ["completed", "failed", "skipped"]),
    "call.status": (lambda c: c[2].status, ["success", "error", "timeout"]),
}
NUMBERS: dict[str, Callable[[Any], Any]] = {
    "steps": lambda c: len(c[0].steps),
    "failed": lambda c: sum(each.status == "failed" for each in c[0].steps),
    "step.index": lambda c: c[1].index,
    "step.attempt": lambda c: c[1].attempt,
}
DURATIONS: dict[str, Callable[[Any], Any]] = {
    "duration": lambda c: c[0].duration_ms,
    "step.duration": lambda c: c[1].duration_ms,
    "call.duration": lambda c: c[2].duration_ms,
}
PATHS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    (".customer", ("customer",)),
    (".n", ("n",)),
    ('."a b"', ("a b",)),
    (".list[0]", ("list", 0)),
    (".list[1].n", ("list", 1, "n")),
    (".n.n", ("n", "n")),
    ("", ()),
)
CONTENTS: dict[str, Callable[[Any], Any]] = {
    "inputs": lambda c: c[0].inputs,
    "step.params": lambda c: c[1].tool_params,
    "call.params": lambda c: c[2].params,
}
ORDER = st.sampled_from(["=", "!=", "<", "<=", ">", ">="])
PLAIN = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.1, -2.5, 1e20]) | WORD
LEAF = PLAIN | st.fixed_dictionaries({}, optional={"n": PLAIN})
CONTENT = PLAIN | st.fixed_dictionaries(
    {}, optional={"customer": PLAIN, "n": LEAF, "a b": PLAIN, "list": st.lists(LEAF, max_size=3)}
)


def content(name: str, path: tuple[str, tuple[Any, ...]], operator: str, value: Any) -> Asked:
    """Return a comparison of the value at a path of content."""
    if value is None or isinstance(value, bool):
        operator = "=" if operator == "=" else "!="
    elif operator == "~" and not isinstance(value, str):
        operator = "="
    get = CONTENTS[name]
    return term(name + path[0], lambda choice: at(get(choice), *path[1]), operator, value)


def codes(record: ExecutionRecord) -> set[str]:
    """Return the codes of all errors of a run, its steps and calls."""
    calls = [*record.tool_calls, *(each for one in record.steps for each in one.tool_calls)]
    found = [record.error, *(each.error for each in record.steps), *(each.error for each in calls)]
    return {each.code for each in found if each}


TERM: st.SearchStrategy[Asked] = st.one_of(
    st.builds(
        lambda n, o, v: term(n, TEXTS[n], o, v), st.sampled_from(sorted(TEXTS)), ORDER | st.just("~"), WORD
    ),
    st.builds(
        lambda n, v: term(n, TEXTS[n], *v),
        st.sampled_from(sorted(TEXTS)),
        st.sampled_from([("=", None), ("!=", None)]),
    ),
    st.sampled_from(sorted(STATUSES)).flatmap(
        lambda n: st.builds(
            lambda o, v: term(n, STATUSES[n][0], o, v),
            st.sampled_from(["=", "!="]),
            st.sampled_from(STATUSES[n][1]),
        )
    ),
    st.builds(
        lambda n, o, v: term(n, NUMBERS[n], o, v), st.sampled_from(sorted(NUMBERS)), ORDER, st.integers(0, 3)
    ),
    st.builds(
        lambda n, o, v: term(n, DURATIONS[n], o, float(v), f"{v}ms"),
        st.sampled_from(sorted(DURATIONS)),
        ORDER,
        st.sampled_from([0, 1, 50, 1_000, 5_000]),
    ),
    st.builds(
        content, st.sampled_from(sorted(CONTENTS)), st.sampled_from(PATHS), ORDER | st.just("~"), PLAIN
    ),
    st.builds(
        lambda v: Asked(f"errors = {quoted(v)}", lambda choice: v in codes(choice[0])),
        st.sampled_from(["TOOL_FAILED", "nothing"]),
    ),
)


def joined(word: str, parts: list[Asked]) -> Asked:
    """Return expressions joined by a word."""
    every = all if word == "and" else any
    return Asked(
        f" {word} ".join(f"({each.text})" for each in parts),
        lambda choice: every(each.holds(choice) for each in parts),
    )


EXPRESSION: st.SearchStrategy[Asked] = st.recursive(
    TERM,
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)),
        inner.map(lambda each: Asked(f"not ({each.text})", lambda choice: not sentence(each, choice[0]))),
        inner.map(lambda each: Asked(f"has ({each.text})", lambda choice: sentence(each, choice[0]))),
    ),
    max_leaves=6,
)


@st.composite
def records(draw: st.DrawFn) -> list[ExecutionRecord]:
    """Runs whose content has the names that expressions ask for."""
    found: dict[str, ExecutionRecord] = {}
    for record in draw(st.lists(runs(), min_size=1, max_size=4)):
        record.inputs = draw(CONTENT)
        for one in record.steps:
            one.tool_name = draw(st.none() | st.sampled_from(["echo", "add"]))
            one.tool_params = draw(st.none() | CONTENT)
            for each in one.tool_calls:
                each.params = draw(CONTENT)
        found[record.execution_id] = record
    return list(found.values())


@settings(FAST, deadline=None)
@given(kept=records(), asked=st.lists(EXPRESSION, min_size=4, max_size=10))
def test_expressions_agree_with_a_naive_reading(
    make_store: Callable[[], Any], kept: list[ExecutionRecord], asked: list[Asked]
) -> None:
    """Proves that any expression chooses the runs that trying each step and call chooses, on each store."""
    store = _cleared(_one(make_store))
    for record in kept:
        store.finish_execution(msgspec.convert(msgspec.to_builtins(record), ExecutionRecord))
    whole = [filled(record) for record in kept]
    for each in asked:
        wanted = sorted(record.execution_id for record in whole if sentence(each, record))
        query = RunQuery(where=each.text, limit=None)
        assert sorted(ids(store.query(query).runs)) == wanted, each.text
        assert store.count(query) == len(wanted)


# --- the rules, one by one --------------------------------------------------------------------------------------------


def kept(store: Any) -> Any:
    """A store with three runs: two failed charges, one of them slow, and a plain run."""
    failed = ErrorRecord("TOOL_FAILED", "tool", "card declined")
    charge = {"tool_name": "charge", "status": "failed", "error": failed}
    refused = call("charge", status="error", error=failed, params={"customer": "42", "amount": 9.5})
    store.put(
        [
            run(1),
            run(2, status="failed", error=failed, inputs={"customer": "42", "items": [{"id": 7}]}, steps=[
                step("look-up"), step("pay", **charge, tool_calls=[refused], tool_params=None, tool_result=None),
            ]),
            run(3, status="failed", error=failed, duration_ms=3_000.0, inputs={"customer": 42}, steps=[
                step("look-up", duration_ms=2_500.0), step("pay", **charge, duration_ms=1.0, tool_calls=[]),
            ]),
        ]
    )  # fmt: skip
    return store


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ('status = "failed"', [2, 3]),
        ("status = failed and duration > 2s", [3]),
        ('inputs.customer = "42"', [2]),
        ("inputs.customer = 42", [3]),
        ('inputs.customer != "42"', [3]),
        ('not inputs.customer = "42"', [1, 3]),
        ("inputs.customer = null", [1]),
        ("inputs.items[0].id = 7", [2]),
        ("step.tool = charge and step.duration > 2s", []),
        ("has (step.tool = charge) and has (step.duration > 2s)", [3]),
        ("step.tool = charge and (step.duration < 2ms or call.tool = charge)", [2, 3]),
        ("not step.tool = charge", [1]),
        ("step.tool != charge", [1, 2, 3]),
        ('step.params.customer = "42"', [2]),
        ("call.params.amount >= 9.5 and call.status in (error, timeout)", [2]),
        ("call.tool = echo and call.status = error", []),
        ("workflow in (hello, other) and steps > 1", [2, 3]),
        ("workflow not in (hello, other)", []),
        ("errors in (TOOL_FAILED)", [2, 3]),
        ('error.message ~ "DECLINED"', [2, 3]),
        ('error.message !~ "declined"', [1]),
        ('started >= "2026-01-31T12:00:02Z"', [2, 3]),
        ("started > 1d", []),
        ("id = exec-000001 or version < '0.5'", [1]),
        ("duration = null", []),
        ("""caller = "x'; DROP TABLE executions; --" or inputs."x') --" = 1""", []),
        ("call.duration >= 4ms and call.tool ~ CHO and step.index = 0", [1, 2, 3]),
    ],
)
def test_expression_chooses_these_runs(store: Any, where: str, numbers: list[int]) -> None:
    """Proves each rule of the language on runs that anyone can follow."""
    found = ids(kept(store).query(RunQuery(where=where)).runs)
    assert sorted(found) == [f"exec-{number:06d}" for number in numbers]
    assert sorted(ids(store.iterate(RunQuery(where=where)))) == sorted(found)


def test_expression_filters_statistics_and_exports(store: Any) -> None:
    """Proves that statistics, errors and exports take the expression, also beside other filters."""
    query = RunQuery(where="duration > 2s", status="failed", limit=None, text="customer")
    assert [row.count for row in kept(store).stats("workflow", query)] == [1]
    assert [row.key for row in store.stats("tool", msgspec.structs.replace(query, text=None))] == ["echo"]
    assert [row.last_execution_id for row in store.errors(query)] == ["exec-000003"]
    assert store.redactions(query) == {}
    assert b"".join(store.export("jsonl", query)).count(b"\n") == 1


def test_wrong_expression_is_refused_before_anything_is_read(store: Any) -> None:
    """Proves that every question refuses a wrong expression, with its column."""
    query = RunQuery(where="status = 5")
    for ask in (store.query, store.count, store.iterate, store.redactions, store.errors):
        with pytest.raises(WhereError, match="column 10") as refused:
            ask(query)
        assert refused.value.column == 10


def test_durations_count_back_from_now(store: Any) -> None:
    """Proves that `started > 1h` means the last hour."""
    now = datetime.now(UTC)
    store.put(
        [run(1, started_at=now - timedelta(minutes=5)), run(2, started_at=now - timedelta(hours=3)), run(3)]
    )
    assert ids(store.query(RunQuery(where="started > 1h")).runs) == ["exec-000001"]
    assert ids(store.query(RunQuery(where="started > 1d and started < 1h")).runs) == ["exec-000002"]
    assert now > START


def test_runs_of_a_frequent_tool_are_found_like_those_of_a_rare_one(store: Any) -> None:
    """Proves that the number of calls of a tool changes only how its runs are looked up."""
    some = [
        run(number, steps=[step("pay", tool_calls=[call("often")] * 400, tool_name="often")])
        for number in range(1, 5)
    ]
    store.put([*some, run(9)])
    for query in (RunQuery(where="call.tool = often and call.status = success"), RunQuery(tool="often")):
        assert len(store.query(query).runs) == 4
    assert ids(store.query(RunQuery(where="not call.tool = often")).runs) == ["exec-000009"]
    assert store.query(RunQuery(tool="nothing")).runs == []


@pytest.mark.parametrize(
    "where",
    [
        "call.params.text ~ 'HI*[?]%_!' ",
        "call.params.text = 'hi*[?]%_!'",
        'call.params."a*[b" > 1',
        "inputs.note ~ '\"quoted\\\\'",
        "inputs.note ~ 'new\\nline'",
    ],
)
def test_characters_of_patterns_are_plain_in_content(store: Any, where: str) -> None:
    """Proves that no character of a text or key has a meaning where bodies are searched first."""
    odd = {"text": "oh hi*[?]%_!", "a*[b": 2}
    exact = {"text": "hi*[?]%_!", "a*[b": 2}
    note = {"note": '"quoted\\ and new\nline'}
    store.put(
        [
            run(1, inputs=note, steps=[step("a", tool_calls=[call("echo", params=odd), call(params=exact)])]),
            run(2, inputs={"note": "quoted"}, steps=[step("a", tool_calls=[call(params={"text": "hi"})])]),
        ]
    )
    assert ids(store.query(RunQuery(where=where)).runs) == ["exec-000001"]


def test_damaged_documents_match_nothing(tmp_path: Path) -> None:
    """Proves that a body that is cut, of another kind or not UTF-8 hides no other run from questions about steps."""
    store = SqliteStore(tmp_path / "telemetry.db")
    store.put([run(number) for number in range(1, 6)])
    damage = ("substr(body, 1, 40)", """'{"steps": 5}'""", "CAST(x'7bff22737465707322ff' AS TEXT)", "x'00ff'")
    with store.transaction() as transaction:
        for number, how in enumerate(damage, 1):
            transaction.run(
                f"UPDATE bodies SET body = {how} WHERE execution = (SELECT id FROM executions WHERE execution_id = ?)",  # noqa: S608
                [f"exec-{number:06d}"],
            )
    for where in ("step.index = 0", "step.duration < 1h", "call.params.none = null"):
        assert ids(store.query(RunQuery(where=where)).runs) == ["exec-000005"]
    store.close()


def test_both_ways_to_look_at_documents_agree(tmp_path: Path) -> None:
    """Proves that SQLite's JSON functions, which expressions with columns inside `or` need, choose the same runs."""
    store = kept(SqliteStore(tmp_path / "telemetry.db"))
    for part in (
        "step.tool = charge",
        "step.duration > 2s",
        'step.params.customer = "42"',
        "call.params.amount >= 9",
        "not (step.tool = charge and step.duration < 2ms)",
        "call.tool ~ CHO and step.index = 0",
        "call.error.message ~ 'DECL'",
    ):
        quick, json = (
            ids(store.query(RunQuery(where=text)).runs) for text in (part, f"{part} or workflow = nothing")
        )
        assert quick == json, part
    store.close()
