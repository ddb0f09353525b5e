"""`ael hooks`: install hooks that report the sessions of coding agents, check them, remove them; one module per verb.

Exit codes: 0 success; 1 a settings file cannot be written; 2 usage, or a settings file that is not rewritten.
"""

from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import examples

__all__ = ["command"]

command = VerbGroup(
    "hooks",
    verbs=("install", "status", "uninstall"),
    package="ael_otel.cli.hooks",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    short_help="Install hooks that report the sessions of coding agents.",
    help="""Report the sessions of coding agents: add hooks to their settings, check them, remove them.

    A hook starts `ael-hook`, which records ids, names, paths, sizes and times of an event, and no text that a person
    or a model wrote. AEL_HOOK_DISABLED=1 disables it for a session.
    """,
    epilog=examples(
        "ael hooks install --dry-run",
        "ael hooks status",
        "ael hooks uninstall --agent codex",
    ),
)
