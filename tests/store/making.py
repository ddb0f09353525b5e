"""Made-up records, and a naive model of the store to compare with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from ael_otel.store import CodeRecord, ErrorRecord, ExecutionRecord, RunQuery, StepRecord, ToolCallRecord

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def call(tool: str = "echo", *, at: datetime = START, **facts: Any) -> ToolCallRecord:
    """One call that went well."""
    known = {
        "call_id": "c1",
        "source": "tool_step",
        "sequence": 1,
        "step_id": "greet",
        "server": "demo",
        "status": "success",
        "completed_at": at + timedelta(milliseconds=4),
        "duration_ms": 4.0,
        "span_id": "c" * 16,
        "params": {"text": "hello"},
        "result": "hello",
    }
    return ToolCallRecord(tool_name=tool, started_at=at, **(known | facts))


def step(name: str = "greet", *, at: datetime = START, **facts: Any) -> StepRecord:
    """One tool step that went well."""
    known = {
        "index": 0,
        "step_type": "tool",
        "status": "completed",
        "completed_at": at + timedelta(milliseconds=5),
        "duration_ms": 5.0,
        "tool_name": "echo",
        "server": "demo",
        "span_id": "b" * 16,
        "tool_calls": [call(at=at)],
        "tool_params": {"text": "hello"},
        "tool_result": "hello",
    }
    return StepRecord(step_id=name, started_at=at, **(known | facts))


def run(number: int = 1, **facts: Any) -> ExecutionRecord:
    """One run that went well, `number` seconds after `START`."""
    at = facts.pop("started_at", START + timedelta(seconds=number))
    known = {
        "execution_id": f"exec-{number:06d}",
        "type": "workflow",
        "status": "completed",
        "workflow_name": "hello",
        "workflow_version": "1.0.0",
        "completed_at": at + timedelta(milliseconds=10),
        "duration_ms": 10.0,
        "inputs": {"name": "Ada"},
        "outputs": {"greeting": "hello Ada"},
        "steps": [step(at=at)],
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "owner": "",
    }
    return ExecutionRecord(started_at=at, **(known | facts))


# --- any records ------------------------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"),
    max_size=12,
)
WORD = st.sampled_from(["hello", "mixed", "Charge", "ünï", "a%b_c!", "it's", 'say "x"', "back\\slash", "λ"])
MOMENT = st.datetimes(
    min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - the zone is added by the strategy
    max_value=datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
NEAR = st.integers(0, 40).map(lambda seconds: START + timedelta(seconds=seconds))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
    | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
DURATION = st.none() | st.integers(0, 10_000_000).map(lambda us: us / 1e3)
ERROR = st.builds(
    ErrorRecord,
    code=st.sampled_from(["TOOL_FAILED", "WORKFLOW_TIMEOUT", "other"]),
    category=WORD,
    message=TEXT,
    retryable=st.booleans(),
    cause=st.none() | st.builds(ErrorRecord, code=WORD, category=WORD, message=TEXT),
)
CALL = st.builds(
    ToolCallRecord,
    call_id=WORD,
    tool_name=st.sampled_from(["echo", "add", "charge"]),
    source=st.sampled_from(["tool_step", "code_block", "direct"]),
    sequence=st.integers(1, 9),
    started_at=NEAR,
    status=st.sampled_from(["running", "success", "error", "timeout", "cancelled"]),
    duration_ms=DURATION,
    error=st.none() | ERROR,
    params=JSON,
    result=JSON,
)
CODE = st.builds(
    CodeRecord, code_hash=WORD, imports=st.lists(WORD, max_size=2), stdout=JSON, exception=st.none() | ERROR
)
STEP = st.builds(
    StepRecord,
    step_id=WORD,
    index=st.integers(0, 9),
    step_type=st.sampled_from(["tool", "code"]),
    status=st.sampled_from(["completed", "failed", "skipped"]),
    started_at=NEAR,
    duration_ms=DURATION,
    attempt=st.integers(1, 3),
    tool_calls=st.lists(CALL, max_size=2),
    error=st.none() | ERROR,
    code=st.none() | CODE,
)


def runs(moment: st.SearchStrategy[datetime] = NEAR) -> st.SearchStrategy[ExecutionRecord]:
    """Any run; ids are short, so that some occur twice in a list."""
    return st.builds(
        ExecutionRecord,
        execution_id=st.integers(0, 60).map(lambda number: f"exec-{number:02d}"),
        type=st.sampled_from(["workflow", "direct"]),
        status=st.sampled_from(["running", "completed", "failed", "cancelled"]),
        started_at=moment,
        workflow_name=st.none() | WORD,
        duration_ms=DURATION,
        inputs=JSON,
        outputs=JSON,
        steps=st.lists(STEP, max_size=3),
        tool_calls=st.lists(CALL, max_size=1),
        error=st.none() | ERROR,
        caller_id=st.none() | WORD,
        metadata=st.dictionaries(st.sampled_from(["session_id", "note"]), WORD, max_size=2),
        trace_id=st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}"),
    )


def filled(record: ExecutionRecord) -> ExecutionRecord:
    """Return the record as it is read back: a tool's step has the parameters and result of its last call."""
    for each in record.steps:
        if each.step_type == "tool" and each.tool_calls:
            last = each.tool_calls[-1]
            each.tool_params = last.params if each.tool_params is None else each.tool_params
            each.tool_result = last.result if each.tool_result is None else each.tool_result
    return record


