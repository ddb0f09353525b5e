"""The settings of the `telemetry:` section, as frozen structs that carry their limits and documentation."""

from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec
from msgspec import Meta, Struct

__all__ = [
    "MASK",
    "MEBIBYTE",
    "Admin",
    "Cost",
    "CustomPattern",
    "Engine",
    "Exporters",
    "Limits",
    "Logs",
    "Metrics",
    "Otlp",
    "Privacy",
    "Redaction",
    "Retention",
    "Sampling",
    "Sessions",
    "Settings",
    "Store",
    "Traces",
    "masked",
]

MASK: Final = "***"
"""Replaces secrets in printed settings."""


def _about(
    meaning: str,
    *,
    allowed: str = "",
    env: str = "",
    secret: bool = False,
    ge: float | None = None,
    le: float | None = None,
    pattern: str | None = None,
) -> Meta:
    """Describe one key: `allowed` completes "must be ..." in errors, `env` names variables that take precedence."""
    extra: dict[str, object] = {"env": env, "secret": secret}
    if pattern is not None:
        return Meta(title=allowed, description=meaning, pattern=pattern, extra=extra)
    return Meta(title=allowed, description=meaning, ge=ge, le=le, extra=extra)


def masked(name: str, value: object) -> object:
    """Return the secret field `name` in a form that can be printed.

    For an endpoint that is the URL without credentials and query, for a mapping its keys, for anything else `***`.
    """
    if name == "endpoint" and isinstance(value, str):
        scheme, separator, rest = value.rpartition("://")
        authority, slash, path = rest.partition("/")
        user, at, host = authority.rpartition("@")
        hidden = MASK + at if user else at
        # A query may contain a key too, and is not needed to identify the endpoint.
        return f"{scheme}{separator}{hidden}{host.partition('?')[0]}{slash}{path.partition('?')[0]}"
    if isinstance(value, dict):
        return dict.fromkeys(cast("dict[str, str]", value), MASK)
    return MASK if value else value


class _Section(Struct, frozen=True, forbid_unknown_fields=True):
    """One level of the section; `repr` masks secrets, so that a logged or asserted value leaks none."""

    secret_fields: ClassVar[frozenset[str]] = frozenset()

    def __repr__(self) -> str:
        shown: list[str] = []
        for name in self.__struct_fields__:
            value: object = getattr(self, name)
            shown.append(f"{name}={masked(name, value) if name in self.secret_fields else value!r}")
        return f"{type(self).__name__}({', '.join(shown)})"


MEBIBYTE: Final = 1024 * 1024
_PORT: Final = "a whole number from 1 to 65535"
_HOST: Final = "a host name or IP address"
_URL: Final = "a URL such as http://localhost:4317"


class Metrics(_Section, frozen=True, forbid_unknown_fields=True):
    """The metrics and the endpoint at which Prometheus can pull them."""

    enabled: Annotated[bool, _about("record and export metrics", env="OTEL_METRICS_EXPORTER")] = True
    endpoint: Annotated[
        str, _about("path of the pull endpoint", allowed="a path that starts with /", pattern=r"^/[^\s?#]*\Z")
    ] = "/metrics"
    port: Annotated[
        int,
        _about(
            "port of the pull endpoint (9090 is Prometheus's own)",
            allowed=_PORT,
            env="OTEL_EXPORTER_PROMETHEUS_PORT",
            ge=1,
            le=65535,
        ),
    ] = 9464
    host: Annotated[
        str,
        _about(
            "address of the pull endpoint; any address but loopback is reported, since the endpoint has no password",
            allowed=_HOST,
            env="OTEL_EXPORTER_PROMETHEUS_HOST",
            pattern=r"^[^\s/]+\Z",
        ),
    ] = "127.0.0.1"
    prometheus_enabled: Annotated[bool, _about("serve the pull endpoint (engine key)")] = True


