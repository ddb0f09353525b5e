"""How `make test` distributes the suite over processes: which tests share a process, and which start first.

The tests of a module stay together, since they share its fixtures. `group_of` defines the exceptions: the end-to-end
tests share one stack, suites that start stacks take turns, and each engine version has a separate environment.
"""

import re
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling

FIRST: Sequence[str] = (
    "tests/rules/test_live.py",
    "tests/e2e",
    "tests/stack",
    "tests/dashboards/test_live.py",
    "tests/privacy",
    "tests/unit/privacy",
    "tests/packaging",
    "tests/rules",
    "tests/engine",
)
"""Prefixes of the node ids of the slowest suites: they start first, and quick tests fill the remaining time.

The live alerts need a core, since their spans of time are divided: beside them run tests in one thread. `tests/engine`
is also a prefix of `tests/engine_schema`.
"""

# Suites whose tests share nothing expensive, and start programs that mostly wait.
_EACH = (
    "tests/process/",
    "tests/typing/",
    "tests/rules/test_mutations.py",
    "tests/rules/test_rules.py",
    "tests/engine/test_arguments.py",
    "tests/engine/test_cli.py",
    "tests/engine/test_config_once.py",
    "tests/engine/test_disabled.py",
    "tests/engine/test_sampling.py",
)
# Each starts containers. Two stacks that start at once on two cores do not become healthy in time.
_STACKS = ("tests/e2e/", "tests/dashboards/test_live.py", "tests/rules/test_live.py", "tests/stack/")


def processes(cores: int, *, stacks: bool) -> int:
    """Return how many processes `-n auto` starts.

    Args:
        cores: processors available to this process.
        stacks: whether tests start stacks of containers: those of the alerts need their engines to answer in time, so
            there is one process a core. Without them there are half as many more, since programs are waited for.
    """
    return cores if stacks else cores + cores // 2


def group_of(nodeid: str) -> str:
    """Return the group of a test; one process runs a whole group.

    Args:
        nodeid: in pytest's form: `tests/unit/test_x.py::test_y[parameter]`.
    """
    module = nodeid.partition("::")[0]
    if module.startswith(_STACKS):
        return "stacks"
    if module == "tests/packaging/test_versions.py":
        version = re.search(r"\[(\d+\.\d+\.\d+)", nodeid)
        return f"{module} {version[1]}" if version else module
    # One server, or the one database that AEL_TEST_POSTGRES_DSN names: each test empties it.
    if module.startswith(("tests/store/", "tests/privacy/")) and re.search(r"postgres", nodeid):
        return "postgresql"
    return nodeid if module.startswith(_EACH) else module


def rank(nodeid: str) -> int:
    """Return the position of a test's suite in `FIRST`; other suites come last."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


class Groups(LoadScopeScheduling):
    """Distributes groups in the order in which their first tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
