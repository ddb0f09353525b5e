"""`python -m tests.bench.bench_collector [--before FILE]`: CPU time of the Collector per span, by configuration.

Runs the real image (Docker) with the redaction, without it and, as `--before`, with another configuration such as
`git show main:collector/config.yaml`. All run side by side and get the same spans in turns, so that the machine's load
is the same for all; the figures are the containers' user and system time, and the ratios are the answer.
"""

import argparse
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import yaml

from tests.stack import otlp
from tests.stack.collector import alone, merged
from tests.stack.conftest import eventually
from tests.stack.planted import BENIGN
from tests.stack.test_redaction import without_redaction

ROUNDS = 8
SPANS = 2_000
BATCH = 200


def main() -> None:
    """Print microseconds per span and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="another configuration to compare with")
    before = parser.parse_args().before
    configs = {"without redaction": merged("config.yaml"), "with redaction": merged("config.yaml")}
    without_redaction(configs["without redaction"])
    if before is not None:
        configs["before"] = yaml.safe_load(before.read_text("utf-8"))
    attributes = [otlp.text(key, value) for key, value in list(BENIGN.items())[:10]]
    used = dict.fromkeys(configs, 0.0)
    with ExitStack() as stack:
        running = {}
        for name, config in configs.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running[name] = stack.enter_context(alone(folder, config))
        senders = {name: collector.sender() for name, collector in running.items()}
        for round_number in range(ROUNDS + 1):
            for name, collector in running.items():
                began = collector.processor_seconds()
                count = len(collector.sink.spans)
                for first in range(0, SPANS, BATCH):
                    senders[name].send(otlp.spans(round_number * SPANS + first, BATCH, *attributes))
                eventually(lambda: len(collector.sink.spans) >= count + SPANS)  # noqa: B023 - used at once
                if round_number:  # the first warms up
                    used[name] += collector.processor_seconds() - began
        for sender in senders.values():
            sender.close()
    print(f"load {os.getloadavg()[0]:.1f}, {ROUNDS * SPANS:,} spans with {len(attributes)} attributes each")
    for name, seconds in used.items():
        print(f"{name:20} {seconds / (ROUNDS * SPANS) * 1e6:8.1f} us a span")
    bare = used["without redaction"]
    if before is not None:
        net = (used["with redaction"] - bare) / (used["before"] - bare)
        print(f"ratio to before: {used['with redaction'] / used['before']:.2f} (redaction alone: {net:.2f})")


if __name__ == "__main__":
    main()
