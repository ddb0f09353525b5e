"""The Collector's redaction: secrets from a client without redaction reach no store."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import re2
import requests
from google.protobuf import text_format
from google.protobuf.json_format import MessageToJson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from ael_otel.privacy.rules import RULES, collector_formats
from tests.stack import otlp, planted
from tests.stack.collector import Alone, Config, alone, merged
from tests.stack.conftest import Running, eventually
from tests.stack.planted import BENIGN, NUMBERS, Plant

pytestmark = [pytest.mark.docker, pytest.mark.slow]

MARKERS = (
    "[EMAIL]",
    "[SSN]",
    "[API_KEY]",
    "[TOKEN]",
    "[PASSWORD]",
    "[PRIVATE_KEY]",
    "[CREDIT_CARD]",
    "[URL_CREDENTIALS]",
    "[REDACTED]",
)


def without_redaction(config: Config) -> None:
    """Remove the processor from every pipeline."""
    del config["processors"]["transform/redact"]
    for pipeline in config["service"]["pipelines"].values():
        pipeline["processors"] = [name for name in pipeline["processors"] if name != "transform/redact"]


def passed_through(collector: Alone, plant: Plant) -> str:
    """Send all three signals through the Collector, and return its output as text."""
    sender = collector.sender()
    for request in (planted.spans(plant), planted.logs(plant), planted.metrics(plant)):
        sender.send(request)
    sender.close()
    sink = collector.sink
    eventually(lambda: sink.traces and sink.logs and sink.metrics)
    # As JSON that does not escape letters, so that one search covers every string of every message.
    taken = [*sink.traces, *sink.logs, *sink.metrics]
    return "\n".join(MessageToJson(message, ensure_ascii=False) for message in taken)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    """Start the Collector with its configuration unchanged."""
    with alone(tmp_path_factory.mktemp("guarded"), merged("config.yaml")) as collector:
        yield collector


@pytest.fixture(scope="module")
def output(guarded: Alone) -> str:
    """Return the Collector's output for the planted telemetry."""
    return passed_through(guarded, Plant())


def test_every_planted_secret_would_arrive_without_the_processor(tmp_path: Path) -> None:
    """Without redaction, each secret of each place comes out: this proves that the search can find them."""
    plant = Plant()
    with alone(tmp_path, merged("config.yaml"), without_redaction) as collector:
        seen = passed_through(collector, plant)
    assert plant.leaks(seen) == sorted(plant.secrets)
    assert len(plant.secrets) > 500


def test_no_planted_secret_leaves_the_collector(output: str) -> None:
    """No secret of any kind comes out of any place of the three signals, and every marker occurs somewhere."""
    plant = Plant()
    planted.spans(plant), planted.logs(plant), planted.metrics(plant)
    assert plant.leaks(output) == []
    assert [marker for marker in MARKERS if marker not in output] == []


def examples() -> dict[str, tuple[str, str]]:
    """Return text and secret of each example that the Collector must detect, by rule and format."""
    found: dict[str, tuple[str, str]] = {}
    for rule in RULES:
        for number, form in enumerate(rule.collector):
            texts = {each.name: f"see {each.example} now" for each in collector_formats(rule.name)}
            for name, text in (texts or {str(number): form.example}).items():
                match = re2.search(form.pattern, text)
                assert match is not None, name
                kept = len(match["keep"] or "") if "(?P<keep>" in form.pattern else 0
                secret = match[0][kept:].removesuffix("@")
                found[f"{rule.name}: {name}"] = (text, max(secret.splitlines(), key=len))
    return found


def with_examples() -> tuple[Any, Any, Any]:
    """Return requests of the three signals with each example in an attribute, a name, a body and a description."""
    texts = {name: text for name, (text, _) in examples().items()}
    attributes = [otlp.text(f"at{number}", text) for number, text in enumerate(texts.values())]
    spans, logs = otlp.spans(7_400_000, 1, *attributes), otlp.logs(7_400_000, 1, *attributes)
    for text in texts.values():
        span = spans.resource_spans[0].scope_spans[0].spans.add(trace_id=otlp.trace_id(7_400_001))
        span.span_id, span.name, span.status.message = (7).to_bytes(8, "big"), text, text
        logs.resource_logs[0].scope_logs[0].log_records.add(body=AnyValue(string_value=text))
    metrics = ExportMetricsServiceRequest()
    scope = metrics.resource_metrics.add().scope_metrics.add()
    for number, text in enumerate(texts.values()):
        metric = scope.metrics.add(name=f"m{number}", description=text)
        metric.gauge.data_points.add(as_int=1, time_unix_nano=time.time_ns()).attributes.append(
            otlp.text("note", text)
        )
    return spans, logs, metrics


