"""The progress bar of `ael demo`."""

import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class DemoProgress:
    """The progress display of the demo: a bar on a terminal, nothing elsewhere.

    The bar is full when all runs are done, or when the time is up if only the time is limited.
    """

    def __init__(self, out: Console, engine: str, runs: int | None, seconds: float | None) -> None:
        self._out = out
        self._engine = engine
        self._runs = runs
        self._limit = seconds
        self._done = 0
        self._started = time.monotonic()
        self.seconds = 0.0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TimeElapsedColumn(),
            console=out,
            disable=not out.is_terminal,
            # The verb decides where stdout goes in the meantime.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("AEL demo: starting the engine", total=None, count="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._bar.stop()

    def begin(self) -> None:
        """Show that the engine is open and the runs begin."""
        self._started = time.monotonic()
        self._bar.update(
            self._task,
            description=f"AEL demo: real engine {self._engine}",
            total=self._runs or self._limit,
        )
        self._show()

    def advance(self) -> None:
        """Count one run."""
        self._done += 1
        self._show()

    def end(self) -> None:
        """Show that all runs are done."""
        self.seconds = time.monotonic() - self._started

    def _show(self) -> None:
        passed = time.monotonic() - self._started
        count = f"{self._done}/{self._runs}" if self._runs else f"{self._done} runs"
        completed = self._done if self._runs else min(passed, self._limit or passed)
        self._bar.update(self._task, completed=completed, count=count)
