"""A validator's message keeps its words and the names of fields and types, and loses the values."""

# ruff: noqa: E501 - tables of texts

import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.engine_logs import MARKER, without_quotes

SECRET = "xyzzy-4711"
SIGN = "Input validation error: "

around = st.text(max_size=12)
secret = st.tuples(around, around).map(SECRET.join)
holding = st.recursive(
    secret, lambda inner: st.one_of(st.lists(inner, min_size=1, max_size=3), st.dictionaries(around, inner, min_size=1, max_size=2))
)  # fmt: skip
SCHEMAS = [
    {"type": "number"}, {"type": ["integer", "null"]}, {"enum": ["red", "green"]}, {"const": 4}, {"pattern": "^[0-9]+$", "type": "string"},
    {"maxLength": 3}, {"minLength": 5000}, {"anyOf": [{"type": "number"}, {"type": "null"}]}, {"maxItems": 0}, {"maxProperties": 0},
    {"not": {}}, {"type": "object", "required": ["name"]}, {"format": "email", "type": "integer"}, {"minItems": 99}, {"minProperties": 99},
]  # fmt: skip


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
@given(value=holding)
def test_no_value_that_jsonschema_quotes_survives(schema, value):
    """Messages of the validator that the MCP SDK for Python uses, for values of any shape."""
    for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
        assert SECRET not in without_quotes(f"{SIGN}{error.message}")


@pytest.mark.parametrize(
    ("value", "schema", "clean"),
    [
        (SECRET, {"type": "number"}, f"{MARKER} is not of type 'number'"),
        (SECRET, {"type": ["integer", "null"]}, f"{MARKER} is not of type 'integer', 'null'"),
        (SECRET, {"enum": ["red", "green"]}, f"{MARKER} is not one of ['red', 'green']"),
        (SECRET, {"pattern": "^[0-9]+$"}, f"{MARKER} does not match '^[0-9]+$'"),
        (SECRET, {"maxLength": 3}, f"{MARKER} is too long"),
        (-4711, {"minimum": 1}, f"{MARKER} is less than the minimum of 1"),
        ({}, {"required": ["colour"]}, "'colour' is a required property"),
        ({"colour": 1}, {"additionalProperties": False}, "Additional properties are not allowed ('colour' was unexpected)"),
        ([SECRET], {"anyOf": [{"type": "number"}]}, f"{MARKER} is not valid under any of the given schemas"),
    ],
)  # fmt: skip
def test_words_of_jsonschema_stay(value, schema, clean):
    """What a person needs to mend the call: which rule, which field, which type."""
    (error,) = jsonschema.Draft202012Validator(schema).iter_errors(value)
    assert without_quotes(f"MCP error: {SIGN}{error.message}") == f"MCP error: {SIGN}{clean}"


def zod(*issues):
    """The message of the MCP SDK for TypeScript."""
    return f"MCP error -32602: {SIGN}Invalid arguments for tool add: {json.dumps(issues, indent=2)}"


@pytest.mark.parametrize(
    ("issue", "kept", "hidden"),
    [
        ({"code": "invalid_type", "expected": "number", "received": "string", "path": ["a"], "message": "Expected number, received string"},
         ["Expected number, received string", '"a"'], []),
        ({"code": "invalid_type", "expected": "number", "path": ["list", 2, "x"], "message": "Invalid input: expected number, received string"},
         ["expected number, received string", '"list"', '"x"'], []),
        ({"received": SECRET, "code": "invalid_enum_value", "options": ["red", "green"], "path": ["colour"],
          "message": f"Invalid enum value. Expected 'red' | 'green', received '{SECRET}'"}, ["Expected 'red' | 'green', received", '"colour"'], [SECRET]),
        ({"code": "unrecognized_keys", "keys": ["colour"], "path": [], "message": "Unrecognized key(s) in object: 'colour'"}, ["in object: 'colour'"], []),
        ({"code": "custom", "path": ["user"], "message": f"no user {SECRET}"}, ['"user"'], [SECRET]),
        ({"code": "invalid_string", "validation": "email", "path": ["to"], "message": "Invalid email", "input": SECRET}, ["Invalid email"], [SECRET]),
        ({"code": "too_small", "minimum": 1, "type": "string", "inclusive": True, "path": [SECRET + " x"], "message": "String must contain at least 1 character(s)"},
         ["at least 1 character(s)"], [SECRET]),
    ],
)  # fmt: skip
def test_issues_of_zod_keep_all_but_the_values(issue, kept, hidden):
    """Versions 3 and 4: the path, the code and the expected type stay; the received value is removed."""
    message = zod(issue, {"code": "invalid_type", "message": "Required", "path": ["b"]})
    clean = without_quotes(message)
    assert clean.startswith(f"MCP error -32602: {SIGN}Invalid arguments for tool add: [")
    for words in (*kept, issue["code"], "Required", '"b"'):
        assert words in clean
    for value in hidden:
        assert value not in clean
    assert without_quotes(clean) == clean


@pytest.mark.parametrize(
    "message",
    [
        "data/a must be number", "data must have required property 'a'", "data/items/2 must be >= 5, data must NOT have additional properties",
        "✖ Invalid input: expected number, received string\n  → at a",
    ],
)  # fmt: skip
def test_messages_of_other_validators_are_recognised(message):
    """Ajv, and the readable form of zod 4: they quote nothing."""
    assert without_quotes(f"{SIGN}{message}") == f"{SIGN}{message}"


def test_option_with_a_blank_is_hidden_and_the_words_around_it_stay():
    """The name of the argument is what a person needs to mend the call."""
    message = f'{SIGN}Invalid option: expected one of "New York"|"Chicago"|"Los Angeles" at location'
    clean = without_quotes(message)
    assert clean == f'{SIGN}Invalid option: expected one of "{MARKER}"|"Chicago"|"{MARKER}" at location'
    assert without_quotes(f'{message} "{SECRET} x"') == f"{SIGN}{MARKER}"


@pytest.mark.parametrize("message", [f"no such user {SECRET}", f'[{{"code": "x", "message": "{SECRET}', f"data/a must be {SECRET}", f"[1, '{SECRET}']"])  # fmt: skip
def test_unknown_form_is_redacted_as_a_whole(message):
    """Also a text that was cut short: words and values cannot be distinguished."""
    assert without_quotes(f"x {SIGN}{message}") == f"x {SIGN}{MARKER}"
