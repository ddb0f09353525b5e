"""The two forms of an Agent Trace 0.1.0 record as JSON Schema, written by hand from the fields in its specification."""

import copy
from typing import Any

TEXT = {"type": "string"}
LINE = {"type": "integer", "minimum": 1}
CONTRIBUTOR_TYPES = ["human", "ai", "mixed", "unknown"]
REPOSITORY_TYPES = ["git", "jj", "hg", "svn"]


def fields(*needed: str, **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties; those in `needed` are required."""
    return {"type": "object", "required": list(needed), "properties": properties}


def rows(item: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of an array of such items."""
    return {"type": "array", "items": item}


LINK = {"type": "string", "format": "uri"}
TOOL = fields(name=TEXT, version=TEXT)
RELATED = fields("type", "url", type=TEXT, url=LINK)
CONTRIBUTOR = fields("type", type={"enum": CONTRIBUTOR_TYPES}, model_id={"type": "string", "maxLength": 250})
RANGE = fields(
    "start_line", "end_line", start_line=LINE, end_line=LINE, content_hash=TEXT, contributor=CONTRIBUTOR
)
CONVERSATION = fields("ranges", url=LINK, contributor=CONTRIBUTOR, ranges=rows(RANGE), related=rows(RELATED))
RECORD = fields(
    "version",
    "id",
    "timestamp",
    "files",
    version={"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    id={"type": "string", "format": "uuid"},
    timestamp={"type": "string", "format": "date-time"},
    vcs=fields("type", "revision", type={"enum": REPOSITORY_TYPES}, revision=TEXT),
    tool=TOOL,
    files=rows(fields("path", "conversations", path=TEXT, conversations=rows(CONVERSATION))),
    metadata={"type": "object"},
)


def strict(schema: dict[str, Any] = RECORD) -> dict[str, Any]:
    """Return the form that the specification's code accepts: no further fields, a complete tool, times in UTC."""
    closed = copy.deepcopy(schema)
    _close(closed)
    closed["properties"]["tool"]["required"] = ["name", "version"]
    closed["properties"]["timestamp"]["pattern"] = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"
    return closed


def _close(schema: Any) -> None:
    if not isinstance(schema, dict):
        return
    if "properties" in schema:
        schema["additionalProperties"] = False
        for part in schema["properties"].values():
            _close(part)
    if "items" in schema:
        _close(schema["items"])
