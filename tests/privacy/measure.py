"""Measure the rest of made-up credentials after redaction: `python -m tests.privacy.measure [--examples] [--markdown]`.

Each kind of `credentials.py` is written in each of the six places of `made_up.py`, three samples of each, and redacted
in the default configuration. A kind is gone in a place when six consecutive secret characters are left of no sample.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from ael_otel.config import Settings
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor
from tests.privacy.credentials import BLIND, KINDS
from tests.privacy.made_up import PLACES, Kind, text_of

SAMPLES = 3


@cache
def default_redactor() -> Redactor:
    """Return the redactor of a configuration in which nothing is set."""
    return Redactor(Policy.of(Settings()))


@dataclass(frozen=True)
class Miss:
    """A kind that is left in a place, with the first such value and its redacted form."""

    kind: Kind
    place: str
    value: Any
    output: str


def miss(kind: Kind, place: str) -> Miss | None:
    """Return the first form of the place in which something of the kind is left, None if none is."""
    for seed in range(SAMPLES):
        sample = kind.sample(seed)
        for value in PLACES[place](kind, sample.text):
            output = text_of(default_redactor().value(value))
            if sample.is_left_in(output):
                return Miss(kind, place, value, output)
    return None


def misses(kinds: Sequence[Kind] = KINDS) -> list[Miss]:
    """Return each pair of a kind and a place in which it is left, in the order of the tables."""
    return [found for kind in kinds for place in PLACES if (found := miss(kind, place))]


def shares(kinds: Sequence[Kind], left: Sequence[Miss]) -> dict[str, float]:
    """Return the share of kinds that are gone, from 0 to 1: in each place and, under "overall", of all pairs."""
    among = set(map(id, kinds))
    counted = [each for each in left if id(each.kind) in among]
    gone = {place: 1 - sum(each.place == place for each in counted) / len(kinds) for place in PLACES}
    return {**gone, "overall": 1 - len(counted) / (len(kinds) * len(PLACES))}


def by_kind(left: Sequence[Miss]) -> Iterator[tuple[Kind, list[str]]]:
    """Yield each kind that is left somewhere, with the places."""
    for kind in dict.fromkeys(each.kind for each in left):
        yield kind, [each.place for each in left if each.kind is kind]


def table(left: Sequence[Miss]) -> list[list[str]]:
    """Return the figures as rows of text, a heading first."""
    columns = {"all": KINDS, "written without the rules": BLIND}
    rows = [["place", *(f"{name} ({len(kinds)})" for name, kinds in columns.items())]]
    found = [shares(kinds, left) for kinds in columns.values()]
    return rows + [[place, *(f"{share[place]:.1%}" for share in found)] for place in (*PLACES, "overall")]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.privacy.measure", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--examples", action="store_true", help="print the value and the output of each miss")
    parser.add_argument("--markdown", action="store_true", help="print the figures as a Markdown table only")
    options = parser.parse_args()
    left = misses()
    rows = table(left)
    if options.markdown:
        print(*(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])), sep="\n")
        return
    for row in rows:
        print(f"{row[0]:<20}" + "".join(f"{cell:>34}" for cell in row[1:]))
    print("\nleft:")
    for kind, places in by_kind(left):
        print(f"  {kind.name:<40} {', '.join(places) if len(places) < len(PLACES) else 'everywhere'}")
    if options.examples:
        for each in left:
            print(
                f"\n{each.kind.name}, {each.place}\n  in   {text_of(each.value)[:600]!r}\n  out  {each.output[:600]!r}"
            )


if __name__ == "__main__":
    main()
