"""A PostgreSQL that does not answer is a fault of the store."""

from msgspec.structs import replace

from ael_otel.config import default_settings
from ael_otel.doctor.run_store import check
from tests.support.findings import assert_found
from tests.support.needs import require
from tests.support.ports import free_port


def test_database_that_does_not_answer_is_a_failure() -> None:
    """The key is named, and the password in its value is not quoted."""
    require("postgres")
    settings = default_settings()
    dsn = f"postgresql://ada:horse-battery@127.0.0.1:{free_port()}/runs"  # hygiene: made up
    found = check(replace(settings, store=replace(settings.store, backend="postgresql", dsn=dsn)), {})
    assert_found(found, "failure", cause="cannot be used (OperationalError)", remedy="telemetry.store.dsn")
    assert "horse" not in repr(found)
