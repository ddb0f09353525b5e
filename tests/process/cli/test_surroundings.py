"""Every verb of `ael` that prints, in a faulty environment: encodings, closed streams, no home, no writing."""

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest

from ael_otel.cli import cli
from tests.process.cli import several
from tests.support.needs import require
from tests.support.variables import clean_variables
from tests.unit.cli.trace.runs import NOON, make, mixed, runs

ROOT = Path(__file__).parents[3]
AEL = [sys.executable, "-m", "ael_otel.cli"]
ENDLESS = 120
NAME = "Grüße, 世界… – “x” 🎉"
"""Nothing but UTF-8 has all of it."""

# Each verb with arguments that print something; those that need the real engine are a separate group.
VERBS = {
    "--help": 0,
    "--version": 0,
    "demo --export example": 0,
    "init --help": 0,
    "run --help": 0,
    "serve --help": 0,
    "trace list": 0,
    "trace list --fields workflow_name,inputs,error": 0,
    "trace list -o json": 0,
    "trace list -o csv": 0,
    "trace show": 0,
    "trace show exec-7f3a --spans": 0,
    "trace show exec-7f3a --attribution": 0,
    "trace show exec-7f3a -o json": 0,
    "trace show nobody": 3,
    "trace calls": 0,
    "trace diff exec-7f3a exec-80aa": 0,
    "trace tail --last 3 --seconds 0.2": 0,
    "trace stats": 0,
    "trace stats --by error": 0,
    "trace export --all": 0,
    "trace export --all --format html": 2,
    "trace prune --older-than 36500 --dry-run": 0,
    "cost": 0,
    "cost --by day -o json": 0,
    "cost reprice --dry-run": 0,
    "insights": 0,
    "insights -o json": 0,
    "ui --help": 0,
    "ui --host 0.0.0.0": 2,
    "session list": 0,
    "session show nobody": 3,
    "session export": 0,
    "session tail --seconds 0.2": 0,
    "attribution stats": 1,
    "blame nothing.py": 1,
    "hooks status": 0,
    "hooks install --agent codex --dry-run": 0,
    "privacy rules": 0,
    "privacy test user@example.org": None,
    "privacy scan": None,
    "schema live --url http://127.0.0.1:9": 1,
    "doctor": 2,
    "doctor --json": 2,
}
"""The words of each command and its exit code; None if the code depends on the findings."""

WRITING = ("trace repair", "trace import nothing.json", "trace prune --max-mb 1 --yes", "init project --yes")

ENCODINGS = {
    "latin-1": {"PYTHONIOENCODING": "latin-1"},
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "the C locale": {"LC_ALL": "C"},
    "the C locale and no UTF-8 mode": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}


@pytest.fixture
def store(place: Path) -> Path:
    """The folder with a store whose texts only UTF-8 has."""
    make(
        place / ".ael" / "telemetry.db",
        [*runs(), mixed("exec-c0ee00000007", "e" * 32, NOON, 12.0, NAME)],
    )
    return place


def ael(words: str, cwd: Path, **more: object) -> subprocess.CompletedProcess[bytes]:
    """Run `ael` to its end; variables are those of a test, `env` and other keywords as in `subprocess.run`."""
    environment = clean_variables(**more.pop("env", {}))  # type: ignore[arg-type]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.run(
        [*AEL, *words.split()], cwd=cwd, env=environment, timeout=ENDLESS, check=False, **streams
    )


