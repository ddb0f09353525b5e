"""Count the markers that redaction puts into installed packages: `python -m tests.privacy.false_positives`.

Sources, documentation and JSON of packages hold next to no secrets, so nearly each marker in them is wrong. Markers of
e-mail addresses are not, because packages name their authors, and neither are those of excluded paths. Each file is
redacted in the default configuration, as one text of up to 1 MiB; each marker is printed with its rule and its line,
for a person to judge. `--samples` prints that many per rule, spread evenly over all that were found.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from sysconfig import get_path
from time import process_time
from typing import Any

from ael_otel.privacy.redactor import Finding
from tests.privacy.measure import default_redactor

ENDINGS = re.compile(
    r"\.(c|cc|cfg|css|go|h|html|ini|js|json|jsx|lua|map|md|mjs|pl|pm|proto|ps1|py|pyi|rb|rs|rst|scss|sh|sql|svg|toml|ts|tsx"
    r"|txt|xml|yaml|yml)"
)
LARGEST = 1024 * 1024  # characters of one file that are redacted
MEGABYTE = 1_000_000
# Markers of these rules are correct: addresses of authors, paths that the configuration names.
EXPECTED = frozenset({"email", "excluded_path"})


@dataclass(frozen=True)
class Marked:
    """A marker: its rule, the file, and the text around it with the match between « and »."""

    rule: str
    path: Path
    context: str


@dataclass
class Result:
    """The findings of a scan."""

    characters: int = 0
    files: int = 0
    cpu: float = 0.0  # seconds of CPU time spent on redaction
    marked: list[Marked] = field(default_factory=list)

    def by_rule(self) -> dict[str, list[Marked]]:
        """Return the markers of each rule, the most frequent rule first."""
        found: dict[str, list[Marked]] = defaultdict(list)
        for each in self.marked:
            found[each.rule].append(each)
        return dict(sorted(found.items(), key=lambda pair: -len(pair[1])))

    def rate(self, *, expected: bool = False) -> float:
        """Return the markers in 100 kB; those of EXPECTED rules count only where that is asked for."""
        number = sum(expected or each.rule not in EXPECTED for each in self.marked)
        return number / max(self.characters, 1) * 100_000


def places() -> list[Path]:
    """Return the folders in which a machine has packages: this environment's, the system's, and those of Node."""
    candidates = [get_path("purelib"), get_path("stdlib"), "/usr/lib/python3", "/usr/share/doc"]
    candidates += [
        "/usr/lib/node_modules",
        "/usr/local/lib/node_modules",
        "/usr/share/perl",
        "/usr/share/nodejs",
    ]
    return [path for each in candidates if (path := Path(each)).is_dir()]


def texts(folders: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """Yield the text files of the folders in the order of their names, each file once, links not followed."""
    seen: set[tuple[int, int]] = set()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            plain = (
                ENDINGS.fullmatch(path.suffix)
                or (not path.suffix and path.name.isupper())
                or path.name == "copyright"
            )
            if not plain or path.is_symlink() or not path.is_file():
                continue
            status = path.stat()
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            data = path.read_bytes()[: 4 * LARGEST]
            if b"\0" not in data:
                yield path, data.decode("utf-8", errors="replace")[:LARGEST]


def _context(text: str, found: Finding) -> str:
    """Return the match between « and », with the text around it; in JSON, behind the path of the value."""
    where, start, end = "", found.start, found.end
    if found.where != "$":
        where = f"{found.where}: "
        value = _at(text, found.where)
        text = value if isinstance(value, str) else json.dumps(value)
    if not end:
        start, end = 0, len(text)
    match = text[start:end]
    cut = "…" if len(match) > 80 else ""
    return f"{where}{text[max(start - 70, 0) : start]}«{match[:80]}{cut}»{text[end : end + 30]}"


def _at(text: str, where: str) -> Any:
    """Return the value at a path such as `$.a["b c"][1]` of a JSON text, None where a name in the path was redacted."""
    with suppress(ValueError, LookupError, TypeError):
        value = json.loads(text)
        for name, quoted, index in re.findall(r'\.([^.\["]+)|\[("(?:\\.|[^"\\])*")\]|\[(\d+)\]', where):
            value = value[int(index) if index else json.loads(quoted) if quoted else name]
        return value
    return None


def scan(files: Iterable[tuple[Path, str]], limit: float) -> Result:
    """Redact files until that many characters have been read, and return each marker.

    Files are read in the order in which they come.
    """
    redactor, result = default_redactor(), Result()
    for path, text in files:
        if result.characters >= limit:
            break
        result.characters += len(text)
        result.files += 1
        start = process_time()
        findings = redactor.explain(text) if redactor.value(text) != text else []
        result.cpu += process_time() - start
        for each in findings:
            result.marked.append(Marked(each.rule, path, _context(text, each).replace("\n", "⏎")))
    return result


def main() -> None:
    """Scan and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.privacy.false_positives", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--limit", type=float, default=60, help="megabytes of text to read (default 60)")
    parser.add_argument(
        "--samples", type=int, default=10, help="markers to print for each rule; 0 prints all"
    )
    parser.add_argument(
        "folders", nargs="*", type=Path, help="folders to read instead of the packages of this machine"
    )
    options = parser.parse_args()
    result = scan(texts(options.folders or places()), options.limit * MEGABYTE)
    for rule, marked in result.by_rule().items():
        step = max(len(marked) // options.samples, 1) if options.samples else 1
        print(f"\n{rule}: {len(marked)}")
        for each in marked[::step]:
            print(f"  {each.path}\n    {each.context}")
    print(f"\n{'rule':<24}{'markers':>8}{'per 100 kB':>12}")
    for rule, marked in result.by_rule().items():
        print(f"{rule:<24}{len(marked):>8}{len(marked) / max(result.characters, 1) * 100_000:>12.3f}")
    print(
        f"\n{result.characters / MEGABYTE:.1f} MB in {result.files} files, {result.cpu:.1f} s of CPU:"
        f" {result.rate():.3f} markers in 100 kB, {result.rate(expected=True):.3f} with e-mail addresses"
    )
    if not result.files:
        sys.exit("no files")


if __name__ == "__main__":
    main()
