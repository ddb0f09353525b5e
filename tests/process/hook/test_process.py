"""The hook as agents start it: it exits with 0, prints nothing, writes only allowed fields, and loses nothing."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import ael_hook
from tests.support.agent_payloads import SAMPLES, SECRET
from tests.support.waiting import until

HOOK = Path(sys.executable).parent / "ael-hook"
EVENT = {"session_id": "s", "hook_event_name": "Stop"}


def environment(home: Path, **extra: str) -> dict[str, str]:
    """Variables of a hook whose files are below a folder, and which starts no worker."""
    rest = {name: value for name, value in os.environ.items() if not name.startswith(("AEL_", "GEMINI_"))}
    return {**rest, "AEL_HOME": str(home), "AEL_HOOK_NO_WORKER": "1", **extra}


def start(home: Path, data: bytes, *arguments: str, **extra: str) -> subprocess.Popen[bytes]:
    """Start a hook and write its event; `finish` reads how it ended."""
    hook = subprocess.Popen(
        [HOOK, *(arguments or ("auto",))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(home, **extra),
    )
    assert hook.stdin is not None
    try:
        hook.stdin.write(data)
        hook.stdin.close()
    except BrokenPipeError:
        pass
    hook.stdin = None
    return hook


def finish(hooks: Iterable[subprocess.Popen[bytes]]) -> None:
    """Wait for hooks: each ends with 0 and prints nothing."""
    for hook in hooks:
        printed, errors = hook.communicate(timeout=60)
        assert (hook.returncode, printed, errors) == (0, b"", b"")


def run(home: Path, data: bytes, *arguments: str, **extra: str) -> None:
    """Run one hook to its end."""
    finish([start(home, data, *arguments, **extra)])


def events(home: Path, folder: str = "new") -> list[dict[str, Any]]:
    """Return the spool files of a folder in the order of their names."""
    return [json.loads(file.read_bytes()) for file in sorted((home / "spool" / folder).glob("*.json"))]


def disk(home: Path) -> bytes:
    """Return all that is written below a folder."""
    return b"".join(file.read_bytes() for file in home.rglob("*") if file.is_file())


def test_events_of_all_agents_at_once_are_spooled_without_content(tmp_path: Path) -> None:
    """All samples in one go, some more than fifty processes: each leaves its file, none a text of a person."""
    samples = [*SAMPLES, *SAMPLES[: max(0, 51 - len(SAMPLES))]]
    finish([start(tmp_path, json.dumps(each.payload).encode()) for each in samples])
    written = events(tmp_path)
    for event in written:
        assert (event.pop("v"), event.pop("t") > 0) == (1, True)
        event.pop("sizes", None), event.pop("hashes", None)
    key = json.JSONEncoder(sort_keys=True).encode
    assert sorted(map(key, written)) == sorted(key(each.kept) for each in samples)
    assert SECRET.encode() not in disk(tmp_path)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "no_json": (f"not json {SECRET}".encode(), "not_json"),
    "half": (f'{{"session_id": "{SECRET}", "prompt": "'.encode(), "not_json"),
    "deep": (b'{"a":' * 100_000, "too_deep"),
    "deep_whole": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "too_deep"),
    "list": (b"[1, 2]", "not_a_mapping"),
    "number_of_many_digits": (b'{"session_id": ' + b"1" * 5000 + b"}", "not_json"),
    "no_session": (json.dumps({"hook_event_name": "Stop", "prompt": SECRET}).encode(), "unknown_agent"),
    "session_of_wrong_type": (
        json.dumps({"session_id": 1, "hook_event_name": "Stop", "x": SECRET}).encode(),
        "no_session",
    ),
    "too_large": (b" " * (ael_hook.MAX_INPUT + 2), "too_large"),
    "nul": (b"\0" * 100, "not_json"),
}


def test_event_that_is_not_understood_leaves_no_value(tmp_path: Path) -> None:
    """A dead letter has the reason, the names of keys and their types."""
    for name, (data, why) in HOSTILE.items():
        run(tmp_path / name, data)
        (letter,) = events(tmp_path / name, "dead")
        assert (name, letter["why"]) == (name, why)
        assert events(tmp_path / name) == []
    assert SECRET.encode() not in disk(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-8-sig", "utf-32"])
def test_other_encodings_are_read(tmp_path: Path, encoding: str) -> None:
    """Some clients on Windows write UTF-16."""
    run(tmp_path, json.dumps({**EVENT, "cwd": "/é"}, ensure_ascii=False).encode(encoding))
    assert events(tmp_path)[0]["cwd"] == "/é"


def test_event_as_argument_is_read(tmp_path: Path) -> None:
    """`notify` of Codex passes its event as the last argument."""
    event = json.dumps({"type": "agent-turn-complete", "thread-id": "x", "last-assistant-message": SECRET})
    run(tmp_path, b"", "codex", event)
    assert events(tmp_path)[0]["event"] == "agent-turn-complete"
    assert SECRET.encode() not in disk(tmp_path)


def test_stdin_that_stays_open_is_not_waited_for(tmp_path: Path) -> None:
    """A whole event needs no end; without one the process ends by itself and leaves a dead letter."""
    whole, silent = tmp_path / "whole", tmp_path / "silent"
    reader, writer = os.pipe()
    try:
        os.write(writer, json.dumps(EVENT).encode())
        done = subprocess.run([HOOK, "auto"], check=False, stdin=reader, env=environment(whole), timeout=60)
        assert (done.returncode, len(events(whole))) == (0, 1)
        done = subprocess.run([HOOK, "auto"], check=False, stdin=reader, env=environment(silent), timeout=60)
        assert (done.returncode, [each["why"] for each in events(silent, "dead")]) == (0, ["no_end"])
    finally:
        os.close(reader)
        os.close(writer)


def test_surroundings_that_fail_leave_the_agent_alone(tmp_path: Path) -> None:
    """No home, a file in place of a folder, closed streams, an unknown agent, nothing on stdin: 0 and silence."""
    data = json.dumps(EVENT).encode()
    (tmp_path / "file").write_text("")
    run(tmp_path / "file", data)
    run(tmp_path / "file" / "below", data)
    run(tmp_path / "empty", b"")
    run(tmp_path / "other", data, "no-such-agent")
    run(Path("/dev/full"), data)
    for redirect in ("<&-", "<&- >&- 2>&-", ">&- 2>&-"):
        line = f'"{HOOK}" auto {redirect}'
        done = subprocess.run(
            ["/bin/sh", "-c", line], env=environment(tmp_path / "shut"), input=data, check=False
        )
        assert done.returncode == 0
    bare = subprocess.run(
        [HOOK, "auto"],
        env={"HOME": "", "AEL_HOME": "/dev/null/none"},
        input=data,
        capture_output=True,
        check=False,
        cwd=tmp_path,
    )
    assert (bare.returncode, bare.stdout, bare.stderr) == (0, b"", b"")


def test_empty_home_is_that_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Not the root folder: neither for the files of hooks, nor for excluded paths below the home."""

    class Entry:
        pw_dir = str(tmp_path)

    monkeypatch.setattr("pwd.getpwuid", lambda _: Entry)
    monkeypatch.setenv("HOME", "")
    assert ael_hook.home_folder({}) == f"{tmp_path}/.ael"
    assert ael_hook.Excluded(["~/.ssh/*"], "/w").matches(f"{tmp_path}/.ssh/id_rsa")
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert ael_hook.home_folder({}) == ""


