"""Grafana over the stores that the other tests fill: its data sources answer, its board is there, its links lead on."""

import base64
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.dashboards.boards import Json, committed, data_panels, kind_of
from tests.e2e.backends import Backends
from tests.e2e.checks import Known, Truth, check_metrics, run_traces
from tests.e2e.expected import BUNDLED, CASES
from tests.e2e.links import fill
from tests.e2e.panels import QUERIES, View
from tests.e2e.programs import Clients, asks, serving
from tests.e2e.waiting import wait_until_nothing_is_missing
from tests.rules.rules import alerts
from tests.stack.conftest import ROOT
from tests.support.needs import require

pytestmark = pytest.mark.timeout(400)  # the first test of all waits for the stack

SERVICE = "e2e-grafana"
BOARDS = committed()


class Grafana:
    """Its API, as the administrator.

    Args:
        url: where it answers.
        password: the generated one.
    """

    def __init__(self, url: str, password: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.auth = ("admin", password)
        token = base64.b64encode(f"admin:{password}".encode()).decode()
        self.authorization = f"Basic {token}"

    def get(self, path: str, **parameters: str) -> Any:
        """Return the body of a GET; fails unless it succeeds."""
        answer = self._session.get(f"{self.url}{path}", params=parameters, timeout=15)
        assert answer.ok, f"{path}: {answer.status_code} {answer.text[:300]}"
        return answer.json()

    def rows(self, query: dict[str, Any]) -> int:
        """How many rows a query returns, asked as a panel asks it."""
        body = {"from": "now-1h", "to": "now", "queries": [{"refId": "A", **query}]}
        answer = self._session.post(f"{self.url}/api/ds/query", json=body, timeout=15)
        assert answer.ok, answer.text[:300]
        (result,) = answer.json()["results"].values()
        assert "error" not in result, result["error"]
        frames = result.get("frames", [])
        return sum(len((frame["data"]["values"] or [[]])[0]) for frame in frames)


@pytest.fixture(scope="module")
def grafana(backends: Backends) -> Grafana:
    """The running Grafana; skips where this machine has no image of it, which CI's has not."""
    require(
        "grafana" in backends.services,
        "no images of Grafana and Tempo on this machine; run `make up`, or set AEL_GRAFANA_IMAGE and AEL_TEMPO_IMAGE",
        ci=False,
    )
    secret = (ROOT / "deploy" / ".secrets" / "grafana.env").read_text("utf-8")
    found = re.search(r"^GF_SECURITY_ADMIN_PASSWORD=(.+)$", secret, re.MULTILINE)
    assert found
    return Grafana(f"http://127.0.0.1:{backends.ports['AEL_GRAFANA_PORT']}", found[1])


@pytest.fixture(scope="module")
def run_of_hello(backends: Backends, grafana: Grafana, tmp_path_factory: pytest.TempPathFactory) -> Known:
    """One run whose telemetry has arrived in all three stores, under a trace id that begins with a zero."""
    with serving(
        tmp_path_factory.mktemp("grafana"), SERVICE, backends.otlp, OTEL_METRIC_EXPORT_INTERVAL="1000"
    ) as served:
        (answer,) = Clients(served.port).drive([asks("hello", "workflow_run", traced=True)])
        assert served.stop() == 0
    assert answer.trace_id.startswith("0")
    known = Known(CASES["hello"], answer.trace_id, answer.parent_id, answer.execution_id)
    truth = Truth(SERVICE, (known,), BUNDLED | {"overtime"})
    check_metrics(backends, truth, seconds=30)
    run_traces(backends, truth, seconds=30)
    wait_until_nothing_is_missing(
        lambda: "" if backends.lines(SERVICE, f' | trace_id="{known.trace_id}"') else "no line of the run",
        seconds=30,
    )
    return known


def arrives(count: Callable[[], int], what: str) -> None:
    """Wait until a query has rows."""
    wait_until_nothing_is_missing(lambda: "" if count() else f"no rows of {what}", seconds=30)


def test_access_without_the_password_is_refused(grafana: Grafana) -> None:
    """Proves that anonymous access and the well-known password are off."""
    assert requests.get(f"{grafana.url}/api/datasources", timeout=10).status_code == 401
    known = requests.get(f"{grafana.url}/api/datasources", auth=("admin", "admin"), timeout=10)
    assert known.status_code == 401


def test_all_three_data_sources_answer(grafana: Grafana, run_of_hello: Known) -> None:
    """Proves that queries as panels make them return rows of a run from Prometheus, Loki and Tempo."""
    prometheus = {
        "datasource": {"uid": "prometheus", "type": "prometheus"},
        "expr": f'ael_workflow_executions_total{{service_name="{SERVICE}"}}',
        "instant": True,
        "range": False,
    }
    loki = {
        "datasource": {"uid": "loki", "type": "loki"},
        "expr": f'{{service_name="{SERVICE}"}} | execution_id="{run_of_hello.execution_id}"',
        "queryType": "range",
        "maxLines": 100,
    }
    tempo = {
        "datasource": {"uid": "tempo", "type": "tempo"},
        "query": f'{{resource.service.name="{SERVICE}" && name="Workflow Execution"}}',
        "queryType": "traceql",
        "tableType": "traces",
        "limit": 20,
    }
    for query in (prometheus, loki, tempo):
        arrives(lambda query=query: grafana.rows(query), query["datasource"]["uid"])


def test_the_boards_are_listed(grafana: Grafana) -> None:
    """Proves that every board of the repository is provisioned under its uid, and that the overview opens."""
    wanted = {json.loads(path.read_text("utf-8"))["uid"] for path in (ROOT / "dashboards").glob("*.json")}
    assert wanted

    def missing() -> str:
        listed = {found["uid"] for found in grafana.get("/api/search", type="dash-db")}
        return f"not listed: {wanted - listed}" if wanted - listed else ""

    wait_until_nothing_is_missing(missing, seconds=45)
    assert grafana.get("/api/dashboards/uid/ael-overview")["dashboard"]["panels"]


def test_the_alerts_are_shown(grafana: Grafana) -> None:
    """Proves that Grafana's list of alerts, which asks the data sources that manage alerts for their rules, has every
    alert of the repository.
    """
    assert grafana.get("/api/datasources/uid/prometheus")["jsonData"]["manageAlerts"] is True
    answer = grafana.get("/api/prometheus/prometheus/api/v1/rules")
    listed = {rule["name"] for group in answer["data"]["groups"] for rule in group["rules"]}
    assert listed >= {alert.name for alert in alerts()}


def test_it_starts_without_an_error(backends: Backends, grafana: Grafana) -> None:
    """Proves that provisioning of data sources and boards, and all else until now, logged no error."""
    said = subprocess.run(
        ["docker", "logs", backends.container("grafana")],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    lines = (said.stdout + said.stderr).splitlines()
    assert [line for line in lines if re.search(r'"?level"?[=:] ?"?(error|eror)', line)] == []


@pytest.mark.parametrize(("name", "panel", "target"), QUERIES)
def test_grafana_answers_every_query_of_every_panel(
    name: str, panel: Json, target: Json, grafana: Grafana, run_of_hello: Known
) -> None:
    """Proves that each query, sent as the panel sends it, is accepted by the data source behind Grafana."""
    require(
        target.get("queryType") != "serviceMap",
        "the service graph is put together in the browser, from metrics that other panels ask for",
        ci=False,
    )
    now = time.time()
    view = View(BOARDS[name], now - 3600, now, {"trace": run_of_hello.trace_id})
    query = {
        **{
            key: fill(value, view.values) if isinstance(value, str) else value
            for key, value in target.items()
        },
        "datasource": {"type": kind_of(target), "uid": kind_of(target)},
        # CallerInputs an id alone, the data source's browser part asks for that trace.
        **({"queryType": "traceId"} if target.get("query") == "$trace" else {}),
        "intervalMs": 15_000,
        "maxDataPoints": 200,
    }
    assert grafana.rows(query) >= 0


WIDTHS = (1280, 1920)
ERRORS = '[data-testid*="Panel status error"], [aria-label="Panel status"]'
"""Text on a panel whose query failed."""
OWN_WORDS = {"nodeGraph": 'Grafana\'s node graph says "No data" whatever its panel sets'}
"""Kinds of panel that ignore `noValue`, with the reason."""
HOW_TO_CHOOSE = "click the trace of a run above"
"""Text of the waterfall while no trace is chosen."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium of this machine."""
    executable = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    require(
        executable is not None, "no Chromium on this machine; install Debian's package chromium", ci=False
    )
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        require(False, "no playwright; install the extra `browser`", ci=False)
        raise
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        chromium = playwright.chromium.launch(executable_path=executable, args=flags)
        yield chromium
        chromium.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", BOARDS)
def test_a_board_looks_whole(
    name: str, width: int, browser: Any, grafana: Grafana, run_of_hello: Known, tmp_path: Path
) -> None:
    """Proves that a person's browser draws every panel of a board: none has an error, none is left loading, and what
    has nothing to show says so in the words of its panel, never in Grafana's "No data".
    """
    context = browser.new_context(
        viewport={"width": width, "height": 4000}, extra_http_headers={"Authorization": grafana.authorization}
    )
    page = context.new_page()
    page.goto(f"{grafana.url}/d/{name}?from=now-1h&to=now&var-trace={run_of_hello.trace_id}&kiosk")
    titles = [panel["title"] for panel in data_panels(BOARDS[name]) if "$" not in panel["title"]]
    for title in titles:
        page.get_by_text(title, exact=True).first.wait_for(timeout=30_000)
    # Not "network idle": the live log never is.
    loading = page.locator('[aria-label="Panel loading bar"]')
    wait_until_nothing_is_missing(lambda: "panels still load" if loading.count() else "", seconds=30)
    # Loaded data is drawn by the second frame after it.
    page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    page.screenshot(path=tmp_path / f"{name}-{width}.png")
    assert page.locator(ERRORS).count() == 0
    nothing = page.get_by_text("No data", exact=True)
    assert nothing.count() <= sum(panel["type"] in OWN_WORDS for panel in data_panels(BOARDS[name]))
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    context.close()


@pytest.mark.browser
def test_a_click_on_a_run_shows_its_waterfall(browser: Any, grafana: Grafana, run_of_hello: Known) -> None:
    """Proves for a trace whose id begins with a zero, which Tempo's search leaves out, that AEL Traces shows the id as
    all else shows it, and that a click on it draws that run's spans on the same page.
    """
    page = browser.new_page(
        viewport={"width": 1280, "height": 2000}, extra_http_headers={"Authorization": grafana.authorization}
    )
    page.goto(f"{grafana.url}/d/ael-traces?from=now-1h&to=now&var-execution={run_of_hello.execution_id}")
    page.get_by_text(HOW_TO_CHOOSE).first.wait_for(timeout=30_000)
    row = page.get_by_role("link", name=f"{run_of_hello.trace_id[:8]}…")
    row.wait_for(timeout=30_000)
    assert page.locator(ERRORS).count() == 0
    row.click()
    page.get_by_text(f"{SERVICE}: Workflow Execution").wait_for(timeout=30_000)
    assert page.get_by_text(run_of_hello.trace_id, exact=True).count()
    page.close()


def test_a_line_links_to_its_trace(backends: Backends, grafana: Grafana, run_of_hello: Known) -> None:
    """Proves that the derived field finds the id in a real line's structured metadata and that the data source it
    points at has that trace.
    """
    (field,) = grafana.get("/api/datasources/uid/loki")["jsonData"]["derivedFields"]
    assert field["matcherType"] == "label"
    (line, *_) = backends.lines(SERVICE, f' | execution_id="{run_of_hello.execution_id}"')
    (label,) = (name for name in line.labels if re.fullmatch(field["matcherRegex"], name))
    assert line.labels[label] == run_of_hello.trace_id
    assert field["url"] == "${__value.raw}"
    trace = grafana.get(
        f"/api/datasources/proxy/uid/{field['datasourceUid']}/api/v2/traces/{line.labels[label]}"
    )
    assert "Workflow Execution" in json.dumps(trace)


def test_a_trace_links_to_its_lines(grafana: Grafana, run_of_hello: Known) -> None:
    """Proves that the query behind a trace's link to its logs, filled in as Grafana does, returns its lines."""
    link = grafana.get("/api/datasources/uid/tempo")["jsonData"]["tracesToLogsV2"]
    (tag,) = link["tags"]
    tags = f'{tag["value"]}="{SERVICE}"'
    query = link["query"].replace("${__tags}", tags).replace("${__trace.traceId}", run_of_hello.trace_id)
    assert "$" not in query
    source = {"uid": link["datasourceUid"], "type": "loki"}
    arrives(
        lambda: grafana.rows({"datasource": source, "expr": query, "queryType": "range", "maxLines": 100}),
        query,
    )


def test_an_exemplar_links_to_its_trace(backends: Backends, grafana: Grafana, run_of_hello: Known) -> None:
    """Proves that the label by which Grafana links exemplars is the one that they carry."""
    (link,) = grafana.get("/api/datasources/uid/prometheus")["jsonData"]["exemplarTraceIdDestinations"]
    assert link["datasourceUid"] == "tempo"
    assert {labels.get(link["name"]) for _, labels in backends.exemplars(SERVICE)} == {run_of_hello.trace_id}
