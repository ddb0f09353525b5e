"""`ael ui`: a read-only page over the stored runs, in the browser of this machine."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click

from ael_otel.cli.options import examples, really_a_number
from ael_otel.cli.trace.options import store_options
from ael_otel.cli.trace.place import Place

if TYPE_CHECKING:
    from ael_otel.cli.session.session_access import SessionStores
    from ael_otel.export.waterfall import Section, Sheet
    from ael_otel.sessions.session import SessionRecord
    from ael_otel.store import ExecutionRecord, RunQuery, TelemetryStore
    from ael_otel.store.model_calls import RunModelCall

PORT: Final = 8300
NEEDED: Final = ("jinja2", "starlette", "uvicorn")


@click.command(
    "ui",
    short_help="Look at runs, sessions, insights and cost in the browser.",
    epilog=examples("ael ui", "ael ui --port 0 --no-open", "ael ui --db .ael/telemetry.db"),
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen on this loopback address: 127.0.0.1, ::1 or localhost.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="Listen on this port; 0 selects a free one.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 3600),
    callback=really_a_number,
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time that a page may read the store; three times as long for insights and cost.",
)
@click.option("--no-open", is_flag=True, help="Only print the address.")
@store_options
def command(host: str, port: int, timeout: float, no_open: bool, place: Place) -> None:
    """Serve a read-only page over the stored runs until Ctrl-C or SIGTERM, and open it in the browser.

    The address that is printed lets one browser in, once. The page is for this machine only: another address than a
    loopback one is refused. To look at it from elsewhere, forward the port by SSH.

    Links to Grafana appear if $AEL_GRAFANA_URL is set or the stack runs on this machine; log lines appear if
    $AEL_LOKI_URL is set.
    """
    _refuse_without_libraries()
    from ael_otel.cli import garbage
    from ael_otel.ui.server import listen, serve

    _ = place.settings  # a mistake in the configuration ends the command, not each page
    listening = listen(host, port)
    garbage.resume()

    def ready(url: str) -> None:
        click.echo(url)
        click.echo("Open this address once, in the browser to use. Ctrl-C stops the page.", err=True)
        if not no_open:
            import webbrowser

            webbrowser.open(url)

    serve(listening, lambda: Opened(place), ready=ready, prepare=lambda: _prepare(place), seconds=timeout)


def _prepare(place: Place) -> None:
    """Import what pages of runs need, and make the redaction that judges the paths in them."""
    from ael_otel.cli.render import attribution
    from ael_otel.cli.session import session_access, show

    _ = place.redaction, attribution, session_access, show


def _refuse_without_libraries() -> None:
    """Raise a ConfigError that names the extra if a library is missing."""
    from importlib.util import find_spec

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        from ael_otel.errors import ConfigError
        from ael_otel.version import install_command

        raise ConfigError(
            f"ael ui needs {', '.join(missing)}, which come with the engine and with the extra `ui`: install them with"
            f" `{install_command('ui')}`"
        )


class Opened:
    """The stores that one thread of the page reads from; see `ael_otel.ui.sources.Source`.

    Args:
        place: where they are.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stack = ExitStack()
        self._runs: TelemetryStore | None = None
        self._sessions: SessionStores | None = None

    @property
    def runs(self) -> "TelemetryStore":
        """The store of runs."""
        if self._runs is None:
            from ael_otel.cli.trace.store_access import opened

            self._runs = self._stack.enter_context(opened(self._place))
        return self._runs

    @property
    def sessions(self) -> "SessionStores":
        """The sessions of all stores."""
        if self._sessions is None:
            from ael_otel.cli.session.session_access import opened

            self._sessions = self._stack.enter_context(opened(self._place))
        return self._sessions

    def attribution(self, run: "ExecutionRecord") -> "Section":
        """Return who took part in a run."""
        from ael_otel.cli.render.attribution import section
        from ael_otel.cli.trace.show import attribution_of_run

        return section(attribution_of_run(run, self.runs, self._place))

    def written(self, record: "SessionRecord") -> "Sheet | None":
        """Return the lines that calls of a session wrote."""
        from ael_otel.cli.render.attribution import lines_sheet
        from ael_otel.cli.session.show import written_by

        found = written_by(self.sessions, record, self._place)
        return lines_sheet(found) if found else None

    def model_calls(self, query: "RunQuery") -> "list[RunModelCall]":
        """Return model calls of runs and of sessions."""
        from ael_otel.cli.cost import calls_of

        return calls_of(self.runs, query, self._place)

    def log_lines(self, run: "ExecutionRecord") -> Sequence[tuple[datetime, str, str]] | None:
        """Return the log lines of a run, from Loki."""
        from ael_otel.cli.trace.logs import VARIABLE, fetch

        base = os.environ.get(VARIABLE, "")
        return fetch(base, run) if base else None

    def interrupt(self) -> None:
        """End the statement that runs now."""
        from ael_otel.store.sql import SqlBackend

        runs, sessions = self._runs, self._sessions
        for store in (runs, *(() if sessions is None else sessions.stores)):
            if isinstance(store, SqlBackend):
                store.interrupt()

    def close(self) -> None:
        """Close the stores."""
        self._stack.close()
