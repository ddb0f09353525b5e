"""`ael privacy`: its output never holds the secret, and fixed secrets are erased from the disk."""

# ruff: noqa: E501 - tables of texts and names

import json
import os
import re
import sqlite3
import stat
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner

from ael_otel.cli import cli
from ael_otel.cli.privacy import command as privacy
from ael_otel.cli.privacy.rules import looks_like
from ael_otel.privacy.redactor import Redactor
from ael_otel.privacy.rules import RULES
from ael_otel.store import RunQuery
from ael_otel.store.mirror import Mirror
from ael_otel.store.rows import row_of
from ael_otel.store.sqlite import SqliteStore
from tests.support.examples import examples, taken_apart
from tests.unit.cli.trace.runs import NOON, failed, make, mixed, runs

DOCS = Path(__file__).parents[3] / "docs" / "explanation" / "privacy.md"
TOKEN = "ghp_" + "a1B2c3D4e5F6" * 3
MAIL = "ada.lovelace@example.org"


SHAPES = {
    "email": "write to xxx.x+x@xxxx.xxxxxxx.xxx today",
    "us_ssn": "her SSN, 000-00-0000, is here",
    "payment_card": "paid with 0000 0000 0000 0000",
    "url_credentials": "postgres://xxx:x0xxxx@db.example.org/x",  # hygiene: made up
    "bearer_token": "Bearer xx0.x0x-0.0xxx",
    "jwt": "eyJ….….… (82 characters)",
    "azure_secret": "xxx8Q~… (40 characters)",
    "named_secret": "db_password=xxxxxx0",  # hygiene: made up
    "stripe_key": "sk_live_… (32 characters)",
}


