"""Send GET requests with the standard library: bounded in time and bytes, without proxies and redirects."""

import base64
import json
from collections.abc import Iterable, Mapping
from http.client import HTTPConnection, HTTPException
from time import monotonic
from typing import Any, Final, NamedTuple, cast
from urllib.parse import urlencode, urlsplit

SECONDS: Final = 5.0
MAX_BYTES: Final = 8 * 1024 * 1024


class UnreachableError(Exception):
    """A server did not answer completely; the message is the reason."""


class Reply(NamedTuple):
    """A complete response."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


def get(
    url: str,
    *,
    login: tuple[str, str] | None = None,
    seconds: float = SECONDS,
    parameters: Mapping[str, str] | None = None,
) -> Reply:
    """Return the response of an `http://` URL; names of its headers are in lower case.

    Args:
        url: the URL.
        login: user and password of basic authentication.
        seconds: time limit of the whole exchange.
        parameters: added to the URL as its query.

    Raises:
        UnreachableError: no complete response within the limits of time and bytes.
    """
    parts = urlsplit(url)
    deadline = monotonic() + seconds
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=seconds)
    headers = {"Accept": "application/json", "User-Agent": "ael-doctor"}
    if login is not None:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
    query = urlencode(parameters or {}) or parts.query
    try:
        connection.request("GET", f"{parts.path or '/'}{'?' if query else ''}{query}", headers=headers)
        response = connection.getresponse()
        body = b""
        while chunk := response.read1(65_536):
            body += chunk
            if len(body) > MAX_BYTES:
                raise UnreachableError(f"its response has more than {MAX_BYTES // 1024**2} MiB")
            if monotonic() > deadline:
                raise UnreachableError(f"its response did not end within {seconds:g} s")
        return Reply(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
    except TimeoutError:
        raise UnreachableError(f"no response within {seconds:g} s") from None
    except (OSError, HTTPException, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
        raise UnreachableError(why) from None
    finally:
        connection.close()


def mapping(value: Any) -> dict[str, Any]:
    """Return a JSON object; an empty one for any other value."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a JSON array; none for any other value."""
    return [mapping(each) for each in cast("Iterable[Any]", value)] if isinstance(value, list) else []