class Otlp(_Section, frozen=True, forbid_unknown_fields=True):
    """Where traces, metrics and logs are pushed to."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"headers", "endpoint"})

    enabled: Annotated[
        bool,
        _about(
            "push by OTLP",
            env="OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER (each for its own signal)",
        ),
    ] = True
    # An endpoint may contain credentials (https://user:password@host), so it is never printed.
    endpoint: Annotated[
        str,
        _about(
            "Collector or backend; with `http/protobuf` the unchanged default means port 4318",
            allowed=_URL,
            env="OTEL_EXPORTER_OTLP_ENDPOINT",
            secret=True,
            pattern=r"^\S+\Z",
        ),
    ] = "http://localhost:4317"
    insecure: Annotated[
        bool,
        _about(
            "send without TLS over gRPC; an `https://` endpoint always uses TLS",
            env="OTEL_EXPORTER_OTLP_INSECURE",
        ),
    ] = True
    protocol: Annotated[
        Literal["grpc", "http/protobuf"], _about("wire protocol", env="OTEL_EXPORTER_OTLP_PROTOCOL")
    ] = "grpc"
    headers: Annotated[
        dict[str, str],
        _about(
            "HTTP headers or gRPC metadata of every export, for authentication",
            allowed="a mapping of header names to text",
            env="OTEL_EXPORTER_OTLP_HEADERS",
            secret=True,
        ),
    ] = msgspec.field(default_factory=dict[str, str])


class Exporters(_Section, frozen=True, forbid_unknown_fields=True):
    """The exporters of this process."""

    otlp: Otlp = Otlp()


class Traces(_Section, frozen=True, forbid_unknown_fields=True):
    """The spans of runs."""

    enabled: Annotated[bool, _about("export traces", env="OTEL_TRACES_EXPORTER")] = True
    mcp_spans: Annotated[
        Literal["ael", "native", "both"],
        _about("which client span stands for an MCP call: ours, that of the MCP library, or both"),
    ] = "ael"


class Logs(_Section, frozen=True, forbid_unknown_fields=True):
    """The log lines of the process."""

    enabled: Annotated[bool, _about("format and export log lines", env="OTEL_LOGS_EXPORTER")] = True
    format: Annotated[Literal["json", "text"], _about("form of the lines on standard output")] = "json"
    output: Annotated[
        Literal["stdout", "otlp", "both"], _about("where the lines go", env="OTEL_LOGS_EXPORTER")
    ] = "both"
    level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], _about("least severe level that is logged")
    ] = "INFO"


class Sampling(_Section, frozen=True, forbid_unknown_fields=True):
    """How much is exported; run records are never sampled."""

    rate: Annotated[
        float,
        _about(
            "percentage of traces that are exported, or `production` (1), `normal` (10), `debugging` (100); metrics, "
            "logs and run records are never sampled",
            allowed="a percentage from 1 to 100",
            env="OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG (a ratio)",
            ge=1,
            le=100,
        ),
    ] = 100.0
    keep: Annotated[
        tuple[Literal["errors", "slow"], ...],
        _about(
            "also export these unsampled traces: those with a failed span (`errors`), those whose root span takes "
            "`slow_over` seconds or more (`slow`)",
            allowed="a list of errors and slow",
        ),
    ] = ()
    slow_over: Annotated[
        float,
        _about(
            "duration in seconds from which `keep: [slow]` treats a trace as slow",
            allowed="a number of seconds from 0.001 to 86400",
            ge=0.001,
            le=86400,
        ),
    ] = 30.0


class Store(_Section, frozen=True, forbid_unknown_fields=True):
    """The run store behind `ael trace`."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"dsn"})

    backend: Annotated[Literal["sqlite", "memory", "postgresql"], _about("where run records are stored")] = (
        "sqlite"
    )
    path: Annotated[
        str,
        _about(
            "file of the sqlite backend, relative to the working directory",
            allowed="a file name",
            pattern=r"^[^\0]+\Z",
        ),
    ] = ".ael/telemetry.db"
    dsn: Annotated[
        str, _about("connection string of the postgresql backend", allowed="text", secret=True)
    ] = ""
    json_mirror: Annotated[bool, _about("also write each run as JSON beside the store")] = False
    mirror_form: Annotated[
        Literal["files", "lines", "both"],
        _about(
            "what `json_mirror` writes: one file per run, one file per day with one run per line, or both",
        ),
    ] = "files"
    mirror_max_mb: Annotated[
        int,
        _about(
            "total size in MiB of the daily files, above which the oldest is removed",
            allowed="a whole number from 2 to 1048576",
            ge=2,
            le=1048576,
        ),
    ] = 1024


