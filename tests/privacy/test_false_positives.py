"""Redaction leaves sources, documentation and JSON of packages alone."""

from pathlib import Path
from sysconfig import get_path

import pytest

from tests.privacy.false_positives import EXPECTED, MEGABYTE, Result, scan, texts

# Packages that the development environment always has: 5 MB of the first of them, in this order, are read.
PACKAGES = ("fastmcp", "pydantic", "opentelemetry", "mypy", "hypothesis", "mcp", "rich", "_pytest", "pyright")
MOST = 1.0  # wrong markers in 100 kB


@pytest.fixture(scope="module")
def packages() -> Result:
    """The markers in 5 MB of installed packages."""
    return scan(texts(Path(get_path("purelib")) / name for name in PACKAGES), 5 * MEGABYTE)


def test_marker_that_is_wrong_is_rare_in_installed_packages(packages: Result) -> None:
    """At most one marker in 100 kB, addresses and excluded paths apart, and never one for a fault or a cut text."""
    found = packages.by_rule()
    for rule, marked in found.items():
        print(  # noqa: T201 - pytest shows it with a failure
            f"{rule}: {len(marked)}",
            *(f"  {each.path.name}: {each.context}" for each in marked[:5]),
            sep="\n",
        )
    assert packages.characters >= 5 * MEGABYTE
    assert packages.rate() <= MOST
    assert not {"fault", "too_long", "cycle"} & set(found)


def test_no_rule_alone_makes_up_the_bound(packages: Result) -> None:
    """No single rule has more than half of all allowed findings, except the rule of named values."""
    for rule, marked in packages.by_rule().items():
        if rule not in EXPECTED and rule != "named_secret":
            assert len(marked) / packages.characters * 100_000 <= MOST / 2, rule


def test_marked_addresses_have_a_name_and_a_domain(packages: Result) -> None:
    """Matches of the e-mail rule in packages are addresses, not a version, a decorator or a file."""
    for each in packages.by_rule().get("email", []):
        found = each.context.partition("«")[2].partition("»")[0]
        name, _, domain = found.rpartition("@")
        assert name, each
        assert "." in domain, each
        assert not domain.rpartition(".")[2].isdigit(), each


def test_marker_is_counted_with_its_rule_and_line(tmp_path: Path) -> None:
    """A planted value counts under its rule, in a text and in JSON; a file of bytes and a linked file are left out."""
    secret = "hunter" + "2Pa55word"
    (tmp_path / "a.py").write_text(f"# line\npassword = '{secret}'\n", "utf-8")
    (tmp_path / "b.json").write_text(f'{{"a": ["x", {{"password": "{secret}"}}]}}', "utf-8")
    (tmp_path / "c.txt").write_bytes(b"password = '" + secret.encode() + b"'\0")
    (tmp_path / "d.py").symlink_to(tmp_path / "a.py")
    found = scan(texts([tmp_path]), MEGABYTE)
    assert found.files == 2
    assert {rule: len(marked) for rule, marked in found.by_rule().items()} == {
        "named_secret": 1,
        "field_name": 1,
    }
    contexts = [each.context for each in found.marked]
    assert contexts[0].endswith(f"password = '«{secret}»'⏎")
    assert contexts[1] == f"$.a[1].password: «{secret}»"
    assert found.rate() == pytest.approx(2 / found.characters * 100_000)
