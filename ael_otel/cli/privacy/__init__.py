"""`ael privacy`: what is redacted and why, the rules, and secrets in stored data; one module per verb.

Exit codes: 0 success; 1 failure, or a secret was found and not removed; 2 usage or configuration; 3 no such file.
"""

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples

__all__ = ["command"]

command = VerbGroup(
    "privacy",
    verbs=("test", "rules", "scan"),
    package="ael_otel.cli.privacy",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Show what is redacted, and find stored secrets.",
    help="""Show what is redacted and why, list the rules, and find secrets in stored data.

    Runs are recorded with the same rules; the engine's configuration adds fields and files to them.
    """,
    epilog=examples(
        'ael privacy test "write to ada@example.org"',
        "ael privacy rules",
        "ael privacy scan .ael/telemetry.db",
    ),
)