def test_counter_grows_on_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What has no content needs no room: a dropped event is counted all the same."""
    spool = ael_hook.Spool(str(tmp_path))

    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "made up")

    spool.count("drops")
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        spool.count("drops")
        spool.count("drops")
    spool.count("drops")
    assert (tmp_path / "spool" / "drops").stat().st_size == 4


def test_file_that_does_not_fit_on_the_disk_is_dropped(tmp_path: Path) -> None:
    """With a limit on the size of files in place of a full disk, nothing half is left."""
    line = f'ulimit -f 0; "{HOOK}" auto'
    done = subprocess.run(
        ["/bin/sh", "-c", line],
        env=environment(tmp_path),
        input=json.dumps(EVENT).encode(),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert events(tmp_path) == []
    assert list((tmp_path / "spool/tmp").iterdir()) == []


def test_switch_turns_the_hook_off(tmp_path: Path) -> None:
    """`AEL_HOOK_DISABLED` leaves nothing, not even a folder."""
    run(tmp_path / "home", json.dumps(EVENT).encode(), AEL_HOOK_DISABLED="1")
    assert not (tmp_path / "home").exists()


def test_worker_is_started_once_with_nothing_of_the_agents_folder(tmp_path: Path) -> None:
    """Many hooks at once start one worker, by the interpreter of `hooks.json`, detached and without streams."""
    notes, python = tmp_path / "notes", tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$*" >> "{notes}"\n')
    python.chmod(0o755)
    (tmp_path / "hooks.json").write_text(json.dumps({"v": 1, "python": str(python)}))
    finish([start(tmp_path, json.dumps(EVENT).encode(), AEL_HOOK_NO_WORKER="") for _ in range(8)])
    assert len(events(tmp_path)) == 8
    until(lambda: notes.exists() and notes.read_text() == "-P -m ael_otel.runtime.session_worker\n")


def test_running_worker_is_not_started_again(tmp_path: Path) -> None:
    """The lock says that one runs; without a usable interpreter none is started either."""
    import fcntl

    (tmp_path / "hooks.json").write_text(json.dumps({"v": 1, "python": sys.executable}))
    ael_hook.Spool(str(tmp_path)).prepare()
    with (tmp_path / "spool/worker.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        run(tmp_path, json.dumps(EVENT).encode(), AEL_HOOK_NO_WORKER="")
    assert (tmp_path / "spool/worker.start").stat().st_size == 0
    (tmp_path / "hooks.json").write_text(json.dumps({"v": 1, "python": "/no/such/python"}))
    run(tmp_path, json.dumps(EVENT).encode(), AEL_HOOK_NO_WORKER="")
    assert (tmp_path / "spool/worker.start").stat().st_size == 0
    assert len(events(tmp_path)) == 2
