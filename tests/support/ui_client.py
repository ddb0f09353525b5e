"""Ask the pages of `ael ui` in this process, without a server, and read what they answer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp

VOID = frozenset({"meta", "link", "input", "img", "br", "hr"})
LOADS = frozenset({"src", "srcset", "data", "action", "poster", "background", "ping", "formaction"})


@dataclass
class Answer:
    """One response."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: bytes = b""

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")


class Markup(HTMLParser):
    """The elements of a page with their attributes, its text, and what would be code in it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element of SVG that ends at once."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Check that elements end in order."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note text."""
        assert not self.open or self.open[-1] not in ("script", "style"), "an inline script or style"
        self.text += data

    def links(self) -> list[str]:
        """Return the addresses of all links."""
        return [str(found["href"]) for tag, found in self.elements if tag == "a"]

    def faults(self) -> list[str]:
        """Return what the policy of the pages forbids: inline code and styles, other hosts."""
        found: list[str] = [f"{each} is not closed" for each in self.open]
        for tag, attributes in self.elements:
            for name, value in attributes.items():
                if name.startswith("on") or name == "style":
                    found.append(f"<{tag}> has {name}")
                if name in LOADS or (name == "href" and tag != "a"):
                    parts = urlsplit(value or "")
                    if parts.scheme or parts.netloc or not parts.path.startswith("/"):
                        found.append(f"<{tag} {name}> loads {value}")
                if name == "href" and re.match(r"\s*(javascript|data|vbscript):", value or "", re.IGNORECASE):
                    found.append(f"<a> runs {value}")
        return found


async def ask(
    application: ASGIApp,
    address: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    host: str = "127.0.0.1:8300",
) -> Answer:
    """Send one request to an ASGI application, and return its whole response."""
    path, _, query = address.partition("?")
    sent = {"host": host, **(headers or {})}
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 8300),
    }
    answer = Answer()

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        else:
            answer.body += message.get("body", b"")

    await application(scope, receive, send)
    return answer
