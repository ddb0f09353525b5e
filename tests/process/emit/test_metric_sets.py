"""Metric sets after a fork."""

import json
import subprocess
import sys

import pytest

from tests.support.interpreters import answer

FORK = """
import json, os, signal, threading
from opentelemetry.metrics import get_meter_provider, set_meter_provider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from tests.unit.emit.sets import Timed

readers = [InMemoryMetricReader(), InMemoryMetricReader()]
provider = MeterProvider(readers, shutdown_on_exit=False)
# Asked before the provider is set, as the engine's instrumentation does: the API then hands out a proxy.
meter = get_meter_provider().get_meter("fork") if PROXY else provider.get_meter("fork")
timed = Timed(meter, rows=10, times=10)
set_meter_provider(provider)
held = timed.row(("held", "success"))
held.record(time=0.5, calls=5)
timed.row(("other", "error")).record(time=0.5, calls=2)
timed.row(("waits", "success")).record(time=0.5, calls=1)
timed.row(("echo", "error"))


def seen(reader):
    found = {}
    for scope in reader.get_metrics_data().resource_metrics[0].scope_metrics:
        for metric in scope.metrics:
            for point in metric.data.data_points:
                key = "/".join([metric.name, *point.attributes.values()])
                found[key] = [point.count, point.sum] if metric.name == "time" else point.value
    return found


# Other threads may be inside an update, of ours or of the SDK's, at the moment of the fork: the child must not wait.
seen(readers[0])
# The second value of a series waits for a collection, outside the SDK.
timed.row(("waits", "success")).record(time=0.5, calls=1)
assert timed.histograms[0].histogram.waiting
histogram = timed.histograms[0].histogram
real = histogram.instrument
real = getattr(real, "_real_instrument", real)
held_locks = [timed._lock, timed.histograms[0]._lock, histogram.lock, histogram._handing_over]
for storage in real._measurement_consumer._reader_storages.values():
    held_locks.append(storage._lock)
    for match in storage._instrument_view_instrument_matches[real]:
        held_locks.append(match._lock)
        held_locks += [aggregation._lock for aggregation in match._attributes_aggregation.values()]
ready, done = threading.Event(), threading.Event()


def hold():
    for lock in held_locks:
        lock.acquire()
    ready.set()
    done.wait()
    for lock in held_locks:
        lock.release()


holder = threading.Thread(target=hold)
holder.start()
ready.wait()
reading, writing = os.pipe()
child = os.fork()
if child == 0:
    signal.alarm(10)
    held.record(time=0.25, calls=1)
    timed.row(("new", "success")).record(time=0.5, calls=1)
    timed.row(("echo", "error"))
    os.write(writing, json.dumps([seen(reader) for reader in readers]).encode())
    os._exit(0)
os.close(writing)
answer = json.loads(os.read(reading, 8192) or "null")
_, status = os.waitpid(child, 0)
done.set()
holder.join()
held.record(time=0.5, calls=1)
print(json.dumps({"status": status, "child": answer, "parent": [seen(reader) for reader in readers]}))
"""


OVERFLOWED_FORK = """
import os, signal
from opentelemetry.sdk.metrics import MeterProvider
from ael_otel._generated.metric_sets import MetricSets

sets = MetricSets(MeterProvider(shutdown_on_exit=False).get_meter("fork"))
for number in range(2000):
    row = sets.workflow.bind(workflow=f"w{number}", status="success")
assert row.overflowed is not None
row.add(executions=3)
sets.workflow._lock.acquire()
child = os.fork()
if child == 0:
    signal.alarm(5)
    assert sets.workflow.rows()[-1:] != [row]
    row.add(executions=1)
    os._exit(0 if sets.workflow.rows()[-1] is row and row.executions == 1 else 7)
sets.workflow._lock.release()
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_can_use_the_overflow_row_it_inherited() -> None:
    """The overflow row gets the child's lock too, and starts from zero there."""
    done = subprocess.run(
        [sys.executable, "-c", OVERFLOWED_FORK], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "0", done.stdout + done.stderr


@pytest.mark.parametrize("proxy", [False, True], ids=["provider", "global provider set later"])
def test_a_forked_child_starts_from_zero(proxy: bool) -> None:
    """Inherited counts and times would be counted twice: every reader of the child gets its own only, also of a series
    it inherited; locks that were held at the fork stop nothing; the parent keeps everything.
    """
    child = {
        "calls/held/success": 1,
        "calls/new/success": 1,
        "calls/echo/error": 0,
        "time/held": [1, 0.25],
        "time/new": [1, 0.5],
    }
    parent = {
        "calls/held/success": 6,
        "calls/other/error": 2,
        "calls/waits/success": 2,
        "calls/echo/error": 0,
        "time/held": [2, 1.0],
        "time/other": [1, 0.5],
        "time/waits": [2, 1.0],
    }
    found = json.loads(answer(FORK.replace("PROXY", str(proxy))))
    assert found == {"status": 0, "child": [child] * 2, "parent": [parent] * 2}
