"""Who is answered: a browser on this machine that opened the address with the one-time token, and nobody else.

- `Host` must be a loopback name. A web page whose host name was pointed at 127.0.0.1 (DNS rebinding) sends its own.
- `Origin`, where there is one, must be that of the page itself; requests that another site makes are refused.
- Only GET and HEAD.
- A cookie that no script can read and that no other site can send. It is set once, by the token in the address that
  `ael ui` prints; the token is then used up.

Every response forbids what the pages do not need: inline scripts and styles, other hosts, frames, caches.
"""

import hmac
import secrets
from collections.abc import Mapping
from html import escape
from ipaddress import ip_address
from threading import Lock
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN: Final = "token"
"""Name of the token in an address."""

MAX_ADDRESS: Final = 16_384
"""Bytes of a path with its query; a longer one is refused."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
PUBLIC: Final = "/assets/"
"""Start of paths that are answered without the cookie: the style sheet, the script and the icon of this package."""


class Gate:
    """ASGI application that answers refused requests itself and passes on the others.

    Args:
        application: the pages.
        port: the port, by which the cookie is named: cookies are shared by all ports of a host.
    """

    def __init__(self, application: ASGIApp, port: int) -> None:
        self._application = application
        self._cookie = f"ael-ui-{port}"
        self._secret = secrets.token_urlsafe(32)
        self._lock = Lock()
        self.token: str | None = secrets.token_urlsafe(32)
        """The token that the next browser needs; None once it is used up."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                added = {**HEADERS, "cache-control": "no-store"}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.encode(), value.encode())
                        for name, value in added.items()
                        if name.encode() not in present
                    ),
                ]
            await send(message)

        refusal = self._refusal(scope)
        await (refusal or self._application)(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Return the response to a request that is not passed on, or None."""
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_loopback_host(hosts[0]):
            return _page(
                403,
                "This page answers only addresses of this machine",
                "Open it by the address that ael ui printed: 127.0.0.1, [::1] or localhost. From another machine,"
                " forward the port by SSH.",
            )
        if scope["method"] not in ("GET", "HEAD"):
            response = _page(405, "Only GET and HEAD", "This page changes nothing.")
            response.headers["allow"] = "GET, HEAD"
            return response
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MAX_ADDRESS:
            return _page(414, "The address is too long", f"It may have {MAX_ADDRESS:,} bytes.")
        if not _same_origin(headers, hosts[0]):
            return _page(403, "Another site asked for this page", "It was refused.")
        if scope["path"].startswith(PUBLIC):
            return None
        if self._has_cookie(headers):
            return self._without_token(scope) if _tokens(scope) else None
        given = _tokens(scope)
        if given and scope["method"] == "GET" and self._use(given[0]):
            response = self._without_token(scope)
            response.set_cookie(self._cookie, self._secret, httponly=True, samesite="strict", path="/")
            return response
        return self._locked(scope, used=bool(given))

    def _has_cookie(self, headers: Headers) -> bool:
        given = [cookie_parser(each).get(self._cookie, "") for each in headers.getlist("cookie")]
        return any(_equal(each, self._secret) for each in given)

    def _use(self, given: str) -> bool:
        """Return whether this is the token; it is used up then."""
        with self._lock:
            if self.token is None or not _equal(given, self.token):
                return False
            self.token = None
            return True

    def _without_token(self, scope: Scope) -> RedirectResponse:
        return RedirectResponse(_address(scope), status_code=303)

    def _locked(self, scope: Scope, *, used: bool) -> Response:
        if used:
            why = "The token in this address is not valid: each one opens one browser, once."
        else:
            why = "This browser has not been let in yet, or the server was started again since."
        # A link from another site carries no cookie; one on this page does.
        again = escape(_address(scope), quote=True)
        return _page(
            403,
            "Open the address that ael ui printed",
            why,
            f'<p>If this browser was let in before, <a href="{again}">continue</a>. Otherwise stop <code>ael ui</code>'
            " and start it again: it prints a new address.</p>",
        )


def is_loopback_host(host: str) -> bool:
    """Return whether a Host header names this machine, by an address or name that cannot point elsewhere."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        if not bracket:
            return False
        port = port.removeprefix(":") if port else ""
    else:
        name, _, port = host.partition(":")
    if port and not (port.isascii() and port.isdecimal()):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _same_origin(headers: Headers, host: str) -> bool:
    if any(origin != f"http://{host}" for origin in headers.getlist("origin")):
        return False
    # Browsers say where a request comes from. A person may follow a link from another site; its scripts, images and
    # frames may not load anything.
    foreign = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
    return not foreign or (
        headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    )


def _pairs(scope: Scope) -> list[tuple[str, str]]:
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


def _tokens(scope: Scope) -> list[str]:
    return [value for name, value in _pairs(scope) if name == TOKEN]


def _address(scope: Scope) -> str:
    """Return the address of a request without its token: always a path on this host."""
    pairs = urlencode([(name, value) for name, value in _pairs(scope) if name != TOKEN])
    path = "/" + scope["path"].lstrip("/\\")
    return quote(path) + (f"?{pairs}" if pairs else "")


def _equal(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _page(status: int, title: str, text: str, more: str = "") -> Response:
    return HTMLResponse(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<link rel="stylesheet" href="/assets/style.css"></head>'
        f"<body><main><h1>{title}</h1><p>{text}</p>{more}</main></body></html>\n",
        status_code=status,
    )
