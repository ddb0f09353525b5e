"""What the shell offers while a command line is typed: the latest runs, with what they were."""

import click
from click.shell_completion import CompletionItem


def run_id(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer ids of stored runs that begin so, the latest first; nothing where there is no store."""
    from ael_otel.cli.render import run_table as listing
    from ael_otel.cli.render import text as words
    from ael_otel.cli.trace.options import Place
    from ael_otel.cli.trace.store_access import opened
    from ael_otel.errors import AelOtelError
    from ael_otel.store import RunQuery

    offered: list[CompletionItem] = []
    try:
        with opened(Place(None, None)) as store:
            for run in store.query(RunQuery(limit=50)).runs:
                by_execution = incomplete.startswith("exec")
                name = (
                    run.execution_id if by_execution else listing.identifier(run.trace_id, run.execution_id)
                )
                if name.startswith(incomplete):
                    took = words.lasted(run.status, run.duration_ms)
                    about = f"{run.workflow_name or '(direct call)'} {run.status} {took}"
                    offered.append(CompletionItem(name, help=words.one_line(about)))
    except AelOtelError:
        return []
    return offered
