"""Exceptions for log records whose own texts must not be printed."""

from collections.abc import Callable
from typing import Final

_DEEPEST: Final = 16


def stand_in(error: BaseException, clean: Callable[[str], str]) -> BaseException:
    """Return an exception that can be printed: `error` itself if `clean` changes neither its text nor its causes'
    texts.

    Otherwise the result is an exception whose class has the same name, with the same traceback and redacted texts. It
    is not an instance of the original class.
    """
    return _of(error, clean, 0, {})


def _of(
    error: BaseException, clean: Callable[[str], str], depth: int, known: dict[int, BaseException]
) -> BaseException:
    # The cause that `raise from` sets is the context too: without this, each link would double the work.
    if id(error) not in known:
        known[id(error)] = _made(error, clean, depth, known)
    return known[id(error)]


def _made(
    error: BaseException, clean: Callable[[str], str], depth: int, known: dict[int, BaseException]
) -> BaseException:
    kind = type(error)
    try:
        text = str(error)
    except Exception:
        text = kind.__qualname__
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    new, new_notes = clean(text), [clean(note) for note in notes]
    cause, context = error.__cause__, error.__context__
    if depth < _DEEPEST:
        new_cause = None if cause is None else _of(cause, clean, depth + 1, known)
        new_context = None if context is None else _of(context, clean, depth + 1, known)
    else:
        new_cause = new_context = None
    inner = getattr(error, "exceptions", ())
    if new == text and notes == new_notes and new_cause is cause and new_context is context and not inner:
        return error
    named = type(
        kind.__name__, (Exception,), {"__module__": kind.__module__, "__qualname__": kind.__qualname__}
    )
    made: BaseException = named(new)
    for note in new_notes:
        made.add_note(note)
    made.__traceback__ = error.__traceback__
    made.__context__, made.__cause__ = new_context, new_cause
    made.__suppress_context__ = error.__suppress_context__
    return made
