"""The pages, over stores of runs and sessions with ordinary and hostile content."""

import json
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from msgspec.structs import replace

from ael_otel.privacy.markers import MARKERS
from ael_otel.sessions.events import SessionEvent
from ael_otel.sessions.table import SessionTable
from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.records import ModelCallRecord, PriceRecord
from ael_otel.store.sqlite import SqliteStore
from ael_otel.ui.application import asset
from ael_otel.ui.rows import INLINE, MAX_BLOCK, MAX_ROWS
from tests.support.ui_client import Markup
from tests.unit.export.conftest import moment
from tests.unit.insights.test_insights import history
from tests.unit.sessions.test_session import call as call_events
from tests.unit.sessions.test_session import event
from tests.unit.ui.conftest import Get

type Put = Callable[[Iterable[ExecutionRecord]], None]

ATTACK = "</script></pre></td>\"'><script>alert(1)</script><img src=x onerror=alert(1)>{{ 7*7 }}{% raw %}\x00\x1b[31m"

TYPED = ATTACK.partition("\x00")[0]  # as a person can type it


def model_call(**more: object) -> ModelCallRecord:
    """Return a model call with a price."""
    values = {
        "source": "span",
        "at": moment(20),
        "model": "m-1",
        "provider": "acme",
        "step_id": "pay",
        "input_tokens": 1_200,
        "output_tokens": 30,
        "cost_nano": 1_050_000,
        "currency": "USD",
        "cost_source": "table",
        "price": PriceRecord("m-1", "acme", "own"),
    }
    return ModelCallRecord(**{**values, **more})  # type: ignore[arg-type]


def hostile(text: str = ATTACK) -> ExecutionRecord:
    """Return a run with a text in every field that a workflow, a tool, a client or an error can write to."""
    error = ErrorRecord(
        text, text, text, detail=text, step_id=text, tool_name=text, cause=ErrorRecord(text, text, text)
    )
    at = moment(0)
    step = StepRecord(
        text, 0, "tool", "failed", at, text, at, 1.0, text, text, tool_params={text: text}, tool_result=text,
        error=error,
    )  # fmt: skip
    step.tool_calls = [
        ToolCallRecord(
            text, text, "tool_step", 1, at, text, text, text, "error", at, 1.0, error, text, {text: text}, text, text
        )
    ]  # fmt: skip
    return ExecutionRecord(
        text, "workflow", "failed", at, text, text, at, 1.0, {text: [text]}, text, [step], [], error, text,
        {"session_id": text, text: text}, "a" * 32, text,
        model_calls=[model_call(model=text, provider=text, step_id=text, tool_name=text)],
    )  # fmt: skip


async def checked(get: Get, address: str, status: int = 200) -> Markup:
    """Return a page without anything that its policy forbids."""
    answer = await get(address)
    assert answer.status == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    read = Markup(answer.text)
    assert read.faults() == []
    return read


async def test_list_has_filters_rows_and_links(
    get: Get, stored: Put, full: ExecutionRecord, direct: ExecutionRecord
):
    """Each run with its status, duration, counts and error; labels for all fields; a link to its page."""
    stored([full, direct])
    read = await checked(get, "/")
    assert "/run?id=exec-7f3a91c20001" in read.links()
    for text in ("order", "failed", "50.2 ms", "TOOL_FAILED", "(direct call)", "1 retried"):
        assert text in read.text
    inputs = {found["id"] for tag, found in read.elements if tag in ("input", "select") and "id" in found}
    labels = {found["for"] for tag, found in read.elements if tag == "label"}
    assert inputs == labels
    assert {tag for tag, _ in read.elements} >= {"nav", "main", "footer", "h1", "table"}


async def test_filters_choose_and_stay_in_the_form(
    get: Get, stored: Put, full: ExecutionRecord, direct: ExecutionRecord
):
    """The address has the filters; the form shows them; the page of another cursor keeps them."""
    stored([full, direct])
    read = await checked(get, "/?where=step.tool+%3D+%22charge%22&status=failed")
    values = {found.get("name"): found.get("value") for tag, found in read.elements if tag == "input"}
    assert values["where"] == 'step.tool = "charge"'
    assert "order" in read.text
    assert "(direct call)" not in read.text
    assert "No runs to show" in (await checked(get, "/?workflow=other")).text


async def test_pages_of_the_list_are_complete(get: Get, stored: Put, full: ExecutionRecord):
    """Following the links shows each run once, newest first, and the filters go along."""
    runs = [
        replace(
            full, execution_id=f"exec-{number:04}", started_at=full.started_at + timedelta(seconds=number)
        )
        for number in range(120)
    ]
    stored(runs)
    address, found = "/?status=failed", []
    while address:
        links = (await checked(get, address)).links()
        found += [link for link in links if link.startswith("/run?")]
        assert "status=failed" in address
        address = next((link for link in links if "cursor=" in link), "")
    assert found == [f"/run?id={run.execution_id}" for run in reversed(runs)]


