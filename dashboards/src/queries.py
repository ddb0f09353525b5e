"""The text of queries, put together from the registry's names: a name that does not exist cannot be written.

Every function returns PromQL, LogQL or TraceQL as Grafana stores it, with Grafana's variables (`$workflow`, `$__range`)
still in it.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from ael_otel._generated.metrics import MetricSpec
from dashboards.src.foreign import ForeignMetric

type Operator = Literal["=", "!=", "=~", "!~"]
type Matcher = tuple[str, Operator, str]
type Part = Literal["bucket", "sum", "count"]
type Window = Literal["24h", "$__range", "$__interval", "$__rate_interval"]

BEFORE: Final = "1h"
"""How far before a window a series is looked for, to tell whether it was born inside. Longer than any gap that a
restart makes; a Prometheus that was away for longer sees every series born anew."""


def chosen(label: str, variable: str) -> Matcher:
    """Match the values that a person has chosen in a variable of the board."""
    return (label, "=~", f"${variable}")


def among(label: str, values: Iterable[str]) -> Matcher:
    """Match any of these values; they must need no escaping in a regular expression."""
    wanted = list(values)
    return (label, "=", wanted[0]) if len(wanted) == 1 else (label, "=~", "|".join(wanted))


def series(metric: MetricSpec | ForeignMetric, *matchers: Matcher, part: Part | None = None) -> str:
    """Select the series of a metric; a histogram needs `part`.

    Raises:
        ValueError: the metric has no such label, or `part` does not fit its kind.
    """
    if (part is not None) != (metric.instrument == "histogram"):
        raise ValueError(f"{metric.prometheus} is a {metric.instrument}: part={part!r} does not fit")
    known = (*metric.labels, "le") if part == "bucket" else metric.labels
    for label, _, _ in matchers:
        if label not in known:
            raise ValueError(f"{metric.prometheus} has no label {label!r}, only {', '.join(known)}")
    name = metric.prometheus if part is None else f"{metric.prometheus}_{part}"
    inside = ", ".join(f'{label}{operator}"{value}"' for label, operator, value in matchers)
    return f"{name}{{{inside}}}" if inside else name


def events(selected: str, window: Window) -> str:
    """Count what each selected counter counted within `window`: exact, and with the first event of a series.

    Only for an argument of `total`.

    `increase()` alone is wrong for things that are few and whose process may be short-lived. It sees nothing in a
    series that appears with its first event (a process that runs one workflow exports one sample), and it extrapolates:
    two samples four seconds apart, 0 and 10, become an increase of 15. Every process has its own series
    (`service.instance.id` is new at each start), so a count is simply its last value less what it had before the
    window:

    1. A series that was reset inside the window: the same instance id was used again. Only then `increase()`.
    2. A series that existed before the window: its last value less its value at the window's start.
    3. A series born inside the window: its last value, all of which it counted inside.
    """
    inside = f"{selected}[{window}]"
    return (
        f"\n  (increase({inside}) and resets({inside}) > 0)"
        f"\n  or (last_over_time({inside}) - last_over_time({selected}[{BEFORE}] offset {window}) >= 0)"
        f"\n  or last_over_time({inside})\n"
    )


def continued_events(metric: MetricSpec, *matchers: Matcher, lasting: Matcher, window: Window) -> str:
    """Count as `events` does, where the series of `lasting` are continued by one process after another.

    Such a series may return after a gap longer than `BEFORE`. Its first sample is what was counted before, also where
    it is new (zero), so that it counts its last value less its first one inside the window.
    """
    selected, continued = series(metric, *matchers), series(metric, *matchers, lasting)
    inside, again = f"{selected}[{window}]", f"{continued}[{window}]"
    return (
        f"\n  (increase({inside}) and resets({inside}) > 0)"
        f"\n  or (last_over_time({inside}) - last_over_time({selected}[{BEFORE}] offset {window}) >= 0)"
        f"\n  or (last_over_time({again}) - min_over_time({again}))"
        f"\n  or last_over_time({inside})\n"
    )


def per_second(selected: str) -> str:
    """Return the rate of a counter that a long-lived program counts steadily; for anything rarer there is `events`."""
    return f"rate({selected}[$__rate_interval])"


def total(expression: str, by: Sequence[str] = ()) -> str:
    """Add up over all series, or over those that agree in the labels `by`."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def ratio(part: str, whole: str, window: Window, by: Sequence[str] = ()) -> str:
    """Divide the events of two selections, of which `whole` contains `part`.

    0 where there is no series of `part`, nothing where `whole` counted nothing: 0/0 has no answer, and the panel then
    says why in words instead of showing 0 % or 100 %.
    """
    none = total(f"last_over_time({whole}[{window}])", by)
    return f"({total(events(part, window), by)} or 0 * {none})\n/\n({total(events(whole, window), by)} > 0)"


