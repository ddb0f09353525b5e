"""The group behind `ael`: verbs are modules of this package, loaded when asked for; errors end as one line."""

import errno
import keyword
from importlib import import_module
from typing import Any, Final

import click

from ael_otel.errors import (
    AelOtelError,
    ConfigError,
    QueryError,
    RunNotFoundError,
    SessionNotFoundError,
    StoreNotFoundError,
    WorkflowNotFoundError,
)

EXIT_FAILURE: Final = 1
EXIT_CONFIGURATION: Final = 2
EXIT_NOT_FOUND: Final = 3
EXIT_INTERRUPTED: Final = 130
EXIT_TERMINATED: Final = 143


_REMEDIES: Final = {
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room below the quota of this user",
    errno.EACCES: "run this as a user who may use it",
    errno.EPERM: "run this as a user who may use it",
    errno.EROFS: "name a place on a file system that can be written",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "close files of other programs",
    errno.EIO: "check the disk",
}
"""What to do about an error of the operating system that comes from the surroundings, by its number."""


class VerbGroup(click.Group):
    """A click group whose verb `x` is `command` of the module `x` of a package (`x_` if Python has the word itself).

    Args:
        verbs: names of the verbs, in the order in which `--help` lists them.
        package: where their modules are.
        only_shows: whether nothing is lost where the reader of stdout has gone, as in `| head`: exit code 0 then.
            Not for verbs whose exit code is an answer.
    """

    def __init__(
        self,
        *args: Any,
        verbs: tuple[str, ...],
        package: str = "ael_otel.cli",
        only_shows: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._verbs = verbs
        self._package = package
        self._only_shows = only_shows

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the verbs in their own order, which is that of a first use."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Load one verb."""
        if cmd_name not in self._verbs:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command = import_module(f"{self._package}.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb, or say which one may have been meant."""
        name = args[0]
        if not name.startswith("-") and name not in self._verbs:
            from difflib import get_close_matches

            near = get_close_matches(name, self._verbs, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._verbs)}"
            ctx.fail(f"no verb is named {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error that a person can act on ends as one line and an exit code, without a traceback."""
        try:
            return super().invoke(ctx)
        except AelOtelError as error:
            click.echo(f"ael: {without_secrets(str(error))}", err=True)
            ctx.exit(exit_code(error))
        except click.UsageError as error:
            # click declares the text final; a new error would have neither its parameter nor its form.
            vars(error).update(message=without_secrets(error.message))
            raise
        except KeyboardInterrupt as error:
            from ael_otel.cli.options import Terminated

            ctx.exit(EXIT_TERMINATED if isinstance(error, Terminated) else EXIT_INTERRUPTED)
        except BrokenPipeError:
            if not self._only_shows:
                raise
            from ael_otel.cli.streams import give_up_stdout

            give_up_stdout()
            ctx.exit(0)
        except OSError as error:
            remedy = _REMEDIES.get(error.errno or 0)
            if remedy is None:
                raise
            where = "stdout" if error.filename is None else error.filename
            click.echo(f"ael: {where}: {error.strerror}; {remedy}", err=True)
            ctx.exit(EXIT_FAILURE)


def without_secrets(message: str) -> str:
    """Return the message of an error without credentials: it quotes arguments and variables, and ends in logs of CI."""
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    return Redactor(Policy(scrub_pii=False)).text(message)


def exit_code(error: AelOtelError) -> int:
    """Return the exit code that an error ends with."""
    if isinstance(error, ConfigError | QueryError):
        return EXIT_CONFIGURATION
    if isinstance(
        error, WorkflowNotFoundError | RunNotFoundError | SessionNotFoundError | StoreNotFoundError
    ):
        return EXIT_NOT_FOUND
    return EXIT_FAILURE
