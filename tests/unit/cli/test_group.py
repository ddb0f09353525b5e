"""The `ael` group: its verbs, its errors as one line, and its exit codes."""

import errno

import click
import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.cli.group import VerbGroup
from ael_otel.cli.options import Terminated
from ael_otel.errors import AelOtelError, ConfigError, EngineUnavailableError, WorkflowNotFoundError

VERBS = ["demo", "init", "run", "serve"]


def invoke(*arguments):
    """Run `ael` with these arguments in this process."""
    return CliRunner().invoke(cli, list(arguments), prog_name="ael")


def failing(error):
    """A group whose verb `run` raises."""

    class OneVerb(VerbGroup):
        def get_command(self, ctx, cmd_name):
            def fail():
                raise error

            return click.Command(cmd_name, callback=fail)

    return OneVerb("ael", verbs=("run",))


def test_help_lists_each_verb_with_its_purpose():
    """Every verb has its line, in the order of a first use."""
    result = invoke("--help")
    assert result.exit_code == 0
    lines = [
        line.split()[0]
        for line in result.output.split("Commands:")[1].split("Examples:")[0].strip().splitlines()
    ]
    assert lines[: len(VERBS)] == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_examples(verb):
    """`-h` and `--help` are the same, and end in examples."""
    assert invoke(verb, "-h").output == invoke(verb, "--help").output
    assert "Examples:" in invoke(verb, "--help").output


def test_version_names_all_three_that_matter():
    """Ours, the engine's and OpenTelemetry's."""
    lines = invoke("--version").output.splitlines()
    assert [line.rsplit(" ", 1)[0] for line in lines] == [
        "ael-otel",
        "engine (ploston-core)",
        "OpenTelemetry SDK",
    ]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("srve", "no verb is named 'srve'; did you mean 'serve'?"),
        ("xyz", "no verb is named 'xyz'; there are: demo, init, run, serve"),
    ],
)
def test_an_unknown_verb_is_a_usage_error_that_helps(typed, said):
    """The nearest verb, or all of them."""
    result = invoke(typed)
    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (AelOtelError("something\nbroke"), 1),
        (EngineUnavailableError("something broke"), 1),
        (ConfigError("something broke"), 2),
        (WorkflowNotFoundError("helo", ["hello"]), 3),
    ],
)
def test_an_error_of_ours_is_one_line_and_an_exit_code(error, code):
    """No traceback, nothing on stdout."""
    result = CliRunner().invoke(failing(error), ["run"])
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr == f"ael: {error}\n"


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)])
def test_an_interrupted_verb_ends_with_the_code_of_the_signal(error, code):
    """As a shell expects it of an interrupted command, without a word."""
    result = CliRunner().invoke(failing(error), ["run"])
    assert (result.exit_code, result.output) == (code, "")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC, errno.EMFILE])
def test_an_error_of_the_operating_system_is_one_line_with_a_remedy(number):
    """An unexpected error of the environment is one line with a remedy; other errors keep their traceback."""
    result = CliRunner().invoke(failing(OSError(number, "reason", "a-file")), ["run"])
    assert result.exit_code == 1
    assert result.stderr.startswith("ael: a-file: reason; ")
    assert isinstance(CliRunner().invoke(failing(OSError(errno.EBADF, "")), ["run"]).exception, OSError)


def test_a_fault_of_ours_is_not_hidden():
    """An unexpected exception keeps its traceback."""
    result = CliRunner().invoke(failing(RuntimeError("a bug")), ["run"])
    assert isinstance(result.exception, RuntimeError)
