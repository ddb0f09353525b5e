"""Send one HTTP request with the standard library: bounded, retried if the server asks for it, never redirected."""

import base64
import time
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from typing import Final, Literal, cast
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit, urlunsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

import msgspec

from ael_otel.config.settings import masked
from ael_otel.errors import ExportError

ATTEMPTS: Final = 4
MAX_WAIT_S: Final = 10.0
MAX_ANSWER: Final = 64 * 1024 * 1024

_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
_LOOPBACK: Final = ("localhost", "::1")


class _Message(msgspec.Struct):
    """The body of an error response of an OTLP server."""

    message: str = ""


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects: a redirected POST loses its body, and its headers would go to another host."""

    def redirect_request(self, *_arguments: object, **_more: object) -> None:
        """Return None, so that the response becomes an error."""


def request(
    method: Literal["GET", "POST"],
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 10.0,
) -> bytes:
    """Return the body of the response.

    Credentials in the URL are sent as basic authentication. Responses that ask for a retry (429, 502, 503, 504) and
    failed connections are tried again, four times in all.

    Raises ExportError that names the server without credentials, and the reason.
    """
    shown = str(masked("endpoint", url))
    try:
        asked = _request(method, url, body, headers or {})
    except ValueError as error:
        raise ExportError(f"{shown} is not a URL to send to: {error}") from None
    opener = _opener(urlsplit(url).hostname or "")
    for attempt in range(1, ATTEMPTS + 1):
        last = attempt == ATTEMPTS
        wait = min(0.2 * 2**attempt, MAX_WAIT_S)
        try:
            with opener.open(asked, timeout=timeout_s) as answer:
                return cast("bytes", answer.read(MAX_ANSWER))
        except HTTPError as error:
            if last or error.code not in _TRY_AGAIN:
                raise ExportError(f"{shown} answers {error.code} {error.reason}{_said(error)}") from None
            wait = _retry_after(error) or wait
        except (URLError, HTTPException, TimeoutError, OSError) as error:
            if last or method == "GET":
                raise ExportError(f"{shown} cannot be reached: {_reason(error)}") from None
        time.sleep(wait)
    raise AssertionError


def _request(method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Request:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://HOST:PORT or https://HOST:PORT")
    place = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    if parts.port is not None:
        place += f":{parts.port}"
    asked = Request(  # noqa: S310 - the scheme has been checked
        urlunsplit((parts.scheme, place, parts.path, parts.query, "")), data=body, method=method
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        asked.add_header("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}")
    if body is not None:
        asked.add_header("Content-Type", "application/json")
    for name, value in headers.items():
        asked.add_header(name, value)
    return asked


def _opener(host: str) -> OpenerDirector:
    # A proxy cannot reach a server that listens on this machine only.
    local = host in _LOOPBACK or host.startswith("127.")
    return build_opener(_NoRedirects, *([ProxyHandler({})] if local else []))


def _retry_after(error: HTTPError) -> float | None:
    try:
        return min(max(float(error.headers.get("Retry-After", "")), 0.0), MAX_WAIT_S)
    except ValueError:
        return None


def _said(error: HTTPError) -> str:
    """Return the message in the server's response after a colon, if it is a short text; else an empty text."""
    try:
        text = error.read(2_000).decode("utf-8", "replace").strip()
    except (OSError, HTTPException):
        return ""
    with suppress(msgspec.MsgspecError):
        text = msgspec.json.decode(text, type=_Message).message
    if not text or text.startswith("<"):
        return ""
    printable = "".join(c if c.isprintable() else " " for c in text)
    return f": {printable[:200]}"


def _reason(error: BaseException) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    if isinstance(reason, TimeoutError):
        return "no response in time"
    return (reason.strerror if isinstance(reason, OSError) else None) or str(reason) or type(reason).__name__
