"""Findings on generated histories: planted causes are found, clean histories have none; and the statistics."""

import os
import random
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ael_otel.insights import MAX_FINDINGS, insights
from ael_otel.insights.history import template
from ael_otel.insights.statistics_of import change, difference, discoveries, fisher_greater, shift, wilson
from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord
from tests.unit.insights.shops import direct_calls, shop

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
STEPS = ("fetch", "enrich", "score", "save")
HISTORIES = int(os.environ.get("AEL_INSIGHTS_HISTORIES", "5"))
"""How many histories of each kind; `make insights-proof` asks for 200."""


def history(
    seed: int,
    *,
    runs: int = 300,
    cause: float = 0.0,
    slower: float = 1.0,
    failing: float = 0.0,
    versions: bool = True,
    retry_ms: float = 0.0,
) -> list[ExecutionRecord]:
    """Return a history, newest run first.

    One run in five retries `enrich`. It fails in `score` with a chance of 5 %, plus `cause` after such a retry. In the
    second half, which is version 1.1.0 if there are `versions`, `save` takes `slower` times as long, and `score` fails
    with an additional chance of `failing`.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up histories
    made: list[ExecutionRecord] = []
    for number in range(runs):
        at = START + timedelta(minutes=number)
        late = number >= runs // 2
        retried = chance.random() < 0.2
        fails = chance.random() < 0.05 + (cause if retried else 0.0) + (failing if late else 0.0)
        steps: list[StepRecord] = []
        for index, name in enumerate(STEPS):
            took = chance.lognormvariate(4, 0.3) * (slower if late and name == "save" else 1.0)
            again = retried and name == "enrich"
            status = "failed" if fails and name == "score" else "completed"
            steps.append(
                StepRecord(
                    name, index, "tool", status, at, duration_ms=took + (retry_ms if again else 0.0),
                    attempt=2 if again else 1, max_attempts=2,
                )
            )  # fmt: skip
            if status == "failed":
                break
        message = f"no answer from 10.0.0.{number % 9} in {number} ms"
        error = ErrorRecord("TOOL_FAILED", "tool", message) if fails else None
        made.append(
            ExecutionRecord(
                f"exec-{number:06d}", "workflow", "failed" if fails else "completed", at, workflow_name="order",
                workflow_version="1.1.0" if late and versions else "1.0.0", error=error, steps=steps,
                duration_ms=sum(step.duration_ms or 0.0 for step in steps), trace_id=f"{number:032x}",
            )
        )  # fmt: skip
    return made[::-1]


def report(line: str) -> None:
    """Print a figure of the proof, if that is what is run."""
    if HISTORIES > 5:
        print(line)  # noqa: T201 - `make insights-proof` shows it


def kinds(runs: list[ExecutionRecord], *, significant: bool = True) -> set[str]:
    """Return the kinds of the findings that claim significance, or of the others."""
    return {each.kind for each in insights(runs).findings if each.significant == significant}


type Plant = tuple[str, Callable[[int], list[ExecutionRecord]], str]

PLANTS: tuple[Plant, ...] = (
    ("precursor", lambda seed: history(seed, cause=0.35), "step enrich was retried fail later"),
    ("precursor", lambda seed: shop(seed, called=0.35), "step collect called convert"),
    (
        "precursor",
        lambda seed: shop(seed, runs=1_000, both=0.35),
        "step fetch was retried and then step enrich was skipped fail later",
    ),
    ("slower", lambda seed: history(seed, slower=1.8), "in version 1.1.0 than in 1.0.0"),
    ("slower", lambda seed: history(seed, slower=1.8, versions=False), "longer in the runs of "),
    ("failing_more", lambda seed: history(seed, failing=0.2), "more in version 1.1.0"),
    ("failing_more", lambda seed: shop(seed, later=0.2), "more in the runs of "),
    ("slow_path", lambda seed: shop(seed, tail=0.08), "of the difference is in step save"),
    ("retries", lambda seed: history(seed, retry_ms=400.0), "retries of step enrich took"),
    ("retry_storm", lambda seed: shop(seed, storm=60), "tool http.get was retried 60 times in 3 minutes"),
    ("flaky", lambda seed: shop(seed, flaky=0.1), "step charge is flaky"),
    ("error", lambda seed: shop(seed, retried=0.1), "TOOL_UNAVAILABLE: connection <n> reset in step fetch"),
    ("cost_outlier", lambda seed: shop(seed, dear=0.05), "of that is in step collect by small-1"),
    (
        "candidate",
        lambda seed: direct_calls(seed, chain=0.25),
        "search, read, note were called one after another",
    ),
)
"""A kind of finding, a history with a cause of the documented size, and words of the finding that name the cause."""

CLEAN: dict[str, Callable[[int], list[ExecutionRecord]]] = {
    "versions": history,
    "time": lambda seed: history(seed, versions=False),
    "tools": lambda seed: shop(seed, dear=0.0),
    "outage": lambda seed: shop(seed, outage=4),
    "direct": direct_calls,
}


@pytest.mark.parametrize(
    ("kind", "planted", "words"), PLANTS, ids=[f"{kind}-{at}" for at, (kind, *_) in enumerate(PLANTS)]
)
def test_planted_causes_are_found(
    kind: str, planted: Callable[[int], list[ExecutionRecord]], words: str
) -> None:
    """Proves that at least 95 % of the plants of the documented size are found, and named."""
    found = sum(
        any(each.kind == kind and words in each.text for each in insights(planted(seed)).findings)
        for seed in range(HISTORIES)
    )
    report(f"{kind}: {found} of {HISTORIES} plants found ({words})")
    assert found >= int(0.95 * HISTORIES)


@pytest.mark.parametrize(
    ("every", "words"),
    [
        (
            timedelta(milliseconds=50),
            r"of \d+ seconds since 2026-01-31 12:00:\d\d UTC than in those of \d+ seconds before",
        ),
        (
            timedelta(hours=1),
            r"of \d+ days since 2026-02-\d\d \d\d:00:00 UTC than in those of \d+ days before",
        ),
    ],
)
def test_change_in_time_says_how_long_both_sides_are(every: timedelta, words: str) -> None:
    """Proves that a burst of seconds does not read like a trend of days: both windows are in the sentence."""
    runs = shop(1, later=0.4)
    for number, run in enumerate(reversed(runs)):
        run.started_at = START + number * every
    (found,) = [each for each in insights(runs).findings if each.kind == "failing_more"]
    assert re.search(words, found.text), found.text


@pytest.mark.parametrize("clean", CLEAN.values(), ids=CLEAN)
def test_clean_histories_claim_nothing(clean: Callable[[int], list[ExecutionRecord]]) -> None:
    """Proves that at most 5 % of histories without a cause have a finding that claims significance."""
    claimed = sum(bool(kinds(clean(seed))) for seed in range(1000, 1000 + HISTORIES))
    report(f"{claimed} of {HISTORIES} clean histories claim something")
    assert claimed <= max(1, 0.05 * HISTORIES)


@pytest.mark.parametrize("clean", CLEAN.values(), ids=CLEAN)
def test_clean_histories_have_no_counts_but_errors(
    clean: Callable[[int], list[ExecutionRecord]],
) -> None:
    """Proves that ordinary times, an input that always fails, an outage and calls by chance are no findings."""
    counted = sum(bool(kinds(clean(seed), significant=False) - {"error"}) for seed in range(HISTORIES))
    report(f"{counted} of {HISTORIES} clean histories have a count other than errors")
    assert counted <= 0.05 * HISTORIES


def test_cause_is_one_sentence_with_two_runs() -> None:
    """Proves the words of a finding, and that its runs are one that shows it and one that does not."""
    runs = history(3, cause=0.5)
    found = next(each for each in insights(runs).findings if each.kind == "precursor")
    assert found.text.startswith("order: runs in which step enrich was retried fail later in ")
    assert found.sample == 300
    by_id = {run.execution_id: run for run in runs}
    bad, good = (by_id[each] for each in found.runs)
    assert (bad.status, bad.steps[1].attempt, good.status, good.steps[1].attempt) == (
        "failed",
        2,
        "completed",
        1,
    )


def test_slower_version_names_the_step_and_an_interval() -> None:
    """Proves that the step that grew is named, and the interval holds the figure."""
    found = next(each for each in insights(history(5, slower=2.0)).findings if each.kind == "slower")
    assert "version 1.1.0 than in 1.0.0, most of it in step save" in found.text
    assert found.interval is not None
    assert 0 < found.interval[0] <= found.figure <= found.interval[1]


@pytest.mark.parametrize(
    ("versions", "words"), [(True, "in version 1.1.0 than in 1.0.0"), (False, " longer in the runs of ")]
)
def test_first_runs_of_a_next_version_do_not_hide_a_slower_one(versions: bool, words: str) -> None:
    """Proves that versions of fewer than 20 runs are left out, beside two versions and beside one."""
    runs = history(5, slower=2.0, versions=versions)
    for run in runs[:19]:
        run.workflow_version = "1.2.0"
    assert any(words in each.text for each in insights(runs).findings if each.kind == "slower")


def test_retries_and_errors_are_counted_and_ranked() -> None:
    """Proves that lost time and masked errors are findings that claim no significance, the costliest first."""
    found = insights(history(7, cause=0.5, retry_ms=400.0))
    assert kinds(history(7, cause=0.5, retry_ms=400.0), significant=False) == {
        "retries",
        "slow_path",
        "error",
    }
    error = next(each for each in found.findings if each.kind == "error")
    assert "TOOL_FAILED: no answer from <n>.<n> in <n> ms" in error.text
    costs = [each.cost for each in found.findings]
    assert costs == sorted(costs, reverse=True)


def test_kinds_of_errors_that_recover_and_that_do_not() -> None:
    """Proves the share recovered: retries of `fetch` all recovered, refusals of `charge` none."""
    by_error = {each.text: each for each in insights(shop(4, retried=0.1)).findings if each.kind == "error"}
    reset = next(each for text, each in by_error.items() if "TOOL_UNAVAILABLE: connection <n> reset" in text)
    refused = next(each for text, each in by_error.items() if "in step charge" in text)
    assert reset.figure > 0.9
    assert (refused.figure, refused.failed_runs) == (0.0, refused.sample)


def test_flaky_step_costs_the_runs_that_it_failed() -> None:
    """Proves that a step whose retries recovered costs no failed run, however many runs failed in later steps."""
    flaky = {
        each.text.split(" is flaky")[0]: each
        for each in insights(shop(6, retried=0.3, flaky=0.2)).findings
        if each.kind == "flaky"
    }
    assert flaky["shop: step fetch"].failed_runs == 0
    assert flaky["shop: step charge"].failed_runs > 50


def test_costs_that_are_not_known_or_counted_already_are_left_out() -> None:
    """Proves that runs with a call without a price are not compared, and that copies of a response cost nothing."""
    runs = shop(8, dear=0.05)
    found = next(each for each in insights(runs).findings if each.kind == "cost_outlier")
    assert (found.currency, found.sample) == ("USD", 600)
    assert found.lost_nano > 0
    for number, each in enumerate(runs):
        each.model_calls[0].response = f"{number:016x}"
        each.model_calls.append(each.model_calls[0])
    again = next(each for each in insights(runs).findings if each.kind == "cost_outlier")
    assert again.lost_nano == found.lost_nano
    for each in runs[20:]:
        each.model_calls[0].cost_nano = None
    assert "cost_outlier" not in kinds(runs, significant=False)


def test_redacted_inputs_are_not_compared() -> None:
    """Proves that inputs that look alike only because a marker stands in both are not taken for the same."""
    runs = shop(6, flaky=0.2)
    assert "flaky" in kinds(runs, significant=False)
    for each in runs:
        for step in each.steps:
            if step.step_id == "charge":
                step.tool_params = {"card": "[CREDIT_CARD]"}
    assert "flaky" not in kinds(runs, significant=False)


def test_a_chain_has_its_calls_and_the_time_between_them() -> None:
    """Proves the figures of a candidate, and that calls far apart or of one session are no chain."""
    found = next(each for each in insights(direct_calls(3, chain=0.3)).findings if each.kind == "candidate")
    assert found.workflow == ""
    assert found.lost_seconds > 2 * found.figure
    assert f"save {2 * found.figure:.0f} calls" in found.text
    assert len(found.runs) == 2
    assert kinds(direct_calls(3, chain=0.3, sessions=2), significant=False) == set()
    far = direct_calls(3, chain=0.3)
    for number, each in enumerate(far):
        each.started_at += timedelta(minutes=5 * (len(far) - number))
    assert kinds(far, significant=False) == set()


def test_nothing_is_reported_below_the_sample_size() -> None:
    """Proves that few runs have no findings, however clear they look."""
    assert kinds(history(1, runs=38, cause=0.95, slower=9.0)) == set()


def test_findings_and_runs_are_bounded() -> None:
    """Proves that the newest runs are looked at, that this is reported, and that runs in flight do not count."""
    runs = history(2, runs=60)
    found = insights(runs, most=50)
    assert (found.runs, found.cut) == (50, True)
    assert not insights(runs, most=60).cut
    assert len(found.findings) <= MAX_FINDINGS
    running = [ExecutionRecord("exec-r", "workflow", "running", START, workflow_name="order")]
    assert insights(running).findings == []


@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 6))
@settings(deadline=None, max_examples=60)
def test_fisher_agrees_with_counting(a: int, b: int, c: int, d: int) -> None:
    """Proves the chance against the sum over all tables with the same margins."""
    with_it, hits, total = a + b, a + c, a + b + c + d
    ways = sum(comb(hits, k) * comb(total - hits, with_it - k) for k in range(a, min(with_it, hits) + 1))
    assert fisher_greater(a, with_it, hits, total) == pytest.approx(ways / comb(total, with_it))


def test_statistics_of_small_samples() -> None:
    """Proves shift, change point and false discovery control on values that can be worked out by hand."""
    before, after = [1.0, 2.0, 3.0, 4.0], [11.0, 12.0, 13.0, 14.0]
    assert shift(before, after).by == sorted(b - a for a, b in product(before, after))[8] == 10.0
    assert shift([5.0] * 30, [5.0] * 30).p == 1.0
    assert change([1.0] * 40 + [2.0] * 40).at == 40
    assert change([0.0] * 40).p == 1.0
    assert change([]).p == change([1.0]).p == 1.0
    assert wilson(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert difference(56, 70, 48, 80) == pytest.approx((0.0524, 0.3339), abs=1e-4)  # Newcombe's own example
    assert discoveries([0.001, 0.9, 0.012, 0.04], 0.05) == [True, False, True, False]
    assert discoveries([], 0.05) == []


def test_messages_of_one_cause_are_one_template() -> None:
    """Proves that ids, paths and numbers are masked, in bounded time and length."""
    one = template("order 7f3a91c2-1111-2222-3333-444455556666 in /srv/data/a.csv failed after 12.5 s")
    assert one == template("order 00000000-1111-2222-3333-444455556666 in /tmp/b/c.csv failed after 3 s")
    assert one == "order <id> in <path> failed after <n> s"
    assert len(template("x9" * 100_000)) <= 120
