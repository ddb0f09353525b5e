"""`python -m tools.redaction_rules`: write the files made from ael_otel/privacy/rules.py, or check them."""

import argparse
import sys
from pathlib import Path

from tools.generated_files import between_marks, update
from tools.redaction_rules import collector, docs

ROOT = Path(__file__).parents[2]
SOURCE = "ael_otel/privacy/rules.py"


def files() -> dict[str, str]:
    """Return each generated file's text by its path relative to the repository."""
    config = (ROOT / collector.FILE).read_text("utf-8")
    page = (ROOT / docs.FILE).read_text("utf-8")
    for name, table in docs.tables().items():
        page = between_marks(page, f"<!-- {name}: begin -->", f"<!-- {name}: end -->", table)
    return {
        collector.FILE: between_marks(config, collector.BEGIN, collector.END, collector.statements()),
        docs.FILE: page,
    }


def main() -> int:
    """Write the files; with `--check` only compare them and return 1 if one would change."""
    arguments = argparse.ArgumentParser(prog="python -m tools.redaction_rules", description=__doc__)
    arguments.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    return update(ROOT, files(), check=arguments.parse_args().check, source=SOURCE)


if __name__ == "__main__":
    sys.exit(main())
