"""`python -m dashboards.src`: write dashboards/*.json; with `--check` write nothing and fail if a file would change."""

import argparse
import sys
from collections.abc import Sequence

from dashboards.src.build import BOARDS, stale, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns 0 when all is well, 1 when a file does not match its source."""
    parser = argparse.ArgumentParser(prog="python -m dashboards.src", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file would change")
    if not parser.parse_args(arguments).check:
        changed = write()
        print(f"Boards: {len(BOARDS)} generated, {len(changed)} changed{_listed(changed)}")
        return 0
    if changed := stale():
        print(
            f"Files in dashboards/ that do not match their source: {len(changed)}{_listed(changed)}\n"
            "Edit dashboards/src, not these files, and run `python -m dashboards.src`.",
            file=sys.stderr,
        )
        return 1
    print(f"Boards that match their source: {len(BOARDS)}.")
    return 0


def _listed(names: Sequence[str]) -> str:
    return "".join(f"\n  {name}" for name in names)


if __name__ == "__main__":
    sys.exit(main())
