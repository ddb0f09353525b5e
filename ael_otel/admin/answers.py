"""JSON responses of the admin endpoints, for WSGI."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def answer(
    start_response: "StartResponse", status: str, body: Mapping[str, Any], *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Start the response and return `body` as JSON, with a content type and a length."""
    return send(start_response, status, json.dumps(body).encode() + b"\n", *headers)


def send(
    start_response: "StartResponse", status: str, content: bytes, *headers: tuple[str, str]
) -> Iterable[bytes]:
    """Start the response and return `content`, which is JSON already."""
    common = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(content))),
        ("X-Content-Type-Options", "nosniff"),
    ]
    start_response(status, [*common, *headers])
    return [content]
