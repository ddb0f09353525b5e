"""Generated starters and emitters after a fork."""

from tests.support.interpreters import answer

FORK = """
import json, os
from ael_otel._generated import emitters
from ael_otel.emit import activity
from opentelemetry.trace import NoOpTracer
emitters.start_code_exec(NoOpTracer())
activity.note_unknown("spans", "x")
reading, writing = os.pipe()
if os.fork() == 0:
    emitters.start_code_exec(NoOpTracer())
    counts = [activity.activities("spans")["ael.code.exec"].emitted, len(activity.unknown("spans"))]
    os.write(writing, json.dumps(counts).encode())
    os._exit(0)
os.wait()
print(os.read(reading, 100).decode())
"""


def test_a_forked_child_counts_its_own() -> None:
    """A child does not report telemetry of its parent."""
    assert answer(FORK) == "[1, 0]"
