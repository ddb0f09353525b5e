"""Log lines at the end of a process: lines written for each way of ending, and waiting lines after a fork."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.interpreters import environment, python

LINES = 300

START = f"""
import atexit, logging, multiprocessing, os, signal, sys, threading, time
from ael_otel.core.telemetry_thread import telemetry_thread
from ael_otel.sdk.logs import RunLogHandler, install

handler = RunLogHandler(stream=sys.stdout)
install(handler, logging.INFO)
log = logging.getLogger("app")

def write(count={LINES}):
    for number in range(count):
        log.info("line %d", number)

"""

END_BY_SIGNAL = "os.kill(os.getpid(), signal.SIGTERM)\nwhile True:\n    time.sleep(0.001)"
"""A signal to the process may reach any of its threads, and the handler runs in the main one a moment later."""

ORDERLY = {
    "normal": ("write()", 0),
    "sys.exit": ("write(); sys.exit(3)", 3),
    "exception": ("write(); raise ValueError('uncaught')", 1),
    "sys.exit in a thread": (
        "thread = threading.Thread(target=lambda: (write(), sys.exit(3))); thread.start(); thread.join()",
        0,
    ),
    "a thread that outlives the main one": (
        "threading.Thread(target=lambda: (threading.main_thread().join(), write())).start()",
        0,
    ),
    "exception in a thread": (
        "def fail():\n    write()\n    raise ValueError\nthreading.Thread(target=fail).start()",
        0,
    ),
    "at exit": ("atexit.register(write)", 0),
    "at exit, after logging has shut down": (
        # Exit handlers run in reverse order, and logging's own is the first one that was registered.
        "atexit._clear(); atexit.register(write); atexit.register(logging.shutdown)",
        0,
    ),
    "SIGTERM with a handler that exits": (
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\nwrite()\n" + END_BY_SIGNAL,
        7,
    ),
    "SIGTERM with a handler that logs and exits": (
        "signal.signal(signal.SIGTERM, lambda *_: (write(), sys.exit(7)))\n" + END_BY_SIGNAL,
        7,
    ),
    "KeyboardInterrupt": ("write(); signal.raise_signal(signal.SIGINT)", -signal.SIGINT),
    "shut down, then killed": ("write(); logging.shutdown(); os._exit(0)", 0),
    "written through, then killed": ("handler.write_through(5); write(); os.kill(os.getpid(), 9)", -9),
    "child of multiprocessing": (
        (
            "if __name__ == '__main__':\n"
            "    child = multiprocessing.get_context('fork').Process(target=write); child.start(); child.join()"
        ),
        0,
    ),
    "forked child": (
        (
            "log.info('the thread of the parent runs'); handler.flush()\n"
            "pid = os.fork()\nif pid == 0:\n    write(); sys.exit()\nos.waitpid(pid, 0)"
        ),
        0,
    ),
}


def messages(output: str) -> list[str]:
    """The messages of the lines; each line must be one JSON object."""
    return [json.loads(line)["message"] for line in output.splitlines()]


@pytest.mark.parametrize("name", ORDERLY)
def test_orderly_end_writes_every_line_in_order(name: str) -> None:
    """Proves that a process which ends by this way loses no line, repeats none and keeps their order."""
    end, code = ORDERLY[name]
    done = python(START + end)
    assert done.returncode == code, done.stderr
    found = [each for each in messages(done.stdout) if each.startswith("line ")]
    assert found == [f"line {number}" for number in range(LINES)]


KILLED = {
    "os._exit": "os._exit(9)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM without a handler": END_BY_SIGNAL,
    "abort": "os.abort()",
}


@pytest.mark.parametrize("name", KILLED)
def test_kill_loses_only_lines_of_the_last_moment(name: str) -> None:
    """Proves that lines logged before the documented 50 ms (and the work on them) are written when the process dies."""
    end = (
        "write()\n"
        # Not a sleep: a busy machine may take longer than 50 ms.
        "deadline = time.monotonic() + 30\n"
        "while telemetry_thread().pending and time.monotonic() < deadline:\n    time.sleep(0.001)\n"
        "log.info('the last moment')\n"
    )
    done = python(START + end + KILLED[name])
    assert done.returncode != 0
    assert messages(done.stdout)[:LINES] == [f"line {number}" for number in range(LINES)]


def test_notes_are_written_within_the_documented_time_while_the_process_sleeps() -> None:
    """Proves that nothing has to be logged, flushed or ended for a line to be written."""
    end = "log.info('alone')\nsys.stdin.read()\nos._exit(9)"
    process = subprocess.Popen(
        [sys.executable, "-c", START + end],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert messages(process.stdout.readline()) == ["alone"]
    process.stdin.close()
    assert process.stdout.read() == ""
    assert process.wait(60) == 9


def test_fatal_line_is_written_with_all_before_it_when_its_call_returns() -> None:
    """Proves that a process which logs at CRITICAL and dies at once has written every line."""
    done = python(START + "write(); log.critical('over'); os._exit(9)")
    assert messages(done.stdout) == [*(f"line {number}" for number in range(LINES)), "over"]


FORKS = """
stop = threading.Event()
def chatter(name):
    number = 0
    while not stop.is_set():
        log.info("parent %s %d " + "x" * 2000, name, number)
        number += 1
        time.sleep(0.0005)