QUERY = st.builds(
    RunQuery,
    limit=st.none() | st.integers(1, 7),
    since=st.none() | NEAR,
    until=st.none() | NEAR,
    workflow=st.none() | WORD,
    status=st.none() | st.sampled_from(["running", "completed", "failed", "cancelled"]),
    type=st.none() | st.sampled_from(["workflow", "direct"]),
    tool=st.none() | st.sampled_from(["echo", "add", "nobody"]),
    error=st.none() | st.sampled_from(["TOOL_FAILED", "nothing"]),
    min_duration_ms=st.none() | st.floats(0, 10_000),
    text=st.none() | WORD | TEXT.filter(bool),
    caller=st.none() | WORD,
    session=st.none() | WORD,
    ids=st.none()
    | st.lists(st.integers(0, 60).map(lambda number: f"exec-{number:02d}"), max_size=4).map(tuple),
).filter(lambda query: not (query.since and query.until and query.since > query.until))


class Model:
    """A reference store, as simple as possible, for the expected results."""

    def __init__(self) -> None:
        self.records: dict[str, ExecutionRecord] = {}

    def put(self, record: ExecutionRecord) -> None:
        """Store a record; a run that has ended cannot run again."""
        before = self.records.get(record.execution_id)
        if before is None or before.status == "running" or record.status != "running":
            self.records[record.execution_id] = record

    def ask(self, query: RunQuery) -> list[ExecutionRecord]:
        """Return all runs that pass, newest first, without a limit."""
        found = [record for record in self.records.values() if self._passes(record, query)]
        return sorted(found, key=lambda record: (record.started_at, record.execution_id), reverse=True)

    def _passes(self, record: ExecutionRecord, query: RunQuery) -> bool:
        calls = list(record.tool_calls)
        errors = [record.error]
        for each in record.steps:
            calls += each.tool_calls
            errors.append(each.error)
        errors += [each.error for each in calls]
        asked = {
            "since": lambda value: record.started_at >= value,
            "until": lambda value: record.started_at < value,
            "workflow": lambda value: record.workflow_name == value,
            "status": lambda value: record.status == value,
            "type": lambda value: record.type == value,
            "tool": lambda value: value in [each.tool_name for each in calls],
            "error": lambda value: value in [each.code for each in errors if each],
            "min_duration_ms": lambda value: record.duration_ms is not None and record.duration_ms >= value,
            "text": lambda value: _fold(value) in _fold("\n".join(_words(record))),
            "caller": lambda value: record.caller_id == value,
            "ids": lambda value: record.execution_id in value,
            "session": lambda value: record.metadata.get("session_id") == value,
        }
        return all(test(value) for name, test in asked.items() if (value := getattr(query, name)) is not None)


def _fold(text: str) -> str:
    return "".join(c.lower() if c.isascii() else c for c in text)


def _words(record: ExecutionRecord) -> list[str]:
    """Every text in a record that a search finds: all of it but the words that the record itself is made of."""
    names = {
        "ErrorRecord": ("code", "category", "message", "detail", "step_id", "tool_name", "cause"),
        "ToolCallRecord": ("tool_name", "server", "params", "result", "error"),
        "CodeRecord": ("imports", "stdout", "stderr", "result", "exception"),
        "StepRecord": (
            "step_id", "tool_name", "skip_reason", "tool_params", "tool_result", "error", "code", "tool_calls",
        ),
        "ExecutionRecord": (
            "execution_id", "trace_id", "workflow_name", "caller_id", "inputs", "outputs", "metadata", "error",
            "tool_calls", "steps",
        ),
    }  # fmt: skip

    def words(value: Any) -> list[str]:
        kind = type(value).__name__
        if kind in names:
            return [word for name in names[kind] for word in words(getattr(value, name))]
        if isinstance(value, dict):
            return [word for key, item in value.items() for word in (key, *words(item))]
        if isinstance(value, list):
            return [word for item in value for word in words(item)]
        if isinstance(value, str):
            return [value]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and "e" not in repr(value):
            return [repr(value)]
        return []

    return words(record)
