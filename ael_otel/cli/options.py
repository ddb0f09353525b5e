"""Options that several verbs share."""

from collections.abc import Callable, Coroutine
from math import isnan
from pathlib import Path
from typing import Any

import click


def examples(*lines: str) -> str:
    """Return the end of a verb's help text: command lines that work as they stand."""
    # The mark keeps click from filling the lines to one paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def really_a_number(_ctx: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Refuse `nan`, which is outside every range without being less or more than its ends."""
    if value is not None and isnan(value):
        raise click.BadParameter("must be a number of seconds", param=parameter)
    return value


class Terminated(KeyboardInterrupt):
    """SIGTERM ended the work; the verb's exit code is 143, not the 130 of Ctrl-C."""


def run_until_interrupted[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; SIGTERM ends it as Ctrl-C does, with everything closed and cleaned up.

    Raises KeyboardInterrupt after Ctrl-C, Terminated after SIGTERM. A process in the background of a script ignores
    Ctrl-C, but not SIGTERM.
    """
    import asyncio
    import signal

    told = False

    async def until_told() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def end(_number: int, _frame: object) -> None:
            nonlocal told
            told = True
            loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGTERM, end)
        try:
            return await task
        finally:
            signal.signal(signal.SIGTERM, before)

    try:
        return asyncio.run(until_told())
    except asyncio.CancelledError:
        if told:
            raise Terminated from None
        raise


def config_option[F: Callable[..., Any]](function: F) -> F:
    """Add `-c/--config FILE`."""
    return click.option(
        "-c",
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="The engine's configuration file. Default: $AEL_CONFIG_PATH, ./ael-config.yaml, ~/.ael/config.yaml.",
    )(function)
