"""`ael attribution`: statistics on who wrote the lines of a repository; one module per verb.

Exit codes: 0 success; 1 failure; 2 usage or configuration; 3 nothing has been recorded.
"""

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples

__all__ = ["command"]

command = VerbGroup(
    "attribution",
    verbs=("stats",),
    package="ael_otel.cli.attribution",
    only_shows=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Count lines by who wrote them.",
    help="""Count the lines of a repository by who wrote them: agents, people, both, or unknown.

    `ael blame` shows the same for each line of one file.
    """,
    epilog=examples("ael attribution stats", "ael attribution stats --by agent --since 7d"),
)