class Retention(_Section, frozen=True, forbid_unknown_fields=True):
    """How long run records are stored; applied daily at 03:00 UTC."""

    days: Annotated[
        int,
        _about("age at which run records are deleted", allowed="a whole number from 1 to 365", ge=1, le=365),
    ] = 30
    max_mb: Annotated[
        int,
        _about(
            "size in MiB above which the oldest records are deleted; 0 means no limit",
            allowed="a whole number from 0 to 1048576",
            ge=0,
            le=1048576,
        ),
    ] = 0


class Cost(_Section, frozen=True, forbid_unknown_fields=True):
    """What model calls cost."""

    prices: Annotated[
        str,
        _about(
            "price file, which wins over the price table; relative to the folder of the configuration file",
            allowed="a path",
        ),
    ] = ""
    price_table: Annotated[
        bool, _about("use the prices of the package `genai-prices` where it is installed (extra `cost`)")
    ] = True
    budget: Annotated[
        float,
        _about(
            "amount for the model calls of 24 hours, beyond which the stack alerts; 0 sets none",
            allowed="an amount from 0 to 1000000000",
            ge=0,
            le=1_000_000_000,
        ),
    ] = 0.0
    budget_currency: Annotated[
        str,
        _about(
            "currency of the budget; costs in other currencies are not compared with it",
            allowed="a code of ISO 4217 such as USD",
            pattern=r"^[A-Z]{3}\Z",
        ),
    ] = "USD"


class Sessions(_Section, frozen=True, forbid_unknown_fields=True):
    """The sessions of coding agents, and of clients of an engine."""

    idle_seconds: Annotated[
        float,
        _about(
            "seconds without an event after which a session is idle",
            allowed="a number of seconds from 1 to 86400",
            ge=1,
            le=86400,
        ),
    ] = 60.0
    abandoned_hours: Annotated[
        float,
        _about(
            "hours without an event after which a session is abandoned",
            allowed="a number of hours from 0.1 to 720",
            ge=0.1,
            le=720,
        ),
    ] = 24.0
    reopen: Annotated[
        bool,
        _about(
            "let a later prompt, tool call or start open a session again that has ended or was abandoned; without, "
            "they belong to it and it stays as it ended"
        ),
    ] = True
    issue_ids: Annotated[
        bool,
        _about(
            "answer `initialize` of an MCP client over HTTP that sends no session id with an `Mcp-Session-Id`, which "
            "it repeats in its requests; without it, its calls belong to no session"
        ),
    ] = True
    content: Annotated[
        bool,
        _about("also store prompts, messages, tool inputs and results of agents, redacted, in the run store"),
    ] = False


class Attribution(_Section, frozen=True, forbid_unknown_fields=True):
    """The authors of lines: what tool calls of coding agents and of an engine write to files."""

    enabled: Annotated[
        bool,
        _about("compare the workspace before and after tool calls of coding agents that may write files"),
    ] = True
    roots: Annotated[
        tuple[str, ...],
        _about(
            "folders in which lines that runs of the engine write are attributed to run, step and caller; without, "
            "nothing is added to a run",
            allowed="a list of paths of folders",
        ),
    ] = ()


