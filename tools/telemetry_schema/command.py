"""Check the registry, generate from it, compare versions of it, and check telemetry and queries against it.

Exit codes: 0 all is well; 1 something must be corrected; 2 wrong usage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tools.telemetry_schema.errors import SchemaError

if TYPE_CHECKING:
    from tools.telemetry_schema.diff import Change
    from tools.telemetry_schema.model import Registry, Sources

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=HELP)
def command() -> None:
    """Check the registry of this project's telemetry, generate from it, and compare telemetry and queries with it."""


def _root_option[F: Callable[..., Any]](function: F) -> F:
    return click.option(
        "--root",
        type=click.Path(path_type=Path, file_okay=False),
        help="Repository root. Default: where this package is.",
    )(function)


def _json_option[F: Callable[..., Any]](function: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


# --- the registry itself ----------------------------------------------------------------------------------------------


@command.command()
@_root_option
def check(root: Path | None) -> None:
    """Check the format of the registry's files, and the rules of the registry as a whole."""
    _checked(_root(root))


@command.command()
@_root_option
@_json_option
def resolve(root: Path | None, as_json: bool) -> None:
    """Print the registry with every reference resolved."""
    from tools.telemetry_schema.document import render_document
    from tools.telemetry_schema.project import load_registry

    registry = load_registry(_root(root))
    if as_json:
        click.echo(render_document(registry), nl=False)
        return
    from tools.telemetry_schema.tables import overview

    _show(overview(registry))


@command.command()
@_root_option
@click.option("--check", "dry", is_flag=True, help="Write nothing; fail if a file would change.")
def generate(root: Path | None, dry: bool) -> None:
    """Write the generated code, the resolved registry and the reference pages."""
    from tools.generated_files import update
    from tools.telemetry_schema.render import CODE, render_all
    from tools.telemetry_schema.resolve import resolve as resolved

    folder = _root(root)
    files = render_all(resolved(_checked(folder)))
    if update(folder, files, check=dry, source="ael_otel/registry", folders=[CODE]):
        raise click.exceptions.Exit(1)


@command.command()
@_root_option
@_json_option
@click.argument("base", default="")
def diff(root: Path | None, as_json: bool, base: str) -> None:
    """Compare the registry with BASE: a released version, a file of one, or the last release.

    Fails if the changes need a later version, or a missing note on migration.
    """
    from tools.telemetry_schema.diff import judge
    from tools.telemetry_schema.project import MIGRATIONS, load_registry
    from tools.telemetry_schema.release import read_release

    folder = _root(root)
    notes = folder / MIGRATIONS
    verdict = judge(
        read_release(folder, base), load_registry(folder), notes.read_text("utf-8") if notes.is_file() else ""
    )
    if as_json:
        _print_json(
            {
                "base": verdict.base,
                "version": verdict.version,
                "changes": [change._asdict() for change in verdict.changes],
                "problems": verdict.problems,
            }
        )
    else:
        _print_changes(verdict.changes)
        counted = ", ".join(
            f"{sum(change.what == what for change in verdict.changes)} {what}"
            for what in ("added", "renamed", "removed", "changed")
        )
        click.echo(f"{verdict.base} -> {verdict.version}: {counted}.")
        for problem in verdict.problems:
            click.echo(problem, err=True)
    if verdict.problems:
        raise click.exceptions.Exit(1)


@command.command()
@_root_option
@click.option("--again", is_flag=True, help="Replace the snapshot of a version that is not published yet.")
def release(root: Path | None, again: bool) -> None:
    """Store this version as a release that later ones are compared with."""
    from tools.telemetry_schema.project import load_registry
    from tools.telemetry_schema.release import write_release

    folder = _root(root)
    path, changed = write_release(load_registry(folder), folder, again=again)
    click.echo(f"{path.relative_to(folder)} {'written' if changed else 'unchanged'}.")


@command.command()
@_root_option
def weaver(root: Path | None) -> None:
    """Check the registry with OpenTelemetry's weaver too, if it is on PATH.

    No rule of ours depends on it: without it one line reports that it was not run.
    """
    from tools.telemetry_schema.second_opinion import ask_weaver

    agreed, text = ask_weaver(_root(root))
    click.echo(text, err=not agreed)
    if not agreed:
        raise click.exceptions.Exit(1)


# --- reading it -------------------------------------------------------------------------------------------------------


@command.command()
@click.argument("name")
def show(name: str) -> None:
    """Show one item: a metric (by either name), span, event, attribute, label, entity or scope."""
    from tools.telemetry_schema.project import packaged_registry
    from tools.telemetry_schema.show import find

    click.echo(find(packaged_registry(), name), nl=False)


@command.command()
@click.argument("names", nargs=-1)
def promql(names: tuple[str, ...]) -> None:
    """Print an example query for each metric, or for those named."""
    from tools.telemetry_schema.project import packaged_registry
    from tools.telemetry_schema.show import metric_named

    registry = packaged_registry()
    metrics = [metric_named(registry, name) for name in names] or list(registry.metrics)
    for metric in metrics:
        click.echo(f"# {metric.brief} [{metric.unit}]\n{metric.ael.query}\n")


# --- telemetry and queries against it ---------------------------------------------------------------------------------


@command.command("live-check")
@_root_option
@_json_option
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option(
    "--otlp-grpc", metavar="HOST:PORT", help="Receive OTLP over gRPC here instead of reading files."
)
@click.option(
    "--otlp-http", metavar="HOST:PORT", help="Receive OTLP over HTTP here instead of reading files."
)
@click.option("--seconds", type=click.FloatRange(min=0), help="How long to listen. Default: until Ctrl-C.")
@click.option(
    "--require-coverage",
    is_flag=True,
    help="Fail if a recommended signal was not seen and is not a declared gap.",
)
@click.option(
    "--canary", "canaries", multiple=True, metavar="TEXT", help="Text that must not be in telemetry."
)
def live_check(
    root: Path | None,
    as_json: bool,
    files: tuple[Path, ...],
    otlp_grpc: str | None,
    otlp_http: str | None,
    seconds: float | None,
    require_coverage: bool,
    canaries: tuple[str, ...],
) -> None:
    """Check emitted telemetry: OTLP/JSON files, or telemetry that is sent here meanwhile.

    Fails on a violation, and when there was nothing to check.
    """
    from tools.telemetry_schema.live.check import LiveCheck
    from tools.telemetry_schema.live.coverage import read_gaps
    from tools.telemetry_schema.live.listen import listen
    from tools.telemetry_schema.live.sources import from_file
    from tools.telemetry_schema.live.tables import report_tables
    from tools.telemetry_schema.project import GAPS

    listening = otlp_grpc is not None or otlp_http is not None
    if bool(files) == listening:
        raise click.UsageError("name files, or --otlp-grpc or --otlp-http to listen, but not both")
    live = LiveCheck(_registry(root), canaries=canaries, gaps=read_gaps(_root(root) / GAPS))
    for path in files:
        live.feed(from_file(path))
    if listening:
        listen(
            live, grpc=otlp_grpc, http=otlp_http, seconds=seconds, say=lambda text: click.echo(text, err=True)
        )
    report = live.report()
    problems = report.coverage.problems(report.gaps) if require_coverage else []
    if as_json:
        _print_json(report.as_json())
    else:
        _show(*report_tables(report))
    for problem in problems:
        click.echo(problem, err=True)
    if not report.items:
        raise SchemaError("live-check", "", "no span, metric or log record came in: nothing was checked")
    if report.violations or problems:
        raise click.exceptions.Exit(1)


@command.command("lint-queries")
@_root_option
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--every-metric", is_flag=True, help="Fail if a metric is in none of these queries.")
def lint_queries(root: Path | None, paths: tuple[Path, ...], every_metric: bool) -> None:
    """Check the queries in files or folders: dashboards, alert rules and their tests, documents, plain queries.

    Every metric, label, closed value, span, event and field that a query names must be in the registry, or in the table
    of other programs' metrics. PromQL is parsed, for which promql-parser must be installed.
    """
    from tools.telemetry_schema.query.lint import lint_queries as lint

    linted = lint(_registry(root), paths)
    for problem in linted.problems:
        click.echo(str(problem), err=True)
    kinds = ", ".join(
        f"{sum(query.language == language for query in linted.queries)} {name}"
        for language, name in (("promql", "PromQL"), ("logql", "LogQL"), ("traceql", "TraceQL"))
    )
    click.echo(
        f"{linted.files} files, {len(linted.queries)} queries ({kinds}), {len(linted.problems)} to correct."
    )
    forgotten = linted.forgotten if every_metric else []
    for line in forgotten:
        click.echo(line, err=True)
    if linted.problems or forgotten:
        raise click.exceptions.Exit(1)


# --- help of the verbs ------------------------------------------------------------------------------------------------


def _root(given: Path | None) -> Path:
    from tools.telemetry_schema.project import ROOT

    return ROOT if given is None else given.resolve()


def _checked(root: Path) -> Sources:
    """Return the definitions below `root` and print their numbers; exit if a rule is broken."""
    from tools.telemetry_schema.lint import lint
    from tools.telemetry_schema.project import REGISTRY, count_items, load_sources

    sources = load_sources(root)
    counts = count_items(sources)
    empty = [section for section, count in counts.items() if not count]
    if empty:
        raise SchemaError(
            REGISTRY, "", f"has no {empty[0].replace('_', ' ')}: nothing was checked; is this the registry?"
        )
    findings = lint(sources)
    for finding in findings:
        click.echo(str(finding), err=True)
    if findings:
        click.echo(f"{len(findings)} to correct in {REGISTRY}", err=True)
        raise click.exceptions.Exit(1)
    counted = ", ".join(f"{count} {section.replace('_', ' ')}" for section, count in counts.items())
    click.echo(f"Registry {sources.manifest.version}: {counted}; no rule broken.")
    return sources


def _print_changes(changes: Iterable[Change]) -> None:
    from tools.telemetry_schema.tables import table

    rows = [(change.what, change.section, change.name, change.detail, change.impact) for change in changes]
    if rows:
        _show(table(("", "section", "item", "what", "needs"), rows))


def _print_json(value: Any) -> None:
    import msgspec

    click.echo(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _show(*parts: Any) -> None:
    """Print with rich, as wide as the terminal; without a terminal, lines are not wrapped."""
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, emoji=False, width=200)
    for part in parts:
        console.print(part)


def _registry(root: Path | None) -> Registry:
    """Return the checked registry below `root`; without a root, the one that ships with the package."""
    from tools.telemetry_schema.project import load_registry, packaged_registry

    return packaged_registry() if root is None else load_registry(root)
