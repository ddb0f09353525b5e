"""`python -m tests.attribution.measure`: precision and recall over many random histories, by kind."""

import argparse
import multiprocessing
import os
import tempfile
from collections import Counter
from pathlib import Path

from tests.attribution.history import History

KINDS = {
    "edits, moves, renames, Git": (),
    "formatters": ("format",),
    "overlaps": ("overlap",),
    "crashes": ("crash",),
}


def precision(found: Counter[tuple[str, str]]) -> float:
    """Return the share of the lines attributed to one call of an agent that this call wrote."""
    attributed = sum(
        count for (truth, who), count in found.items() if who in {"ai", "wrong"} and truth != "common"
    )
    return found["ai", "ai"] / attributed if attributed else 1.0


def recall(found: Counter[tuple[str, str]]) -> float:
    """Return the share of the lines that calls of agents wrote which is attributed to them."""
    wrote = sum(count for (truth, _), count in found.items() if truth == "ai")
    return found["ai", "ai"] / wrote if wrote else 1.0


def played(
    job: tuple[int, tuple[str, ...]],
) -> tuple[int, Counter[tuple[str, str]], Counter[str], Counter[str]]:
    """Play the history of a seed and judge it."""
    seed, kinds = job
    with tempfile.TemporaryDirectory() as folder:
        history = History(seed, Path(folder), kinds)
        history.play()
        judged = history.judged()
        history.store.close()
    return seed, judged, history.happened, history.lost


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--seeds", type=int, default=500, help="histories of the first kind; a tenth of each other"
    )
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    options = parser.parse_args()
    print(
        "| histories | lines of agents | precision | recall | flipped | lost |\n| --- | --- | --- | --- | --- | --- |"
    )
    for number, (name, kinds) in enumerate(KINDS.items()):
        found: Counter[tuple[str, str]] = Counter()
        lost: Counter[str] = Counter()
        seeds = options.seeds if not number else max(1, options.seeds // 10)
        first = options.first + 10_000 * number
        with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
            jobs = [(seed, kinds) for seed in range(first, first + seeds)]
            for seed, judged, happened, some in pool.imap_unordered(played, jobs, chunksize=5):
                if judged["unknown", "ai"] or judged["unknown", "wrong"] or judged["ai", "wrong"]:
                    print(f"seed {seed}: {dict(judged)} {dict(happened)}")
                found += judged
                lost += some
        flipped = found["unknown", "ai"] + found["unknown", "wrong"] + found["ai", "wrong"]
        wrote = sum(count for (truth, _), count in found.items() if truth == "ai")
        print(
            f"| {name} ({seeds}) | {wrote} | {precision(found):.4f} | {recall(found):.4f} | {flipped}"
            f" | {found['ai', 'unknown']} |",
            flush=True,
        )
        if lost:
            print(f"lost: {dict(lost)}", flush=True)


if __name__ == "__main__":
    main()