def each_of(
    lines: Iterable[str], cwd: Path, env: Mapping[str, str], before: Sequence[str] = ()
) -> dict[str, subprocess.CompletedProcess[bytes]]:
    """Run one command line after the other in the same surroundings, which costs one start of Python.

    Args:
        lines: each as for `ael`.
        cwd: the folder.
        env: all variables.
        before: words in front of the interpreter.
    """
    asked = list(lines)
    done = subprocess.run(
        [*before, sys.executable, several.__file__, json.dumps([line.split() for line in asked])],
        cwd=cwd,
        env=env | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=ENDLESS,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return {
        line: subprocess.CompletedProcess(line, code, base64.b64decode(out), base64.b64decode(err))
        for line, (code, out, err) in zip(asked, json.loads(done.stdout), strict=True)
    }


def check(done: subprocess.CompletedProcess[bytes], code: int | None) -> None:
    """Refuse a traceback, another exit code, and a failure without a word."""
    said = (done.stderr or b"").decode("utf-8", "replace")
    assert "Traceback" not in said, said
    assert code is None or done.returncode == code, said
    if done.returncode not in (0, 1):
        assert said.strip(), "a failure says what is wrong"


def test_the_table_has_every_verb() -> None:
    """Proves that a verb which is added has to be tried in these surroundings, here or below."""
    tried = {words.split()[0] for words in VERBS} - {"--help", "--version"}
    assert tried == set(cli.list_commands(None))  # type: ignore[arg-type]
    group = cli.get_command(None, "trace")  # type: ignore[arg-type]
    traced = {words.split()[1] for words in VERBS if words.startswith("trace ")}
    # These two write files, and are tried where that fails.
    assert traced | {"import", "repair", "delete"} >= set(group.list_commands(None))  # type: ignore[union-attr,arg-type]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_output_that_is_not_utf_8_is_degraded(store, encoding):
    """Proves for every verb that text which the encoding lacks is written legibly, without a traceback."""
    lines = [words for words in VERBS if not words.startswith("demo")]
    for words, done in each_of(lines, store, clean_variables(**ENCODINGS[encoding])).items():
        check(done, VERBS[words])
        assert b"PYTHONIOENCODING" not in done.stderr, words
    shown = ael("trace list --fields inputs", store, env=ENCODINGS["ascii"]).stdout.decode("ascii")
    assert r"Gr\xfc\xdfe, \u4e16\u754c... - \"x\" \U0001f389" in shown.replace('"x"', r"\"x\"")
    as_json = ael("trace list -o json", store, env=ENCODINGS["ascii"]).stdout
    assert "世界".encode() in ael("trace export --all", store, env=ENCODINGS["ascii"]).stdout
    assert len(json.loads(as_json.decode("utf-8"))) == 7


@pytest.mark.parametrize("words", [words for words in VERBS if not words.startswith("demo")])
def test_closed_streams_do_no_harm(store, words):
    """Proves that a verb ends without a traceback where stdout, stderr or stdin was closed (`>&-`)."""
    line = " ".join(["exec", *AEL, words])
    for closed in (">&-", ">&- 2>&- <&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{line} {closed}"],
            cwd=store,
            env=clean_variables(),
            capture_output=True,
            timeout=ENDLESS,
            check=False,
        )
        code = VERBS[words]
        if "2>&-" in closed:
            assert done.returncode in ((code,) if code is not None else (0, 1)), closed
        else:
            check(done, code)