talkers = [threading.Thread(target=chatter, args=(name,)) for name in range(2)]
for talker in talkers:
    talker.start()
children = []
for child in range(25):
    pid = os.fork()
    if pid == 0:
        for number in range(20):
            log.info("child %d %d", child, number)
        logging.shutdown()
        os._exit(0)
    children.append(pid)
    time.sleep(0.005)
codes = [os.waitpid(pid, 0)[1] for pid in children]
stop.set()
for talker in talkers:
    talker.join()
log.info("codes %s", codes)
"""


def test_forks_while_the_thread_writes_neither_hang_nor_repeat_lines() -> None:
    """Proves that a child has its own locks, empty queue and thread, and inherits no half-written line."""
    done = python(START + FORKS)
    assert done.returncode == 0, done.stderr
    found = messages(done.stdout)
    assert found[-1] == f"codes {[0] * 25}"
    times = Counter(found)
    assert max(times.values()) == 1
    for child in range(25):
        of_child = [each for each in found if each.startswith(f"child {child} ")]
        assert of_child == [f"child {child} {number}" for number in range(20)]


def test_lines_on_a_terminal_stand_between_the_prints_around_them() -> None:
    """Proves that a person sees each line where the program logged it."""
    leader, follower = pty.openpty()
    code = START + (
        "for number in range(20):\n    print('before', number)\n    log.info('line')\n    print('after', number)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=follower, env=environment())
    os.close(follower)
    output = b""
    try:
        while chunk := os.read(leader, 65536):
            output += chunk
    except OSError:  # the terminal's other end is closed
        pass
    finally:
        os.close(leader)
    assert process.wait(60) == 0
    found = [
        line if line.startswith(("before", "after")) else "line" for line in output.decode().splitlines()
    ]
    assert found == [word for number in range(20) for word in (f"before {number}", "line", f"after {number}")]


def test_reader_that_does_not_read_blocks_no_caller() -> None:
    """Proves that with a full pipe the caller does not wait, that drops are counted, and that no line is torn."""
    code = START.replace(
        "stream=sys.stdout)", "stream=sys.stdout, on_drop=lambda *drop: drops.append(drop))\ndrops = []"
    ) + (
        "begun = time.monotonic()\n"
        "for number in range(20_000):\n    log.info('line %d ' + 'x' * 100, number)\n"
        "print(time.monotonic() - begun, len(drops), set(drops), file=sys.stderr, flush=True)\n"
        "queue = telemetry_thread()\n"
        "print(queue.accepted == queue.delivered + queue.dropped + queue.pending, file=sys.stderr, flush=True)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    assert process.stdout is not None
    taken, drops, kinds = process.stderr.readline().split(" ", 2)  # only now is stdout read
    law = process.stderr.readline().strip()
    found = messages(process.stdout.read())
    assert process.wait(60) == 0
    assert float(taken) < 30
    assert kinds.strip() == "{('logs', 'queue_full', 1)}"
    assert law == "True"
    numbers = [int(each.split()[1]) for each in found]
    assert numbers == sorted(set(numbers))
    assert len(numbers) + int(drops) == 20_000