def ael(*arguments, stdin=None):
    """Run `ael privacy` in this process."""
    return CliRunner().invoke(cli, ["privacy", *arguments], prog_name="ael", input=stdin)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, and no configuration anywhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "140")
    for name in ("AEL_CONFIG_PATH", "PLOSTON_CONFIG_PATH", "AEL_TELEMETRY_DB", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def leaky(path):
    """A store as a version without redaction wrote it: in an input, a result, an error, printed text, a workflow's name."""
    first = mixed("exec-7f3a91c20001", "a0f63b41" + "1" * 24, NOON, 40.0, f"Ada <{MAIL}>")
    first.outputs = {"report": {"deep": [f"token {TOKEN}"]}, "api_key": "short-one"}
    second = failed("exec-90bb00000003", "c3d45e60" + "3" * 24, NOON)
    second.error = msgspec.structs.replace(second.error, message=f"refused {TOKEN}")
    second.workflow_name = f"order for {MAIL}"
    make(path, [first, second, *runs()[3:5]])
    return path


def everything(folder):
    """All bytes of all files."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


@pytest.mark.parametrize("line", examples(privacy, DOCS))
def test_every_example_works(line, place):
    """Return the output; the exit code is 0, or 1 if a scan has findings that it does not fix."""
    leaky(place / ".ael" / "telemetry.db")
    (place / "result.json").write_text(json.dumps({"mail": MAIL}))
    (place / "runs.jsonl").write_text(json.dumps({"mail": MAIL}) + "\n")
    words, stdin = taken_apart(line, "privacy", place)
    done = ael(*words, stdin=stdin)
    assert done.exit_code == (1 if words[0] == "scan" and "--fix" not in words else 0), done.output
    assert MAIL not in done.output
    assert TOKEN not in done.output


def test_text_is_printed_redacted_with_the_rule_that_matched(place):
    """The text, then rule, place, characters and marker of each; never the match."""
    done = ael("test", f"mail {MAIL} now")
    assert done.exit_code == 0
    assert done.stdout.splitlines()[0] == "mail [EMAIL] now"
    assert re.search(r"^email +\$ +5-29 +\[EMAIL\]", done.stdout, re.MULTILINE)
    assert MAIL not in done.output
    assert "Nothing to redact." in ael("test", "all is well").stdout


def test_findings_in_json_have_paths_and_json_output(place):
    """The same from stdin, from a file and from the command line."""
    text = json.dumps({"user": {"apiKey": "x1", "note": [f"by {MAIL}"]}})
    (place / "in.json").write_text(text)
    answers = [
        ael("test", *arguments, "-o", "json", stdin=stdin)
        for arguments, stdin in (((text,), None), (("-",), text), ((), text), (("in.json",), None))
    ]
    for done in answers:
        answer = json.loads(done.stdout)
        assert json.loads(answer["text"]) == {"user": {"apiKey": "[API_KEY]", "note": ["by [EMAIL]"]}}
        assert [(each["rule"], each["where"]) for each in answer["findings"]] == [
            ("field_name", "$.user.apiKey"),
            ("email", "$.user.note[0]"),
        ]
        assert MAIL not in done.output


def test_the_configuration_counts(place):
    """Its patterns, its files and its allowed fields; a bad one is an error of configuration."""
    (place / "ael-config.yaml").write_text(
        "telemetry:\n  privacy: {scrub_pii: false, excluded_paths: [/srv/vault/*]}\n"
        "  redaction: {sensitive_field_patterns: ['^patient'], allow_fields: [token]}\n"
    )
    text = json.dumps(
        {"patient_name": "Ada", "token": "kept-one", "mail": MAIL, "f": "cat /srv/vault/../vault/x"}
    )
    done = ael("test", text, "-o", "json")
    assert json.loads(json.loads(done.stdout)["text"]) == {
        "patient_name": "[REDACTED]",
        "token": "kept-one",  # hygiene: made up
        "mail": MAIL,
        "f": "cat [EXCLUDED_PATH]",
    }
    (place / "ael-config.yaml").write_text("telemetry:\n  redaction: {sensitive_field_patterns: ['(a+)+']}\n")
    done = ael("test", "x")
    assert done.exit_code == 2
    assert "(a+)+" in done.stderr


def test_rules_are_listed_with_example_and_marker(place, monkeypatch):
    """Proves for the table and JSON that each rule has the shape of its example, its marker and a counterexample."""
    listed = {each["name"]: each for each in json.loads(ael("rules", "-o", "json").stdout)}
    assert list(listed) == [rule.name for rule in RULES]
    assert listed["github_token"] == {
        "name": "github_token",
        "kind": "token",
        "marker": "[TOKEN]",
        "finds": "GitHub tokens",
        "looks_like": "ghp_… (40 characters)",
        "example": "[TOKEN]",
        "left_alone": "ghp_short",
    }
    assert {name: each["looks_like"] for name, each in listed.items() if name in SHAPES} == SHAPES
    for rule in RULES:
        kind = {"named_secret": "PASSWORD", "command_option": "TOKEN"}.get(rule.name, rule.kind.upper())
        assert f"[{kind}]" in listed[rule.name]["example"]
        assert listed[rule.name]["left_alone"] == rule.counter
    monkeypatch.setenv("COLUMNS", "400")
    wide = [re.split(r" {2,}", line.strip()) for line in ael("rules").stdout.splitlines()]
    assert wide[0] == ["rule", "finds", "looks like", "becomes", "left alone"]
    assert ["github_token", "GitHub tokens", "ghp_… (40 characters)", "[TOKEN]", "ghp_short"] in wide
    assert [line[0] for line in wide[1 : len(RULES) + 1]] == list(listed)
    monkeypatch.setenv("COLUMNS", "80")
    narrow = ael("rules").stdout
    assert narrow.split("\n")[0].split() == ["rule", "finds", "looks", "like", "becomes"]
    assert re.search(r"^github_token +GitHub tokens +ghp_… \(40 +\[TOKEN\]", narrow, re.MULTILINE)
    assert all(len(line) <= 80 for line in narrow.splitlines())


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_shape_of_an_example_reveals_only_its_prefix(rule):
    """Proves that only the beginning of a rule's match in its example is printed, with the right length."""
    redactor = Redactor()
    found = redactor.explain(rule.example)[0]
    secret = rule.example[found.start : found.end]
    shown = looks_like(rule, found.start, found.end)
    # Any six characters of it beyond the prefix.
    parts = {secret[at : at + 6] for at in range(len(secret) - 5)} - {"-----\n", "\n-----"}
    known_by = [f" {word.lower()} " for word in rule.anchors]
    assert not [
        part for part in parts if part in shown and not any(part.lower() in each for each in known_by)
    ]
    assert ("…" in shown) == (f"({len(secret)} characters)" in shown)
    if rule.kind != "field" and rule.name not in ("bearer_token", "url_credentials", "email"):
        assert redactor.text(shown) == shown, "not even a rule takes it for a secret"


def test_scan_of_a_store_prints_only_run_column_and_path(place):
    """Exit code 1; the store is as it was."""
    path = leaky(place / "old.db")
    done = ael("scan", "old.db", "-o", "json")
    assert done.exit_code == 1
    found = {(each["rule"], each["run"], each["column"]) for each in json.loads(done.stdout)["findings"]}
    assert ("email", "exec-7f3a91c20001", "bodies.body") in found
    assert ("field_name", "exec-7f3a91c20001", "bodies.body") in found
    assert ("github_token", "exec-90bb00000003", "executions.error_message") in found
    assert ("email", "exec-90bb00000003", "executions.workflow_name") in found
    assert {run for _, run, _ in found} == {"exec-7f3a91c20001", "exec-90bb00000003"}
    shown = ael("scan", "old.db")
    assert shown.exit_code == 1
    assert "--fix" in shown.stdout
    for output in (done.output, shown.output):
        assert TOKEN not in output
        assert MAIL not in output
    store = SqliteStore(path, create=False)
    assert TOKEN.encode() in everything(place)
    store.close()


def test_a_fixed_store_holds_no_byte_of_the_secrets_and_all_else(place):
    """Not in its pages, free ones included, nor in its log; runs stay readable, and a second scan finds nothing."""
    path = leaky(place / "old.db")
    # Rows that were deleted without zeroing their pages.
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA secure_delete = OFF").fetchone()
        connection.execute("CREATE TABLE gone (id INTEGER PRIMARY KEY, body TEXT)")
        connection.execute("INSERT INTO gone (body) VALUES (?)", (f"{MAIL} {TOKEN} " * 400,))
        connection.commit()
        connection.execute("DROP TABLE gone")
    connection.close()
    assert TOKEN.encode() in everything(place)
    done = ael("scan", "old.db", "--fix")
    assert done.exit_code == 0, done.output
    left = everything(place)
    for secret in (TOKEN, MAIL, "short-one", "lovelace"):
        assert secret.encode() not in left
    assert ael("scan", "old.db").exit_code == 0
    store = SqliteStore(path, create=False)
    run = store.get("exec-7f3a91c20001")
    assert run is not None
    assert run.inputs == {"name": "Ada <[EMAIL]>"}
    assert run.outputs == {"report": {"deep": ["token [TOKEN]"]}, "api_key": "[API_KEY]"}
    assert run.steps[1].code.stdout == "first line\nsecond line\n"
    other = store.get("exec-90bb00000003")
    assert other.error.message == "refused [TOKEN]"
    assert store.info().executions == 4
    store.close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_store_with_open_readers_is_not_reported_as_clean(place, monkeypatch):
    """SQLite's log cannot be truncated under a reader: the message says so with exit code 1, and later it works."""
    for module in ("sqlite", "scan.local"):
        monkeypatch.setattr(f"ael_otel.store.{module}.BUSY_S", 0.2)
    path = leaky(place / "old.db")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM executions").fetchone()
    done = ael("scan", "old.db", "--fix")
    assert done.exit_code == 1
    assert "old.db" in done.stderr
    reader.execute("COMMIT")
    reader.close()
    ael("scan", "old.db", "--fix")
    assert TOKEN.encode() not in everything(place)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("runs.json", json.dumps({"a": [{"password": "hunter2"}, MAIL], "n": "Grüße"}, indent=2)),
        ("runs.jsonl", "".join(json.dumps({"n": n, "mail": MAIL, "token": TOKEN}) + "\n" for n in range(9))),
        ("out.log", f"first line\nBearer {TOKEN}\r\nfrom {MAIL}\nlast line\n"),
        ("twice.json", '{"note": "' + MAIL + '", "note": "harmless"}'),
        ("latin.txt", f"Grüße von {MAIL}\n".encode("latin-1")),
    ],
)
def test_a_file_is_fixed_and_only_its_owner_can_read_it(place, name, content):
    """JSON stays JSON and text keeps its other lines; no copy of the old file is left."""
    data = content if isinstance(content, bytes) else content.encode()
    (place / name).write_bytes(data)
    done = ael("scan", name)
    assert done.exit_code == 1, done.output
    assert (place / name).read_bytes() == data
    fixed = ael("scan", name, "--fix")
    assert fixed.exit_code == 0, fixed.output
    for output in (done.output, fixed.output, everything(place).decode("latin-1")):
        assert MAIL not in output
        assert TOKEN not in output
        assert "hunter2" not in output
    assert stat.S_IMODE((place / name).stat().st_mode) == 0o600
    assert ael("scan", name).exit_code == 0
    assert [path.name for path in place.iterdir()] == [name]
    text = (place / name).read_bytes()
    if name.endswith(".json"):
        json.loads(text)
    if name == "runs.json":
        assert json.loads(text) == {"a": [{"password": "[PASSWORD]"}, "[EMAIL]"], "n": "Grüße"}
    if name == "out.log":
        assert text == b"first line\nBearer [TOKEN]\r\nfrom [EMAIL]\nlast line\n"


