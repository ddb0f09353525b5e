"""The sampler, found by the SDK by its name."""

import os
import subprocess
import sys


def test_the_sdk_finds_the_sampler_by_its_name() -> None:
    """Proves that the SDK's own configurator builds the sampler, by its entry point, from the two variables."""
    script = (
        "from opentelemetry.sdk._configuration import _import_sampler;"
        "print(_import_sampler('ael_record').get_description())"
    )
    environ = {**os.environ, "AEL_OTEL_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
    said = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "RecordingSampler{TraceIdRatioBased{0.01}}"