class CustomPattern(_Section, frozen=True, forbid_unknown_fields=True):
    """One item of `privacy.patterns`: a form of secret that is specific to the user's organisation."""

    name: Annotated[
        str,
        _about(
            "identifier in `ael privacy`",
            allowed="small letters, digits and _",
            pattern=r"^[a-z][a-z0-9_]{0,39}\Z",
        ),
    ]
    regex: Annotated[
        str, _about("regular expression with bounded repetitions", allowed="a regular expression")
    ]
    marker: Annotated[
        str,
        _about(
            "word that replaces a match, in brackets",
            allowed="capital letters, digits and _, such as TICKET",
            pattern=r"^\[?[A-Z][A-Z0-9_]{1,31}\]?\Z",
        ),
    ] = "CUSTOM"


class Privacy(_Section, frozen=True, forbid_unknown_fields=True):
    """Personal data and excluded files. Credentials are always redacted, whatever is configured here."""

    scrub_pii: Annotated[
        bool,
        _about("also replace personal data by markers: the kinds in `privacy.pii`; false disables all"),
    ] = True
    pii: Annotated[
        tuple[
            Literal[
                "email",
                "us_ssn",
                "payment_card",
                "iban",
                "phone",
                "ip_address",
                "uk_nino",
                "uk_nhs",
                "aadhaar",
                "cpf",
                "cnpj",
                "canadian_sin",
                "spanish_id",
                "french_nir",
                "codice_fiscale",
                "chinese_id",
                "pesel",
                "german_tax_id",
            ],
            ...,
        ],
        _about(
            "detectors of personal data to replace by markers (docs/explanation/privacy.md lists the detectors)",
            allowed="a list of names of detectors, such as email and iban",
        ),
    ] = ("email", "us_ssn", "payment_card")
    patterns: Annotated[
        tuple[CustomPattern, ...],
        _about(
            "also replace matches of these in any text; with a group `secret` in `regex`, only that group",
            allowed="a list of mappings with name, regex and optionally marker",
        ),
    ] = ()
    excluded_paths: Annotated[
        tuple[str, ...],
        _about(
            "replace the names of these files, and the results of calls that name one, by a marker",
            allowed="a list of path patterns",
        ),
    ] = ("~/.ssh/*", "~/.aws/credentials")


class Redaction(_Section, frozen=True, forbid_unknown_fields=True):
    """What run records contain of inputs and outputs, and which fields are secret."""

    redact_inputs: Annotated[bool, _about("replace every input in run records by a marker")] = False
    redact_outputs: Annotated[bool, _about("replace every output in run records by a marker")] = False
    sensitive_field_patterns: Annotated[
        tuple[str, ...],
        _about(
            "also redact fields whose names one of these matches anywhere, in upper or lower case, and the values of "
            "such names in texts (`name: value`, `name=value`)",
            allowed="a list of regular expressions",
        ),
    ] = ()
    allow_fields: Annotated[
        tuple[str, ...],
        _about("never redact fields with these names", allowed="a list of names of fields"),
    ] = ()
    max_result_size: Annotated[
        int,
        _about(
            "maximum bytes of an input or output in run records, cut after redaction",
            allowed="a whole number from 1 to 16777216",
            ge=1,
            le=16777216,
        ),
    ] = 65536
    tools: Annotated[
        dict[str, Literal["none", "keys", "redacted", "full"]],
        _about(
            "what run records contain of a tool's parameters and results; the first matching name counts, and "
            "`redacted` if none matches",
            allowed="a mapping of names of tools to none, keys, redacted or full",
        ),
    ] = msgspec.field(default_factory=dict[str, Literal["none", "keys", "redacted", "full"]])


def _count(what: str, most: int) -> str:
    return f"a whole number of {what} from 1 to {most}"


