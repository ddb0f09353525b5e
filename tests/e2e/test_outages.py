"""An outage of the stack costs time and no telemetry; a missing stack costs the telemetry, and no run."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.e2e.backends import Backends
from tests.e2e.checks import (
    LOCAL,
    Known,
    Truth,
    check_metrics,
    check_traces,
    printed_line,
    stored_line,
)
from tests.e2e.expected import BUNDLED, CASES
from tests.e2e.programs import Clients, Served, asks, serving
from tests.e2e.waiting import wait_until_nothing_is_missing

pytestmark = pytest.mark.timeout(400)  # the first test of all waits for the stack

CLIENTS = 4
PAUSE_SECONDS = 0.2
RUNS = 240
"""Twelve seconds of work: each client waits between two of its runs, so that they are 20 a second in all."""

LOADED = BUNDLED | {"overtime"}


@dataclass
class Outage:
    """Trouble that happens while clients call: from when to when, by the clock of the answers."""

    clients: Clients
    began: float = 0.0
    ended: float = 0.0

    async def lasts(self, seconds: float, away: Callable[[], None], back: Callable[[], None]) -> None:
        """Take something away for some seconds and bring it back."""
        await asyncio.to_thread(away)
        self.began = self.began or time.monotonic()
        await asyncio.sleep(seconds)  # wait: the length of an outage
        self.ended = time.monotonic()
        await asyncio.to_thread(back)

    @property
    def runs_meanwhile(self) -> int:
        """How many runs ended while it went on."""
        return sum(self.began < answer.at < self.ended for answer in self.clients.answers)


def drive(served: Served, trouble: Callable[[Outage], Awaitable[None]]) -> Outage:
    """Have the clients run `hello` while there is trouble; each run's trace id is the client's own."""
    outage = Outage(Clients(served.port, PAUSE_SECONDS))
    each = asks(f"hello x{RUNS // CLIENTS}", traced=True)
    outage.clients.drive([each] * CLIENTS, lambda: trouble(outage))
    assert len(outage.clients.answers) == RUNS
    assert all(answer.succeeded for answer in outage.clients.answers)
    assert outage.runs_meanwhile > 10, "hardly a run fell into the outage: nothing is proven"
    return outage


def sent_lines(served: Served) -> list[dict[str, Any]]:
    """The lines of stdout that go to the Collector as well."""
    return [line for line in served.lines() if not line["component"].startswith(LOCAL)]


def check_nothing_is_lost(backends: Backends, served: Served, outage: Outage) -> None:
    """Check that each run's spans, lines and counts are stored, and no others, and that the server ends in order.

    What an exporter has in hand may wait for its next try while the clients have already finished, so the server is
    stopped only when its spans and lines are there. A line may be there twice: a request that was accepted but not
    answered before the kill is sent again, since OTLP promises at least once. Spans and counts do not show it.
    """
    calls = tuple(Known(a.ask.case, a.trace_id, a.parent_id, a.execution_id) for a in outage.clients.answers)
    truth = Truth(served.service, calls, LOADED)

    def lines_missing() -> str:
        wanted = set(map(printed_line, sent_lines(served)))
        try:
            found = set(map(stored_line, backends.lines(served.service)))
        except requests.RequestException as error:
            return f"Loki does not answer: {type(error).__name__}"
        assert found <= wanted, f"lines that nobody printed, such as {next(iter(found - wanted))}"
        lost = wanted - found
        return f"{len(lost)} of {len(wanted)} lines are lost, such as {next(iter(lost))}" if lost else ""

    check_traces(backends, truth, seconds=90)
    wait_until_nothing_is_missing(lines_missing, seconds=90)
    assert served.stop() == 0
    wait_until_nothing_is_missing(lines_missing, seconds=30)
    check_metrics(backends, truth, seconds=30)
    assert not served.losses()


def test_a_collector_that_is_killed_and_comes_back_loses_nothing(backends: Backends, tmp_path: Path) -> None:
    """Proves that 240 runs are stored in full, spans, lines and counts, although the Collector was killed by SIGKILL
    among them and came back after eight seconds: both accepted items and later ones.
    """

    async def trouble(outage: Outage) -> None:
        await outage.clients.until(40)
        await outage.lasts(8, lambda: backends.kill("collector"), lambda: backends.start("collector"))

    with serving(tmp_path, "e2e-killed-collector", backends.otlp) as served:
        outage = drive(served, trouble)
        check_nothing_is_lost(backends, served, outage)
    backends.wait_for("collector")


def test_lines_outlive_a_loki_that_is_away_and_the_collector_that_holds_them(
    backends: Backends, tmp_path: Path
) -> None:
    """Proves that the Collector's queue is on disk: Loki stops among 240 runs, the Collector is killed while it holds
    their lines, both come back, and every line is stored.
    """

    async def trouble(outage: Outage) -> None:
        await outage.clients.until(10)
        await asyncio.to_thread(backends.stop, "loki")
        await outage.clients.until(40)
        await outage.lasts(3, lambda: backends.kill("collector"), lambda: backends.start("collector"))
        await asyncio.to_thread(backends.start, "loki")

    with serving(tmp_path, "e2e-stopped-loki", backends.otlp) as served:
        outage = drive(served, trouble)
        check_nothing_is_lost(backends, served, outage)
    backends.wait_for("collector")
    backends.wait_for("loki")


def test_a_collector_that_is_gone_stops_no_run_and_no_exit(backends: Backends, tmp_path: Path) -> None:
    """Proves that without a Collector every run succeeds, every dropped item is counted by signal on the
    engine's own /metrics, and the process still ends within three seconds.
    """
    runs = 60
    # Each client's session is a trace of its own: one span for it and one for each of its calls.
    spans = runs * CASES["hello"].spans + CLIENTS + runs
    service = "e2e-no-collector"
    # A request is dropped after a second instead of ten, so that the test sees it.
    impatient = {"OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    backends.kill("collector")
    try:
        with serving(tmp_path, service, backends.otlp, shutdown_seconds=None, **impatient) as served:
            clients = Clients(served.port)
            began = time.monotonic()
            answers = clients.drive([asks(f"hello x{runs // CLIENTS}")] * CLIENTS)
            took = time.monotonic() - began

            def missing() -> str:
                dropped = served.dropped()
                lines = sent_lines(served)
                # Two spans of the MCP client library, which lists the tools at the start, come on top.
                if dropped.get("logs") == len(lines) and dropped.get("traces", 0) in range(spans, spans + 4):
                    return ""
                return f"{dropped} counted as dropped of {len(lines)} lines and {spans} spans"

            wait_until_nothing_is_missing(missing, seconds=60)
            assert served.stop() == 0
        exits = [served.exit_seconds]
        while min(exits) > 3 and len(exits) < 3:  # a busy machine may pause a process for a second or two
            folder = tmp_path / f"again-{len(exits)}"
            folder.mkdir()
            with serving(folder, service, backends.otlp, shutdown_seconds=None, **impatient) as again:
                Clients(again.port).drive([asks("hello x5")])
                assert again.stop() == 0
            exits.append(again.exit_seconds)
    finally:
        backends.start("collector")
        backends.wait_for("collector")
    assert all(answer.succeeded for answer in answers)
    assert took < 20, f"{runs} runs took {took:.1f} s"
    assert min(exits) <= 3, f"exits took {exits} s"
    assert {loss.get("signal") for loss in served.losses()} >= {"traces", "logs"}, (
        "drops are reported on stdout too"
    )
    assert not backends.traces.of_service(service)
    assert not backends.lines(service)