def came_through(collector: Alone) -> str:
    """Send the examples of all rules, and return the output of the three signals as text."""
    sink = collector.sink
    before = len(sink.traces), len(sink.logs), len(sink.metrics)
    sender = collector.sender()
    for request in with_examples():
        sender.send(request)
    sender.close()
    eventually(
        lambda: len(sink.traces) > before[0] and len(sink.logs) > before[1] and len(sink.metrics) > before[2]
    )
    taken = [*sink.traces[before[0] :], *sink.logs[before[1] :], *sink.metrics[before[2] :]]
    # JSON escapes `<` and other characters: unescaped, the text is what was sent.
    return "\n".join(str(text_format.MessageToString(message, as_utf8=True)) for message in taken)


def test_every_rule_of_the_collector_finds_its_examples(guarded: Alone, tmp_path: Path) -> None:
    """Each example of each rule and format for the Collector is redacted in all places of all signals."""
    secrets = examples()
    assert len(secrets) > 180
    seen = came_through(guarded)
    assert [name for name, (_, secret) in secrets.items() if escaped(secret) in seen] == []
    with alone(tmp_path, merged("config.yaml"), without_redaction) as bare:
        control = came_through(bare)
    assert [name for name, (_, secret) in secrets.items() if escaped(secret) not in control] == []


def escaped(secret: str) -> str:
    """Return a secret as protobuf's text form escapes it."""
    return secret.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")


def values(attributes: Any) -> dict[str, object]:
    """Return the strings and numbers among attributes as a mapping."""
    return {
        each.key: each.value.string_value or each.value.int_value
        for each in attributes
        if each.value.WhichOneof("value") in {"string_value", "int_value"}
    }


def test_what_is_no_secret_comes_through_unchanged(guarded: Alone, output: str) -> None:
    """Ids, counts, hashes, times, paths, models and plain sentences are unchanged at every place, beside secrets."""
    assert output
    sink, trace = guarded.sink, otlp.trace_id(planted.TRACE)
    # Other tests of this Collector send requests too, before or after this one.
    span = next(each for each in sink.spans if each.trace_id == trace)
    record = next(
        each
        for request in sink.logs
        for group in request.resource_logs
        for scope in group.scope_logs
        for each in scope.log_records
        if each.trace_id == trace
    )
    group, scope, point = next(
        (group, scope, each)
        for request in sink.metrics
        for group in request.resource_metrics
        for scope in group.scope_metrics
        for metric in scope.metrics
        for each in metric.histogram.data_points
        if any(exemplar.trace_id == trace for exemplar in each.exemplars)
    )
    places = [span.attributes, span.events[0].attributes, record.attributes, point.attributes]
    places += [group.resource.attributes, scope.scope.attributes]
    places.append(point.exemplars[0].filtered_attributes)
    for attributes in places:
        found = values(attributes)
        assert {key: found.get(key) for key in {**BENIGN, **NUMBERS}} == {**BENIGN, **NUMBERS}
    assert point.exemplars[0].trace_id == trace


def test_harmless_nesting_keeps_its_form(guarded: Alone) -> None:
    """Lists and maps without a secret are unchanged: they are flattened only if they contain one."""
    argv = KeyValue(key="process.command_args")
    for word in ("ael", "serve", "--config", "a.yaml"):
        argv.value.array_value.values.add().string_value = word
    deep = KeyValue(key="deep")
    deep.value.kvlist_value.values.add(key="n").value.int_value = 3
    deep.value.kvlist_value.values.add(key="list").value.array_value.values.add().double_value = 0.5
    request = otlp.spans(7_100_000, 1, argv, deep)
    sender = guarded.sender()
    sender.send(request)
    sender.close()
    wanted = otlp.trace_id(7_100_000)
    (span,) = eventually(lambda: [each for each in guarded.sink.spans if each.trace_id == wanted])
    assert {each.key: each.value for each in span.attributes} == {
        "process.command_args": argv.value,
        "deep": deep.value,
    }


def bodies(collector: Alone, number: int, *given: bytes) -> list[Any]:
    """Send log records whose bodies are bytes, and return the bodies in the output."""
    request = ExportLogsServiceRequest()
    scoped = request.resource_logs.add().scope_logs.add()
    for body in given:
        record = scoped.log_records.add(trace_id=otlp.trace_id(number), time_unix_nano=time.time_ns())
        record.body.bytes_value = body
    sender = collector.sender()
    sender.send(request)
    sender.close()
    records = eventually(
        lambda: [
            record
            for message in collector.sink.logs
            for group in message.resource_logs
            for each in group.scope_logs
            for record in each.log_records
            if record.trace_id == otlp.trace_id(number)
        ]
    )
    return [record.body for record in records]