class Limits(_Section, frozen=True, forbid_unknown_fields=True):
    """The bounds of every buffer and of the series of each metric; defaults: docs/reference/configuration.md."""

    export_items: Annotated[
        int,
        _about(
            "maximum spans, and as many log records, queued for export",
            allowed=_count("items", 10_000_000),
            env="OTEL_BSP_MAX_QUEUE_SIZE (spans), OTEL_BLRP_MAX_QUEUE_SIZE (log records)",
            ge=1,
            le=10_000_000,
        ),
    ] = 16_384
    export_mb: Annotated[
        int,
        _about(
            "maximum MiB of spans, and as many of log records, queued for export",
            allowed=_count("MiB", 65_536),
            ge=1,
            le=65_536,
        ),
    ] = 64
    request_mb: Annotated[
        int,
        _about(
            "maximum MiB of one OTLP request of spans or log records; set it below the receiver's limit",
            allowed=_count("MiB", 1_024),
            ge=1,
            le=1_024,
        ),
    ] = 15
    export_seconds: Annotated[
        float,
        _about(
            "seconds for which a batch of spans or log records is retried while the receiver does not answer",
            allowed="a number of seconds from 1 to 3600",
            env="OTEL_EXPORTER_OTLP_TIMEOUT",
            ge=1,
            le=3600,
        ),
    ] = 60.0
    shutdown_seconds: Annotated[
        float,
        _about(
            "seconds that the exit of a process waits for queued telemetry",
            allowed="a number of seconds from 0.1 to 60",
            ge=0.1,
            le=60,
        ),
    ] = 1.5
    keep_traces: Annotated[
        int,
        _about(
            "maximum unsampled traces that wait for the decision of `sampling.keep`",
            allowed=_count("traces", 1_000_000),
            ge=1,
            le=1_000_000,
        ),
    ] = 1_000
    keep_spans_per_trace: Annotated[
        int, _about("maximum spans of one such trace", allowed=_count("spans", 1_000_000), ge=1, le=1_000_000)
    ] = 1_000
    keep_spans: Annotated[
        int,
        _about(
            "maximum spans of all such traces together",
            allowed=_count("spans", 10_000_000),
            ge=1,
            le=10_000_000,
        ),
    ] = 20_000
    keep_mb: Annotated[
        int, _about("maximum MiB of spans of all such traces", allowed=_count("MiB", 65_536), ge=1, le=65_536)
    ] = 64
    keep_seconds: Annotated[
        float,
        _about(
            "seconds after which such a trace is dropped if it has not ended",
            allowed="a number of seconds from 1 to 604800",
            ge=1,
            le=604_800,
        ),
    ] = 3_600.0
    foreign_traces: Annotated[
        int,
        _about(
            "maximum open traces of other instrumentations that `StoreSpanProcessor` holds",
            allowed=_count("traces", 1_000_000),
            ge=1,
            le=1_000_000,
        ),
    ] = 1_000
    foreign_spans_per_trace: Annotated[
        int,
        _about(
            "maximum spans that it holds of one trace", allowed=_count("spans", 1_000_000), ge=1, le=1_000_000
        ),
    ] = 10_000
    foreign_mb: Annotated[
        int, _about("maximum MiB of spans that it holds", allowed=_count("MiB", 65_536), ge=1, le=65_536)
    ] = 64
    store_runs: Annotated[
        int,
        _about(
            "maximum runs queued for the store",
            allowed=_count("runs", 10_000_000),
            ge=1,
            le=10_000_000,
        ),
    ] = 10_000
    store_mb: Annotated[
        int,
        _about(
            "maximum MiB of runs queued for the store",
            allowed=_count("MiB", 65_536),
            ge=1,
            le=65_536,
        ),
    ] = 64
    memory_runs: Annotated[
        int,
        _about(
            "maximum runs that the `memory` store holds",
            allowed=_count("runs", 10_000_000),
            ge=1,
            le=10_000_000,
        ),
    ] = 1_000
    memory_mb: Annotated[
        int,
        _about(
            "maximum MiB of runs that the `memory` store holds",
            allowed=_count("MiB", 65_536),
            ge=1,
            le=65_536,
        ),
    ] = 256
    run_mb: Annotated[
        int,
        _about(
            "maximum MiB of inputs, outputs, parameters, results and printed text in the record of one run",
            allowed="a whole number of MiB from 1 to 12",
            ge=1,
            le=12,
        ),
    ] = 8
    run_calls: Annotated[
        int,
        _about(
            "maximum tool calls in the record of one run",
            allowed=_count("calls", 1_000_000),
            ge=1,
            le=1_000_000,
        ),
    ] = 10_000
    note_items: Annotated[
        int,
        _about(
            "maximum log lines, and as many values of runs, queued for redaction",
            allowed=_count("lines", 10_000_000),
            ge=1,
            le=10_000_000,
        ),
    ] = 16_384
    note_mb: Annotated[
        int,
        _about(
            "maximum MiB of queued log lines, and as many of values",
            allowed=_count("MiB", 65_536),
            ge=1,
            le=65_536,
        ),
    ] = 32
    log_chars: Annotated[
        int,
        _about(
            "maximum characters of a log line's message, and as many of its stack trace",
            allowed="a whole number of characters from 256 to 65536",
            ge=256,
            le=65_536,
        ),
    ] = 16_384
    workflows: Annotated[
        int,
        _about(
            "maximum workflows that metrics count under their own names; further ones share one series",
            allowed=_count("workflows", 10_000),
            ge=1,
            le=10_000,
        ),
    ] = 100
    tools: Annotated[
        int,
        _about(
            "maximum tools that metrics count under their own names; further ones share one series",
            allowed=_count("tools", 10_000),
            ge=1,
            le=10_000,
        ),
    ] = 250
    steps: Annotated[
        int,
        _about(
            "maximum steps, of all workflows together, that metrics count under their own names",
            allowed=_count("steps", 100_000),
            ge=1,
            le=100_000,
        ),
    ] = 2_000
    models: Annotated[
        int,
        _about(
            "maximum models that metrics count under their own names; further ones are `other`",
            allowed=_count("models", 10_000),
            ge=1,
            le=10_000,
        ),
    ] = 40


