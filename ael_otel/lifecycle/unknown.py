"""Names that stand for those that callers make up: a label must stay bounded."""

from typing import Final

UNKNOWN_WORKFLOW: Final = "unknown"
"""Label of runs whose workflow does not exist: their names come from callers and are not bounded."""

UNKNOWN_TOOL: Final = "unknown"
"""Label of calls that a client or code made of a tool that does not exist, for the same reason."""
