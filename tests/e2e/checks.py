"""Content of the stores, compared with the calls; used after a normal run and after an outage."""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import requests

from ael_otel._generated.attributes import AEL_SESSION_AGENT
from tests.e2e.backends import Backends, LogLine
from tests.e2e.expected import BUNDLED, GAUGES_OF_THE_PROCESS, SESSIONS, Case, table
from tests.e2e.spans import OURS, StoredSpan, root_of, tree
from tests.e2e.waiting import difference, wait_until_nothing_is_missing

ARRIVAL_SECONDS: Final = 45
"""Seconds until the stores must return the telemetry."""


@dataclass(frozen=True)
class Known:
    """One call as its caller sees it: its case, and the returned ids, empty where there was none."""

    case: Case
    trace_id: str = ""
    parent_id: str = ""
    execution_id: str = ""


@dataclass(frozen=True)
class Truth:
    """All calls of one process."""

    service: str
    calls: tuple[Known, ...]
    workflows: frozenset[str] = BUNDLED

    @property
    def cases(self) -> list[Case]:
        """Return the called cases, each as often as it was called."""
        return [call.case for call in self.calls]


def settle(backends: Backends, truth: Truth, printed: Iterable[Mapping[str, Any]] = ()) -> None:
    """Wait until everything has arrived or the time is up; never fails, since the tests check by themselves.

    So each of many tests fails at once when something is amiss, and only one of them has waited.
    """
    for check in (
        lambda: check_metrics(backends, truth, seconds=ARRIVAL_SECONDS),
        lambda: run_traces(backends, truth, seconds=ARRIVAL_SECONDS),
        lambda: check_lines(backends, truth.service, printed, seconds=ARRIVAL_SECONDS),
    ):
        with suppress(AssertionError):
            check()


# --- metrics ----------------------------------------------------------------------------------------------------------


def check_metrics(backends: Backends, truth: Truth, *, seconds: float = 0) -> None:
    """Check that Prometheus has exactly the series that the calls make, each once, each with the calls' number."""
    wanted = table(truth.cases, truth.workflows)

    def missing() -> str:
        try:
            stored = {
                key: value
                for key, value in backends.rows(truth.service).items()
                if key.partition("{")[0] not in {*GAUGES_OF_THE_PROCESS, *SESSIONS}
            }
            return difference("metrics in Prometheus", wanted, stored)
        except requests.RequestException as error:
            return f"Prometheus does not answer: {type(error).__name__}"

    wait_until_nothing_is_missing(missing, seconds=seconds)


# --- traces -----------------------------------------------------------------------------------------------------------


def run_traces(backends: Backends, truth: Truth, *, seconds: float = 0) -> dict[str, list[StoredSpan]]:
    """Wait for every span of every call and return the traces that have spans of the contract.

    Other traces may only be those of clients' sessions, and of the MCP client library, which asks for the tools' list
    when the engine starts.
    """
    wanted = sum(case.spans for case in truth.cases)
    found: dict[str, list[StoredSpan]] = {}

    def missing() -> str:
        nonlocal found
        try:
            stored = backends.traces.of_service(truth.service)
        except requests.RequestException as error:
            return f"the store of traces does not answer: {type(error).__name__}"
        found = {trace_id: spans for trace_id, spans in stored.items() if not is_session(spans)}
        have = sum(span.scope == OURS for spans in found.values() for span in spans)
        return "" if have >= wanted else f"{have} of {wanted} spans, in {len(found)} traces"

    wait_until_nothing_is_missing(missing, seconds=seconds)
    runs = {trace_id: spans for trace_id, spans in found.items() if any(span.scope == OURS for span in spans)}
    others = {span.name for trace_id in found.keys() - runs.keys() for span in found[trace_id]}
    assert others <= {"tools/list"}, f"traces that belong to no call: {others}"
    return runs


def is_session(spans: Iterable[StoredSpan]) -> bool:
    """Whether a trace is that of a session, and not of a run."""
    return any(AEL_SESSION_AGENT in span.attributes for span in spans)


