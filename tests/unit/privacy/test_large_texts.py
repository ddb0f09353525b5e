"""Large texts are searched once: later calls return the same result, counts and object."""

from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.texts import MAX_CHARS

SECRET = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
LARGE = f"{SECRET} and ada@example.org " + "lorem ipsum " * 2_000


def test_large_text_is_counted_each_time_it_is_redacted():
    """A run's counts do not depend on whether another run has had the same text, also as JSON and nested in it."""
    for value in (LARGE, f'[{{"text": "{LARGE}"}}]', {"text": LARGE, "again": [LARGE]}):
        counted: list[tuple[str, int]] = []
        redactor = Redactor(Policy(), on_redacted=lambda kind, number, to=counted: to.append((kind, number)))
        first = redactor.value(value)
        once = sorted(counted)
        counted.clear()
        assert redactor.value(value) == first
        assert sorted(counted) == once
        assert {kind for kind, _ in once} == {"token", "email"}
        assert SECRET not in str(first)


def test_large_clean_text_comes_back_as_the_same_object():
    """Proves this also for an equal text in another object: callers detect redaction by identity."""
    redactor = Redactor()
    for _ in range(2):
        text = "".join(["lorem ipsum "] * 2_000)
        assert redactor.text(text) is text


def test_no_raw_text_is_remembered_and_few_results_are():
    """Proves that results are looked up by a hash, and that old results are removed when the cache is full."""
    redactor = Redactor()
    for number in range(100):
        redactor.text(f"{number} {LARGE}")
    redactor.text(SECRET + "x " * MAX_CHARS)
    remembered = redactor._texts._results
    assert len(remembered) <= 16
    assert SECRET not in str(remembered)


def test_explanation_of_a_large_text_is_complete_after_its_redaction():
    """The cached result has no positions, so an explanation searches anew."""
    redactor = Redactor()
    redactor.text(LARGE)
    assert [finding.kind for finding in redactor.explain(LARGE)] == ["token", "email"]