@pytest.mark.parametrize("words", [words for words in VERBS if not words.startswith("demo")])
def test_closed_pipe_gives_no_traceback(store, words):
    """Proves for `| head` that no verb complains; verbs that only print end with 0."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = ael(words, store, stdout=writing)
    finally:
        os.close(writing)
    check(done, None)
    if words.startswith("trace") and VERBS[words] == 0:
        assert (done.returncode, done.stderr) == (0, b"")


def _of_anybody(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in clean_variables().items() if name not in ("HOME", "USER")}
    return kept | more


def _as_anybody(words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """Run `ael` as a user that has neither a name nor a home and may write only where everybody may."""
    return subprocess.run(
        [*NOBODY, *AEL, *words.split()],
        cwd=cwd,
        env=_of_anybody(**variables),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=ENDLESS,
        check=False,
    )


NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]


def _namespaces() -> bool:
    return (
        shutil.which("unshare") is not None
        and subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode == 0
    )


needs_namespaces = pytest.mark.skipif(not _namespaces(), reason="beyond CI: no user namespaces here")
"""Containers without the right to make one have the same restrictions anyway."""


@needs_namespaces
@pytest.mark.parametrize("written", [True, False], ids=["writable", "read-only"])
def test_an_arbitrary_user_without_a_home_gets_answers(store, written):
    """Proves that every verb that only looks works for a uid without a name, also in a folder that is read-only."""
    if not written:
        for path in (store / ".ael" / "telemetry.db", store / ".ael", store):
            path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        for words, done in each_of((*VERBS, *WRITING), store, _of_anybody(), NOBODY).items():
            check(done, 2 if words.startswith("demo") and not written else VERBS.get(words))
        if not written:
            refused = _as_anybody("privacy scan --fix", store).stderr.decode()
            assert "this user may not write the file or its folder" in refused or not refused
            assert "cannot be written" in _as_anybody("trace repair", store).stderr.decode()
    finally:
        for path in (store, store / ".ael"):
            path.chmod(0o755)


@needs_namespaces
def test_a_store_of_another_user_is_one_line(store):
    """Proves for a folder `.ael` that this user may not enter, as `sudo ael` leaves it, that each verb reports it."""
    (store / ".ael").chmod(0)
    try:
        reading = [words for words in VERBS if words.startswith(("trace", "privacy scan"))]
        for words, done in each_of((*reading, *WRITING), store, _of_anybody(), NOBODY).items():
            check(done, None)
            assert words in WRITING or done.returncode or VERBS[words] in (0, None), words
        (line,) = _as_anybody("trace list", store).stderr.decode().splitlines()
        assert "telemetry.db" in line
        assert "AEL_TELEMETRY_DB" in line
    finally:
        (store / ".ael").chmod(0o755)


@needs_namespaces
def test_store_at_home_is_used_with_a_word_where_the_folder_here_is_closed(store):
    """Proves for a verb that looks and for a run that the folder that is passed over, the store that is used and what
    to set are one line on stderr; the runs come from, and go to, the home folder.
    """
    require("engine")
    home = store / "home"
    make(home / ".ael" / "telemetry.db", runs())
    home.chmod(0o755)
    assert ael("demo --export example", store).returncode == 0
    (store / ".ael").chmod(0)
    try:
        listed = _as_anybody("trace list -o csv", store, HOME=str(home))
        ran = _as_anybody("run hello -c example/ael-config.yaml -i name=Ada", store, HOME=str(home))
        again = _as_anybody("trace list -o csv", store, HOME=str(home))
    finally:
        (store / ".ael").chmod(0o755)
    check(listed, 0)
    assert len(listed.stdout.splitlines()) == 7
    check(ran, 0)
    for done in (listed, ran):
        (line,) = [line for line in done.stderr.decode().splitlines() if str(store / ".ael") in line]
        assert f"the run store is {home / '.ael' / 'telemetry.db'} instead" in line
        assert "set AEL_TELEMETRY_DB or telemetry.store.path" in line
    assert len(again.stdout.splitlines()) == 8


@needs_namespaces
def test_a_home_of_another_user_is_passed_over(store):
    """Proves that HOME=/root in a container of an arbitrary user keeps no verb from its work."""
    home = store / "home"
    home.mkdir()
    home.chmod(0)
    done = _as_anybody("trace list", store, HOME=str(home))
    check(done, 0)
    assert done.stdout


def test_a_working_directory_that_was_deleted_is_one_line(tmp_path):
    """Proves that a shell in a folder that somebody removed gets a line and exit code 2."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", f"rmdir {gone}; exec {' '.join(AEL)} trace list"],
        cwd=gone,
        env=clean_variables(),
        capture_output=True,
        timeout=ENDLESS,
        check=False,
    )
    check(done, 2)
    assert b"change to a folder that exists" in done.stderr


@needs_namespaces
@pytest.mark.slow
def test_the_demo_runs_for_an_arbitrary_user_without_a_home(tmp_path):
    """Proves that `ael demo` needs neither a user name nor a home, and reports in a line that runs cannot be stored."""
    require("engine")
    done = _as_anybody("demo --runs 1", tmp_path)
    check(done, 0)
    assert b"hello" in done.stdout
    (tmp_path / ".ael" / "telemetry.db").chmod(0o444)
    (tmp_path / ".ael").chmod(0o555)
    done = _as_anybody("demo --runs 1", tmp_path)
    (tmp_path / ".ael").chmod(0o755)
    check(done, 0)
    assert b"could not be stored" in done.stderr


@needs_namespaces
def test_run_without_a_home_is_reported_with_the_variable_to_set(tmp_path):
    """Proves that `ael run` works without HOME, or names the variable in one line."""
    require("engine")
    assert ael("demo --export example", tmp_path).returncode == 0
    done = _as_anybody("run hello -c example/ael-config.yaml", tmp_path)
    check(done, None)
    if done.returncode:
        (line,) = done.stderr.decode().splitlines()
        assert line.startswith("ael: ")
        assert "set HOME to a writable folder" in line


@pytest.mark.parametrize("words", [["run", "hello", "-i"], ["trace", "show"], ["privacy", "test"]])
def test_an_argument_that_is_not_utf_8_is_refused_at_once(words, tmp_path):
    """Proves that bytes of another encoding end in one line and exit code 2, before anything is started."""
    done = subprocess.run(
        [*map(os.fsencode, (*AEL, *words)), b"name=caf\xe9"],
        cwd=tmp_path,
        env=clean_variables(),
        capture_output=True,
        timeout=ENDLESS,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode("utf-8").splitlines()
    number = len(words) + 1
    assert line == (
        f"ael: argument {number} is not UTF-8: name=caf\N{REPLACEMENT CHARACTER}; "
        "set a UTF-8 locale or correct its bytes"
    )
    assert list(tmp_path.iterdir()) == []
