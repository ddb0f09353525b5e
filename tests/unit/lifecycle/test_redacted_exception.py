"""An exception whose text must not be printed is printed as one of the same name, with a clean text."""

import traceback
from collections.abc import Callable

from ael_otel.lifecycle.redacted_exception import stand_in

SECRET = "hunter2-and-more"  # hygiene: made up


def clean(text: str) -> str:
    """Take the secret out."""
    return text.replace(SECRET, "[X]")


def raised(make: Callable[[], None]) -> BaseException:
    """Return the exception that a call raises."""
    try:
        make()
    except Exception as error:  # noqa: BLE001 - the caller wants any exception
        return error
    raise AssertionError


def test_a_clean_exception_is_itself() -> None:
    """Proves that nothing is replaced where nothing must be."""
    error = raised(dict[str, None]().popitem)  # type: ignore[arg-type]
    assert stand_in(error, clean) is error


def test_texts_notes_and_causes_are_clean_and_the_rest_is_as_it_was() -> None:
    """Proves that a printed stand-in shows class names, frames and chain, and no secret anywhere."""

    def inner() -> None:
        error = KeyError(SECRET)
        error.add_note(f"told {SECRET}")
        raise error

    def outer() -> None:
        try:
            inner()
        except KeyError as cause:
            raise ConnectionError("cannot connect") from cause

    error = raised(outer)
    text = "".join(traceback.format_exception(stand_in(error, clean)))
    assert SECRET not in text
    assert "[X]" in text
    assert "told [X]" in text
    assert "KeyError" in text
    assert "ConnectionError: cannot connect" in text
    assert "in inner" in text
    assert "direct cause" in text
    assert SECRET in str(error.__cause__), "the application's own exception is as it was"


def test_exception_without_a_text_and_a_long_chain_are_handled() -> None:
    """Proves that a broken `__str__`, a chain without end and a group of exceptions give a stand-in."""

    class BrokenError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("made up")

    assert stand_in(BrokenError(), clean) is not None
    first: BaseException = ValueError(SECRET)
    for _ in range(50):
        after = ValueError("next")
        after.__context__ = first
        first = after
    assert SECRET not in "".join(traceback.format_exception(stand_in(first, clean)))
    group = ExceptionGroup("several", [ValueError(SECRET)])
    assert SECRET not in "".join(traceback.format_exception(stand_in(group, clean)))


def test_a_long_chain_is_looked_at_once() -> None:
    """Proves that time grows with the length of a chain, in which each link is both cause and context of the next."""

    def chain(length: int) -> None:
        try:
            if length:
                chain(length - 1)
        except ValueError as error:
            raise ValueError(f"link {length} of {SECRET}") from error
        raise ValueError("the first")

    asked: list[str] = []

    def noting(text: str) -> str:
        asked.append(text)
        return clean(text)

    links: list[str] = []
    current: BaseException | None = stand_in(raised(lambda: chain(12)), noting)
    while current is not None:
        assert current.__context__ is current.__cause__
        links.append(str(current))
        current = current.__cause__
    assert links == [f"link {n} of [X]" for n in range(12, 0, -1)] + ["the first"]
    assert len(asked) == 13
