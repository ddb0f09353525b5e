"""Our own faults in a process that is not under test."""

from tests.support.interpreters import answer, environment


def test_outside_pytest_faults_are_swallowed() -> None:
    """A separate process swallows faults; a leftover variable of a test run does not change that."""
    code = """
from ael_otel.core.faults import fault_barrier
with fault_barrier("here"):
    raise ValueError
print("went on")
"""
    assert answer(code) == "went on"
    assert answer(code, env=environment(PYTEST_CURRENT_TEST="some test")) == "went on"
