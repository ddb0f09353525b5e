"""Unsampled traces that failed or took long are exported whole, in bounded memory, and every drop is counted."""

import random
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, TraceIdRatioBased
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from ael_otel.sdk.batch_processors import BoundedSpanProcessor
from ael_otel.sdk.sampling import RecordingSampler
from ael_otel.sdk.tail_sampling import TailSampler


@dataclass
class Kept:
    """A provider that samples nothing, with a keeper, its exports and its counts."""

    keep: tuple[str, ...] = ("errors", "slow")
    limits: dict[str, float] = field(default_factory=dict)
    sampler: object = ALWAYS_OFF
    spans: list[ReadableSpan] = field(default_factory=list)
    dropped: Counter = field(default_factory=Counter)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.keeper = TailSampler(
            self.spans.append, self.keep, 5.0, self._drop, clock=lambda: self.now, **self.limits
        )
        self.provider = TracerProvider(
            sampler=RecordingSampler(self.sampler),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_attributes=3),
        )
        self.provider.add_span_processor(self.keeper)
        self.tracer = self.provider.get_tracer("test")

    def _drop(self, signal: str, reason: str, count: int) -> None:
        self.dropped[signal, reason] += count

    def start(self, parent: Span | None = None, at: int = 0, name: str = "span") -> Span:
        """Begin a span at a second of a made-up clock."""
        context = Context() if parent is None else set_span_in_context(parent, Context())
        return self.tracer.start_span(name, context, start_time=int(at * 1e9) + 1)

    def trace(self, *, seconds: float = 1, failed: bool = False, children: int = 2) -> int:
        """One finished trace; its id."""
        root = self.start()
        for _ in range(children):
            child = self.start(root)
            if failed:
                child.set_status(StatusCode.ERROR)
            child.end()
        root.end(int(seconds * 1e9) + 1)
        return root.get_span_context().trace_id

    def exported(self) -> dict[int, int]:
        """How many spans of each trace were exported."""
        found: dict[int, int] = defaultdict(int)
        for span in self.spans:
            found[span.context.trace_id] += 1
        return dict(found)


def test_failed_and_slow_traces_are_exported_whole() -> None:
    """A failed span anywhere or a topmost span of five seconds exports all spans; the others are forgotten."""
    kept = Kept()
    failed, slow = kept.trace(failed=True), kept.trace(seconds=5)
    kept.trace(), kept.trace(seconds=4.9)
    assert kept.exported() == {failed: 3, slow: 3}
    assert kept.keeper.waiting == 0
    assert kept.dropped == {}


@pytest.mark.parametrize(("keep", "index"), [(("errors",), 0), (("slow",), 1)])
def test_each_kind_by_itself(keep: tuple[str, ...], index: int) -> None:
    """`errors` leaves slow ones out, and `slow` failed ones."""
    kept = Kept(keep)
    traces = [kept.trace(failed=True), kept.trace(seconds=60)]
    assert kept.exported() == {traces[index]: 3}


def test_exported_copies_have_the_sampled_flag_and_are_otherwise_the_same() -> None:
    """The flag is set in the copy only; names, ids, times, attributes, events and dropped counts are equal."""
    kept = Kept()
    root = kept.start()
    child = kept.start(root, name="call")
    child.set_attributes({str(number): number for number in range(5)})
    child.add_event("tried", {"n": 1})
    child.set_status(StatusCode.ERROR, "why")
    child.end()
    root.end()
    copy = next(span for span in kept.spans if span.name == "call")
    assert copy.context.trace_flags.sampled
    assert not child.get_span_context().trace_flags.sampled
    assert copy.dropped_attributes == child.dropped_attributes == 2
    for name in (
        "name",
        "attributes",
        "start_time",
        "end_time",
        "kind",
        "resource",
        "instrumentation_scope",
        "parent",
    ):
        assert getattr(copy, name) == getattr(child, name), name
    assert [event.name for event in copy.events] == ["tried"]
    assert copy.status.description == "why"
    assert copy.context.span_id == child.get_span_context().span_id


def test_sampled_traces_are_left_to_their_exporter() -> None:
    """A sampled trace is not exported a second time, failed or not."""
    kept = Kept(sampler=TraceIdRatioBased(1.0))
    kept.trace(failed=True)
    assert kept.spans == []


def test_a_callers_unsampled_trace_is_kept_from_its_first_span_here() -> None:
    """A remote parent makes a span the topmost one here, and two calls of one trace are decided together."""
    kept = Kept(("errors",))
    remote = NonRecordingSpan(SpanContext(0xA, 0xB, True, TraceFlags(0)))
    first, second = kept.start(remote), kept.start(remote)
    first.set_status(StatusCode.ERROR)
    first.end()
    assert kept.spans == []
    second.end()
    assert kept.exported() == {0xA: 2}


def test_span_that_ends_after_its_trace_is_exported_too() -> None:
    """A background span of a trace that was exported is exported too; one of a forgotten trace is not."""
    kept = Kept(("errors",))
    for failed in (True, False):
        root = kept.start()
        late = kept.start(root)
        if failed:
            root.set_status(StatusCode.ERROR)
        root.end()
        before = len(kept.spans)
        late.end()
        assert len(kept.spans) - before == (1 if failed else 0)


def test_too_many_open_traces_give_up_the_oldest() -> None:
    """The oldest trace makes room for a new one, and its spans are counted by reason."""
    kept = Kept(("errors",), limits={"max_traces": 2})
    roots = [kept.start() for _ in range(2)]
    kept.start(roots[0]).end()
    third = kept.start()
    assert kept.dropped == {("traces", "keep_full"): 1}
    for root in (*roots, third):
        root.set_status(StatusCode.ERROR)
        root.end()
    assert len(kept.exported()) == 2


