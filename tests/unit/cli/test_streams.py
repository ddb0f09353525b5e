"""Stdout is reserved for a verb's result; stdin can be released."""

import io
import json
import os
import sys
import threading
from datetime import UTC, datetime

import pytest

from ael_otel.cli.stdin import StoppableStdin
from ael_otel.cli.streams import JsonRpcOnly, print_json, stdout_to_stderr


def test_stdout_comes_back_also_after_an_error(capfd):
    """Whatever happens within."""

    def fail():
        with stdout_to_stderr():
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    sys.stdout.write("after\n")
    sys.stdout.flush()
    assert capfd.readouterr().out == "after\n"


def test_only_json_rpc_passes_to_the_client():
    """The engine's messages pass unchanged; all other output goes to the other stream."""
    messages, other = io.StringIO(), io.StringIO()
    stdout = JsonRpcOnly(messages, other)
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {}}) + "\n"
    print("a stray line", file=stdout)
    stdout.write(message)
    stdout.write('{"level": "INFO"}\n')
    stdout.flush()
    assert messages.getvalue() == message
    assert other.getvalue() == 'a stray line\n{"level": "INFO"}\n'


def test_span_that_names_json_rpc_is_not_a_message():
    """A console exporter writes an object too, over several lines."""
    messages, other = io.StringIO(), io.StringIO()
    JsonRpcOnly(messages, other).write(json.dumps({"jsonrpc": "2.0"}, indent=4) + "\n")
    JsonRpcOnly(messages, other).write(json.dumps({"rpc.system": "jsonrpc"}) + "\n")
    assert messages.getvalue() == ""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "Zoë"}, {"name": "Zoë"}),
        ({"half": "\ud800"}, {"half": "\ud800"}),
        ({1: (2, {3})}, {"1": [2, [3]]}),
        ({"when": datetime(2026, 1, 2, tzinfo=UTC)}, {"when": "2026-01-02 00:00:00+00:00"}),
        ({"bad": [float("nan"), float("inf"), 1.5]}, {"bad": [None, None, 1.5]}),
        ({"big": 2**100}, {"big": 2**100}),
        ({"long": "x" * 100_000}, {"long": "x" * 100_000}),
    ],
)
def test_any_value_is_printed_as_json_and_whole(value, expected, capfdbinary):
    """Also values without a JSON form: times, sets, numbers that are not finite, lone surrogates."""
    print_json(value)
    sys.stdout.flush()
    assert json.loads(capfdbinary.readouterr().out) == expected


@pytest.fixture
def pipe():
    """Yield both ends of a pipe; a test that closes one sets it to -1."""
    ends = list(os.pipe())
    yield ends
    for end in ends:
        if end >= 0:
            os.close(end)


def test_stdin_is_read_line_by_line_to_its_end(pipe):
    """Lines come whole however they were written; the last one may lack its end; then there is nothing."""
    stdin = StoppableStdin(pipe[0])
    os.write(pipe[1], b"one\ntw")
    assert stdin.readline() == "one\n"
    os.write(pipe[1], "ö\nrest".encode())
    os.close(pipe[1])
    pipe[1] = -1
    assert [stdin.readline() for _ in range(4)] == ["twö\n", "rest", "", ""]


def test_a_waiting_reader_is_woken_and_stays_at_the_end(pipe):
    """A server that waits for its next message can therefore stop."""
    stdin = StoppableStdin(pipe[0])
    lines = []
    reader = threading.Thread(target=lambda: lines.append(stdin.readline()))
    reader.start()
    stdin.stop()
    reader.join(5)
    assert not reader.is_alive()
    os.write(pipe[1], b"late\n")
    assert [*lines, stdin.readline()] == ["", ""]
