"""Redact the values in validators' messages, and keep their words, the names of fields, and types.

Supported are jsonschema (the MCP SDK for Python), zod (the MCP SDK for TypeScript, versions 3 and 4) and ajv. A text of
another form is replaced as a whole, because its words cannot be distinguished from values.
"""

# ruff: noqa: E501 - a table of patterns

import json
import re
from collections.abc import Mapping
from typing import Any, Final, cast

from ael_otel.privacy.field_names import a_set
from ael_otel.privacy.markers import REDACTED

_NAME: Final = r"[\w$.-]{1,64}"
_TOOL: Final = re.compile(rf"Invalid (?:arguments|structured content) for tool {_NAME}: ?")

# jsonschema: the value comes first, as Python writes it; the last of these phrases ends it.
_PHRASE: Final = re.compile(
    r".* (?=is not of type '|is not one of \[|is not valid under any of|is valid under each of|should not be valid under"
    r"|is (?:less|greater) than |is not a multiple of |does not match |is too (?:short|long)\b|is not a '|should be non-empty"
    r"|is expected to be empty|has too (?:many|few) |does not have enough |has non-unique elements|does not contain items"
    r"|expected at most )",
    re.DOTALL,
)
_REQUIRED: Final = re.compile(
    rf"'{_NAME}' is a required property|'{_NAME}' is a dependency of '{_NAME}'"
    rf"|Additional properties are not allowed \((?:'{_NAME}'(?:, )?){{1,32}} (?:was|were) unexpected\)"
)
_REST: Final = re.compile(
    r"is not of type '[a-z]+'(?:, '[a-z]+')*|is too (?:short|long)|should be non-empty|has non-unique elements"
    r"|is not valid under any of the given schemas|is (?:less|greater) than (?:or equal to )?the (?:minimum|maximum) of [-\d.e+]+"
    r"|is not a multiple of [-\d.e+]+|is not one of \[[^\n]{0,512}\]|is not a '[\w-]{1,40}'|does not match '[^\n]{0,256}'"
    r"|has too many (?:properties|items)|does not have enough properties|is expected to be empty"
)
_AJV: Final = re.compile(
    rf"(?:(?:data|instance|arguments|params)?(?:[/.]{_NAME}|\[\d{{1,9}}\]){{0,32}} ?must (?:be [a-z, ]{{1,60}}"
    rf"|be (?:>=|<=|>|<|=) [-\d.e+]{{1,32}}|have required property '{_NAME}'|NOT have [a-z ]{{1,60}}[-\d]{{0,12}}[a-z ]{{0,30}}"
    rf"|match (?:format|pattern|exactly one schema)[^,\n]{{0,128}}|be equal to [a-z ]{{1,60}})(?:, |; |\Z))+"
)
_PRETTY: Final = re.compile(
    rf"(?:\s*(?:[✖×] )?(?:Invalid input(?:: expected [a-z]{{1,24}}, received [A-Za-z]{{1,24}})?|Required"
    rf"|Invalid option: expected one of (?:\"{_NAME}\"\|?){{1,32}}|Too (?:small|big): expected "
    rf"[a-z]{{1,24}} to (?:be|have) [<>=]{{1,2}}[-\d.e+]{{1,32}}(?: [a-z]{{1,24}})?|Unrecognized keys?: (?:\"{_NAME}\"(?:, )?){{1,32}})"
    rf"(?:(?:\s+→)? at [\w$.\[\]-]{{1,128}})?\s*)+"
)

_TYPES: Final = a_set(
    "string number nan integer int float boolean date bigint symbol function undefined null array object unknown promise "
    "void never map set file record tuple enum literal union"
)
_OF_THE_SCHEMA: Final = a_set(
    "code expected path keys minimum maximum inclusive exact type validation options values origin format pattern "
    "multipleOf divisor fatal continue"
)
"""Fields of a zod issue that come from the schema; `path` and `keys` are names of fields."""
_QUOTED: Final = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|`[^`\n]*`")
_OPTION: Final = re.compile(rf'"({_NAME})"|"[^"\n]{{0,256}}"')
_RECEIVED: Final = re.compile(r"(?<=received )[^\n]+")
_MOST_ISSUES: Final = 64


def without_values(message: str) -> str:
    """Return a validator's message about its input, without the values that it quotes."""
    tool = _TOOL.match(message)
    start = tool.end() if tool is not None else 0
    head, body = message[:start], message[start:]
    for known in (_zod, _jsonschema):
        if (clean := known(body)) is not None:
            return head + clean
    if _AJV.fullmatch(body) or _PRETTY.fullmatch(body):
        return message
    # An option with a blank cannot be a name: redact it, and keep the words around it.
    hidden = _OPTION.sub(lambda option: option[0] if option[1] else f'"{REDACTED}"', body)
    if _PRETTY.fullmatch(hidden.replace(REDACTED, "x")):
        return head + hidden
    return head + REDACTED


def _jsonschema(body: str) -> str | None:
    if _REQUIRED.fullmatch(body):
        return body
    phrase = _PHRASE.match(body)
    if phrase is None:
        return None
    rest = body[phrase.end() :]
    return f"{REDACTED} {rest}" if _REST.fullmatch(rest.rstrip()) else None


def _zod(body: str) -> str | None:
    if body[:1] != "[":
        return None
    try:
        issues, end = json.JSONDecoder().raw_decode(body)
    except (ValueError, RecursionError):
        return None
    if not (isinstance(issues, list) and 0 < len(cast("list[object]", issues)) <= _MOST_ISSUES):
        return None
    clean: list[dict[str, Any]] = []
    for issue in cast("list[object]", issues):
        if not (isinstance(issue, dict) and {"code", "message"} <= cast("dict[str, Any]", issue).keys()):
            return None
        clean.append(_issue(cast("dict[str, Any]", issue)))
    behind = body[end:].strip()
    return json.dumps(clean, ensure_ascii=False, indent=2) + (f" {REDACTED}" if behind else "")


def _issue(issue: Mapping[str, Any]) -> dict[str, Any]:
    """Return one issue of zod with the received value replaced by its type."""
    clean: dict[str, Any] = {}
    for key, value in issue.items():
        if key in {"path", "keys"}:
            clean[key] = (
                [_name(each) for each in cast("list[object]", value)] if isinstance(value, list) else REDACTED
            )
        elif key == "message":
            clean[key] = _words(str(value), issue)
        elif key == "received":
            clean[key] = value if value in _TYPES else REDACTED
        elif key in _OF_THE_SCHEMA:
            clean[key] = value
        else:
            clean[key] = REDACTED
    return clean


def _name(value: object) -> object:
    if isinstance(value, int):
        return value
    return value if isinstance(value, str) and re.fullmatch(_NAME, value) else REDACTED


def _words(message: str, issue: Mapping[str, Any]) -> str:
    """Return the message of an issue with quotes replaced, unless the schema or a name has the same text."""
    allowed: set[str] = set()
    for key in ("options", "values", "keys", "expected", "path"):
        value = issue.get(key)
        allowed |= (
            {str(each) for each in cast("list[object]", value)} if isinstance(value, list) else {str(value)}
        )
    if issue.get("code") == "custom":
        return REDACTED  # the tool's own text, which may contain the value

    def shown(match: "re.Match[str]") -> str:
        return match[0] if match[0][1:-1] in allowed else REDACTED

    received = _RECEIVED.search(message)
    if received is not None and received[0].strip(" .") not in _TYPES:
        message = message[: received.start()] + REDACTED
    return _QUOTED.sub(shown, message)