@pytest.mark.parametrize(
    "query",
    [
        "where=status+%3D",
        "where=%27%3B+drop+table+executions%3B--",
        "where=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
        "status=%3Cscript%3E",
        "since=tomorrow%22%3E",
        "cursor=%3Cscript%3E",
        "min_duration=x&where=%29",
    ],
)
@pytest.mark.parametrize("path", ["/", "/insights", "/cost"])
async def test_mistake_in_a_filter_is_shown_at_its_field(get: Get, stored: Put, full, path: str, query: str):
    """The page is a 400 that names the mistake and lists no run, which could be taken for the answer."""
    stored([full])
    read = await checked(get, f"{path}?{query}", 400)
    wrong = [found for _, found in read.elements if found.get("aria-invalid") == "true"]
    ids = {found.get("id") for _, found in read.elements}
    assert all(each["aria-describedby"] in ids for each in wrong)
    assert wrong or "cursor" in query
    assert not [link for link in read.links() if link.startswith("/run?")]


async def test_run_has_its_tree_content_errors_cost_and_links(get: Get, stored: Put, full: ExecutionRecord):
    """Everything that is recorded about a run, and where to go from it."""
    full.model_calls = [
        model_call(),
        model_call(model="m-2", cost_nano=None, currency=None, cost_source="none"),
    ]
    earlier = replace(full, execution_id="exec-before", started_at=full.started_at - timedelta(hours=1))
    stored([full, earlier])
    read = await checked(get, f"/run?id={full.execution_id}")
    rows = [found for tag, found in read.elements if tag == "details" and "id" in found]
    assert len(rows) == 10
    for text in ("1 greet", "attempt 2", "Python", "card declined", "hello", "in step pay", "Attribution"):
        assert text in read.text
    for text in ("Model calls", "m-1 of acme", "0.001050 USD", "own acme/m-1", "no price"):
        assert text in read.text
    bars = [found for tag, found in read.elements if tag == "rect"]
    assert (bars[0]["x"], bars[0]["width"]) == ("0.00%", "100.00%")
    assert (bars[1]["x"], bars[1]["width"]) == ("1.99%", "19.90%")
    links = read.links()
    assert f"/diff?run=exec-before&run={full.execution_id}" in links
    assert f"/logs?id={full.execution_id}" in links
    assert "/session?id=s1" in links
    assert [link for link in links if link.startswith("http://grafana.example:3000/d/ael-traces?")]
    # The failed rows are linked from the top.
    failed = [link.removeprefix("#") for link in links if link.startswith("#r")]
    assert len(failed) == 3
    assert set(failed) <= {row["id"] for row in rows}


async def test_run_is_found_by_the_beginning_of_an_id(get: Get, stored: Put, full: ExecutionRecord):
    """Of its execution id or its trace id; an ambiguous one names the candidates, an unknown one is a 404."""
    stored([full, replace(full, execution_id="exec-7f3a91c20002", trace_id="b" * 32)])
    assert "order" in (await checked(get, f"/run?id={full.trace_id[:8]}")).text
    assert "exec-7f3a91c20002" in (await checked(get, "/run?id=7f3a", 400)).text
    assert "begins with 'nothing'" in (await checked(get, "/run?id=nothing", 404)).text


@pytest.mark.parametrize("path", ["/run", "/row", "/logs", "/session"])
@pytest.mark.parametrize(
    "identifier",
    [
        "",
        ATTACK,
        "../../etc/passwd",
        "' OR 1=1 --",
        "%",
        "_",
        "a" * 5_000,
        "\ud7ff\ue000",
        "exec-%25%32%35",
        "latest",
    ],
)
async def test_hostile_id_is_not_found(
    get: Get, stored: Put, full: ExecutionRecord, path: str, identifier: str
):
    """Any text may be asked for: the page says that there is no such run, and nothing of the text is markup."""
    stored([full])
    await checked(get, f"{path}?id={quote(identifier)}", 404)


@pytest.mark.parametrize("query", ["", "run=", "run=a", "run=a&run=b&run=c"])
async def test_comparison_needs_two_runs(get: Get, stored: Put, full: ExecutionRecord, query: str):
    """It says how many were chosen."""
    stored([full])
    assert "two runs" in (await checked(get, f"/diff?{query}", 400)).text


async def test_comparison_has_values_and_times(get: Get, stored: Put, full: ExecutionRecord):
    """What differs, side by side; a step that only one run has; the durations with their change."""
    other = replace(full, execution_id="exec-other", inputs={"name": "Bob"}, steps=full.steps[:2])
    other.steps[0] = replace(other.steps[0], duration_ms=25.0)
    stored([full, other])
    read = await checked(get, f"/diff?run={full.execution_id}&run=exec-other")
    for text in ("inputs.name", "Ada", "Bob", "inputs.note", "absent", "steps.pay", "2.5x"):
        assert text in read.text
    assert "No difference but the times" in (await checked(get, "/diff?run=exec-other&run=exec-other")).text


