"""Which run the current code belongs to, for log lines: one context variable, read without locks."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets


class Exclusion:
    """Whether the parameters of one call name a file that is not to be captured: `stated` once they are judged."""

    __slots__ = ("stated",)

    def __init__(self, stated: bool = False) -> None:
        self.stated = stated


class RunScope:
    """The run, step and tool around the current code; ids are empty strings until they are known.

    `secrets` is what the run has shown to be secret, `given` what was passed in, both None where nothing is kept of
    it; `excluded` says that the current call reads a file that is not to be captured, which is known once the content
    that waits in `secrets` is judged. `server` is the name of the MCP
    server whose own output is being logged, empty for everything else. `counted` says whether the run's record counts
    redactions made here: not those of log lines, since they may be made after the record is written.
    """

    __slots__ = (
        "counted",
        "exclusions",
        "execution_id",
        "given",
        "secrets",
        "server",
        "step_id",
        "tool_name",
        "workflow_id",
    )

    def __init__(
        self,
        workflow_id: str,
        execution_id: str,
        step_id: str = "",
        tool_name: str = "",
        *,
        secrets: RunSecrets | None = None,
        given: CallerInputs | None = None,
        server: str = "",
    ) -> None:
        self.workflow_id = workflow_id
        self.execution_id = execution_id
        self.step_id = step_id
        self.tool_name = tool_name
        self.secrets = secrets
        self.given = given
        self.exclusions: tuple[Exclusion, ...] = ()
        self.counted = True
        self.server = server

    @property
    def excluded(self) -> bool:
        """Whether nothing is to be captured of what is read here."""
        return any(each.stated for each in self.exclusions)

    @excluded.setter
    def excluded(self, excluded: bool) -> None:
        self.exclusions = (Exclusion(excluded),)


current_run: ContextVar[RunScope | None] = ContextVar("ael_otel_run", default=None)
"""The innermost scope; a step's scope replaces its run's until the step ends."""


class LogOrigin(Protocol):
    """Work that serves several runs at once, such as the tasks of a connection to an MCP server."""

    def decides(self) -> bool:
        """Return whether `entered` finds the run of a record logged here, instead of the context variable."""
        ...

    def entered(self) -> AbstractContextManager[None]:
        """Make the run, the span and the server that a record logged here belongs to the current ones."""
        ...


log_origin: ContextVar[LogOrigin | None] = ContextVar("ael_otel_log_origin", default=None)
"""Set in tasks that outlive the run in which they were started: its ids in `current_run` are stale there."""
