"""The errors of real servers stay readable: words, field names and types stay, quoted values do not.

The texts are those of servers from npm and PyPI in November 2026 and of SDK versions before; the values are made up.
"""

import json

import pytest

from ael_otel.privacy.engine_logs import without_quotes

VALUE = "Zq7" + "hunterVk2"

# Message, its part that must stay readable, and whether VALUE is in it.
MESSAGES = {
    "TypeScript SDK 2": (
        (
            "MCP error -32602: Input validation error: Invalid arguments for tool get-sum: "
            "Invalid input: expected number, received string at a"
        ),
        ["Invalid arguments for tool get-sum", "expected number, received string at a"],
    ),
    "TypeScript SDK 2, two faults": (
        (
            "MCP error -32602: Input validation error: Invalid arguments for tool create_entities: "
            "Invalid input: expected string, received undefined at entities[0].entityType\n"
            "Invalid input: expected array, received string at entities[0].observations"
        ),
        [
            "received undefined at entities[0].entityType",
            "expected array, received string at entities[0].observations",
        ],
    ),
    "TypeScript SDK 2, choices": (
        (
            'Input validation error: Invalid option: expected one of "error"|"debug" at kind\n'
            "Invalid input at nextThoughtNeeded\nInvalid input: expected number, received NaN at totalThoughts"
        ),
        [
            'expected one of "error"|"debug" at kind',
            "Invalid input at nextThoughtNeeded",
            "received NaN at totalThoughts",
        ],
    ),
    "TypeScript SDK 1, zod 4": (
        "MCP error -32602: Input validation error: Invalid arguments for tool get-sum: "
        + json.dumps(
            [
                {
                    "expected": "number",
                    "code": "invalid_type",
                    "path": ["a"],
                    "message": "Invalid input: expected number",
                }
            ],
            indent=2,
        ),
        ["Invalid arguments for tool get-sum", "invalid_type", "expected number", '"a"'],
    ),
    "TypeScript SDK 1, zod 3 with the value": (
        "MCP error -32602: Input validation error: Invalid arguments for tool notify: "
        + json.dumps(
            [
                {
                    "received": VALUE,
                    "code": "invalid_enum_value",
                    "options": ["error", "debug"],
                    "path": ["messageType"],
                    "message": f"Invalid enum value. Expected 'error' | 'debug', received '{VALUE}'",
                }
            ],
            indent=2,
        ),
        ["Invalid arguments for tool notify", "invalid_enum_value", "messageType", "Invalid enum value"],
    ),
    "Python SDK, type": (
        f"Input validation error: '{VALUE}' is not of type 'number'",
        ["is not of type", "number"],
    ),
    "Python SDK, missing": (
        "Input validation error: 'repo_path' is a required property",
        ["repo_path", "is a required property"],
    ),
    "Python SDK, pattern": (
        f"Input validation error: '{VALUE}' does not match '^[a-z]+$'",
        ["does not match"],
    ),
    "FastMCP, type": (
        (
            "Error executing tool git_log: 1 validation error for logArguments\nmax_count\n"
            "  Input should be a valid integer, unable to parse string as an integer "
            f"[type=int_parsing, input_value='{VALUE}', input_type=str]\n"
            "    For further information visit https://errors.pydantic.dev/2.14/v/int_parsing"
        ),
        ["logArguments", "max_count", "Input should be a valid integer", "int_parsing", "input_type=str"],
    ),
    "FastMCP, missing": (
        (
            "Error executing tool convert_time: 1 validation error for convert_timeArguments\n"
            "target_timezone\n  Field required [type=missing, "
            f"input_value={{'source_timezone': 'x', 'time': '{VALUE}'}}, input_type=dict]"
        ),
        ["target_timezone", "Field required", "type=missing", "input_type=dict"],
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_validator_message_keeps_words_names_and_types(name: str) -> None:
    """The tool, the argument and the types are readable; the value that was refused is not."""
    message, kept = MESSAGES[name]
    clean = without_quotes(message)
    assert VALUE not in clean
    assert VALUE[3:] not in clean
    assert [each for each in kept if each not in clean] == []


def test_message_of_other_errors_is_not_changed() -> None:
    """An error that quotes no argument is returned unchanged."""
    for message in (
        "Access denied - path outside allowed directories: /srv/x not in /srv/y",
        "Tool 'fetch' failed: 404",
    ):
        assert without_quotes(message) == message