def test_bodies_of_bytes_are_searched(guarded: Alone) -> None:
    """Bytes with secrets become text without them; other bytes, including those that are not text, are unchanged."""
    plant = Plant()
    secret = plant.text("body of bytes")
    found, plain, binary = bodies(guarded, 7_200_000, secret.encode(), "grün".encode(), b"\xff\x00\xfe{")
    assert plant.secrets
    assert plant.leaks(secret) == sorted(plant.secrets), "the search finds each of them"
    assert plant.leaks(found.string_value) == []
    assert "[PASSWORD]" in found.string_value
    assert not found.bytes_value
    assert (plain.bytes_value, binary.bytes_value) == ("grün".encode(), b"\xff\x00\xfe{")


def test_keys_that_are_secrets_by_their_shape_are_replaced(guarded: Alone) -> None:
    """This applies to attributes and to maps in them; the values of such keys are kept."""
    secrets = [
        f"user.ada{planted.digits('key', 'mail', 6)}@example.org",
        f"by.ghp_{planted.made_up('key', 'github', 36)}",
        f"AKIA{planted.digits('key', 'aws', 16)}",
    ]
    deep = KeyValue(key="deep")
    deep.value.kvlist_value.values.add(key=secrets[0]).value.int_value = 3
    flat = [KeyValue(key=key) for key in secrets]
    for number, each in enumerate(flat):
        each.value.int_value = number
    sender = guarded.sender()
    sender.send(otlp.spans(7_300_000, 1, *flat[1:], deep))
    sender.send(otlp.spans(7_310_000, 1, flat[0]))
    sender.close()
    wanted = {otlp.trace_id(7_300_000), otlp.trace_id(7_310_000)}
    spans = eventually(
        lambda: (
            found
            if len(found := [each for each in guarded.sink.spans if each.trace_id in wanted]) == 2
            else []
        )
    )
    seen = "\n".join(MessageToJson(each, ensure_ascii=False) for each in spans)
    assert [secret for secret in secrets if secret.rpartition(".ghp")[2] in seen] == []
    assert planted.made_up("key", "github", 36) not in seen
    assert "[EMAIL]" in seen
    assert "by.[API_KEY]" in seen


def test_redacting_twice_changes_nothing(guarded: Alone, output: str) -> None:
    """A second redaction changes nothing, so chained Collectors and the SDK's markers do no harm."""
    assert output
    first = guarded.sink.traces[0]
    before = len(guarded.sink.traces)
    sender = guarded.sender()
    sender.send(first)
    sender.close()
    eventually(lambda: len(guarded.sink.traces) > before)
    assert guarded.sink.traces[-1] == first


def test_no_planted_secret_reaches_a_store(running: Running) -> None:
    """The same in the whole stack: no secret in Loki, in Prometheus, on the scrape page, or in place of Tempo."""
    plant = Plant()
    sender = running.sender()
    for request in (planted.spans(plant), planted.logs(plant), planted.metrics(plant)):
        sender.send(request)
    sender.close()

    eventually(lambda: running.sink.traces)
    assert plant.leaks(MessageToJson(running.sink.traces[-1], ensure_ascii=False)) == []

    query = f'{{service_name="{otlp.SERVICE}"}}'
    lines = eventually(lambda: found if len(found := running.log_lines(query)) == 3 else [])
    unescaped = "\n".join(f"{labels} {line}" for labels, line in lines).replace("\\n", "\n")
    assert plant.leaks(unescaped) == []
    assert all(marker in unescaped for marker in MARKERS)

    eventually(lambda: running.prometheus("query", query="foreign_calls_total")["result"])
    now = time.time()
    times = {"start": f"{now - 600:.0f}", "end": f"{now + 60:.0f}"}
    matching = {"match[]": '{job="stack-test"}'}
    seen = str(running.prometheus("series", **matching))
    seen += str(running.prometheus("metadata"))
    exemplars = eventually(
        lambda: running.prometheus("query_exemplars", query="foreign_duration_seconds_bucket", **times)
    )
    seen += str(exemplars)
    page = requests.get(f"http://127.0.0.1:{running.ports['AEL_COLLECTOR_METRICS_PORT']}/metrics", timeout=5)
    seen += page.text
    assert plant.leaks(seen.replace("\\n", "\n")) == []
    assert BENIGN["ael.workflow.name"] in seen
