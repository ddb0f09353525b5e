"""The public API of the package, each name documented with an example."""

import ael_otel

SURFACE = [
    "AelInstrumentor",
    "AelOtelError",
    "ExecutionRecord",
    "RunQuery",
    "Settings",
    "TelemetryStore",
    "__version__",
    "code_block",
    "configure",
    "execution",
    "flush",
    "load_settings",
    "on",
    "open_reader",
    "open_store",
    "redact",
    "session",
    "shutdown",
    "step",
    "tool_call",
]


def test_public_surface_is_unchanged() -> None:
    """A name that comes or goes is a decision: this list and the changelog change with it."""
    assert ael_otel.__all__ == SURFACE
    assert set(SURFACE) <= set(dir(ael_otel))


def test_every_name_has_a_docstring_with_an_example() -> None:
    """`help()` of each name has an example, which `tests/process/test_api.py` runs."""
    for name in SURFACE:
        if name != "__version__":
            assert ">>> " in (getattr(ael_otel, name).__doc__ or ""), name


def test_package_docstring_lists_the_public_names() -> None:
    """The docstring of the package lists its public names and states that the rest is private."""
    text = ael_otel.__doc__ or ""
    assert [name for name in SURFACE if name != "__version__" and f"`{name}`" not in text] == []
    assert "private" in text


def test_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as on any module, so that `hasattr` and `from ael_otel import` work."""
    assert not hasattr(ael_otel, "instrumentor")
