"""Who is answered, and with which headers."""

import re

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from ael_otel.ui.gate import MAX_ADDRESS, Gate
from tests.support.ui_client import Answer, ask


async def pages(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer everything: what arrives here was let in."""
    await PlainTextResponse(f"passed on: {Request(scope).url.query}")(scope, receive, send)


@pytest.fixture
def gate() -> Gate:
    """A gate that no browser has opened yet."""
    return Gate(pages, 8300)


async def cookie_of(gate: Gate) -> str:
    """Use the token, and return the cookie."""
    answer = await ask(gate, f"/?token={gate.token}")
    return answer.headers["set-cookie"].partition(";")[0]


async def let_in(gate: Gate, address: str = "/", **options: object) -> Answer:
    """Ask with the cookie."""
    headers = {"cookie": await cookie_of(gate), **options.pop("headers", {})}  # type: ignore[dict-item]
    return await ask(gate, address, headers=headers, **options)  # type: ignore[arg-type]


async def test_token_is_exchanged_for_a_cookie_once(gate: Gate) -> None:
    """The first browser gets a cookie that no script reads and no site sends; the address loses the token."""
    address = f"/run?id=a%26b&token={gate.token}"
    answer = await ask(gate, address)
    assert answer.status == 303
    assert answer.headers["location"] == "/run?id=a%26b"
    assert re.fullmatch(
        r"ael-ui-8300=[\w-]{43}; HttpOnly; Path=/; SameSite=strict", answer.headers["set-cookie"]
    )
    again = await ask(gate, address)
    assert again.status == 403
    assert "set-cookie" not in again.headers
    assert b"passed on" not in again.body


async def test_cookie_lets_in_and_nothing_else_does(gate: Gate) -> None:
    """No cookie, the token as a cookie, another value, an empty one, another name: all are refused."""
    token = gate.token
    cookie = await cookie_of(gate)
    value = cookie.partition("=")[2]
    assert token != value
    assert (await ask(gate, "/", headers={"cookie": f"other=1; {cookie}"})).text == "passed on: "
    for wrong in (
        "",
        f"ael-ui-8300={token}",
        "ael-ui-8300=",
        f"{cookie}x",
        f"ael-ui-8301={value}",
        "ael-ui-8300=ü",
    ):
        answer = await ask(gate, "/", headers={"cookie": wrong})
        assert answer.status == 403
        assert b"passed on" not in answer.body


async def test_head_does_not_use_up_the_token(gate: Gate) -> None:
    """A program that checks links before the browser opens them leaves the token valid."""
    address = f"/?token={gate.token}"
    assert (await ask(gate, address, method="HEAD")).status == 403
    assert (await ask(gate, address)).status == 303


async def test_used_address_still_opens_for_the_browser_that_used_it(gate: Gate) -> None:
    """Reloading or going back to the address with the token shows the page without it."""
    answer = await let_in(gate, "/?token=anything&status=failed")
    assert (answer.status, answer.headers["location"]) == (303, "/?status=failed")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8300", "127.0.0.1", "localhost:8300", "LOCALHOST", "[::1]:8300", "[::1]", "127.9.9.9:80"],
)
async def test_loopback_host_is_answered(gate: Gate, host: str) -> None:
    """Each name of this machine that cannot point elsewhere."""
    assert (await let_in(gate, host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *(
            "",
            "evil.example",
            "evil.example:8300",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "0.0.0.0:8300",
        ),
        *(
            "[::]",
            "[::1",
            "::1",
            "127.0.0.1:x",
            "127.0.0.1:80:80",
            "user@127.0.0.1",
            "[::ffff:8.8.8.8]",
            "2130706433",
        ),
        *("10.0.0.1", "localhost.", "127.0.0.1%00.evil.example", "[::1].evil.example", "127.1"),
    ],
)
async def test_other_host_is_refused_with_a_valid_cookie(gate: Gate, host: str) -> None:
    """A page whose name was pointed at this machine sends its own name."""
    answer = await let_in(gate, host=host)
    assert answer.status == 403
    assert b"passed on" not in answer.body


async def test_second_host_is_refused(gate: Gate) -> None:
    """A request names its host exactly once."""
    headers = {"cookie": await cookie_of(gate)}
    assert (await ask(gate, "/", headers={**headers, "Host": "evil.example"})).status == 403


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://127.0.0.1:9999", "https://127.0.0.1:8300"]
)
async def test_other_origin_is_refused(gate: Gate, origin: str) -> None:
    """Scripts of other sites and other ports send their own origin."""
    assert (await let_in(gate, headers={"origin": origin})).status == 403


async def test_own_origin_is_answered(gate: Gate) -> None:
    """The live rows of the page itself."""
    headers = {"origin": "http://127.0.0.1:8300", "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
    assert (await let_in(gate, headers=headers)).status == 200


@pytest.mark.parametrize(
    ("site", "mode", "dest", "status"),
    [
        ("cross-site", "no-cors", "script", 403),
        ("same-site", "cors", "empty", 403),
        ("cross-site", "navigate", "iframe", 403),
        ("cross-site", "navigate", "document", 200),
        ("none", "navigate", "document", 200),
    ],
)
async def test_what_another_site_loads_is_refused(
    gate: Gate, site: str, mode: str, dest: str, status: int
) -> None:
    """A person may follow a link; scripts, images and frames of another site get nothing."""
    headers = {"sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest}
    assert (await let_in(gate, headers=headers)).status == status


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"])
async def test_only_get_and_head(gate: Gate, method: str) -> None:
    """Every other method is refused, with and without the cookie, and uses up no token."""
    address = f"/?token={gate.token}"
    answer = await ask(gate, address, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert (await let_in(gate, method=method)).status == 405


async def test_every_answer_has_the_headers(gate: Gate) -> None:
    """Pages, refusals and redirects: a strict policy, no frames, no referrer, nothing stored by the browser."""
    redirect = await ask(gate, f"/?token={gate.token}")
    cookie = redirect.headers["set-cookie"].partition(";")[0]
    page = await ask(gate, "/", headers={"cookie": cookie})
    refusals = [
        await ask(gate, "/"),
        await ask(gate, "/", host="evil.example"),
        await ask(gate, "/", method="PUT"),
    ]
    for answer in (redirect, page, *refusals):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert "access-control-allow-origin" not in answer.headers


async def test_long_address_is_refused(gate: Gate) -> None:
    """An address has a bound."""
    assert (await let_in(gate, f"/?text={'x' * MAX_ADDRESS}")).status == 414


async def test_redirect_stays_on_this_host(gate: Gate) -> None:
    """A path that a browser would take for another host, and one with markup, are neither followed nor printed raw."""
    answer = await ask(gate, f"//evil.example/x?token={gate.token}")
    assert answer.headers["location"] == "/evil.example/x"
    locked = await ask(gate, '/"><script>alert(1)</script>?a="><script>')
    assert locked.status == 403
    assert "<script" not in locked.text


async def test_assets_need_no_cookie_but_the_host(gate: Gate) -> None:
    """The style sheet is that of the refusal too; it tells nothing."""
    assert (await ask(gate, "/assets/style.css")).status == 200
    assert (await ask(gate, "/assets/style.css", host="evil.example")).status == 403