def check_traces(backends: Backends, truth: Truth, *, seconds: float = 0) -> dict[str, list[StoredSpan]]:
    """Check that there is one trace per call and each has its call's tree, under the id that the caller knows.

    Returns the traces by id.
    """
    traces = run_traces(backends, truth, seconds=seconds)
    trees = {trace_id: tree(spans) for trace_id, spans in traces.items()}
    assert_same("trees", Counter(case.tree for case in truth.cases), Counter(trees.values()))
    roots = {trace_id: root_of(spans) for trace_id, spans in traces.items()}
    by_execution = {str(root.attributes.get("ael.workflow.id")): trace_id for trace_id, root in roots.items()}
    for call in truth.calls:
        trace_id = call.trace_id or by_execution.get(call.execution_id, "")
        if call.trace_id or call.execution_id:
            assert trace_id in trees, f"no trace of {call.case.name}: {call}"
            assert trees[trace_id] == call.case.tree
        if call.trace_id:
            assert roots[trace_id].parent_id == call.parent_id, (
                "the caller's span is the parent, if it brought one"
            )
        if call.trace_id and call.execution_id:
            assert roots[trace_id].attributes["ael.workflow.id"] == call.execution_id
    brought = {call.parent_id for call in truth.calls}
    for spans in traces.values():
        check_spans(spans, brought)
    return traces


def check_spans(spans: list[StoredSpan], brought: Iterable[str]) -> None:
    """Check the invariants of every trace's spans: no orphan, children inside their parents, errors with a type."""
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans), "a span is in its trace once"
    assert root_of(spans).parent_id in {"", *brought}, (
        "the root's parent is the caller's span, or there is none"
    )
    for span in spans:
        assert span.scope == OURS, f"{span.name} of {span.scope} is in a trace of ours"
        assert span.kind == ("CLIENT" if span.name == "MCP Request" else "INTERNAL")
        if str(span.attributes.get("ael.step.skip_reason")).startswith(("on_error: ", "on_missing_tool: ")):
            # The kind of a failure that was tolerated is on the step, which is none that failed.
            assert not span.error
            assert span.attributes["ael.error.type"]
        else:
            assert span.attributes.get("ael.error.type", "") == span.error
        parent = by_id.get(span.parent_id)
        if parent is not None:
            assert parent.start <= span.start <= span.end <= parent.end, f"{span.name} outlives {parent.name}"


# --- logs -------------------------------------------------------------------------------------------------------------

OF_THE_PROCESS: Final = frozenset(
    {
        *("ael_engine_version", "ael_otel_version", "service_instance_id", "service_name"),
        *("telemetry_auto_version", "telemetry_sdk_language", "telemetry_sdk_name", "telemetry_sdk_version"),
        *("scope_name", "scope_version", "severity_number", "severity_text"),
        *("detected_level", "flags", "observed_timestamp"),
    }
)
"""Fields in Loki besides those of the line itself: resource, scope, severity, Loki's own."""

LOCAL: Final = ("ael_otel", "opentelemetry")
"""Components whose lines are not sent: a failing exporter reports itself there, and would feed its own queue."""

type Line = tuple[str, str, tuple[tuple[str, str], ...]]


def printed_line(line: Mapping[str, Any]) -> Line:
    """A line of stdout as Loki must have it: level, message, the other fields as text; empty fields are left out."""
    fields = {
        key.replace(".", "_"): _as_text(value)
        for key, value in line.items()
        if value != "" and key not in ("timestamp", "level", "message")
    }
    return line["level"], line["message"], tuple(sorted(fields.items()))


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def stored_line(line: LogLine) -> Line:
    """A line of Loki in the same form."""
    fields = {key: value for key, value in line.labels.items() if key not in OF_THE_PROCESS}
    return line.labels["severity_text"], line.text, tuple(sorted(fields.items()))


def check_lines(
    backends: Backends,
    service: str,
    printed: Iterable[Mapping[str, Any]],
    *,
    seconds: float = 0,
) -> list[LogLine]:
    """Check that Loki has each printed line exactly once, with all its fields, and no other; return Loki's lines."""
    wanted = Counter(printed_line(line) for line in printed if not line["component"].startswith(LOCAL))
    found: list[LogLine] = []

    def missing() -> str:
        nonlocal found
        try:
            found = backends.lines(service)
        except requests.RequestException as error:
            return f"Loki does not answer: {type(error).__name__}"
        lost = wanted - Counter(map(stored_line, found))
        return f"{lost.total()} of {wanted.total()} lines, such as {next(iter(lost))}" if lost else ""

    wait_until_nothing_is_missing(missing, seconds=seconds)
    assert_same("log lines", wanted, Counter(map(stored_line, found)))
    return found


def assert_same(what: str, wanted: Counter[Any], found: Counter[Any]) -> None:
    """Fail with the first difference of two collections, as one line and not as a diff of thousands of lines."""
    __tracebackhide__ = True
    for text, more in (("missing", wanted - found), ("too many", found - wanted)):
        if more:
            first = next(iter(more))
            raise AssertionError(f"{more.total()} {what} {text} of {wanted.total()}; the first:\n{first}")
