"""`ael session`: list, show, follow, export and delete sessions of agents; one module per verb.

Exit codes: 0 success, also if stdout is a closed pipe; 1 failure; 2 usage or configuration; 3 no such session, or no
store; 130 interrupted.
"""

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples

__all__ = ["command"]

command = VerbGroup(
    "session",
    verbs=("list", "show", "tail", "export", "delete"),
    package="ael_otel.cli.session",
    only_shows=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Show the sessions of agents.",
    help="""Show the sessions of coding agents and of an engine's clients: turns, tool calls, idle time, errors, runs.

    Coding agents report through hooks (`ael hooks install`); their sessions are in this user's store,
    ~/.ael/telemetry.db. Sessions of an engine's clients are in the engine's run store. Both are searched, unless --db
    or AEL_TELEMETRY_DB names one. ID is the id of a session, its trace id, or the first characters of one if no other
    session has them.
    """,
    epilog=examples(
        "ael session list --since 1d",
        "ael session show",
        "ael session show 0f3a --output json",
    ),
)
