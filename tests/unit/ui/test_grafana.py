"""The link to Grafana."""

import pytest

from ael_otel.errors import ConfigError
from ael_otel.store import ExecutionRecord
from ael_otel.ui.grafana import Grafana


def test_configured_address_is_used(full: ExecutionRecord) -> None:
    """The board of traces, at the time of the run, without asking whether it is up."""
    found = Grafana({"AEL_GRAFANA_URL": "https://grafana.example/sub/"}).trace(full)
    assert found == (
        "https://grafana.example/sub/d/ael-traces?from=1795236699123&to=1795237299173"
        f"&var-trace={full.trace_id}"
    )


def test_run_without_a_trace_has_no_link(full: ExecutionRecord) -> None:
    """Nor one whose trace id is not one."""
    for odd in ("", "x&var-y=1", "é"):
        full.trace_id = odd
        assert Grafana({"AEL_GRAFANA_URL": "https://grafana.example"}).trace(full) is None


@pytest.mark.parametrize("text", ["grafana", "javascript:alert(1)", "file:///etc", "http://"])
def test_text_that_is_not_a_url_is_refused(text: str) -> None:
    """The message names the variable."""
    with pytest.raises(ConfigError, match="AEL_GRAFANA_URL"):
        Grafana({"AEL_GRAFANA_URL": text})