class Admin(_Section, frozen=True, forbid_unknown_fields=True):
    """The administrative HTTP endpoints."""

    secret_fields: ClassVar[frozenset[str]] = frozenset({"token"})

    live_schema: Annotated[bool, _about("serve the live telemetry schema")] = False
    token: Annotated[
        str,
        _about(
            "bearer token that clients of the live schema must send; if it is empty, no token is required, and only "
            "clients on this machine are answered",
            allowed="text",
            secret=True,
        ),
    ] = ""


class Engine(_Section, frozen=True, forbid_unknown_fields=True):
    """The engine's own telemetry, off by default since it repeats ours."""

    telemetry_store: Annotated[bool, _about("let the engine write its own telemetry database")] = False
    native_spans: Annotated[bool, _about("let the engine emit its own flat spans")] = False


class Settings(_Section, frozen=True, forbid_unknown_fields=True):
    """The values of the `telemetry:` section with OTEL_* variables applied, frozen; without arguments, the defaults.

        >>> import ael_otel
        >>> ael_otel.Settings().metrics.port
        9464

    `notices` contains one line for each thing that the user should check (a key without effect, two keys that disagree,
    an endpoint open to the network); `path` is the file that the values come from, None without one.
    """

    enabled: Annotated[bool, _about("switch for all telemetry", env="OTEL_SDK_DISABLED")] = True
    service_name: Annotated[
        str,
        _about(
            "name of the service in every backend (engine key)",
            allowed="text that is not empty",
            env="OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES (`service.name`)",
            pattern=r"\S",
        ),
    ] = "ael"
    service_version: Annotated[
        str,
        _about(
            "version of the service in every backend (engine key)",
            allowed="text",
            env="OTEL_RESOURCE_ATTRIBUTES (`service.version`)",
        ),
    ] = ""
    metrics: Metrics = Metrics()
    exporters: Exporters = Exporters()
    traces: Traces = Traces()
    logs: Logs = Logs()
    sampling: Sampling = Sampling()
    store: Store = Store()
    retention: Retention = Retention()
    cost: Cost = Cost()
    sessions: Sessions = Sessions()
    attribution: Attribution = Attribution()
    privacy: Privacy = Privacy()
    redaction: Redaction = Redaction()
    limits: Limits = Limits()
    admin: Admin = Admin()
    engine: Engine = Engine()
    notices: tuple[str, ...] = ()
    path: str | None = None
