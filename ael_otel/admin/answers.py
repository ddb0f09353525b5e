"""JSON answers of the admin endpoints, by WSGI."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def answer(
    start_response: "StartResponse", status: str, body: Mapping[str, Any], *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Answer with a document."""
    return send(start_response, status, json.dumps(body).encode() + b"\n", *headers)


def send(
    start_response: "StartResponse", status: str, content: bytes, *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Answer with a document that is JSON already."""
    common = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, [*common, *headers])
    return [content]
