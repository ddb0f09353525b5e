"""Every mistake in a configuration gives one line with the fault, its place and a valid value."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ael_otel.config import load_settings, settings_from_mapping
from ael_otel.errors import ConfigError

SECRET = "hunter2-" + "swordfish"

NO_TEXT = "contains a NUL or a lone surrogate, which no variable or address can hold; remove it"
PORT = "a whole number from 1 to 65535"

SECTIONS: dict[str, tuple[Any, str]] = {
    "misspelt key": (
        {"metrics": {"prot": 9464}},
        "telemetry.metrics.prot is not a known key; did you mean telemetry.metrics.port?",
    ),
    "misspelt section": (
        {"exporter": {"otlp": {}}},
        "telemetry.exporter is not a known key; did you mean telemetry.exporters?",
    ),
    "misspelt engine key": (
        {"tracing": {"enable": True}},
        "telemetry.tracing.enable is not a known key; did you mean telemetry.tracing.enabled?",
    ),
    "key one level too high": (
        {"port": 9464},
        "telemetry.port is not a known key; did you mean telemetry.metrics.port?",
    ),
    "key in the wrong section": (
        {"logs": {"mcp_spans": "ael"}},
        "telemetry.logs.mcp_spans is not a known key; did you mean telemetry.traces.mcp_spans?",
    ),
    "key like no other": (
        {"admin": {"zzz": 1}},
        "telemetry.admin.zzz is not a known key; valid here: live_schema, token",
    ),
    "dotted key": (
        {"metrics.port": 9464},
        "telemetry.metrics.port contains dots; nest the keys instead",
    ),
    "no space after the colon": (
        {"admin": {f"token:{SECRET}": None}},
        "telemetry.admin.token needs a space after the colon",
    ),
    "key that is a number": ({1: 2}, "telemetry has a key that is a number; keys must be text"),
    "key over several lines": (
        {"admin": {"zz\nz": 1}},
        "telemetry.admin.zz is not a known key; valid here: live_schema, token",
    ),
    "section that is a list": ([], "telemetry must be a mapping of keys, not a list"),
    "section that is a number": (
        {"metrics": 9464},
        "telemetry.metrics must be a mapping of keys, not a number",
    ),
    "NUL in a text": (
        {"service_name": "a\0b"},
        f"telemetry.service_name {NO_TEXT}",
    ),
    "half a character in an address": (
        {"exporters": {"otlp": {"endpoint": "http://a\ud800:4317"}}},
        f"telemetry.exporters.otlp.endpoint {NO_TEXT}",
    ),
    "port as text": ({"metrics": {"port": "http"}}, f"telemetry.metrics.port must be {PORT}, not text"),
    "port in quotes": ({"metrics": {"port": "9464"}}, f"telemetry.metrics.port must be {PORT}, not text"),
    "port too large": ({"metrics": {"port": 70000}}, f"telemetry.metrics.port must be {PORT}, not 70000"),
    "port zero": ({"metrics": {"port": 0}}, f"telemetry.metrics.port must be {PORT}, not 0"),
    "port with a fraction": ({"metrics": {"port": 1.5}}, f"telemetry.metrics.port must be {PORT}, not 1.5"),
    "port that is true": (
        {"metrics": {"port": True}},
        f"telemetry.metrics.port must be {PORT}, not true or false",
    ),
    "port left empty": (
        {"metrics": {"port": None}},
        f"telemetry.metrics.port must be {PORT}, not empty; set a value or remove the key",
    ),
    "switch as text": ({"enabled": "on"}, "telemetry.enabled must be true or false, not text"),
    "switch as number": ({"enabled": 1}, "telemetry.enabled must be true or false, not 1"),
    "choice misspelt": (
        {"store": {"backend": "sqllite"}},
        "telemetry.store.backend must be sqlite, memory or postgresql, not another text; did you mean sqlite?",
    ),
    "choice unknown": (
        {"logs": {"format": "xml"}},
        "telemetry.logs.format must be json or text, not another text",
    ),
    "level unknown": (
        {"logs": {"level": "loud"}},
        "telemetry.logs.level must be DEBUG, INFO, WARNING, ERROR or CRITICAL, not another text",
    ),
    "rate as a ratio": (
        {"sampling": {"rate": 0.5}},
        (
            "telemetry.sampling.rate must be a percentage from 1 to 100, not 0.5; "
            "it is a percentage, not a ratio: use 50"
        ),
    ),
    "rate zero": (
        {"sampling": {"rate": 0}},
        (
            "telemetry.sampling.rate must be a percentage from 1 to 100, not 0; "
            "to export no traces set telemetry.traces.enabled to false"
        ),
    ),
    "rate of one as a ratio": (
        {"sampling": {"rate": 1.0}},
        (
            "telemetry.sampling.rate 1.0 looks like a ratio, but the value is a percentage: "
            "write 100 to export every trace, 1 for one in a hundred"
        ),
    ),
    "rate by a wrong name": (
        {"sampling": {"rate": "prodution"}},
        "telemetry.sampling.rate must be a percentage from 1 to 100, not text; did you mean production?",
    ),
    "keep of something else": (
        {"sampling": {"keep": ["failures"]}},
        "telemetry.sampling.keep must be a list of errors and slow, not a list whose item 1 is an unknown word",
    ),
    "slow over nothing": (
        {"sampling": {"slow_over": 0}},
        "telemetry.sampling.slow_over must be a number of seconds from 0.001 to 86400, not 0",
    ),
    "rate over 100": (
        {"sampling": {"rate": 101}},
        "telemetry.sampling.rate must be a percentage from 1 to 100, not 101",
    ),
    "rate not a number": (
        {"sampling": {"rate": float("nan")}},
        "telemetry.sampling.rate must be a percentage from 1 to 100, not nan",
    ),
    "engine's ratio as a percentage": (
        {"tracing": {"sample_rate": 50}},
        (
            "telemetry.tracing.sample_rate must be a ratio from 0.01 to 1, not 50; "
            "it is a ratio, not a percentage: use 0.5"
        ),
    ),
    "days out of range": (
        {"retention": {"days": 366}},
        "telemetry.retention.days must be a whole number from 1 to 365, not 366",
    ),
    "path without a slash": (
        {"metrics": {"endpoint": "metrics"}},
        "telemetry.metrics.endpoint must be a path that starts with /, not text in another form",
    ),
    "empty host": (
        {"metrics": {"host": ""}},
        "telemetry.metrics.host must be a host name or IP address, not empty text",
    ),
    "endpoint of another scheme": (
        {"export": {"endpoint": f"ftp://user:{SECRET}@host"}},
        "telemetry.export.endpoint must start with http:// or https://",
    ),
    "endpoint that is a host alone": (
        {"exporters": {"otlp": {"endpoint": "localhost"}}},
        (
            "telemetry.exporters.otlp.endpoint must name a port, such as http://localhost:4317 for gRPC or "
            "http://localhost:4318 for http/protobuf"
        ),
    ),
    "limit below its range": (
        {"limits": {"export_mb": 0}},
        "telemetry.limits.export_mb must be a whole number of MiB from 1 to 65536, not 0",
    ),
    "endpoint without a host": (
        {"exporters": {"otlp": {"endpoint": "http://:4317"}}},
        "telemetry.exporters.otlp.endpoint must name a host, such as http://localhost:4317",
    ),
    "endpoint with a bad port": (
        {"export": {"otlp": {"endpoint": f"http://user:{SECRET}@host:99999"}}},
        "telemetry.export.otlp.endpoint is not a valid URL: check the port and any brackets",
    ),
    "endpoint without a scheme over HTTP": (
        {"exporters": {"otlp": {"endpoint": "collector:4318", "protocol": "http/protobuf"}}},
        "telemetry.exporters.otlp.endpoint must start with http:// or https:// with protocol http/protobuf",
    ),
    "TLS asked for and not possible": (
        {"export": {"otlp": {"endpoint": "http://c:4318", "protocol": "http", "insecure": False}}},
        "telemetry.export.otlp.endpoint must start with https:// with protocol http/protobuf and insecure false",
    ),
    "header that is a number": (
        {"exporters": {"otlp": {"headers": {"a": SECRET, "b": 12345}}}},
        (
            "telemetry.exporters.otlp.headers must be a mapping of header names to text, "
            "not a mapping whose value 2 is a number"
        ),
    ),
    "headers as text": (
        {"exporters": {"otlp": {"headers": f"authorization={SECRET}"}}},
        "telemetry.exporters.otlp.headers must be a mapping of header names to text, not text",
    ),
    "header name not valid": (
        {"exporters": {"otlp": {"headers": {f"bad name {SECRET}": "x"}}}},
        "telemetry.exporters.otlp.headers has a header (1) whose name is not valid in HTTP",
    ),
    "header with a line break": (
        {"exporters": {"otlp": {"headers": {"authorization": f"{SECRET}\r\nx: y"}}}},
        "telemetry.exporters.otlp.headers has a header (1) whose value is not printable ASCII",
    ),
    "token that is a number": (
        {"admin": {"token": 12345}},
        "telemetry.admin.token must be text, not a number",
    ),
    "dsn in a list": ({"store": {"dsn": [SECRET]}}, "telemetry.store.dsn must be text, not a list"),
    "pattern that does not compile": (
        {"redaction": {"sensitive_field_patterns": ["^ok$", "("]}},
        (
            "telemetry.redaction.sensitive_field_patterns has a pattern (2: '(') that is not a regular expression: "
            "missing ), unterminated subpattern"
        ),
    ),
    "patterns as text": (
        {"redaction": {"sensitive_field_patterns": "ssn"}},
        "telemetry.redaction.sensitive_field_patterns must be a list of regular expressions, not text",
    ),
    "pattern that is a number": (
        {"redaction": {"sensitive_field_patterns": ["a", 7]}},
        (
            "telemetry.redaction.sensitive_field_patterns must be a list of regular expressions, "
            "not a list whose item 2 is a number"
        ),
    ),
    "pattern that takes forever": (
        {"redaction": {"sensitive_field_patterns": ["^ok$", "(x+)+$"]}},
        (
            "telemetry.redaction.sensitive_field_patterns has a pattern (2: '(x+)+$') that repeats a group that "
            "contains a repetition or an alternation, which can take exponential time"
        ),
    ),
    "allow-list that matches all": (
        {"redaction": {"allow_fields": ["note", "*"]}},
        "telemetry.redaction.allow_fields has a name (2) that matches every field",
    ),
    "misspelt allow-list": (
        {"redaction": {"allowed_fields": ["note"]}},
        "telemetry.redaction.allowed_fields is not a known key; did you mean telemetry.redaction.allow_fields?",
    ),
    "no such capture policy": (
        {"redaction": {"tools": {"echo": "redact"}}},
        (
            "telemetry.redaction.tools must be a mapping of names of tools to none, keys, redacted or full, "
            "not a mapping whose value 1 is an unknown word; did you mean redacted?"
        ),
    ),
    "capture policy that is a word of the message": (
        {"redaction": {"tools": {"echo": "full", "add": "tools"}}},
        (
            "telemetry.redaction.tools must be a mapping of names of tools to none, keys, redacted or full, "
            "not a mapping whose value 2 is an unknown word"
        ),
    ),
    "nothing to keep traces for": (
        {"sampling": {"keep": ["errors", "eror"]}},
        (
            "telemetry.sampling.keep must be a list of errors and slow, "
            "not a list whose item 2 is an unknown word; did you mean errors?"
        ),
    ),
    "nothing to keep traces for, in one text": (
        {"sampling": {"keep": "fast"}},
        "telemetry.sampling.keep must be a list of errors and slow, not another text",
    ),
    "excluded path that is all": (
        {"privacy": {"excluded_paths": ["*"]}},
        "telemetry.privacy.excluded_paths has a path (1) that matches every path",
    ),
    "empty root": (
        {"attribution": {"roots": ["/srv/shop", ""]}},
        "telemetry.attribution.roots has a path (2) that is empty or holds a NUL character",
    ),
    "empty excluded path": (
        {"privacy": {"excluded_paths": ["~/.ssh/*", " "]}},
        "telemetry.privacy.excluded_paths has a path (2) that is empty or contains a NUL character",
    ),
}


@pytest.mark.parametrize("case", SECTIONS)
def test_wrong_value_is_reported_with_its_key_and_allowed_values(case: str) -> None:
    """The message is exactly the expected line and holds no secret; the error carries the key."""
    section, message = SECTIONS[case]
    with pytest.raises(ConfigError) as caught:
        settings_from_mapping(section)
    assert str(caught.value) == message
    assert SECRET not in message + str(caught.value.key)
    assert caught.value.key is not None
    assert message.startswith(caught.value.key)


FILES: dict[str, tuple[str, str]] = {
    "empty": ("", "ael-config.yaml: the file is empty; it needs at least one section of the engine"),
    "only a comment": (
        "# later\n",
        "ael-config.yaml: the file is empty; it needs at least one section of the engine",
    ),
    "empty mapping": (
        "{}",
        "ael-config.yaml: the file is empty; it needs at least one section of the engine",
    ),
    "a list": ("- a\n", "ael-config.yaml: the file must be a mapping of sections, not a list"),
    "text": (SECRET, "ael-config.yaml: the file must be a mapping of sections, not text"),
    "bracket left open": (
        "a: 1\ntelemetry: {enabled: true\n",
        "ael-config.yaml:3:1: not valid YAML: expected ',' or '}', but got '<stream end>'",
    ),
    "tab": (
        "telemetry:\n\tenabled: true\n",
        "ael-config.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token",
    ),
    "colon in a value": (
        "telemetry:\n  service_name: a: b\n",
        "ael-config.yaml:2:18: not valid YAML: mapping values are not allowed here",
    ),
    "two documents": (
        "a: 1\n---\nb: 2\n",
        "ael-config.yaml:2:1: not valid YAML: but found another document",
    ),
    "secret that looks like an alias": (
        f"telemetry:\n  admin:\n    token: *{SECRET}\n",
        "ael-config.yaml:3:12: not valid YAML: found undefined alias '...'",
    ),
    "secret that looks like a tag": (
        f"telemetry:\n  admin:\n    token: !{SECRET}\n",
        "ael-config.yaml:3:12: not valid YAML: could not determine a constructor for the tag '...'",
    ),
    "date that does not exist": (
        "telemetry:\n  service_version: 2024-99-99\n",
        "ael-config.yaml: not valid YAML: a value does not fit its tag",
    ),
    "tag without a number": (
        "a: !!int ''\n",
        "ael-config.yaml: not valid YAML: a value does not fit its tag",
    ),
    "character that YAML forbids": (
        "a: 1\nb: \x07\n",
        "ael-config.yaml:2: not valid YAML: a character that is not allowed",
    ),
    "nested too deep": ("a: " + "[" * 3000, "ael-config.yaml: not valid YAML: nested too deep"),
    "value that holds itself": (
        "telemetry:\n  privacy:\n    excluded_paths: &a [*a]\n",
        "ael-config.yaml:3: telemetry.privacy.excluded_paths.0 refers to itself",
    ),
    "misspelt section": (
        "server: {port: 1}\ntelemtry: {enabled: false}\n",
        "ael-config.yaml:2: telemtry is not a known section; did you mean telemetry?",
    ),
    "unknown key": (
        "telemetry:\n  enabled: true\n  metrics:\n    prot: 9464\n",
        "ael-config.yaml:4: telemetry.metrics.prot is not a known key; did you mean telemetry.metrics.port?",
    ),
    "wrong type": (
        "telemetry:\n  sampling: {rate: 0.5}\n",
        (
            "ael-config.yaml:2: telemetry.sampling.rate must be a percentage from 1 to 100, not 0.5; "
            "it is a percentage, not a ratio: use 50"
        ),
    ),
    "unset variable": (
        "telemetry:\n  admin:\n    token: ${ADMIN_TOKEN}\n",
        (
            "ael-config.yaml:3: telemetry.admin.token needs the environment variable ADMIN_TOKEN, which is not set; "
            "set it, or write ${ADMIN_TOKEN:-default}"
        ),
    ),
    "unset variable in a list": (
        "telemetry:\n  privacy:\n    excluded_paths:\n      - a\n      - ${WHERE}\n",
        (
            "ael-config.yaml:5: telemetry.privacy.excluded_paths.1 needs the environment variable WHERE, "
            "which is not set; set it, or write ${WHERE:-default}"
        ),
    ),
    "required variable": (
        "telemetry:\n  admin:\n    token: ${ADMIN_TOKEN:?ask the\n      operator}\n",
        "ael-config.yaml:3: telemetry.admin.token needs the environment variable ADMIN_TOKEN: ask the operator",
    ),
    "number from the environment": (
        "telemetry:\n  metrics: {port: '${SEVENTY:-70000}'}\n",
        f"ael-config.yaml:2: telemetry.metrics.port must be {PORT}, not 70000",
    ),
    "ratio from the environment": (
        "telemetry:\n  sampling: {rate: '${RATE:-0.25}'}\n",
        (
            "ael-config.yaml:2: telemetry.sampling.rate must be a percentage from 1 to 100, not 0.25; "
            "it is a percentage, not a ratio: use 25"
        ),
    ),
    "nothing from the environment": (
        "telemetry:\n  metrics: {port: '${PORT:-}'}\n",
        f"ael-config.yaml:2: telemetry.metrics.port must be {PORT}, not empty text",
    ),
    "secret as a number from the environment": (
        "telemetry:\n  store: {backend: '${BACKEND:-12345}'}\n",
        "ael-config.yaml:2: telemetry.store.backend must be sqlite, memory or postgresql, not a number",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_wrong_file_is_named_with_line_and_key(case: str, write: Callable[[str], Path]) -> None:
    """The message is exactly the expected single line, and the error carries the file."""
    text, message = FILES[case]
    with pytest.raises(ConfigError) as caught:
        load_settings(write(text), {})
    assert str(caught.value) == message
    assert caught.value.path == Path("ael-config.yaml")


def test_file_that_cannot_be_read_is_reported_with_the_reason(folder: Path) -> None:
    """A folder, bytes, a pipe, a name no file can have: one line each instead of a traceback."""
    Path("folder.yaml").mkdir()
    Path("bytes.yaml").write_bytes(b"a: \xff")
    os.mkfifo("pipe.yaml")
    Path("loop.yaml").symlink_to("loop.yaml")
    expected = {
        "folder.yaml": "folder.yaml: is a directory, not a configuration file",
        "bytes.yaml": "bytes.yaml: not UTF-8 text (byte 3)",
        "pipe.yaml": "pipe.yaml: is not a regular file",
        "absent.yaml": "absent.yaml: no such file (the configuration that was asked for)",
        "x" * 300: f"{'x' * 300}: cannot be read: File name too long",
        "loop.yaml": "loop.yaml: no such file (the configuration that was asked for)",
    }
    found: dict[str, str] = {}
    for name in expected:
        with pytest.raises(ConfigError) as caught:
            load_settings(name, {})
        found[name] = str(caught.value)
    assert found == expected


@pytest.mark.skipif(os.geteuid() == 0, reason="beyond CI: the superuser may read every file")
def test_file_without_read_permission_is_reported(write: Callable[[str], Path]) -> None:
    """Missing permission is named as such."""
    path = write("a: 1")
    path.chmod(0)
    with pytest.raises(ConfigError, match=r"^ael-config\.yaml: cannot be read: Permission denied$"):
        load_settings(path, {})


def test_a_message_is_one_line() -> None:
    """A line break in a path or a name cannot split a message, and double spaces in a path survive."""
    assert str(ConfigError("a\nb\r\nc\u2028d")) == "a b c d"
    assert str(ConfigError("my  file.yaml: x")) == "my  file.yaml: x"


def test_several_mistakes_are_reported_at_once_in_the_order_of_their_lines(
    write: Callable[[str], Path],
) -> None:
    """A person mends a file once, not once for each mistake; variables of OpenTelemetry are part of it."""
    file = write(
        "telemetry:\n"
        "  metrics:\n"
        "    prot: 1\n"
        "    port: http\n"
        "  admin:\n"
        "    token: ${ABSENT_TOKEN}\n"
        "  sampling:\n"
        "    rate: 0.5\n"
        "  sampling:\n"
        "    rate: 0.25\n"
        "  exporters: 7\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_settings(
            file, {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/absent.pem", "OTEL_EXPORTER_OTLP_ENDPOINT": ":x"}
        )
    mistakes = [str(each) for each in caught.value.mistakes]
    assert [each.partition(": ")[0] for each in mistakes] == [
        "ael-config.yaml:3",
        "ael-config.yaml:4",
        "ael-config.yaml:6",
        "ael-config.yaml:9",
        "ael-config.yaml:10",
        "ael-config.yaml:11",
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
    ]
    assert "ABSENT_TOKEN, which is not set" in mistakes[2]
    assert "lines 7 and 9" in mistakes[3]
    assert str(caught.value) == "; ".join(mistakes)
    assert "\n" not in str(caught.value)
    assert (caught.value.path, caught.value.key) == (file, "telemetry.metrics.prot")
