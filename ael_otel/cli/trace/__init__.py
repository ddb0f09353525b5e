"""`ael trace`: list, show, export and delete stored runs; one module per verb.

All modules except those of the options are imported when a verb runs, and the SDK never: `ael trace list` takes a tenth
of a second.

Exit codes: 0 success, also if stdout is a closed pipe; 1 failure; 2 usage or configuration; 3 no such run, or no store;
130 interrupted.
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
    help="""Find, show, export and delete the runs in the run store.

    The store is the one in the engine's configuration, by default .ael/telemetry.db in the working directory, a parent
    folder or the home folder; AEL_TELEMETRY_DB=FILE takes precedence. ID is the execution id or trace id of a run, or
    the first characters of one if no other run has them. Times are RFC 3339, YYYY-MM-DD or an age (15m, 1h, 7d), in
    UTC unless they contain an offset; ranges include their start and not their end.
    """,
    epilog=examples(
        "ael trace list --status failed --since 7d",
        "ael trace show a0f63b41",
        "ael trace export --all --format csv --output runs.csv",
    ),
)
