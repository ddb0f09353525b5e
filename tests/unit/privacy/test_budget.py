"""A value that holds more to judge than its budget is cut, and nothing that is readable in it is a secret."""

import json
from time import process_time
from typing import Any

import pytest

from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor

NUMBER = 6_000
SECRETS = [f"{each * 7919 % 1_000_003:06x}Qz9k" for each in range(NUMBER)]
REDACTOR = Redactor(Policy())


def left(value: object) -> list[str]:
    """The secrets that a redacted value still holds."""
    output = json.dumps(value)
    return [secret for secret in SECRETS if secret in output]


@pytest.mark.parametrize(
    "value",
    [
        " ".join(f"password={secret}" for secret in SECRETS),
        " ".join(f"--token={secret}" for secret in SECRETS),
        " ".join(f"curl -u ada:{secret}" for secret in SECRETS),
        "".join(f"%3Dpassword%3D{secret} " for secret in SECRETS),
        [f"password={secret}" for secret in SECRETS],
        [{"text": f"password: {secret}"} for secret in SECRETS],
        {f"a password={secret}": 1 for secret in SECRETS},
        [["redis-cli", "-a", secret, "ping"] for secret in SECRETS],
        json.dumps([f"password={secret}" for secret in SECRETS]),
        " ".join(f"glpat-{secret}{secret}" for secret in SECRETS),
        " ".join(f"Bearer {secret}" for secret in SECRETS),
        "".join(f"kind: Secret\ndata:\n  a: {secret}\n---\n" for secret in SECRETS),
        [each for secret in SECRETS for each in ("password", f"Kx7wPb{secret}")],
        {f"{n}": line for n, line in enumerate(each for secret in SECRETS for each in ("password:", secret))},
    ],
    ids=[
        "names",
        "options",
        "commands",
        "escapes",
        "items",
        "mappings",
        "names of fields",
        "lists",
        "JSON",
        "tokens",
        "schemes",
        "manifests",
        "neighbours",
        "lines",
    ],
)
def test_value_beyond_its_budget_is_cut_and_leaks_nothing(value: Any) -> None:
    """The unsearched rest is replaced, a second redaction changes nothing, and the explanation names the reason."""
    clean = REDACTOR.value(value)
    assert left(clean) == []
    assert "[REDACTED]" in json.dumps(clean)
    assert REDACTOR.value(clean) == clean
    assert "too_many" in {finding.rule for finding in REDACTOR.explain(value)}


@pytest.mark.parametrize(
    "value",
    [
        "password=hunter2!x " * NUMBER,
        "".join(f"{n} model=x max_tokens={n} input_tokens={n} output_tokens={n}\n" for n in range(NUMBER)),
        {f"node_modules/@scope/package-{n}": {"version": "1.0.0"} for n in range(NUMBER)},
        {f"token_count_{n}": n for n in range(NUMBER)},
        [{"text": f"line {n}: the token {n} is at {n}"} for n in range(NUMBER)],
        [{"password": secret} for secret in SECRETS],
        "user,password\n" + "".join(f"ada,{secret}\n" for secret in SECRETS),
        " ".join(f"https://ada:{secret}@host" for secret in SECRETS[:1_500]),
    ],
    ids=["repeated", "counts", "packages", "names of counts", "lines", "fields", "table", "addresses"],
)
def test_value_that_is_quick_to_judge_is_not_cut(value: Any) -> None:
    """Repetitions, harmless names, fields and tables cost little, so large values of them are not cut."""
    clean = REDACTOR.value(value)
    assert left(clean) == []
    assert "too_many" not in {finding.rule for finding in REDACTOR.explain(value)}


def test_refused_long_run_is_read_once() -> None:
    """A weak name before a long run without blanks is decided by the beginning of the run: it took quadratic time."""
    taken: list[float] = []
    for size in (2_000, 16_000):
        text = "".join(f"-{n:x}a_key=a9B8" for n in range(size))
        start = process_time()
        Redactor(Policy()).text(text)
        taken.append(process_time() - start)
    assert taken[1] < 24 * taken[0]


def test_places_of_one_rule_leave_the_budget_of_the_beginning_to_the_next() -> None:
    """Rules search one by one: addresses at the end of a text that use up the budget do not cut its beginning."""
    text = "password=hunter2x, " + " ".join(f"ada{n}@example.org" for n in range(4_000))
    clean = Redactor(Policy()).text(text)
    assert clean.startswith("password=[PASSWORD], [EMAIL] [EMAIL] ")
    assert "example.org" not in clean


def test_result_of_a_text_does_not_depend_on_budget_spent_before_it() -> None:
    """A large text that was cut behind others is not remembered as cut."""
    text = " ".join(f"password={secret}" for secret in SECRETS[:1_000])
    spent = [f"password={secret}" for secret in SECRETS[1_000:]]
    whole = Redactor(Policy()).value([text])
    redactor = Redactor(Policy())
    assert redactor.value([*spent, text])[-1] == "[REDACTED]"
    assert redactor.value([text]) == whole
