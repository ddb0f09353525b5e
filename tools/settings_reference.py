"""`python -m tools.settings_reference`: write or check the tables of docs/reference/configuration.md."""

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ael_otel.config.aliases import ALIASES
from ael_otel.config.environment import otel_environment
from ael_otel.config.keys import KEYS
from ael_otel.config.settings import Settings
from tools.generated_files import update

__all__ = ["TABLES", "renew"]

ROOT: Final = Path(__file__).parents[1]
FILE: Final = "docs/reference/configuration.md"

_FIXED: Final = {
    "OTEL_METRIC_EXPORT_INTERVAL": "milliseconds between two exports of metrics",
    "OTEL_BSP_SCHEDULE_DELAY": "milliseconds that spans wait for a batch",
    "OTEL_BLRP_SCHEDULE_DELAY": "milliseconds that log records wait for a batch",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "ours, and the one that reads OTEL_RESOURCE_ATTRIBUTES",
    "OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION": "our log handler takes the place of the stock one",
}


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") or " " for cell in line) + " |" for line in lines
    )


def _default(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _variables(text: str) -> str:
    return re.sub(r"OTEL_[A-Z_]+", r"`\g<0>`", text)


def _keys() -> str:
    rows = (
        (f"`{key.name}`", key.allowed, _default(key.default), key.meaning, _variables(key.env))
        for key in KEYS.values()
    )
    return _table(("key under `telemetry:`", "value", "default", "meaning", "variable that wins"), rows)


def _aliases() -> str:
    rows = (
        (f"`{name}`", alias.allowed, f"`{alias.target}`" if alias.target else "no effect", alias.meaning)
        for name, alias in ALIASES.items()
    )
    return _table(("key under `telemetry:`", "value", "sets", "note"), rows)


def _fixed() -> str:
    values = otel_environment(Settings(), {})
    return _table(
        ("variable", "set to", "why"),
        ((f"`{name}`", f"`{values[name]}`", why) for name, why in _FIXED.items()),
    )


TABLES: Final = {"keys": _keys, "aliases": _aliases, "fixed": _fixed}


def renew(text: str) -> str:
    """Return the document `text` with each table between its two marker comments replaced.

    Raises ValueError for a marker that is missing.
    """
    for name, make in TABLES.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- /{name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            raise ValueError(f"no markers for the table {name}")
        text = f"{before}{begin}\n{make()}\n\n{end}{after}"
    return text


def main() -> int:
    """Write the page; with `--check` only compare it and return 1 if it would change."""
    arguments = argparse.ArgumentParser(prog="python -m tools.settings_reference", description=__doc__)
    arguments.add_argument(
        "--check", action="store_true", help="write nothing; fail if the file would change"
    )
    files = {FILE: renew((ROOT / FILE).read_text("utf-8"))}
    return update(ROOT, files, check=arguments.parse_args().check, source="ael_otel/config")


if __name__ == "__main__":
    sys.exit(main())
