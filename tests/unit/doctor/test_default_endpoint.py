"""Without a Collector at the default endpoint, an installation works."""

from collections.abc import Mapping

import pytest
from msgspec.structs import replace

from ael_otel.config import default_settings
from ael_otel.doctor.finding import failure
from ael_otel.doctor.otlp_endpoint import unless_default
from tests.support.findings import assert_found

NOTHING = failure("export", "traces are not sent: nothing listens at localhost:4317", "start the receiver")


def test_nothing_at_the_default_endpoint_is_a_warning() -> None:
    """Runs are stored without it; both ways out are named."""
    found = unless_default(NOTHING, default_settings(), {"OTEL_EXPORTER_OTLP_ENDPOINT": " "})
    assert_found(
        [found], "warning", cause="runs are stored without it", remedy="telemetry.exporters.otlp.enabled"
    )


@pytest.mark.parametrize(
    "environ",
    [
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"},
        {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://a:4317"},
    ],
)
def test_nothing_at_an_endpoint_of_a_variable_is_a_failure(environ: Mapping[str, str]) -> None:
    """It was asked for."""
    assert unless_default(NOTHING, default_settings(), environ) == NOTHING


def test_nothing_at_an_endpoint_of_the_file_is_a_failure() -> None:
    """The same; and any other failure at the default endpoint stays one."""
    settings = default_settings()
    otlp = replace(settings.exporters.otlp, endpoint="http://collector:4317")
    named = replace(settings, exporters=replace(settings.exporters, otlp=otlp))
    assert unless_default(NOTHING, named, {}) == NOTHING
    refused = failure("export", "traces are not sent: localhost:4317 refuses the credentials", "set headers")
    assert unless_default(refused, settings, {}) == refused
