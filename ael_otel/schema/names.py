"""Names derived from registry names: Prometheus metrics and labels, Python constants and types.

The Prometheus rules are those of the translation strategy `UnderscoreEscapingWithSuffixes`: characters outside the
classic alphabet become underscores, the unit is appended, then `_total` for counters.
"""

from __future__ import annotations

import re

# Unit words Prometheus uses for UCUM codes. A unit that is not listed is appended as it stands.
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "TiBy": "tibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_PER = {"s": "second", "m": "minute", "min": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}
_ANNOTATION = re.compile(r"\{[^}]*\}")
_NOT_METRIC = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def prometheus_name(name: str, unit: str, instrument: str) -> str:
    """Prometheus name of an OTel metric.

    `instrument` is one of counter, updowncounter, gauge and histogram; a histogram's own suffixes (`_bucket`, `_sum`,
    `_count`) are not part of the result.
    """
    tokens = [token for token in _NOT_METRIC.split(name) if token]
    for suffix in _unit_words(unit):
        if suffix not in tokens:
            tokens.append(suffix)
    if unit == "1" and instrument in ("gauge", "updowncounter"):
        tokens = [token for token in tokens if token != "ratio"] + ["ratio"]
    if instrument == "counter":
        tokens = [token for token in tokens if token != "total"] + ["total"]
    result = "_".join(tokens)
    return f"_{result}" if result[:1].isdigit() else result


def prometheus_label(key: str) -> str:
    """Prometheus label of an OTel attribute key."""
    label = re.sub(r"_{2,}", "_", _NOT_LABEL.sub("_", key))
    return f"key_{label}" if label[:1].isdigit() else label


def constant_name(key: str) -> str:
    """Name of the Python constant that stands for a registry name, such as AEL_WORKFLOW_NAME."""
    return re.sub(r"[^A-Za-z0-9]+", "_", key).strip("_").upper()


def type_name(key: str) -> str:
    """Name of the Python type of a closed set, such as StepType for ael.step.type."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", key.removeprefix("ael.")) if word)


def _unit_words(unit: str) -> list[str]:
    """Suffix words of a UCUM unit; a slash reads `per`, an annotation in braces says nothing."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    words: list[str] = []
    if main and main != "1" and not _ANNOTATION.search(main):
        words += _clean(_UNITS.get(main, main))
    if per and not _ANNOTATION.search(per):
        words += ["per", *_clean(_PER.get(per, per))]
    return words


def _clean(word: str) -> list[str]:
    return [part for part in _NOT_METRIC.split(word) if part]
