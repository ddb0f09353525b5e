"""`--fields a,b.c`: select values of runs by their names in JSON."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from ael_otel.config.file import nearest
from ael_otel.store import ExecutionRecord, ExecutionSummary, QueryError, TelemetryStore

_SUMMARY = frozenset(ExecutionSummary.__struct_fields__)
_RECORD = frozenset(ExecutionRecord.__struct_fields__)


def parse(text: str) -> list[str]:
    """Return the names in `a,b.c`.

    Raises QueryError for a name that a run does not have; the message suggests the nearest one.
    """
    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise QueryError(
            f"--fields {text!r} contains no field name; the fields are: {', '.join(sorted(_SUMMARY | _RECORD))}"
        )
    for name in names:
        first, dot, _ = name.partition(".")
        if first not in _RECORD if dot else first not in _SUMMARY | _RECORD:
            near = nearest(first, sorted(_RECORD if dot else _SUMMARY | _RECORD))
            hint = (
                f"did you mean {near!r}?"
                if near
                else f"the fields are: {', '.join(sorted(_SUMMARY | _RECORD))}"
            )
            raise QueryError(f"a run has no field {first!r}; {hint}")
    return names


def pick(store: TelemetryStore, run: ExecutionSummary, names: Sequence[str]) -> list[Any]:
    """Return the value of each name; the complete run is read only if its summary does not have them all.

    A path into a list returns the list of values in its items; a value that does not exist is None.
    """
    if all(name in _SUMMARY for name in names):
        return [getattr(run, name) for name in names]
    record = store.get(run.execution_id)
    whole: Any = {} if record is None else msgspec.to_builtins(record)
    return [getattr(run, name) if name in _SUMMARY else _at(whole, name.split(".")) for name in names]


def _at(value: Any, path: Sequence[str]) -> Any:
    if not path:
        return value
    if isinstance(value, (list, tuple)):
        items = [_at(item, path) for item in cast("Sequence[Any]", value)]
        return [item for item in items if item is not None]
    if isinstance(value, dict):
        # A name of an input may itself contain dots: the longest one that exists is used.
        mapping = cast("dict[str, Any]", value)
        for length in range(len(path), 0, -1):
            name = ".".join(path[:length])
            if name in mapping:
                return _at(mapping[name], path[length:])
    return None
