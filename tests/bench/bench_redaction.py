"""Cost of redaction, beside logfire's scrubber on the same values: `python tests/bench/bench_redaction.py`.

It needs the extra `bench`: `make setup AEL_EXTRAS=engine,dev,bench`.

Both take turns within one run, so that the ratios hold on a machine that is busy with other things; the figures are of
the processor's time. They do not do the same: logfire's scrubber looks for 18 words in names and values, stops at the
first and blanks the whole value; ours judges names by their words, looks at all of a text for what secrets look like,
and takes out only those. Nothing here fails for being slow; the last column says what was aimed at.
"""

import json
import os
import random
import re
from collections.abc import Callable
from functools import partial
from math import log
from pathlib import Path
from statistics import median
from threading import Thread
from time import clock_gettime, process_time, pthread_getcpuclockid
from typing import Any

from logfire._internal.scrubbing import Scrubber
from rich.console import Console
from rich.table import Table

from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor

ROUNDS = 9
EMAIL = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")
HOSTILE = (
    "sk-", '\\"', "password='\\", "token=", "ssn=", 'key="', "://", "eyJ", "-----BEGIN", "a@b.co ",
    "4111 ", "%40 ", "&#61;", "password=hunter2 ",
    "curl -u a:b ", "~/.ssh/", "pass,", "[", "IQoJ",
)  # fmt: skip
LIBRARY = Path(os.__file__).parent
REPO = Path(__file__).parents[2]
SHORT = (
    "completed",
    "hello world",
    "exec-7f3a91c2d4",
    "gpt-5.2-mini",
    "The quick brown fox jumps over the lazy dog",
)


def prose() -> str:
    """Documents of this repository but the one that is full of examples, about 90 kB."""
    return "\n".join(
        path.read_text("utf-8") for path in sorted((REPO / "docs").rglob("*.md")) if path.name != "privacy.md"
    )


def code() -> str:
    """Sources that a tool may return, about 500 kB."""
    return "\n".join(path.read_text("utf-8") for path in sorted(LIBRARY.glob("[a-d]*.py")))


def leaves(number: int) -> list[dict[str, Any]]:
    """Results of tools: many short values, as agents exchange them."""
    chosen = random.Random(6)  # noqa: S311
    words = prose().split()
    return [
        {
            "id": f"{chosen.getrandbits(128):032x}",
            "session_id": f"s-{chosen.randrange(10**6)}",
            "path": f"/srv/data/{chosen.choice(words)[:12]}/{n}.json",
            "status": chosen.choice(["completed", "failed", "running"]),
            "title": " ".join(chosen.sample(words, 4)),
            "tags": chosen.sample(words, 3),
            "usage": {"input_tokens": chosen.randrange(9999), "output_tokens": chosen.randrange(999)},
            "at": f"2026-03-01T10:{n % 60:02}:00Z",
        }
        for n in range(number)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return the processor's time of one call."""
    start = process_time()
    work()
    return process_time() - start


def measured(ours: Callable[[], object], theirs: Callable[[], object]) -> tuple[float, float, float]:
    """Return the median times of both, and that of their ratio, taken in turns; the first turn only warms up."""
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(ROUNDS + 1)][1:]
    return (
        median(a for a, _ in pairs),
        median(b for _, b in pairs),
        median(b / max(a, 1e-9) for a, b in pairs),
    )


