"""The group behind `ael`: verbs are modules of this package, loaded on first use; errors end as one line."""

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
    errno.ENOSPC: "free space on the disk",
    errno.EDQUOT: "free space within this user's quota",
    errno.EACCES: "run this as a user with access",
    errno.EPERM: "run this as a user with access",
    errno.EROFS: "name a place on a writable file system",
    errno.EMFILE: "raise the limit of open files (`ulimit -n`)",
    errno.ENFILE: "close files of other programs",
    errno.EIO: "check the disk",
}
"""Remedies for errors of the operating system, by error number."""


class VerbGroup(click.Group):
    """A click group whose verb `x` is `command` in the module `x` of a package (`x_` if `x` is a Python keyword).

    Args:
        verbs: names of the verbs, in the order in which `--help` lists them.
        package: the package that contains their modules.
        only_shows: whether a closed stdout (as with `| head`) loses nothing, so that the exit code is 0. Not for verbs
            whose exit code is a result.
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
        """Return the verbs in the order in which a new user needs them."""
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
        """Return the verb; raise a usage error that suggests the most similar one if there is none."""
        name = args[0]
        if not name.startswith("-") and name not in self._verbs:
            from difflib import get_close_matches

            near = get_close_matches(name, self._verbs, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(self._verbs)}"
            ctx.fail(f"no verb is named {name!r}; {hint}")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error that a user can act on ends as one line and an exit code, without a traceback."""
        try:
            return super().invoke(ctx)
        except AelOtelError as error:
            click.echo(f"ael: {without_secrets(str(error))}", err=True)
            ctx.exit(exit_code(error))
        except click.UsageError as error:
            # click declares the text final; a new error would lack its parameter and its form.
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
    """Return an error's message without credentials: it quotes arguments and variables, and appears in CI logs."""
    from ael_otel.privacy.policy import Policy
    from ael_otel.privacy.redactor import Redactor

    return Redactor(Policy(scrub_pii=False)).text(message)


def exit_code(error: AelOtelError) -> int:
    """Return the process's exit code for an error."""
    if isinstance(error, ConfigError | QueryError):
        return EXIT_CONFIGURATION
    if isinstance(
        error, WorkflowNotFoundError | RunNotFoundError | SessionNotFoundError | StoreNotFoundError
    ):
        return EXIT_NOT_FOUND
    return EXIT_FAILURE