async def test_no_stored_text_is_markup(get: Get, stored: Put, db: Path):
    """Markup in every field of a run and a session, on every page: it is text, and no link leads elsewhere."""
    run = hostile()
    store = SqliteStore(db)
    store.put([run, replace(hostile(), execution_id="exec-2", outputs=None)])
    odd = {"session_id": ATTACK, "agent": ATTACK}
    SessionTable(store).add(
        [
            SessionEvent(**odd, kind="session.start", at_us=1_800_000_000_000_000, key="a", workspace=ATTACK),
            SessionEvent(
                **odd, kind="tool.execute.before", at_us=1_800_000_001_000_000, key="b", call_id="c", tool=ATTACK,
                paths=[ATTACK], content={ATTACK: ATTACK}, execution_id=ATTACK,
            ),
        ]
    )  # fmt: skip
    store.close()
    name = quote(run.execution_id)
    for address in (
        "/",
        f"/?workflow={quote(TYPED)}&text={quote(TYPED)}",
        f"/run?id={name}",
        f"/row?id={name}&n=1",
        f"/logs?id={name}",
        f"/diff?run={name}&run=exec-2",
        "/sessions",
        f"/session?id={name}",
        f"/row?of=session&id={name}&n=1",
        f"/cost?since=&by=model&caller={quote(TYPED)}",
        "/cost?since=&by=step",
        f"/insights?since=&text={quote(TYPED)}",
    ):
        read = await checked(get, address)
        assert not {"script"} & {tag for tag, found in read.elements if "src" not in found}
        assert "img" not in {tag for tag, _ in read.elements}
        assert "\x00" not in read.text
        assert "\x1b" not in read.text
        assert "49" not in re.sub(r"\d\d+", "", read.text)
        for link in read.links():
            assert link.startswith(("/", "#", "http://grafana.example:3000/d/ael-traces?"))
            assert not link.startswith("//")
    links = [link for link in (await checked(get, "/")).links() if link.startswith("/run?")]
    assert len(links) == 2
    for link in links:
        assert "<script>alert(1)</script>" in (await checked(get, link)).text


async def test_markers_stay_markers(get: Get, stored: Put, full: ExecutionRecord):
    """Content that was redacted when it was recorded is shown as it is stored."""
    full.inputs = dict(MARKERS)
    stored([full])
    text = (await checked(get, f"/run?id={full.execution_id}")).text
    assert [marker for marker in MARKERS.values() if marker not in text] == []


async def test_large_run_is_bounded_and_complete(get: Get, stored: Put, full: ExecutionRecord):
    """The page has a bounded amount of content; what is not in it is on the page of its row, whole."""
    big = "x" * (MAX_BLOCK + 5) + "end"
    full.steps = [
        StepRecord(
            f"s{number}", number, "tool", "completed", moment(number), duration_ms=1.0, tool_params={"a": big}
        )
        for number in range(200)
    ]
    stored([full])
    answer = await get(f"/run?id={full.execution_id}")
    read = Markup(answer.text)
    assert len(answer.body) < INLINE * 1.2 + 201 * 600
    links = [link for link in read.links() if link.startswith("/row?")]
    assert len(links) == 200
    assert "end" not in "".join(re.findall("x+end", read.text))
    for address in (links[0], links[-1]):
        assert json.dumps({"a": big}, indent=2) in (await checked(get, address)).text


async def test_rows_beyond_the_bound_are_on_the_next_page(
    get: Get, stored: Put, full: ExecutionRecord, monkeypatch
):
    """All rows of a very long run can be reached; a row that does not exist is a 404."""
    monkeypatch.setattr("ael_otel.ui.rows.MAX_ROWS", 4)
    monkeypatch.setattr("ael_otel.ui.application.MAX_ROWS", 4)
    assert MAX_ROWS > 10_000
    stored([full])
    address, rows = f"/run?id={full.execution_id}", []
    while address:
        read = await checked(get, address)
        rows += [found["id"] for tag, found in read.elements if tag == "details" and "id" in found]
        address = next(
            (link for link in read.links() if "Rows from" in read.text and f"from={len(rows)}" in link), ""
        )
    assert rows == [f"r{number}" for number in range(10)]
    await checked(get, f"/row?id={full.execution_id}&n=10", 404)
    await checked(get, f"/row?id={full.execution_id}&n=-1", 404)


