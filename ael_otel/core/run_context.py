"""The run that the current code belongs to, for log lines: one context variable, read without locks."""

from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Protocol

from ael_otel.privacy.run_secrets import CallerInputs, RunSecrets


class Exclusion:
    """Whether the parameters of one call name an excluded file; `stated` is set once they have been checked."""

    __slots__ = ("stated",)

    def __init__(self, stated: bool = False) -> None:
        self.stated = stated


class RunScope:
    """The run, step and tool around the current code; ids are empty strings until they are assigned.

    `secrets` holds the secrets that were detected in this run, `given` the values that its caller passed in; both are
    None where nothing is recorded. `excluded` says whether the current call reads an excluded file, which is clear once
    the content that waits in `secrets` is checked. `server` is the name of the MCP server whose own output is being
    logged, empty for everything else. `counted` says whether the run's record counts the redactions made here: those of
    log lines are not counted, since they may be made after the record is written.
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
        """Whether content that is read here must not be recorded."""
        return any(each.stated for each in self.exclusions)

    @excluded.setter
    def excluded(self, excluded: bool) -> None:
        self.exclusions = (Exclusion(excluded),)


current_run: ContextVar[RunScope | None] = ContextVar("ael_otel_run", default=None)
"""The innermost scope; a step's scope replaces its run's until the step ends."""


class LogOrigin(Protocol):
    """A task that serves several runs at once, such as the one of a connection to an MCP server."""

    def decides(self) -> bool:
        """Return whether the run of a record logged here comes from `entered`, not from the context variable."""
        ...

    def entered(self) -> AbstractContextManager[None]:
        """Make current the run, the span and the server that a record logged here belongs to."""
        ...


log_origin: ContextVar[LogOrigin | None] = ContextVar("ael_otel_log_origin", default=None)
"""Set in tasks that outlive the run that started them: there, the ids in `current_run` are stale."""
