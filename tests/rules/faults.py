"""Faults as they happen: runs of the real engine that fail, hang or take long, processes that die, a burst of data."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Final

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.expected import Case
from tests.e2e.programs import Ask, Clients
from tests.rules.rules import ROOT
from tests.stack.otlp import Sender, logs, spans, text, trace_id
from tests.support.variables import clean_variables

DAY_NS: Final = 86_400 * 10**9
MEBIBYTE: Final = 2**20

_PAY = """\
name: pay
version: 1.0.0
description: Charge a card.
inputs:
  - card: {type: string, required: true, description: "An empty one is declined"}
steps:
  - id: charge
    tool: charge
    mcp: demo
    params: {card: "{{ inputs.card }}", amount: 42}
outputs:
  - name: paid
    from: steps.charge.output
"""

HANG_SECONDS: Final = 160
"""How long a run hangs; the engine lets one call take no more than 30."""

_HANG = (
    "name: hang\nversion: 1.0.0\ndescription: Wait for something that takes very long.\nsteps:\n"
    + "".join(
        f"  - id: wait_{number}\n    tool: wait\n    mcp: demo\n    params: {{seconds: 20}}\n"
        + (f"    depends_on: [wait_{number - 1}]\n" if number else "")
        for number in range(HANG_SECONDS // 20)
    )
)

WORKFLOWS: Final = {"pay": _PAY, "hang": _HANG}

GOOD: Final = Case("paid", "", "", workflow="pay", inputs={"card": "full"})
BAD: Final = Case("declined", "", "", workflow="pay", inputs={"card": "empty"}, succeeds=False)
SLOW: Final = Case("answered late", "", "", workflow="too_slow", inputs={"seconds": 2.6})
"""Longer than the objective for all workflows, run faster, and the bound of a bucket."""
HANGING: Final = Case("hanging", "", "", workflow="hang")


def call(port: int, plans: Sequence[Sequence[Case]]) -> None:
    """Have clients call the engine, all plans at once; fails if one call ends otherwise than its case expects."""
    answers = Clients(port).drive([[Ask(case) for case in plan] for plan in plans])
    assert all(answer.succeeded == answer.ask.case.succeeds for answer in answers)


@contextmanager
def calling(port: int, case: Case, *, sessions: int = 1, pause_s: float = 0.0) -> Iterator[None]:
    """Have clients call the engine again and again, until the block ends."""
    stop = threading.Event()
    clients = Clients(port, pause_s)

    def plan() -> Iterator[Ask]:
        while not stop.is_set():
            yield Ask(case)

    with _in_background(lambda: clients.drive([plan()] * sessions)):
        try:
            yield
        finally:
            stop.set()
    assert clients.answers
    assert all(answer.succeeded == case.succeeds for answer in clients.answers)


@contextmanager
def called(port: int, case: Case) -> Iterator[None]:
    """Have a client call the engine once; the block does not end before the call."""
    with _in_background(lambda: call(port, [[case]])):
        yield


@contextmanager
def burst(port: int) -> Iterator[set[bytes]]:
    """Send a Collector more at once than its memory holds, until the block ends; yields the traces that it accepted.

    Eight applications send requests of 2 MiB and offer each again until it is taken. A span has half a MiB: one of more
    than a MiB is more than a batch may have.
    """
    stop = threading.Event()
    sent: set[bytes] = set()
    lock = threading.Lock()
    numbers = iter(range(10**9))

    def application() -> None:
        sender = Sender(port)
        try:
            while not stop.is_set():
                with lock:
                    number = next(numbers)
                request = spans(4 * number, 4, text("page", "word " * (MEBIBYTE // 10)))
                while not _taken(sender, request):
                    # As the SDK does. Offered without a pause, eight refused requests alone keep the memory full.
                    time.sleep(random.uniform(1, 2))  # noqa: S311  (nothing secret)
                with lock:
                    sent.update(trace_id(4 * number + each) for each in range(4))
        finally:
            sender.close()

    with _in_background(*[application] * 8):
        try:
            yield sent
        finally:
            stop.set()


def _taken(sender: Sender, request: ExportTraceServiceRequest) -> bool:
    try:
        sender.send(request, patience_s=0)
    except grpc.RpcError:
        return False
    return True


@dataclass
class Backlog:
    """Traces for a Collector that cannot pass them on."""

    STEP: ClassVar = MEBIBYTE // 2
    sender: Sender
    sent: int = 0

    def grow(self) -> None:
        """Send a trace of `STEP` bytes more."""
        self.sender.send(spans(10**9 + self.sent, 1, text("page", "word " * (self.STEP // 5))), patience_s=60)
        self.sent += 1


def line_of_last_month(port: int) -> None:
    """Send a log line that is older than Loki takes."""
    request = logs(0, 1)
    (record,) = request.resource_logs[0].scope_logs[0].log_records
    record.time_unix_nano -= 30 * DAY_NS
    record.observed_time_unix_nano -= 30 * DAY_NS
    sender = Sender(port)
    sender.send(request)
    sender.close()


@contextmanager
def _in_background(*works: Callable[[], object]) -> Iterator[None]:
    """Do several things in parallel to the block; wait for them at its end, and raise their exceptions there."""
    raised: list[BaseException] = []

    def guarded(work: Callable[[], object]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001  (raised below, in the thread that can fail the test)
            raised.append(error)

    threads = [threading.Thread(target=guarded, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join(300)
    if raised:
        raise raised[0]
    assert not any(thread.is_alive() for thread in threads)


@dataclass
class Process:
    """A Python process with the real pipeline of `ael_otel`, which waits until it is ended."""

    running: subprocess.Popen[str]

    def kill(self) -> None:
        """End it as the kernel does when memory is short."""
        self.running.kill()
        self.running.wait()

    def end(self) -> int:
        """Let it end in order; returns its exit code."""
        assert self.running.stdin is not None
        self.running.stdin.close()
        return self.running.wait(30)


_PROGRAM: Final = """
import os, sys
from ael_otel.config import Settings, with_environment
from ael_otel.sdk.providers import start
pipeline = start(with_environment(Settings(), os.environ))
print("there", flush=True)
sys.stdin.read()
pipeline.shutdown()
"""

_COSTLY: Final = """
import os, sys
from ael_otel.config import Settings, with_environment
from ael_otel.config.settings import Cost
from ael_otel.sdk.providers import start
pipeline = start(with_environment(Settings(cost=Cost(budget=8, budget_currency="EUR")), os.environ))
row = pipeline.metrics.model_cost.bind(model="m-1", provider="house", currency="EUR")
row.add(cost=9.5)
print("there", flush=True)
sys.stdin.read()
pipeline.shutdown()
"""


EVERY_SECOND: Final = {
    "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
    "OTEL_METRIC_EXPORT_INTERVAL": "1000",
    # By default a failed export is tried again for ten seconds, which is five minutes of the rules as they run here.
    "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT": "2",
}
"""Variables of a process that exports its metrics every second."""


@contextmanager
def process(port: int, *, costly: bool = False) -> Iterator[Process]:
    """A process that exports its metrics every second; one that is costly has spent more than its budget."""
    more = {**EVERY_SECOND, "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "all", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", _COSTLY if costly else _PROGRAM],
        env=clean_variables(f"http://127.0.0.1:{port}", **more),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            assert running.stdout is not None
            assert running.stdout.readline() == "there\n"
            yield Process(running)
        finally:
            running.kill()
