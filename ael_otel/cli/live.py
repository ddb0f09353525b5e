"""`ael schema live`: a table of what a running engine may emit and what it has emitted."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import click

from ael_otel.cli.options import config_option, examples
from ael_otel.errors import AelOtelError

if TYPE_CHECKING:
    from rich.table import Table

PATH: Final = "/api/v1/telemetry/live-schema"
DEFAULT_URL: Final = "http://127.0.0.1:9464"
TIMEOUT_S: Final = 5.0
MAX_ANSWER: Final = 4 * 1024 * 1024

_MEANINGS: Final[Mapping[int, str]] = {
    401: "it requires a token: pass --token, or set AEL_ADMIN_TOKEN",
    403: "it answers only clients on its own machine: run this there, or set telemetry.admin.token",
    404: "the live schema is disabled: set telemetry.admin.live_schema to true and restart",
    429: "too many requests: wait some seconds",
}


@click.command(
    "live",
    short_help="Show which signals of the registry a running engine has emitted.",
    epilog=examples("ael schema live", "ael schema live --url http://127.0.0.1:9464 --json"),
)
@config_option
@click.option(
    "--url",
    metavar="URL",
    help="Address of the engine's metrics. Default: this machine, at the configured telemetry.metrics.port.",
)
@click.option(
    "--token",
    envvar="AEL_ADMIN_TOKEN",
    default="",
    metavar="TOKEN",
    help="Value of telemetry.admin.token. Prefer $AEL_ADMIN_TOKEN: other users can see a command line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the response as JSON.")
def command(config: Path | None, url: str | None, token: str, as_json: bool) -> None:
    """Show the live schema of a running engine.

    For each signal, shows how often it was emitted and when last, its series and their limit, and drops by reason; also
    names that the registry does not have. The engine serves it with `telemetry.admin.live_schema: true`.
    """
    document = fetch(configured_url(config) if url is None else url, token)
    if as_json:
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    from ael_otel.cli.render.terminal import console

    target = console()
    for part in tables(document, datetime.now(UTC)):
        target.print(part)


def configured_url(config: Path | None) -> str:
    """Return the address at which an engine with this configuration file serves its metrics; the default without a
    file.

    Raises ConfigError for a named file that does not exist, or a file that cannot be used.
    """
    from ael_otel.cli.trace.place import Place
    from ael_otel.config import with_environment

    settings = Place(config).settings
    metrics = (settings if settings.path else with_environment(settings, os.environ)).metrics
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(metrics.host, metrics.host)  # noqa: S104 - compared, not bound
    return f"http://{f'[{host}]' if ':' in host else host}:{metrics.port}"


def fetch(url: str, token: str = "") -> dict[str, Any]:
    """Return the live schema of the engine at `url`.

    Raises:
        AelOtelError: there is none, or it refuses the request; the message contains the remedy.
    """
    where = urlsplit(url if "//" in url else f"//{url}", scheme="http")
    try:
        port = where.port
    except ValueError as error:
        raise AelOtelError(f"{url} is not a URL: {error}") from error
    if where.scheme not in ("http", "https") or not where.hostname or where.username:
        raise AelOtelError(f"{url} is not the URL of an engine; write it like {DEFAULT_URL}")
    make = HTTPSConnection if where.scheme == "https" else HTTPConnection
    connection = make(where.hostname, port, timeout=TIMEOUT_S)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    try:
        connection.request("GET", PATH, headers=headers)
        # Redirects are not followed: the token is for this address only.
        answer = connection.getresponse()
        body = answer.read(MAX_ANSWER)
    except (OSError, HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise AelOtelError(
            f"no engine answers at {url} ({why}): start `ael serve` with telemetry.admin.live_schema: true"
        ) from error
    finally:
        connection.close()
    if answer.status != 200:
        meaning = _MEANINGS.get(answer.status, "it is not an engine with this telemetry")
        raise AelOtelError(f"{url} answers {answer.status}: {meaning}")
    try:
        document: Any = json.loads(body)
    except ValueError as error:
        raise AelOtelError(f"{url} returned something that is not JSON") from error
    if not isinstance(document, dict) or "signals" not in document:
        raise AelOtelError(f"{url} returned something that is not a live schema")
    return cast("dict[str, Any]", document)


def tables(document: Mapping[str, Any], now: datetime) -> "list[Table]":
    """Return tables of the signals, of drops and unknown names if there are any, and of the reporting process."""
    from ael_otel.cli.render.text import one_line

    signals = _mapping(document.get("signals"))
    rows: list[tuple[str, ...]] = []
    for kind in ("metrics", "spans", "events"):
        for name, found in sorted(_mapping(signals.get(kind)).items()):
            facts = _mapping(found)
            series = f"{facts.get('series', 0)}/{facts['max_series']}" if "max_series" in facts else "-"
            last = _ago(facts.get("last_emitted"), now) if facts.get("registered") else "not registered"
            rows.append(
                (
                    kind.removesuffix("s"),
                    one_line(name),
                    str(facts.get("emitted", 0)),
                    series,
                    last,
                    _counts(facts.get("dropped")),
                )
            )
    version = one_line(str(document.get("version", "")))
    found = [_table(("", "name", "emitted", "series", "last", "dropped"), rows, f"Telemetry {version}, live")]
    lost = [
        (one_line(name), _counts(by_reason)) for name, by_reason in _mapping(document.get("dropped")).items()
    ]
    if lost:
        found.append(_table(("signal", "items"), lost, "Lost"))
    unknown = [
        (kind.removesuffix("s"), one_line(name), str(count))
        for kind, names in _mapping(document.get("unknown")).items()
        for name, count in _mapping(names).items()
    ]
    if unknown:
        found.append(_table(("", "name", "seen"), unknown, "Not in the registry"))
    packages = [
        (one_line(name), one_line(str(each))) for name, each in _mapping(document.get("packages")).items()
    ]
    found.append(_table(("package", "version"), packages, "Versions"))
    return found


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], title: str) -> "Table":
    """Return a table without borders and with a title; its cells are text, not markup."""
    from rich.text import Text

    from ael_otel.cli.render.table import bare_table

    built = bare_table(gap=2)
    built.title, built.title_justify, built.title_style = title, "left", "bold"
    for name in header:
        built.add_column(name, overflow="fold")
    for row in rows:
        built.add_row(*map(Text, row))
    return built


def _mapping(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _counts(value: Any) -> str:
    from ael_otel.cli.render.text import one_line

    return ", ".join(f"{one_line(name)} {count}" for name, count in sorted(_mapping(value).items()))


def _ago(seconds: Any, now: datetime) -> str:
    from ael_otel.cli.render.text import duration

    if not isinstance(seconds, int | float):
        return "never"
    return f"{duration(max(0.0, now.timestamp() - seconds) * 1e3)} ago"
