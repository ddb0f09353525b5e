"""Redaction returns harmless values unchanged."""

import copy
from typing import Any

import pytest

from tests.privacy.harmless import HARMLESS, lines
from tests.privacy.measure import default_redactor

LINES = list(lines())


def test_table_has_at_least_150_values() -> None:
    """The table is as long as its purpose asks, and no kind is empty."""
    assert len(LINES) >= 150
    assert all(HARMLESS.values())


@pytest.mark.parametrize(("kind", "value"), LINES, ids=[f"{kind}-{n}" for n, (kind, _) in enumerate(LINES)])
def test_harmless_value_comes_back_unchanged(kind: str, value: Any) -> None:
    """A harmless value is returned as it is, and not changed in place."""
    before = copy.deepcopy(value)
    assert default_redactor().value(value) == before
    assert value == before
