"""Values redacted once in a run, and the caller's inputs, are masked in all later texts of that run."""

from time import process_time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ael_otel.privacy.markers import REDACTED
from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets

WORD = st.text(st.characters(categories=["L"], max_codepoint=0x24F), min_size=6, max_size=40)


@given(WORD, st.text(max_size=20), st.text(max_size=20))
def test_value_blanked_by_its_name_is_masked_in_other_texts(word: str, before: str, after: str) -> None:
    """Proves that a value without a shape, recognised by its field, is masked in texts, lists and keys."""
    assume(word not in REDACTED)
    run = RunSecrets()
    run.learn({"in": [{"password": word}]}, {"in": [{"password": "[PASSWORD]"}]})
    assert word not in run.mask_text(f"{before}{word}{after}")
    found = run.mask({"said": [f"{before} {word}"], word: 1, "plain": "x"})
    assert word not in repr(found)
    assert found["plain"] == "x"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_longer_overlapping_secret_is_masked_first(order: tuple[int, int]) -> None:
    """Proves that a secret that begins like another one leaves no rest behind, whichever was seen first."""
    values = ("hunter2", "hunter2-and-more")  # hygiene: made up
    run = RunSecrets()
    run.remember("unrelated", "[TOKEN]")
    assert run.mask_text(" ".join(values)) == " ".join(values)
    for place in order:
        run.remember(values[place], "[PASSWORD]")
    assert run.mask_text(f"{values[1]}, {values[0]}") == "[PASSWORD], [PASSWORD]"


def test_a_value_without_secrets_is_the_same_object() -> None:
    """Proves that masking copies nothing where there is nothing to take out."""
    run = RunSecrets()
    run.remember("correct-horse", "[PASSWORD]")
    value = {"a": ["b", {"c": 1}], "d": None}
    assert run.mask(value) is value


def test_of_an_excluded_file_each_line_and_field_is_remembered() -> None:
    """Proves that parts of the contents in a later step are masked: a line, and a value of the JSON in it."""
    run = RunSecrets()
    run.learn_all(
        {"text": "first line\nsecond line\n", "json": '{"deep": ["value of it"]}'}, "[EXCLUDED_PATH]"
    )
    assert (
        run.mask_text("it says second line and value of it") == "it says [EXCLUDED_PATH] and [EXCLUDED_PATH]"
    )


@given(st.text(min_size=4, max_size=60).map(str.strip).filter(lambda text: len(text) >= 4))
def test_input_that_stands_alone_is_masked_also_as_repr(value: str) -> None:
    """Proves for any text that it is masked in an error which repeats it, unchanged or quoted."""
    assume(value.lower() not in ("true", "false", "none", "null", "error", "default"))
    assume(value not in f"cannot use . {REDACTED}")
    for text in (f"cannot use {value} .", f"cannot use {value!r} ."):
        assert value not in CallerInputs({"deep": [value]}).hide(text)


def test_ordinary_words_survive() -> None:
    """Proves that a short value inside another word, a literal of the definition and a word of every text stay."""
    hide = CallerInputs(
        {"a": "orders", "b": "card declined", "c": "error"}, literals={"why": "card declined"}
    ).hide
    text = "error in fetch-orders and reorders: card declined"
    assert hide(text) == text
    assert hide("no orders today") == "no [REDACTED] today"


def test_long_value_that_a_text_cuts_off_is_masked_up_to_the_cut() -> None:
    """Proves that the first part of a long value is hidden to its last character, in each way of writing it."""
    value = "line one of a letter\n" * 20
    hide = CallerInputs(value).hide
    assert hide(f"bad: {value[:200]}...") == "bad: [REDACTED]..."
    assert hide(f"bad: {repr(value)[1:150]}...") == "bad: [REDACTED]..."


def test_inputs_of_the_enclosing_run_are_masked_too() -> None:
    """Proves that a call hides its own parameters and the inputs of its run."""
    hide = CallerInputs("of the call", outer=CallerInputs("of the run")).hide
    assert hide("of the call, of the run") == "[REDACTED], [REDACTED]"


@given(
    st.lists(st.text("ab1 -", min_size=6, max_size=12), min_size=1, max_size=12),
    st.text("ab1 -", max_size=80),
)
def test_value_among_many_is_replaced_as_among_few(values: list[str], text: str) -> None:
    """Proves that the search for many values by their ends has the same result as a search for each."""
    few, many = RunSecrets(), RunSecrets()
    for number, value in enumerate(values):
        few.remember(value, f"[M{number}]")
        many.remember(value, f"[M{number}]")
    for number in range(64):
        many.remember(f"zz-unrelated-{number}", "[TOKEN]")
    assert many.mask_text(text) == few.mask_text(text)


def test_texts_beside_2048_values_are_masked_in_linear_time() -> None:
    """Proves that 10,000 texts beside the most values that a run remembers do not take 2,048 searches each.

    These took a second, in which `/health` was not answered. Compared with a single value, in one run.
    """
    texts = [f"line {number} of a file, without a secret" for number in range(10_000)]
    one, many = RunSecrets(), RunSecrets()
    one.remember("hunter2-0-and-more", "[PASSWORD]")
    for number in range(2_048):
        many.remember(f"hunter2-{number}-and-more", "[PASSWORD]")
    taken: list[float] = []
    for run in (one, many):
        run.mask(texts)
        start = process_time()
        assert run.mask([*texts, "hunter2-0-and-more"])[-1] == "[PASSWORD]"
        taken.append(process_time() - start)
    assert taken[1] < 60 * max(taken[0], 0.002)