def test_line_of_a_finding_is_reported(place):
    """In text and in JSON lines."""
    (place / "out.log").write_text(f"one\ntwo\nfrom {MAIL}\n")
    assert "line 3" in ael("scan", "out.log").stdout


def test_file_that_cannot_be_scanned_is_reported_in_one_line(place):
    """No such file 3; no database, another program's, a newer version's, a folder 1; wrong usage 2."""
    (place / "text.db").write_text("no database")
    with sqlite3.connect(place / "other.db") as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    make(place / "newer.db", [])
    with sqlite3.connect(place / "newer.db") as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    for name, code, said in (
        ("nothing.db", 3, "no such file"),
        ("text.db", 1, "is not a database"),
        ("other.db", 1, "the database of another program"),
        ("newer.db", 1, "newer"),
        (".", 1, "is a folder"),
    ):
        done = ael("scan", name)
        assert (done.exit_code, said in done.stderr) == (code, True), (name, done.output)
        assert "Traceback" not in done.stderr
    assert ael("scan").exit_code == 3, "the configured store, which is not there"
    assert ael("scn").exit_code == 2
    if os.getuid():
        (place / "locked.txt").write_text("x")
        (place / "locked.txt").chmod(0)
        assert ael("scan", "locked.txt").exit_code == 1


