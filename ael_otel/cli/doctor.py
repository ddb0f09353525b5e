"""`ael doctor`."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ael_otel.cli.options import config_option, examples

if TYPE_CHECKING:
    from ael_otel.doctor.finding import Check, Finding


@click.command(
    "doctor",
    short_help="Check the installation, the configuration and the stack; say what to do.",
    epilog=examples("ael doctor", "ael doctor --stack", "ael doctor --stack --json"),
)
@config_option
@click.option("--stack", is_flag=True, help="Also check the Compose stack on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def command(ctx: click.Context, config: Path | None, stack: bool, as_json: bool) -> None:
    """Check packages, instrumentation, configuration, variables, store, ports, export and hooks, in this order.

    With --stack, also the Collector, Prometheus, Loki, Tempo, Grafana, firing alerts, clocks and links.

    Changes nothing, takes at most seconds for each check, and prints no secret: the output can be posted. The exit
    code is 0 if all is well, 1 with warnings, 2 with failures.
    """
    from ael_otel.doctor.finding import EXIT_CODES, examine, worst

    checks, secrets = _checks(config, stack=stack)
    found: list[Finding] = []
    for each in examine(checks, secrets=secrets):
        found.append(each)
        if not as_json:
            _print(each)
    level = worst(found)
    counts = {name: sum(each.level == name for each in found) for name in EXIT_CODES}
    if as_json:
        findings = [
            {"area": each.area, "level": each.level, "cause": each.cause, "remedy": each.remedy}
            for each in found
        ]
        click.echo(json.dumps({"level": level, "counts": counts, "findings": findings}, indent=2))
    else:
        click.echo(f"\n{counts['ok']} ok, {counts['warning']} with a warning, {counts['failure']} failed")
    if level == "failure":
        areas = ", ".join(dict.fromkeys(each.area for each in found if each.level == level))
        click.echo(f"ael: failed: {areas}", err=True)
    ctx.exit(EXIT_CODES[level])


def _print(found: "Finding") -> None:
    colour = {"ok": "green", "warning": "yellow", "failure": "red"}[found.level]
    click.echo(f"{click.style(f'{found.level:<9}', fg=colour)}{found.area:<17}{found.cause}")
    if found.remedy:
        click.echo(f"{'':<26}-> {found.remedy}")


def _checks(config: Path | None, *, stack: bool) -> "tuple[list[Check], list[str]]":
    """Return the checks in their order, and the secrets of the configuration."""
    from ael_otel.cli import preflight
    from ael_otel.config import default_settings
    from ael_otel.doctor import (
        agent_hooks,
        configuration,
        instrumented,
        listening,
        otlp_endpoint,
        packages,
        run_store,
        variables,
    )
    from ael_otel.doctor.finding import CHECK_SECONDS, Check, late, within
    from ael_otel.runtime.instrumentor import AelInstrumentor

    read = within(CHECK_SECONDS, lambda: configuration.read(config, os.environ, preflight.check))
    if read is None:
        read = configuration.Configuration(default_settings(), "", (late(configuration.AREA),))
    settings, environ = read.settings, dict(os.environ)
    secrets = otlp_endpoint.secrets(settings, environ)
    checks = [
        Check(packages.AREA, lambda: packages.check(AelInstrumentor().instrumentation_dependencies())),
        Check(instrumented.AREA, lambda: instrumented.check(settings, environ)),
        Check(configuration.AREA, lambda: read.findings),
        Check(variables.AREA, lambda: variables.check(environ, read.text)),
        Check(run_store.AREA, lambda: run_store.check(settings, environ)),
        Check(listening.AREA, lambda: listening.check(settings)),
        Check(otlp_endpoint.AREA, lambda: otlp_endpoint.check(settings, environ)),
        Check(agent_hooks.AREA, lambda: agent_hooks.check(environ, Path.cwd(), datetime.now(UTC))),
    ]
    if stack:
        more, password = _stack_checks()
        return [*checks, *more], [*secrets, *password]
    return checks, secrets


def _stack_checks() -> "tuple[list[Check], list[str]]":
    from ael_otel.doctor import collector_server, grafana_server, prometheus_server
    from ael_otel.doctor.finding import Check, failure
    from ael_otel.doctor.stack_place import find_stack
    from ael_otel.errors import ConfigError

    try:
        place = find_stack(os.environ, Path.cwd())
    except ConfigError as error:
        found = failure("stack", str(error), "correct it in the environment or in .env")
        return [Check("stack", lambda: [found])], []
    checks = [
        Check(collector_server.AREA, lambda: collector_server.check(place)),
        Check(prometheus_server.AREA, lambda: prometheus_server.check(place)),
        Check("loki", lambda: grafana_server.check_backend(place, "loki")),
        Check("tempo", lambda: grafana_server.check_backend(place, "tempo")),
        Check(grafana_server.AREA, lambda: grafana_server.check(place)),
        Check(prometheus_server.ALERTS, lambda: prometheus_server.check_alerts(place)),
        Check(prometheus_server.CLOCK, lambda: prometheus_server.check_clock(place)),
        Check("links", lambda: prometheus_server.check_links(place)),
    ]
    return checks, [] if place.login is None else [place.login[1]]
