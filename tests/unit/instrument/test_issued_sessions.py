"""Whether a client over HTTP that names no session gets one."""

from collections.abc import Iterator

import pytest

from ael_otel.instrument.active import Active, activate
from ael_otel.instrument.clients import Request, client_now, clients, current_request, initialized
from ael_otel.lifecycle import Recorder


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    """No client and no instrumentation before and after."""
    yield
    clients.close_all("test")
    activate(None)


@pytest.mark.parametrize("issues", [True, False])
def test_session_id_is_issued_as_the_setting_says(issues: bool) -> None:
    """Without an issued id, the calls of the client belong to no session, and nothing is added to the answer."""
    activate(Active(Recorder(), issues_session_ids=issues))
    request = Request({"headers": [(b"user-agent", b"probe/1")]})
    token = current_request.set(request)
    try:
        initialized({"name": "probe"})
        assert (request.issued is not None) is issues
        assert client_now() is None, "only the client's next request names it"
    finally:
        current_request.reset(token)


def test_client_that_names_its_session_gets_no_other() -> None:
    """Its own id counts, whatever the setting says."""
    activate(Active(Recorder(), issues_session_ids=False))
    request = Request({"headers": [(b"mcp-session-id", b"mine-1")]})
    token = current_request.set(request)
    try:
        initialized({"name": "probe"})
        assert request.issued is None
        client = client_now()
        assert client is not None
        assert client.session_id == "mine-1"
    finally:
        current_request.reset(token)
