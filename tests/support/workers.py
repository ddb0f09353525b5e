"""How `make test` spreads the suite over processes: what has to run in one of them, and what starts first.

The tests of a module stay together, since they share its fixtures. Where that is too much or too little, `group_of`
says so: the end-to-end tests share one stack, suites that start stacks take turns, and each engine version has an
environment of its own.
"""

import re
from collections.abc import Sequence

from xdist.scheduler import LoadScopeScheduling

FIRST: Sequence[str] = (
    "tests/rules/test_live.py",
    "tests/e2e",
    "tests/packaging",
    "tests/rules",
    "tests/stack",
    "tests/dashboards/test_live.py",
    "tests/privacy",
    "tests/engine",
)
"""What takes longest, or waits most, by how its node ids start: it begins first and the quick tests fill up the rest.

`tests/engine` is also the start of `tests/engine_schema`.
"""

# Suites whose tests share nothing that costs, and start programs that mostly wait.
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
    """How many processes `-n auto` makes.

    Args:
        cores: processors that this process may use.
        stacks: whether tests start stacks of containers: those of the alerts need their engines to answer in time, so
            there is one process a core. Without them there are half as many more, since programs are waited for.
    """
    return cores if stacks else cores + cores // 2


def group_of(nodeid: str) -> str:
    """The name of the group that a test belongs to; one process runs a whole group.

    Args:
        nodeid: as pytest writes it: `tests/unit/test_x.py::test_y[parameter]`.
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
    """The place of a test's suite in `FIRST`; what is not there comes after it."""
    return next((place for place, start in enumerate(FIRST) if nodeid.startswith(start)), len(FIRST))


class Groups(LoadScopeScheduling):
    """Hands out groups in the order in which their first tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
