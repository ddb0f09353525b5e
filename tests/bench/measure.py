"""Measuring side by side: variants take turns in one process, so that a busy machine slows all of them equally."""

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import process_time_ns


@dataclass
class Variant:
    """One way of doing the same thing.

    `batch(n)` does it n times and returns the nanoseconds that it took, without preparation and cleaning up: of
    processor time for parts, elapsed for whole runs.
    `baseline` is the name of the variant that its ratio is taken against, None for the baseline itself.
    """

    name: str
    batch: Callable[[int], int]
    baseline: str | None = None
    note: str = ""
    per_op: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Microseconds per operation."""
        return median(self.per_op) / 1e3


@dataclass
class AsyncVariant(Variant):
    """The same for a batch that has to be awaited."""

    async_batch: Callable[[int], Awaitable[int]] | None = None


@dataclass(frozen=True)
class Group:
    """Variants that are compared with each other, and how often each is done: `rounds` times `n`."""

    title: str
    variants: list[Variant]
    n: int
    rounds: int


type Clock = Callable[[], int]
"""`perf_counter_ns` (elapsed), `thread_time_ns` (CPU of this thread) or `process_time_ns` (CPU of all threads)."""


def timed(
    work: Callable[[], object], clock: Clock = process_time_ns, after: Callable[[], object] = lambda: None
) -> Callable[[int], int]:
    """A batch that calls `work` n times, and `after` once, within the measured time."""

    def batch(n: int) -> int:
        repeat = range(n)
        start = clock()
        for _ in repeat:
            work()
        after()
        return clock() - start

    return batch


def run(group: Group) -> None:
    """Measure every variant of a group, one batch of each in turn; the first round only warms up."""
    gc.collect()
    gc.disable()
    try:
        for turn in range(group.rounds + 1):
            for variant in group.variants:
                taken = variant.batch(group.n)
                if turn:
                    variant.per_op.append(taken / group.n)
            gc.collect()
    finally:
        gc.enable()


async def run_async(group: Group) -> None:
    """The same for batches that have to be awaited."""
    for turn in range(group.rounds + 1):
        for variant in group.variants:
            assert isinstance(variant, AsyncVariant)
            assert variant.async_batch is not None
            taken = await variant.async_batch(group.n)
            if turn:
                variant.per_op.append(taken / group.n)


def baseline(group: Group, variant: Variant) -> Variant:
    """The variant that another one is compared with."""
    (base,) = [other for other in group.variants if other.name == variant.baseline]
    return base


def ratio(group: Group, variant: Variant) -> tuple[float, float, float] | None:
    """Median and quartiles of a variant's ratio to its baseline, taken round by round; None for a baseline."""
    if variant.baseline is None:
        return None
    base = baseline(group, variant)
    ratios = [mine / other for mine, other in zip(variant.per_op, base.per_op, strict=True)]
    low, middle, high = quantiles(ratios, n=4)
    return middle, low, high