def test_a_trace_of_too_many_spans_is_cut_and_its_topmost_span_stays() -> None:
    """Spans beyond the limit are counted when the trace is exported, and cost nothing when it is forgotten."""
    kept = Kept(("errors",), limits={"max_spans": 3})
    assert kept.trace(children=10) not in kept.exported()
    assert kept.dropped == {}
    failed = kept.trace(children=10, failed=True)
    assert kept.exported() == {failed: 4}
    assert any(span.parent is None for span in kept.spans)
    assert kept.dropped == {("traces", "keep_full"): 7}


def test_trace_that_does_not_end_is_dropped() -> None:
    """After its time an open trace goes when the next begins."""
    kept = Kept(("errors",), limits={"max_age": 10})
    stuck = kept.start()
    kept.start(stuck).end()
    kept.now = 11
    kept.trace()
    assert kept.dropped == {("traces", "keep_expired"): 1}
    assert kept.keeper.waiting == 0


def test_shutdown_exports_traces_that_have_already_failed() -> None:
    """At the end of the process an open trace with a failed span is exported as far as it goes."""
    kept = Kept(("errors",))
    failed, fine = kept.start(), kept.start()
    child = kept.start(failed)
    child.set_status(StatusCode.ERROR)
    child.end()
    kept.start(fine).end()
    kept.keeper.shutdown()
    assert kept.exported() == {failed.get_span_context().trace_id: 1}


def test_spans_of_given_up_traces_are_counted_when_they_end() -> None:
    """1,500 failing traces at once: every span is exported or counted, whenever it ends."""
    kept = Kept(("errors",))
    roots = [kept.start() for _ in range(1_500)]
    for root in roots:
        kept.start(root).end()
    for root in roots:
        root.set_status(StatusCode.ERROR)
        root.end()
    assert len(kept.spans) == 2_000
    assert kept.dropped == {("traces", "keep_full"): 1_000}


def test_spans_of_expired_traces_keep_that_reason() -> None:
    """A span that ends after its trace's time is counted like those before it."""
    kept = Kept(("errors",), limits={"max_age": 10})
    stuck = kept.start()
    kept.now = 11
    kept.trace()
    stuck.end()
    assert kept.dropped == {("traces", "keep_expired"): 1}


def test_waiting_spans_are_bounded_in_bytes() -> None:
    """Large spans of open traces give up the oldest traces."""
    kept = Kept(("errors",), {"max_bytes": 100_000})
    roots = [kept.start() for _ in range(10)]
    for root in roots:
        child = kept.start(root)
        child.set_attribute("text", "x" * 30_000)
        child.end()
    assert kept.keeper.waiting == 3
    assert kept.dropped == {("traces", "keep_full"): 7}


def test_undecided_spans_are_counted_at_the_end() -> None:
    """A trace that is open at shutdown and has not failed might have been worth exporting."""
    kept = Kept(("errors",))
    root = kept.start()
    kept.start(root).end()
    kept.keeper.shutdown()
    assert kept.dropped == {("traces", "shutdown_timeout"): 1}


@settings(max_examples=40)
@given(st.randoms(use_true_random=False), st.integers(1, 6), st.integers(1, 8), st.integers(1, 30))
def test_memory_is_bounded_and_the_books_balance(
    chance: random.Random, max_traces: int, max_spans: int, max_total: int
) -> None:
    """However runs overlap, no more than the limit waits, and a failed trace is exported or counted as dropped."""
    limits = {"max_traces": max_traces, "max_spans": max_spans, "max_total": max_total}
    kept = Kept(("errors",), limits=limits)
    open_spans: list[Span] = []
    ended = 0
    for _ in range(150):
        if open_spans and chance.random() < 0.5:
            span = open_spans.pop(chance.randrange(len(open_spans)))
            span.set_status(StatusCode.ERROR)
            span.end()
            ended += 1
        else:
            parent = chance.choice(open_spans) if open_spans and chance.random() < 0.7 else None
            open_spans.append(kept.start(parent))
        assert 0 <= kept.keeper.waiting <= max_total
        assert len(kept.spans) + kept.keeper.waiting + kept.dropped.total() <= ended
    for span in open_spans:
        span.end()
    assert kept.keeper.waiting == 0


def test_threads_lose_nothing() -> None:
    """Eight threads with failing traces: every span is exported once."""
    kept = Kept()
    with ThreadPoolExecutor(8) as pool:
        traces = list(pool.map(lambda _: kept.trace(failed=True), range(400)))
    assert kept.exported() == dict.fromkeys(traces, 3)


def test_the_exporter_takes_the_copies() -> None:
    """Through our batch processor, which refuses unsampled spans, the copies reach the exporter."""

    class Taking:
        def __init__(self) -> None:
            self.names: list[str] = []

        def deliver(self, batch, settled) -> None:
            self.names += [span.name for span in batch]
            settled(len(batch), None)

        def hurry(self) -> None:
            """Never pause."""

        def abort(self) -> None:
            """Nothing to end."""

    exporter = Taking()
    processor = BoundedSpanProcessor(exporter, lambda *_: None)
    keeper = TailSampler(processor.on_end, ("errors",), 1.0, lambda *_: None)
    provider = TracerProvider(sampler=RecordingSampler(ALWAYS_OFF), shutdown_on_exit=False)
    provider.add_span_processor(processor)
    provider.add_span_processor(keeper)
    for name, failed in (("failed", True), ("fine", False)):
        span = provider.get_tracer("test").start_span(name)
        if failed:
            span.set_status(StatusCode.ERROR)
        span.end()
    processor.force_flush()
    processor.shutdown()
    assert exporter.names == ["failed"]
