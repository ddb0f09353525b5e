"""Events of agents as they are stored."""

from ael_otel.config import Settings
from ael_otel.core.redaction import ActiveRedaction
from ael_otel.sessions.ingest import MAX_CONTENT, redacted_events
from tests.unit.sessions.test_session import event


def test_content_is_cut_after_redaction() -> None:
    """To the size of values of runs, in bytes, at a whole character; a secret at the cut leaves no part."""
    assert Settings().redaction.max_result_size == MAX_CONTENT
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9" * 2  # hygiene: made up
    texts = {"input": "\u00e9" * 100, "output": f"{'x' * 90} {key}", "prompt": "short"}
    (kept,) = redacted_events(
        [event("activity", 0, content=texts)], ActiveRedaction(Settings()), content=True, max_content=99
    )
    assert kept.content == {"input": "\u00e9" * 49, "output": f"{'x' * 90} [TOKEN]", "prompt": "short"}


def test_content_that_is_off_is_not_kept() -> None:
    """Also if a hook of another configuration has spooled it."""
    (kept,) = redacted_events(
        [event("activity", 0, content={"prompt": "x"})], ActiveRedaction(Settings()), content=False
    )
    assert kept.content is None