async def test_logs_have_what_code_printed_and_say_where_lines_are(
    get: Get, stored: Put, full: ExecutionRecord
):
    """Without Loki the page names the variable."""
    stored([full])
    text = (await checked(get, f"/logs?id={full.execution_id}")).text
    assert "2 crunch stdout" in text
    assert "hello" in text
    assert "AEL_LOKI_URL" in text


async def test_sessions_and_one_of_them(get: Get, db: Path, full: ExecutionRecord):
    """The list chooses by agent and time; a session has its turns, calls and runs."""
    store = SqliteStore(db)
    full.metadata = {"session_id": "s-1"}
    store.put([full])
    SessionTable(store).add(
        [event("session.start", 0, "start"), event("turn.start", 1), *call_events(1, 2, 3)]
    )
    store.close()
    read = await checked(get, "/sessions")
    assert "/session?id=s-1" in read.links()
    assert "No sessions to show" in (await checked(get, "/sessions?agent=other")).text
    await checked(get, "/sessions?since=bad", 400)
    page = await checked(get, "/session?id=s-1")
    assert "Bash" in page.text
    assert f"/run?id={full.execution_id}" in page.links()
    assert "/?session=s-1" in page.links()
    await checked(get, "/row?of=session&id=s-1&n=0")


async def test_insights_have_findings_with_runs_to_compare(get: Get, stored: Put):
    """The same sentences as the command, each with its two runs; the default is a week."""
    stored(history(3, cause=0.5))
    read = await checked(get, "/insights?since=")
    assert "step enrich was retried fail later in" in read.text
    assert "Analysed 300 runs." in read.text
    compared = next(link for link in read.links() if link.startswith("/diff?"))
    assert "Comparison" in (await checked(get, compared)).text
    values = {
        found.get("name"): found.get("value") for tag, found in (await checked(get, "/insights")).elements
    }
    assert values["since"] == "7d"


async def test_cost_sums_up_by_a_key(get: Get, stored: Put, full: ExecutionRecord):
    """Amounts, tokens, and models without a price."""
    full.model_calls = [
        model_call(),
        model_call(model="m-2", cost_nano=None, currency=None, cost_source="none"),
    ]
    stored([full])
    read = await checked(get, "/cost?since=&by=workflow")
    for text in ("0.001050 USD", "order", "2,400", "1 call without a price", "m-2 (1)"):
        assert text in read.text
    assert "No model calls" in (await checked(get, "/cost?since=&workflow=other")).text
    await checked(get, "/cost?by=%3Cscript%3E")


async def test_store_that_does_not_exist_yet_is_an_empty_page(get: Get, stored: Put, full: ExecutionRecord):
    """The list is empty and fills up as soon as something is recorded; a run is not found."""
    assert "No runs to show" in (await checked(get, "/")).text
    for address in ("/insights", "/cost"):
        await checked(get, address)
    await checked(get, "/run?id=x", 404)
    await checked(get, "/sessions", 404)
    stored([full])
    assert "order" in (await checked(get, "/")).text


@pytest.fixture
def unreadable(db: Path) -> None:
    """A file that is not a database, where the store should be."""
    db.write_bytes(b"not a database" * 1000)


async def test_unreadable_store_is_reported(get: Get, unreadable: None):
    """Each page has the reason, not a traceback."""
    for address in ("/", "/run?id=x", "/cost", "/sessions"):
        assert "not a database" in (await checked(get, address, 503)).text


async def test_damaged_record_is_reported(get: Get, stored: Put, db: Path, full: ExecutionRecord):
    """The list still shows the run; its page names the command that repairs."""
    stored([full])
    store = SqliteStore(db)
    with store.transaction() as transaction:
        transaction.run("UPDATE bodies SET body = X'7B'")
    store.close()
    assert "order" in (await checked(get, "/")).text
    assert "ael trace repair" in (await checked(get, f"/run?id={full.execution_id}", 503)).text


async def test_list_at_many_runs_is_small(get: Get, stored: Put, full: ExecutionRecord):
    """A full first page with long names, the style sheet and the script together have less than 50 kB."""
    now = datetime.now(UTC)
    stored(
        replace(
            full,
            execution_id=f"exec-{number:012d}",
            workflow_name=f"a-rather-long-name-{number}",
            started_at=now,
        )
        for number in range(60)
    )
    answer = await get("/")
    assert len(answer.body) + len(asset("style.css")) + len(asset("ui.js")) < 50_000


async def test_absent_page_and_file(get: Get):
    """Neither a page nor a file of the package that is not meant to be served."""
    await checked(get, "/nothing", 404)
    for name in ("application.py", "..%2fserver.py", "style.css.map"):
        await checked(get, f"/assets/{name}", 404)


async def test_script_and_style_load_nothing(get: Get):
    """What the pages load names no other host."""
    for name in ("style.css", "ui.js", "icon.svg"):
        answer = await get(f"/assets/{name}")
        assert answer.status == 200
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"//[a-z]+\.|@import|url\(", text)