@pytest.mark.parametrize("verb", privacy.list_commands(click.Context(privacy)))
def test_every_verb_has_help_with_examples(verb, place):
    """Also where there is nothing to look at."""
    done = ael(verb, "--help")
    assert done.exit_code == 0
    assert f"ael privacy {verb}" in done.stdout.split("Examples:")[1]


@pytest.mark.skipif(os.name == "nt", reason="folders cannot be opened")
def test_the_json_files_beside_a_store_are_fixed_with_it(place):
    """Each run's file and the index of its day, in which entries can still be added and removed."""
    leaky(place / "kept" / "telemetry.db")
    store = SqliteStore(place / "kept" / "telemetry.db")
    records = list(store.iterate(RunQuery(limit=None)))
    store.close()
    mirror = Mirror(place / "kept" / "traces")
    mirror.write([row_of(each) for each in records])
    (place / "kept" / "traces" / "note.json").write_text(MAIL, "utf-8")
    listing = ael("scan", "kept/telemetry.db", "--output", "json")
    reported_runs = {each["run"] for each in json.loads(listing.stdout)["findings"]}
    days = {each.parent.name for each in (place / "kept" / "traces").glob("*/index.json")}
    assert {f"{day}/index.json" for day in days} <= reported_runs
    assert any("/trace-" in each for each in reported_runs)
    assert ael("scan", "kept/telemetry.db", "--fix").exit_code == 0
    left = everything(place / "kept").replace(MAIL.encode(), b"", 1)
    assert MAIL.encode() not in left, "but for the file that is none of ours"
    assert TOKEN.encode() not in left
    assert ael("scan", "kept/telemetry.db").exit_code == 0
    mirror.write([row_of(msgspec.structs.replace(records[0], execution_id="exec-new", trace_id="f" * 32))])
    for day in days:
        entries = json.loads((place / "kept" / "traces" / day / "index.json").read_text("utf-8"))
        assert {each["execution_id"] for each in entries} >= {
            each.execution_id for each in records if f"{each.started_at:%Y-%m-%d}" == day
        }


@pytest.mark.parametrize("name", ["notes.json", "./missing", "/no/such/file", "a/b.txt"])
def test_name_of_a_missing_file_is_reported(place, name):
    """Proves that the name of a missing file is not scanned as a text, and that a folder is refused."""
    done = ael("test", name)
    assert (done.exit_code, done.stderr) == (0, f"{name}: no such file; the argument is redacted as a text\n")
    assert ael("test", "see notes.json").stderr == ""
    refused = ael("test", ".")
    assert (refused.exit_code, refused.stderr) == (1, "ael: .: is a folder; name a file in it\n")


def test_binary_file_is_not_rewritten(place):
    """Proves that a program or an archive is scanned, and that fixing it is refused with a remedy."""
    data = b"\x7fELF\0\0" + TOKEN.encode() + b"\0\xff"
    file = Path("program")
    file.write_bytes(data)
    assert ael("scan", "program").exit_code == 1
    refused = ael("scan", "program", "--fix")
    assert refused.exit_code == 1
    assert "program: is not text" in refused.stderr
    assert "without --fix" in refused.stderr
    assert file.read_bytes() == data
