"""Check the registry with weaver, OpenTelemetry's own tool."""

import shutil
import subprocess
from pathlib import Path

from tools.telemetry_schema.project import REGISTRY


def ask_weaver(root: Path) -> tuple[bool, str]:
    """Run `weaver registry check` on the registry below `root`; return whether it found no fault, and its report.

    If weaver is not on PATH, the result is True.
    """
    program = shutil.which("weaver")
    if program is None:
        return True, "weaver is not on PATH: its check of the registry was not run."
    version = _run(root, program, "--version")
    named = version.stdout.strip() or "weaver"
    check = _run(root, program, "registry", "check", "--v2", "-r", REGISTRY)
    if version.returncode == check.returncode == 0:
        return True, f"{named} agrees: {REGISTRY} has no fault."
    said = "\n".join(filter(None, (check.stdout.strip(), check.stderr.strip())))
    return False, f"{named} does not accept {REGISTRY} (exit code {check.returncode}):\n{said}"


def _run(root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=120)
