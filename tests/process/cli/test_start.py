"""The command starts quickly."""

import subprocess
import sys


def test_the_command_starts_without_the_heavy_packages() -> None:
    """`ael --help` must be instant: the SDK, the engine, rich and gRPC are loaded by the verb that needs them."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import ael_otel.cli"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {
        line.rpartition("|")[2].strip()
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "ael_otel.cli" in loaded
    heavy = ("opentelemetry.sdk", "ploston_core", "rich", "grpc", "fastapi")
    assert (
        sorted(name for name in loaded if name.startswith(tuple(f"{top}." for top in heavy)) or name in heavy)
        == []
    )
