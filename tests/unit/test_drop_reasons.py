"""Each drop reason of the registry is provoked by a test, and the page of limits describes when each one counts."""

import ast
from pathlib import Path

import pytest

from ael_otel._generated.attributes import TELEMETRY_DROP_REASON_VALUES

TESTS = Path(__file__).parents[1]

PROVOKED = {
    "queue_full": "process/sdk/test_conservation.py::test_overload_is_counted",
    "too_large": "process/sdk/test_conservation.py::test_one_too_large_item_is_lost_alone",
    "rejected": "process/sdk/test_conservation.py::test_partial_success_is_counted",
    "unavailable": "process/sdk/test_conservation.py::test_absent_receiver_is_unavailable",
    "timeout": "process/sdk/test_conservation.py::test_silent_receiver_is_a_timeout",
    "unauthenticated": "process/sdk/test_conservation.py::test_refusals_are_counted_by_reason",
    "invalid": "process/sdk/test_conservation.py::test_refusals_are_counted_by_reason",
    "serialization": "process/sdk/test_conservation.py::test_one_item_that_cannot_be_encoded_is_lost_alone",
    "redaction_error": "unit/sdk/test_redacting_exporters.py::test_redaction_fault_is_counted",
    "cardinality": "unit/core/test_metrics.py::test_values_over_the_cap_are_reported_as_dropped",
    "keep_full": "unit/sdk/test_tail_sampling.py::test_too_many_open_traces_give_up_the_oldest",
    "keep_expired": "unit/sdk/test_tail_sampling.py::test_trace_that_does_not_end_is_dropped",
    "shutdown_timeout": "process/sdk/test_conservation.py::test_shutdown_in_the_middle_of_overload",
    "store_error": "store/test_queue.py::test_run_that_cannot_be_stored_does_not_affect_others",
    "rate_limit": "unit/instrument/test_server_output.py::test_server_output_over_the_limit_is_dropped_and_counted",
    "hook_error": "unit/sessions/test_hooks.py::test_function_that_raises_is_counted_and_reported_once",
    "not_understood": "process/hook/test_worker.py::test_foreign_file_in_the_spool_becomes_a_dead_letter",
    "internal": "unit/sdk/test_export_queue.py::test_lost_items_are_counted_with_their_reason",
}
"""A test for each reason that makes the loss happen and compares the count."""


def words_of(test: str) -> set[str]:
    """Return the texts in the code of a test and its decorators, its docstring excepted."""
    file, _, name = test.partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    (found,) = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == name]
    parts = [*found.decorator_list, *found.body[1:]]
    return {
        node.value
        for part in parts
        for node in ast.walk(part)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_table_has_every_reason_of_the_registry_and_no_other() -> None:
    """A reason that is added to the registry without a test that provokes it is named here."""
    assert set(PROVOKED) == set(TELEMETRY_DROP_REASON_VALUES)


@pytest.mark.parametrize("reason", PROVOKED)
def test_reason_is_in_the_test_that_provokes_it(reason: str) -> None:
    """The test exists and names the reason in its code: a renamed or emptied one is found."""
    assert reason in words_of(PROVOKED[reason])


def test_test_without_the_reason_is_found() -> None:
    """The check above can fail: a test of another reason does not name this one."""
    assert "keep_expired" not in words_of(PROVOKED["keep_full"])
