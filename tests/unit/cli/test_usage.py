"""Wrong usage of each verb is reported before anything starts, and every example in a help text parses."""

import os
import shlex

import click
import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.demo import scenarios
from tests.support.examples import examples

DEMO_INPUTS = {"hello": {"name"}, "mixed": {"count"}, "too_slow": {"seconds"}}


@pytest.mark.parametrize("line", examples(cli))
def test_every_example_is_accepted(line, tmp_path, monkeypatch):
    """Its verb and options exist and accept their arguments, and a workflow it names is one of the demo's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude.json").write_text("{}", "utf-8")
    words = [os.path.expanduser(word) for word in shlex.split(line)]  # noqa: PTH111 - as the shell does
    while words[0] != "ael":
        # Words before `ael` are the wrapper or a variable.
        assert words[0] == "opentelemetry-instrument" or "=" in words[0]
        words.pop(0)
    verb, *rest = words[1:]
    # As from the shell: a command keeps the help option that it gets from its first parent.
    group = click.Context(cli, **cli.context_settings)
    command = cli.get_command(group, verb)
    assert command is not None
    context = command.make_context(verb, rest, parent=group)
    if verb == "run" and context.params["from_run"] is None:
        assert context.params["workflow"] in scenarios.WORKFLOWS
        for pair in context.params["pairs"]:
            assert pair.split("=")[0] in DEMO_INPUTS[context.params["workflow"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "name a workflow, or a stored run with --from RUN"),
        (["run", "hello", "--from", "latest"], "one of them"),
        (["run", "hello", "--yes"], "--yes and --allow-changed are for --from RUN"),
        (["run", "hello", "-i", "name"], "'name' is not key=value"),
        (["run", "hello", "-i", "=x"], "'=x' is not key=value"),
        (["run", "hello", "--timeout", "0"], "0.0 is not in the range"),
        (["run", "hello", "--timeout", "nan"], "must be a number of seconds"),
        (["run", "hello", "--timeout", "soon"], "'soon' is not a valid float"),
        (["run", "hello", "--inputs-file", "nothing.json"], "nothing.json: No such file or directory"),
        (["serve", "--port", "0"], "0 is not in the range"),
        (["serve", "--port", "http"], "'http' is not a valid integer"),
        (["serve", "--transport", "carrier-pigeon"], "'carrier-pigeon' is not one of"),
        (["demo", "--runs", "0"], "0 is not in the range"),
        (["demo", "--seconds", "0"], "0.0 is not in the range"),
        (["demo", "--seconds", "nan"], "must be a number of seconds"),
    ],
)
def test_wrong_usage_ends_with_2_and_the_reason(arguments, said, tmp_path, monkeypatch):
    """Without looking for a configuration, let alone starting an engine."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, arguments, prog_name="ael")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "hello", "-i", '{"password": "gr33nT3aPot"'],
        ["run", "hello", "-i", "a=b", "--inputs-file", "password=gr33nT3aPot"],
        ["trace", "list", "--since", "password=gr33nT3aPot"],
        ["trace", "import", "password=gr33nT3aPot"],
        ["serve", "--port", "token=gr33nT3aPot77"],
    ],
    ids=["input", "file", "time", "import", "port"],
)
def test_error_quotes_an_argument_without_its_secret(arguments, tmp_path, monkeypatch):
    """Proves that a mistyped argument, which may be a secret, is not repeated on stderr (and so in CI logs)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    result = CliRunner().invoke(cli, arguments, prog_name="ael")
    assert result.exit_code != 0
    assert "[" in result.stderr
    assert "T3aPot" not in result.stderr


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A current directory and a home without a configuration."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize("arguments", [["run", "hello"], ["serve"]])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "ael: no configuration file (looked for ./ploston-config.yaml, ./ael-config.yaml"),
        ("", "ael: ael-config.yaml: the file is empty"),
        ("tools: [", "ael: ael-config.yaml:1:"),
        ("telemetry: {metrics: {prot: 1}}", "did you mean telemetry.metrics.port?"),
        ("workflows: {directory: flows}", "ael-config.yaml:1: workflows.directory: flows does not exist"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_one_line(arguments, text, said, nowhere):
    """The line names the file, the place and the key; the engine is not started on defaults."""
    if text is not None:
        (nowhere / "ael-config.yaml").write_text(text)
    result = CliRunner().invoke(cli, arguments, prog_name="ael")
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize("arguments", [["run", "hello"], ["serve"]])
def test_a_file_that_is_asked_for_must_exist(arguments, nowhere):
    """The line names it, however it was asked for."""
    result = CliRunner().invoke(cli, [*arguments, "-c", "gone.yaml"], prog_name="ael")
    assert (result.exit_code, result.stderr[:29]) == (2, "ael: gone.yaml: no such file ")
    result = CliRunner(env={"AEL_CONFIG_PATH": "gone.yaml"}).invoke(cli, arguments, prog_name="ael")
    assert "named by AEL_CONFIG_PATH" in result.stderr


def test_export_writes_an_example_and_says_how_to_use_it(nowhere):
    """The commands it prints name the file it wrote; a second time it refuses and changes nothing."""
    result = CliRunner().invoke(cli, ["demo", "--export", "mine"], prog_name="ael")
    assert result.exit_code == 0
    config = nowhere / "mine" / "ael-config.yaml"
    assert f"ael serve -c {config}" in result.stdout
    config.write_text("changed")
    again = CliRunner().invoke(cli, ["demo", "--export", "mine"], prog_name="ael")
    assert again.exit_code == 2
    assert "exists already and is left as it is" in again.stderr
    assert config.read_text() == "changed"
    assert [path.name for path in nowhere.iterdir()] == ["mine"]


@pytest.mark.parametrize(
    "words",
    [
        "trace list", "trace show latest", "trace stats", "trace repair", "trace repair --check",
        "trace prune", "trace export latest", "privacy scan",
    ],
)  # fmt: skip
def test_database_address_in_place_of_the_store_file_is_refused_by_every_reader(words, tmp_path, monkeypatch):
    """With the same words, without the password, and without a file of that name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    address = "postgresql://ada:gr33nT3a@db.example.org/runs"  # hygiene: made up
    monkeypatch.setenv("AEL_TELEMETRY_DB", address)
    result = CliRunner().invoke(cli, words.split(), prog_name="ael")
    assert result.exit_code not in {0, 1}
    assert "AEL_TELEMETRY_DB: it names the file of a SQLite store, not a database" in result.output
    assert "gr33nT3a" not in result.output
    assert not list(tmp_path.iterdir())
