"""Which inputs of a stored run can be used again, and which must be given anew."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.cli.rerun import approve, inputs_of
from ael_otel.errors import RerunError
from ael_otel.privacy.redactor import Redactor
from ael_otel.store import ExecutionRecord
from ael_otel.store.content import Capture

_WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | _WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS, inner, max_size=4),
    max_leaves=12,
)


def stored(inputs: Any, limit: int = 4096) -> ExecutionRecord:
    """Return a run whose inputs were stored as the recorder stores them."""
    frozen = Capture(limit, redact=Redactor().value)(inputs)
    at = datetime(2026, 11, 30, tzinfo=UTC)
    run = ExecutionRecord("exec-1", "workflow", "completed", at, workflow_name="w", workflow_version="1.0.0")
    run.inputs = None if frozen is None else msgspec.json.decode(frozen)
    return run


@given(st.dictionaries(st.text("abcxyz", min_size=1, max_size=5), _JSON, max_size=4))
def test_inputs_are_the_same_or_refused(inputs: dict[str, Any]) -> None:
    """Whatever they contain: no run gets others than the stored one had."""
    try:
        again = inputs_of(stored(inputs), {})
    except RerunError:
        return
    assert again == inputs


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("write to ada@example.org", r"contains \[EMAIL\]"),
        ({"deep": [{"password": "hunter2"}]}, r"contains \[(?:REDACTED|PASSWORD)\]"),  # hygiene: made up
        ({"ael.type": "decimal.Context", "text": "..."}, "is of a type that JSON does not have"),
        ({"a": {"ael.truncated": {"bytes": 9}, "preview": "x"}}, "was cut"),
    ],
)
def test_what_was_changed_must_be_given_anew(value: object, why: str) -> None:
    """The error names the input; with another value for it, the run is possible."""
    run = stored({"text": value, "count": 3})
    with pytest.raises(RerunError, match=rf"inputs of exec-1 .*text {why}.*-i NAME=VALUE"):
        inputs_of(run, {"count": 4})
    assert inputs_of(run, {"text": "new"}) == {"text": "new", "count": 3}


@pytest.mark.parametrize("inputs", [None, {"text": "long " * 5_000}])
def test_inputs_that_are_not_stored_as_a_whole_come_from_a_file(inputs: object) -> None:
    """Single ones could hide that another one is missing."""
    run = stored(inputs)
    with pytest.raises(RerunError, match="--inputs-file"):
        inputs_of(run, {"text": "new"})
    assert inputs_of(run, {"text": "new"}, all_given=True) == {"text": "new"}


def test_tools_are_named_before_anything_is_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Those of its steps; without `--allow-changed` another version is refused, without a terminal an answer."""
    steps = [
        SimpleNamespace(id="one", tool="read", mcp="files"),
        SimpleNamespace(id="two", tool=None, mcp=None),
    ]
    workflow = SimpleNamespace(version="1.1.0", steps=steps)
    engine = SimpleNamespace(
        workflow_registry=SimpleNamespace(get=lambda name: workflow if name == "w" else None)
    )
    with pytest.raises(RerunError, match=r"version 1\.0\.0 of w, which has version 1\.1\.0 now"):
        approve(engine, stored({}), {}, allow_changed=False, yes=True)
    assert capsys.readouterr().err == ""
    approve(engine, stored({}), {}, allow_changed=True, yes=True)
    assert capsys.readouterr().err == "", "a script asked for no list"
    with pytest.raises(RerunError, match="pass --yes"):
        approve(engine, stored({}), {}, allow_changed=True, yes=False)
    said = capsys.readouterr().err
    assert "Its steps call files/read." in said
    assert "Code of two can call further tools; in the stored run it called none." in said