def main() -> None:
    """Measure and print."""
    plain = Redactor()
    paths = Redactor(Policy(excluded_paths=("~/.ssh/*", "~/.aws/credentials")))
    scrubber = Scrubber([])
    table = Table(title="redaction beside logfire's scrubber", title_justify="left")
    for name in ("what", "logfire", "ours", "ours, default", "against logfire", "e-mails alone", "aim"):
        table.add_column(name, justify="left" if name == "what" else "right")

    def theirs(value: Any) -> object:
        return scrubber.scrub_value(("attributes", "value"), value)

    def speed(what: str, value: Any, size: int) -> None:
        mine, other, ratio = measured(lambda: anew(plain, value), lambda: theirs(value))
        _, default, times = measured(lambda: substituted(value), lambda: anew(paths, value))
        shown = [f"{size / taken / 1e6:,.1f} MB/s" for taken in (other, mine, default)]
        table.add_row(what, *shown, f"{ratio:.2f} x", f"{times:.1f} x", ">= 8 MB/s, <= 5 x")

    for what, text in (
        ("documents", prose()),
        ("source code", code()),
        ("the same with a secret a page", with_secrets(prose())),
    ):
        speed(f"{what}, {len(text) / 1e3:,.0f} kB", text, len(text))
    records = leaves(1500)
    size = len(json.dumps(records))
    speed(f"{len(records) * 11:,} short leaves of JSON", records, size)
    for value in SHORT:

        def many(redact: Callable[[str], object], value: str = value) -> Callable[[], object]:
            return lambda: [redact(value) for _ in range(2_000)]

        mine, other, ratio = measured(many(partial(anew, plain)), many(theirs))
        both, _, _ = measured(many(partial(anew, paths)), many(len))
        shown = [f"{taken / 2_000 * 1e6:,.2f} us" for taken in (other, mine, both)]
        table.add_row(repr(value), *shown, f"{ratio:.2f} x", "", "<= 3 us")
    Console(width=150).print(table)
    print(
        f"load {os.getloadavg()[0]:.1f}; `e-mails alone`: times what a plain `re` substitution of e-mails takes"
    )
    worst(paths)


def anew(redactor: Redactor, value: Any) -> object:
    """Redact a value as if it had not been seen before."""
    redactor.forget()
    return redactor.value(value)


def substituted(value: Any) -> Any:
    """Replace e-mail addresses by a plain regular expression in each text: the least that any redaction costs."""
    if isinstance(value, str):
        return EMAIL.sub("[EMAIL]", value)
    if isinstance(value, dict):
        return {key: substituted(each) for key, each in value.items()}
    return [substituted(each) for each in value] if isinstance(value, list) else value


def worst(redactor: Redactor) -> None:
    """Print the speed and the exponent of texts that repeat parts of rules' matches."""
    table = Table(title="texts made to be slow", title_justify="left")
    for name in ("repeated", "64 kB", "1 MB", "exponent", "lock held", "aim"):
        table.add_column(name, justify="left" if name == "repeated" else "right")
    for piece in HOSTILE:
        times = []
        for size in (65_536, 1_048_576):
            text = (piece * (size // len(piece) + 1))[:size]
            times.append(min(seconds(lambda text=text: anew(redactor, text)) for _ in range(3)))
        speeds = [
            f"{size / taken / 1e6:,.1f} MB/s" for size, taken in zip((65_536, 1_048_576), times, strict=True)
        ]
        text = (piece * (262_144 // len(piece) + 1))[:262_144]
        table.add_row(
            repr(piece),
            *speeds,
            f"{log(times[1] / times[0]) / log(16):.2f}",
            f"{min(lock_held(redactor, text) for _ in range(3)) * 1e3:.0f} ms",
            ">= 2 MB/s, <= 1.1, <= 20 ms",
        )
    Console(width=150).print(table)


def lock_held(redactor: Redactor, value: Any) -> float:
    """Return for how many seconds at most another thread cannot run while one redacts a value.

    In seconds of that thread's CPU time, which a busy machine changes little; 5 ms of them are the interpreter's.
    """
    thread = Thread(target=anew, args=(redactor, value))
    thread.start()
    clock = pthread_getcpuclockid(thread.ident or 0)
    longest = last = 0.0
    while thread.is_alive():
        try:
            now = clock_gettime(clock)
        except OSError:  # it has ended
            break
        longest, last = max(longest, now - last), now
    thread.join()
    return longest


def with_secrets(text: str) -> str:
    """Return a text with something to take out every 3000 characters."""
    secret = "\nmail ada@example.org, password=" + "hunter2, ghp_" + "a1B2c3D4e5F6" * 3 + "\n"
    return secret.join(text[at : at + 3000] for at in range(0, len(text), 3000))


if __name__ == "__main__":
    main()
