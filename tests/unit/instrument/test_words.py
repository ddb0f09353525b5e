"""The engine's words in the contract's: types of failures, reasons of skips, names of tools.

Fake: exceptions and step definitions that look like the engine's and the MCP library's. The real ones are in
tests/engine.
"""

from types import SimpleNamespace

import pytest

from ael_otel.instrument.wrap_engine import (
    argument,
    code_failure,
    mcp_failure,
    skip_reason,
    split_runner,
    step_type_of,
)
from ael_otel.lifecycle import Failure, mark


def exception(name: str, text: str = "no", base: type[Exception] = Exception, **fields: object) -> Exception:
    """Return an exception of a class of that name, for libraries that are recognised by name only."""
    error = type(name, (base,), {})(text)
    error.__dict__.update(fields)
    return error


@pytest.mark.parametrize(
    ("error", "kind", "component"),
    [
        (exception("ToolError", "card declined"), "TOOL_FAILED", "tool"),
        (exception("AELError", code="TOOL_UNAVAILABLE"), "TOOL_UNAVAILABLE", "mcp"),
        (exception("AELError", code="NEVER_HEARD_OF"), "other", "mcp"),
        (TimeoutError(), "TOOL_TIMEOUT", "mcp"),
        (ConnectionRefusedError(), "MCP_CONNECTION_FAILED", "mcp"),
        (BrokenPipeError(), "MCP_CONNECTION_FAILED", "mcp"),
        (EOFError(), "MCP_CONNECTION_FAILED", "mcp"),
        (exception("ClosedResourceError"), "MCP_CONNECTION_FAILED", "mcp"),
        (exception("ConnectError"), "MCP_CONNECTION_FAILED", "mcp"),
        (exception("McpError", error=SimpleNamespace(code=408)), "TOOL_TIMEOUT", "mcp"),
        (exception("MCPError", error=SimpleNamespace(code=-32000)), "MCP_CONNECTION_FAILED", "mcp"),
        (exception("McpError", error=SimpleNamespace(code=-32602)), "TOOL_FAILED", "mcp"),
        (exception("McpError"), "TOOL_FAILED", "mcp"),
        (ValueError("not JSON"), "TOOL_FAILED", "mcp"),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else str(value),
)
def test_exception_of_an_mcp_client_is_classified(error: Exception, kind: str, component: str) -> None:
    """A refusal by a tool is the tool's failure; a failure on the way to it is the connection's."""
    failure = mcp_failure(error)
    assert (failure.type, failure.component) == (kind, component)


def test_classified_failure_keeps_its_type() -> None:
    """A failure that a nested call has classified is not classified again."""
    error = ConnectionResetError()
    known = Failure("TOOL_REJECTED", "tool", "declined")
    mark(error, known)
    assert mcp_failure(error) is known


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Security violation: import of os is not allowed", "CODE_SECURITY"),
        ("SyntaxError: invalid syntax", "CODE_SYNTAX"),
        ("ZeroDivisionError at line 1: division by zero", "CODE_RUNTIME"),
        ("KeyError at line 3: 'timeout'", "CODE_RUNTIME"),
        ("RuntimeError at line 2: SyntaxError: in some other text", "CODE_RUNTIME"),
        ("ValueError at line 1: Security violation: says the code itself", "CODE_RUNTIME"),
        ("", "CODE_RUNTIME"),
    ],
)
def test_text_of_the_sandbox_is_classified(text: str, kind: str) -> None:
    """The sandbox reports only text; text of the code itself must not count as the sandbox's words."""
    failure = code_failure(text)
    assert (failure.type, failure.component) == (kind, "sandbox")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("when condition not met: inputs.amount > 0", "when: inputs.amount > 0"),
        ("dependency 'pay' was skipped", "dependency: pay"),
        ("dependency 'pay' failed: card 4711 declined", "dependency: pay"),
        ("Tool 'charge' is not available: connection to 10.0.0.7 lost", "on_missing_tool: charge"),
        ("something new: with a secret", "something new"),
        ("", "skipped"),
    ],
)
def test_why_a_step_was_skipped(text: str, reason: str) -> None:
    """The reason is a rule and its subject; error texts, which may hold anything, are left out."""
    assert skip_reason(text) == reason


@pytest.mark.parametrize(
    ("name", "runner", "tool"),
    [
        ("laptop__files__read", "laptop", "files__read"),
        ("files__read", None, "files__read"),
        ("read", None, "read"),
        ("", None, ""),
        ("a__b__c__d", "a", "b__c__d"),
    ],
)
def test_a_runner_in_a_tools_name(name: str, runner: str | None, tool: str) -> None:
    """A runner's name is not part of the tool's: the label is the same for every runner."""
    assert split_runner(name) == (runner, tool)


@pytest.mark.parametrize(
    ("step", "kind"),
    [
        (SimpleNamespace(step_type="code"), "code"),
        (SimpleNamespace(step_type=SimpleNamespace(value="code")), "code"),
        (SimpleNamespace(step_type="tool"), "tool_call"),
        (SimpleNamespace(), "tool_call"),
        (None, "tool_call"),
    ],
)
def test_the_type_of_a_step(step: object, kind: str) -> None:
    """Enum or text, a step is code or a tool call."""
    assert step_type_of(step) == kind


def test_arguments_however_they_are_passed() -> None:
    """A wrapper finds an argument by position or by name, and a default when it is absent."""
    assert argument(("a", "b"), {}, 1, "name") == "b"
    assert argument((), {"name": "b"}, 1, "name") == "b"
    assert argument((), {}, 1, "name", "default") == "default"
    assert argument((), {}, 1, "name") is None
