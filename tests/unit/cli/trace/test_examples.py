"""Every example in the help texts of `ael trace` and in the pages on traces and on the query language runs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from ael_otel.cli.trace import command as trace
from tests.support.examples import examples, taken_apart
from tests.unit.cli.trace.runs import ael, failed, make, runs

DOCS = Path(__file__).parents[4] / "docs"
PAGES = (DOCS / "how-to" / "trace.md", DOCS / "reference" / "query-language.md")


@pytest.mark.parametrize("line", examples(trace, *PAGES))
def test_every_example_works(line, place, monkeypatch):
    """Proves that an example, unchanged, ends with exit code 0 where the runs and files that it names exist."""
    make(place / ".ael" / "telemetry.db", runs(datetime.now(UTC) - timedelta(hours=1)))
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    sent = []
    monkeypatch.setattr(
        "ael_otel.export.push.request",
        lambda method, url, **more: sent.append(url) or b'{"partialSuccess":{}}',
    )

    def meanwhile(_seconds):
        if "--runs" in line:
            make(
                place / ".ael" / "telemetry.db",
                [failed("exec-new", "9" * 32, runs()[0].started_at.replace(year=2999))],
            )
        else:
            raise KeyboardInterrupt  # as a person does it

    monkeypatch.setattr("ael_otel.cli.trace.tail.time.sleep", meanwhile)
    assert ael("export", "--all", "-f", "otlp", "-o", "runs.otlp.jsonl").exit_code == 0
    assert ael("export", "--all", "-f", "jsonl", "-o", "runs.jsonl").exit_code == 0
    words, stdin = taken_apart(line, "trace", place)
    done = ael(*words, stdin=stdin)
    assert done.exit_code == (130 if words[0] == "tail" and "--runs" not in words else 0), done.stderr
    assert "Traceback" not in done.stderr
    if "--endpoint" in words:
        assert sent[0].startswith(words[words.index("--endpoint") + 1])
    if words[0] == "list":
        assert done.stdout, "an example finds something"


@pytest.mark.parametrize("verb", trace.list_commands(click.Context(trace)))
def test_every_verb_has_help_with_examples(verb, place):
    """Proves that help needs no store and has examples."""
    done = ael(verb, "--help")
    assert done.exit_code == 0
    assert f"ael trace {verb}" in done.stdout.split("Examples:")[1]


def test_an_unknown_verb_names_the_nearest(place):
    """Proves that a misspelled verb ends with exit code 2 and names the verb that is meant."""
    done = ael("lst")
    assert (done.exit_code, "did you mean 'list'?" in done.stderr) == (2, True)


def test_completion_is_silent_without_a_store(tmp_path, monkeypatch):
    """A shell must not print an error while somebody types."""
    from ael_otel.cli.trace.options import run_id

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run_id(click.Context(trace), click.Argument(["x"]), "a") == []
