"""Agent Trace records of other tools in a real repository: the lines that they describe, and those they do not."""

from pathlib import Path

import pytest

from ael_otel.attribution.agent_trace import (
    VERSION,
    Contributor,
    Conversation,
    Range,
    Tool,
    TracedFile,
    TraceRecord,
    Vcs,
)
from ael_otel.attribution.changes import Change
from ael_otel.attribution.history import History
from ael_otel.attribution.importing import ImportReport, import_records
from ael_otel.attribution.ledger import Ledger, Version
from ael_otel.attribution.lines import Hashes, range_hash
from tests.support.git_repository import Repository
from tests.support.needs import require

HEAD = [f"def head_{number}():" for number in range(4)]
BY_AI = ["def written_by_an_agent(value):", "    return value * 42", "", "CONSTANT_OF_AN_AGENT = 12345"]
PATH = "src/app.py"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit of a person."""
    require("git")
    made = Repository(tmp_path / "work")
    made.write(PATH, *HEAD)
    made.commit("start")
    return made


def record(
    revision: str | None,
    *ranges: Range,
    kind: str = "ai",
    number: int = 1,
    path: str = PATH,
    version: str = VERSION,
) -> TraceRecord:
    """A record about one file."""
    return TraceRecord(
        version=version,
        id=f"00000000-0000-4000-8000-{number:012}",
        timestamp=f"2026-02-17T10:41:{number:02}Z",
        vcs=None if revision is None else Vcs(type="git", revision=revision),
        tool=Tool(name="other-tool", version="2.4"),
        files=(
            TracedFile(
                path=path,
                conversations=(
                    Conversation(
                        contributor=Contributor(type=kind, model_id="acme/m1" if kind == "ai" else None),
                        ranges=ranges,
                    ),
                ),
            ),
        ),
    )


def hashed(start: int, lines: list[str]) -> Range:
    """A range with the hash of its lines."""
    return Range(start_line=start, end_line=start + len(lines) - 1, content_hash=range_hash(lines))


def take(ledger: Ledger, repository: Repository, *records: TraceRecord, **more: object) -> ImportReport:
    """Import records into the ledger."""
    history = History.around(repository.root)
    assert history is not None
    return import_records(records, ledger, history, **more)


def authors(ledger: Ledger, repository: Repository, path: str = PATH) -> str:
    """Return the contributor of each line of a file as it is now by its first letter; `-` where it is not known."""
    history = History.around(repository.root)
    lines = history.lines_now(path)
    found = ledger.authors(str(history.folder), path, Hashes.of(lines))
    changes: dict[int, Change] = ledger.by_ids({number for each in found for number in each or ()})
    return "".join(changes[each[0]].contributor[0] if each else "-" for each in found)


def test_range_with_a_hash_is_bound_at_the_revision_that_has_it(repository, ledger):
    """A record that was written after the commit names lines of that commit."""
    repository.write(PATH, *HEAD, *BY_AI)
    revision = repository.commit("by an agent")
    report = take(ledger, repository, record(revision, hashed(5, BY_AI)))
    assert report == ImportReport(1, 4, 0, 0)
    assert authors(ledger, repository) == "----aaaa"
    (change,) = ledger.changes()
    assert (change.source, change.agent, change.agent_version, change.model_id) == (
        "import",
        "other-tool",
        "2.4",
        "acme/m1",
    )


def test_range_recorded_before_the_commit_is_found_in_a_later_revision(repository, ledger):
    """The reference implementation names the commit before the change: the lines are in one after it."""
    before = repository.git("rev-parse", "HEAD")
    repository.write(PATH, *HEAD, *BY_AI)
    repository.commit("by an agent")
    repository.write(PATH, "import os", *HEAD, *BY_AI, "def later_by_somebody():")
    repository.commit("by somebody")
    report = take(ledger, repository, record(before, hashed(5, BY_AI)))
    assert report.lines == 4
    assert authors(ledger, repository) == "-----aaaa-"


def test_uncommitted_lines_are_bound_in_the_work_tree(repository, ledger):
    """Also with CRLF, which the hash of the record does not have."""
    before = repository.git("rev-parse", "HEAD")
    repository.write(PATH, *HEAD, *BY_AI, end="\r\n")
    take(ledger, repository, record(before, hashed(5, BY_AI)))
    assert authors(ledger, repository) == "----aaaa"


def test_moved_range_is_found_by_its_hash(repository, ledger):
    """Lines that have another position than the record says are the same lines."""
    revision = repository.git("rev-parse", "HEAD")
    repository.write(PATH, "import os", "import sys", *HEAD, *BY_AI)
    take(ledger, repository, record(revision, hashed(5, BY_AI)))
    assert authors(ledger, repository) == "------aaaa"


def test_range_that_is_there_twice_is_not_guessed(repository, ledger):
    """Two places have these lines, neither where the record says: none is attributed."""
    revision = repository.git("rev-parse", "HEAD")
    repository.write(PATH, "import os", *BY_AI, *HEAD, *BY_AI)
    report = take(ledger, repository, record(revision, hashed(5, BY_AI)))
    assert report == ImportReport(1, 0, 1, 0)
    assert authors(ledger, repository) == "-" * 13


def test_range_without_a_hash_means_lines_its_revision_added(repository, ledger):
    """As the specification says: blame leads to the revision, and the record of that revision to the range."""
    repository.write(PATH, HEAD[0], *BY_AI, *HEAD[1:])
    revision = repository.commit("by an agent")
    report = take(ledger, repository, record(revision, Range(start_line=1, end_line=8)))
    assert report.lines == 4
    assert authors(ledger, repository) == "-aaaa---"


def test_range_without_a_hash_at_an_earlier_revision_binds_nothing(repository, ledger):
    """The position alone would name lines that a person wrote before."""
    before = repository.git("rev-parse", "HEAD")
    repository.write(PATH, *HEAD[:2], *BY_AI)
    second = repository.commit("by an agent")
    report = take(ledger, repository, record(second, Range(start_line=1, end_line=2)))
    assert report == ImportReport(1, 0, 1, 0)
    report = take(ledger, repository, record("f" * 40, Range(start_line=1, end_line=2), number=2))
    assert report == ImportReport(1, 0, 1, 0)
    assert before != second
    assert "a" not in authors(ledger, repository)


def test_human_is_accepted_from_a_record(repository, ledger):
    """Explicit evidence is the only source of `human`, and only for the lines that it names."""
    revision = repository.git("rev-parse", "HEAD")
    take(ledger, repository, record(revision, hashed(1, HEAD[:2]), kind="human"))
    assert authors(ledger, repository) == "hh--"
    assert ledger.changes()[0].agent is None


def test_authors_that_the_ledger_has_seen_count_before_a_record(repository, ledger):
    """A record cannot turn lines of an agent that was watched into those of a human."""
    history = History.around(repository.root)
    seen = Change(
        key="seen",
        contributor="ai",
        source="hook",
        at_us=1,
        started_us=1,
        repository=str(history.folder),
        workspace=str(history.root),
    )
    ledger.record(seen, [Version.of(str(history.folder), PATH, 1, HEAD, [(seen.id,), (), (), ()])])
    revision = repository.git("rev-parse", "HEAD")
    take(ledger, repository, record(revision, hashed(1, HEAD), kind="human"))
    assert authors(ledger, repository) == "ahhh"


def test_second_import_changes_nothing(repository, ledger):
    """Records that are there already are counted, not repeated."""
    revision = repository.git("rev-parse", "HEAD")
    one = record(revision, hashed(1, HEAD))
    take(ledger, repository, one)
    assert take(ledger, repository, one, record(revision, hashed(1, HEAD), number=2)) == ImportReport(
        1, 4, 0, 1
    )
    assert len(ledger.changes()) == 2


def test_excluded_file_is_not_read(repository, ledger):
    """Neither its lines nor its path enter the ledger."""
    revision = repository.git("rev-parse", "HEAD")
    report = take(
        ledger, repository, record(revision, hashed(1, HEAD)), excluded=lambda path: path.endswith(f"/{PATH}")
    )
    assert report == ImportReport(1, 0, 1, 0)
    assert ledger.changes()[0].files == []


def test_link_out_of_the_repository_is_not_followed(repository, ledger, tmp_path):
    """A link in the work tree does not lead to a file elsewhere."""
    (tmp_path / "outside.py").write_text("".join(f"{line}\n" for line in HEAD))
    (repository.root / "link.py").symlink_to(tmp_path / "outside.py")
    (repository.root / "folder").symlink_to(tmp_path)
    for number, path in enumerate(("link.py", "folder/outside.py"), 1):
        one = record(None, hashed(1, HEAD), path=path, number=number)
        assert take(ledger, repository, one).lines == 0


def test_folder_without_git_is_read_as_it_is(tmp_path, ledger):
    """Without a history only the current contents can be compared."""
    (tmp_path / "app.py").write_text("".join(f"{line}\n" for line in HEAD))
    history = History(tmp_path)
    found = import_records([record(None, hashed(1, HEAD), path="app.py")], ledger, history, git=False)
    assert found.lines == 4


@pytest.mark.parametrize("setting", ["textconv", "clean", "fsmonitor", "hooks"])
def test_nothing_of_the_repository_is_executed(repository, ledger, tmp_path, setting):
    """Text converters, filters, monitors and hooks that a repository configures do not run."""
    ran = tmp_path / "ran"
    program = f"touch {ran}; cat"
    repository.write(".gitattributes", "*.py diff=own filter=own")
    if setting == "textconv":
        repository.git("config", "diff.own.textconv", program)
    elif setting == "clean":
        repository.git("config", "filter.own.clean", program)
    elif setting == "fsmonitor":
        repository.git("config", "core.fsmonitor", program)
    else:
        hook = repository.root / ".git" / "hooks" / "post-index-change"
        hook.write_text(f"#!/bin/sh\n{program}\n")
        hook.chmod(0o755)
    repository.write(PATH, *HEAD, *BY_AI)
    revision = repository.commit("by an agent")
    ran.unlink(missing_ok=True)
    take(ledger, repository, record(revision, hashed(5, BY_AI), Range(start_line=1, end_line=4)))
    assert not ran.exists()
