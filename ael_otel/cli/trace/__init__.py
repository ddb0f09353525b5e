"""`ael trace`: the stored runs, found, shown, exported and deleted; one module per verb.

Everything below the options is imported when a verb runs, and the SDK by none: `ael trace list` answers in a tenth of
a second.

Exit codes: 0 success, also when the reader of stdout has gone; 1 failure; 2 usage or configuration; 3 no such run, or
no store; 130 interrupted.
"""

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples

__all__ = ["command"]

command = VerbGroup(
    "trace",
    verbs=("list", "show", "calls", "diff", "tail", "stats", "export", "import", "delete", "prune", "repair"),
    package="ael_otel.cli.trace",
    only_shows=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Find, show, export and delete stored runs.",
    help="""Find, show, export and delete the runs that are kept in the run store.

    The store is the one that the engine's configuration names, by default .ael/telemetry.db here, in a folder above or
    in the home folder; AEL_TELEMETRY_DB=FILE wins. A run is named by its execution id or trace id, or any beginning of
    one that only it has. Times are RFC 3339, YYYY-MM-DD or ago (15m, 1h, 7d), in UTC unless they say otherwise; ranges
    include their start and not their end.
    """,
    epilog=examples(
        "ael trace list --status failed --since 7d",
        "ael trace show a0f63b41",
        "ael trace export --all --format csv --output runs.csv",
    ),
)
