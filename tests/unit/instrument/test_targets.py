"""The table of wrap targets is complete: each wrapper is in it, each row names the loss without it."""

import inspect
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

from ael_otel.instrument import server_output, wrap_engine, wrap_frontend, wrap_native_telemetry
from ael_otel.instrument.targets import TARGETS

MODULES = (server_output, wrap_engine, wrap_frontend, wrap_native_telemetry)
WRAPPER = ("wrapped", "instance", "args", "kwargs")


def wrappers(module: ModuleType) -> Iterator[Callable[..., Any]]:
    """The functions of a module that have wrapt's four parameters."""
    for function in vars(module).values():
        ours = inspect.isfunction(function) and function.__module__ == module.__name__
        if ours and tuple(inspect.signature(function).parameters)[:4] == WRAPPER:
            yield function


def test_every_wrapper_is_in_the_table() -> None:
    """A wrapper that no row names wraps nothing."""
    named = {target.wrapper for target in TARGETS}
    assert [
        function.__qualname__ for module in MODULES for function in wrappers(module) if function not in named
    ] == []


def test_search_finds_the_wrappers() -> None:
    """The check above sees as many functions as the table has."""
    assert {function for module in MODULES for function in wrappers(module)} == {
        target.wrapper for target in TARGETS
    }


def test_each_target_is_wrapped_once_and_names_the_loss_without_it() -> None:
    """Two rows for one callable would wrap it twice."""
    places = [(target.module, target.attribute) for target in TARGETS]
    assert len(places) == len(set(places))
    assert all(target.feature for target in TARGETS)