def quantile(
    level: float,
    metric: MetricSpec | ForeignMetric,
    *matchers: Matcher,
    window: Window,
    by: Sequence[str] = (),
) -> str:
    """Return the `level` quantile (0..1) of a histogram's observations within `window`; nothing where there is none.

    Without an observation histogram_quantile is NaN, which the comparison drops.
    """
    counted = total(events(series(metric, *matchers, part="bucket"), window), ("le", *by))
    return f"histogram_quantile({level:g}, {counted}) >= 0"


def mean(
    metric: MetricSpec | ForeignMetric, *matchers: Matcher, window: Window, by: Sequence[str] = ()
) -> str:
    """Return the mean of a histogram's observations within `window`; nothing where there is none."""
    sums, counts = (
        total(events(series(metric, *matchers, part=part), window), by) for part in ("sum", "count")
    )
    return f"{sums}\n/\n({counts} > 0)"


def tagged(expression: str, label: str, value: str) -> str:
    """Give all series of an expression one more label, so that `or` can join several metrics."""
    return f'label_replace({expression}, "{label}", "{value}", "", "")'


def legend(label: str) -> str:
    """Return the legend that names a series by the value of a label."""
    return f"{{{{{label}}}}}"


def values_of(metric: MetricSpec, label: str) -> str:
    """Ask Grafana's Prometheus data source for the values of a label, for a variable."""
    if label not in metric.labels:
        raise ValueError(f"{metric.prometheus} has no label {label!r}")
    return f"label_values({metric.prometheus}, {label})"


def loki_name(field: str) -> str:
    """Return the name under which Loki keeps a field of a log record as structured metadata."""
    return field.replace(".", "_")


def log_lines(*matchers: Matcher) -> str:
    """Select log lines of any service by their fields, all of which are structured metadata.

    `service_name` is the one stream label that every line has.
    """
    conditions = "".join(f' | {loki_name(field)}{operator}"{value}"' for field, operator, value in matchers)
    return f'{{service_name=~".+"}}{conditions}'


def line_counts(selected: str, by: Sequence[str]) -> str:
    """Count log lines in each interval of a panel, by fields; the counts of the intervals add up."""
    return f"sum by ({', '.join(loki_name(field) for field in by)}) (count_over_time({selected} [$__auto]))"


def line_totals(selected: str, by: Sequence[str]) -> str:
    """Count log lines in the time range of the board, by fields."""
    return f"sum by ({', '.join(loki_name(field) for field in by)}) (count_over_time({selected} [$__range]))"


def containing(selected: str, text: str) -> str:
    """Keep the log lines that contain a text; the text may hold quotes, but no backtick."""
    return f"{selected} |= `{text}`"


def spans(*conditions: str) -> str:
    """Select spans that meet all conditions; build those with `span_is` and `attribute`."""
    return f"{{ {' && '.join(conditions)} }}"


def selecting(found: str, *keys: str) -> str:
    """Have a TraceQL query return these attributes of each span it finds, the newest spans first.

    Without the hint Tempo returns the first that it comes across.
    """
    return f"{found} | select({', '.join(f'span.{key}' for key in keys)}) with (most_recent=true)"


def lasts(at_least: str) -> str:
    """Return the condition that a span took at least that long: a number and a unit, such as `250ms`."""
    return f"duration >= {at_least}"


def span_is(name: str) -> str:
    """Return the condition that a span has that name."""
    return f'name = "{name}"'


def attribute(key: str, operator: Operator, value: str) -> str:
    """Return a condition on a string attribute of a span."""
    return f'span.{key} {operator} "{value}"'
