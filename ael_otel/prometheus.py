"""Prometheus names of OTel metrics and attributes.

The rules are those of the translation strategy `UnderscoreEscapingWithSuffixes`: a character that Prometheus names
cannot contain becomes an underscore; then the unit is appended, then `_total` for a counter or `_ratio` for a gauge of
unit 1.
"""

import re

# Prometheus's words for UCUM units; a unit that is not listed is appended unchanged.
_BYTES = {
    "K": "kilo",
    "M": "mega",
    "G": "giga",
    "T": "tera",
    "Ki": "kibi",
    "Mi": "mebi",
    "Gi": "gibi",
    "Ti": "tibi",
}
_TIMES = {"ns": "nano", "us": "micro", "ms": "milli", "s": ""}
_UNITS = {
    **{code: f"{prefix}seconds" for code, prefix in _TIMES.items()},
    **{f"{code}By": f"{prefix}bytes" for code, prefix in _BYTES.items()},
    "1": "",
    "%": "percent",
    "min": "minutes",
    "h": "hours",
    "d": "days",
    "By": "bytes",
    "m": "meters",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "A": "amperes",
    "V": "volts",
    "W": "watts",
    "J": "joules",
}
_PER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month", "y": "year"}

_BREAK = re.compile(r"[^a-zA-Z0-9:]+")
_LABEL_BREAK = re.compile(r"[^a-zA-Z0-9]+")
_RESERVED = re.compile(r"__(.*)__", re.DOTALL)


def prometheus_name(name: str, unit: str, instrument: str) -> str:
    """Return the Prometheus name of an OTel metric.

    `instrument` is counter, updowncounter, gauge or histogram. The suffixes of a histogram's series (`_bucket`,
    `_sum`, `_count`) are not part of the result. Raises ValueError if no character of the name is usable.
    """
    tokens = [token for token in _BREAK.split(name) if token]
    if not tokens:
        raise ValueError(f"{name!r} contains no character that is allowed in a Prometheus name")
    unit_word, per_word = _unit_words(unit)
    tokens += [word for word in (unit_word, per_word) if word and word not in tokens]
    if instrument == "counter":
        tokens = _last(tokens, "total")
    if instrument == "gauge" and unit == "1":
        tokens = _last(tokens, "ratio")
    joined = "_".join(tokens)
    return f"_{joined}" if joined[0].isdigit() else joined


def prometheus_label(key: str) -> str:
    """Return the Prometheus label of an OTel attribute key; raises ValueError if no character of the key is usable."""
    reserved = _RESERVED.fullmatch(key)
    label = _LABEL_BREAK.sub("_", reserved[1] if reserved else key)
    if not label.strip("_"):
        raise ValueError(f"{key!r} contains no character that is allowed in a Prometheus label")
    if reserved:
        return f"__{label}__"
    return f"key_{label}" if label[0].isdigit() else label


def _last(tokens: list[str], word: str) -> list[str]:
    return [*(token for token in tokens if token != word), word]


def _unit_words(unit: str) -> tuple[str, str]:
    """Return the words of a UCUM unit: the unit and its divisor; an annotation in braces gives an empty word."""
    main, _, per = (part.strip() for part in unit.partition("/"))
    main_word = "" if re.search(r"[{}]", main) else _clean(_UNITS.get(main, main))
    per_word = "" if re.search(r"[{}]", per) else _clean(_PER.get(per, per))
    return main_word, f"per_{per_word}" if per_word else ""


def _clean(word: str) -> str:
    return _BREAK.sub("_", word).strip("_")
