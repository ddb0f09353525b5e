"""Options shared by several verbs."""

from collections.abc import Callable, Coroutine
from math import isnan
from pathlib import Path
from typing import Any

import click


def examples(*lines: str) -> str:
    """Return the end of a verb's help text: complete, working command lines."""
    # The marker keeps click from joining the lines to one paragraph.
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def really_a_number(_ctx: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """Return a number; raise an error for `nan`, which no range excludes since it compares as neither less nor more."""
    if value is not None and isnan(value):
        raise click.BadParameter("must be a number of seconds", param=parameter)
    return value


class Terminated(KeyboardInterrupt):
    """SIGTERM ended the work; the verb's exit code is 143, not the 130 of Ctrl-C."""


def run_until_interrupted[T](work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end; SIGTERM ends it like Ctrl-C, with everything closed and cleaned up.

    Raises KeyboardInterrupt after Ctrl-C, Terminated after SIGTERM. A process in the background of a script ignores
    Ctrl-C, but not SIGTERM.
    """
    import asyncio
    import signal

    reported = False

    async def until_signalled() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.ensure_future(work)

        def end(_number: int, _frame: object) -> None:
            nonlocal reported
            reported = True
            loop.call_soon_threadsafe(task.cancel)

        before = signal.signal(signal.SIGTERM, end)
        try:
            return await task
        finally:
            signal.signal(signal.SIGTERM, before)

    try:
        return asyncio.run(until_signalled())
    except asyncio.CancelledError:
        if reported:
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
