"""Names of metrics and labels in Prometheus follow its translation rules for OpenTelemetry."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.prometheus import prometheus_label, prometheus_name
from tools.telemetry_schema.names import constant_name, type_name

NAMES = st.text(st.characters(codec="ascii") | st.sampled_from("aeéß.漢_:/ "), max_size=40)
UNITS = st.sampled_from(
    ["", "1", "s", "ms", "By", "KiBy", "%", "{item}", "By/s", "{item}/min", "m/s", "s/{item}", "furlong"]
)
INSTRUMENTS = st.sampled_from(["counter", "updowncounter", "gauge", "histogram"])


@pytest.mark.parametrize(
    ("name", "unit", "instrument", "expected"),
    [
        ("ael.errors", "{error}", "counter", "ael_errors_total"),
        ("ael.active_workflows", "{workflow}", "updowncounter", "ael_active_workflows"),
        ("ael.tool.duration", "s", "histogram", "ael_tool_duration_seconds"),
        ("store.size", "By", "gauge", "store_size_bytes"),
        ("store.io", "By/s", "gauge", "store_io_bytes_per_second"),
        ("queue.fill", "1", "gauge", "queue_fill_ratio"),
        ("ratio.of.fill", "1", "gauge", "of_fill_ratio"),
        ("tries", "1", "counter", "tries_total"),
        ("balance", "1", "updowncounter", "balance"),
        ("total.tries", "{try}", "counter", "tries_total"),
        ("wait.seconds", "s", "histogram", "wait_seconds"),
        ("wait.seconds.max", "s", "gauge", "wait_seconds_max"),
        ("cpu.use", "%", "gauge", "cpu_use_percent"),
        ("rate", "{item}/min", "gauge", "rate_per_min"),
        ("rate", "{item}/m", "gauge", "rate_per_minute"),
        ("weight", "furlong", "gauge", "weight_furlong"),
        ("odd__name..x", "", "gauge", "odd_name_x"),
        ("größe", "", "gauge", "gr_e"),
        ("2xx", "{response}", "counter", "_2xx_total"),
        ("job:rate", "", "gauge", "job:rate"),
    ],
)
def test_metric_names(name: str, unit: str, instrument: str, expected: str) -> None:
    """Proves each rule by one case: suffixes for unit and type, none twice, none for braces, ratio for gauges only."""
    assert prometheus_name(name, unit, instrument) == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("workflow", "workflow"),
        ("ael.workflow.name", "ael_workflow_name"),
        ("exception.type", "exception_type"),
        ("a..b", "a_b"),
        ("9lives", "key_9lives"),
        ("_hidden", "_hidden"),
        ("__name__", "__name__"),
        ("ключ.x", "_x"),
    ],
)
def test_label_names(key: str, expected: str) -> None:
    """Label names keep letters and digits, one underscore for the rest, a prefix before a digit."""
    assert prometheus_label(key) == expected


@pytest.mark.parametrize("empty", ["", "..", "___", "漢字"])
def test_name_without_valid_characters_is_an_error(empty: str) -> None:
    """A name that translates to nothing is refused instead of becoming an empty series or label."""
    with pytest.raises(ValueError, match="contains no character"):
        prometheus_name(empty, "s", "counter")
    with pytest.raises(ValueError, match="contains no character"):
        prometheus_label(empty)


@given(NAMES.filter(lambda name: re.search(r"[A-Za-z0-9:]", name)), UNITS, INSTRUMENTS)
def test_every_name_is_valid_in_prometheus(name: str, unit: str, instrument: str) -> None:
    """Whatever the name and unit, the result is a classic metric name with no run of underscores."""
    result = prometheus_name(name, unit, instrument)
    assert re.fullmatch(r"[a-zA-Z_:][a-zA-Z0-9_:]*", result)
    assert "__" not in result
    assert not result.endswith("_")
    assert result.endswith("_total") or result == "total" or instrument != "counter"


@given(NAMES.filter(lambda name: re.search(r"[A-Za-z0-9:]", name)), UNITS, INSTRUMENTS)
def test_translation_adds_a_suffix_once(name: str, unit: str, instrument: str) -> None:
    """A name that already is a Prometheus name of that unit and type stays as it is."""
    once = prometheus_name(name, unit, instrument)
    assert prometheus_name(once, "" if "/" in unit else unit, instrument) == once


@given(NAMES.filter(lambda key: re.search(r"[A-Za-z0-9]", key)))
def test_every_label_is_valid_in_prometheus(key: str) -> None:
    """Whatever the key, the result is a label name, and translating it again changes nothing."""
    label = prometheus_label(key)
    assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label)
    assert prometheus_label(label) == label


def test_python_names() -> None:
    """Constants keep the namespace, types of closed sets drop it."""
    assert constant_name("ael.workflow.name") == "AEL_WORKFLOW_NAME"
    assert type_name("ael.telemetry.drop_reason") == "TelemetryDropReason"
