"""Authors of lines that were there before, moved, re-indented or broken differently."""

import pytest

from ael_otel.attribution.carrying import (
    Authors,
    Known,
    Text,
    inherit,
    moved,
    reflow,
    resolve,
    settle,
    settled,
)
from ael_otel.attribution.changes import Author
from ael_otel.attribution.lines import Hashes, content_key, line_ending, lines_of, range_hash

A, B, NEW = (1,), (2,), (9,)


def known(lines: str, authors: list[Author]) -> Known:
    """A content with its authors."""
    return Known(Hashes.of(lines.split("\n")), authors)


def carried(before: Known, after: str) -> Authors:
    """The authors of lines after an edit."""
    hashes = Hashes.of(after.split("\n"))
    authors: Authors = [None] * len(hashes)
    inherit(before, hashes, authors)
    return authors


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("one()\ntwo()", "one()\nnew()\ntwo()", [A, None, B]),
        ("one()\ntwo()", "  one()\n\ttwo()", [A, B]),
        ("one('x')\ntwo()", 'one("x"),\ntwo()', [A, B]),
        ("one()\ntwo()", "one()", [A]),
        ("one()\ntwo()", "one(1)\ntwo()", [None, B]),
        ("one()\n", "\none()\n", [None, A, B]),
        ("中文()\ntwo()", "  中文()\ntwo()", [A, B]),
    ],
)
def test_unchanged_and_reindented_lines_keep_their_author(before: str, after: str, expected: Authors) -> None:
    """Everything else is open."""
    assert carried(known(before, [A, B]), after) == expected


def test_stretch_that_is_broken_differently_keeps_its_authors() -> None:
    """As a formatter does with a line that is too long; a stretch with another letter is not carried."""
    before = Text.of(["start()", "call(first_argument, second_argument)", "end()"])
    for letter, expected in (("", A), ("x", None)):
        after = Text.of(
            ["start()", "call(", "    first_argument,", f"    second_argument{letter},", ")", "end()"]
        )
        authors: Authors = [None] * len(after.lines)
        pairs = inherit(Known(before.hashes, [B, A, B]), after.hashes, authors)
        reflow(before, [B, A, B], after, authors, pairs)
        assert authors == [B, *[expected] * 4, B]


def test_moved_block_keeps_its_authors() -> None:
    """From one file to another, also if it is indented there."""
    before = Hashes.of(["def compute_total():", "    return 1", "", "def other_function():", "    return 2"])
    after = Hashes.of(["class Holder:", "    def compute_total():", "        return 1"])
    authors: Authors = [None] * 3
    moved([(before, [A, A, A, B, B], [0, 1, 2])], [(after, authors)])
    assert authors == [None, A, A]


def test_line_that_several_places_lost_is_not_taken_for_moved() -> None:
    """Nothing says which of them it is from."""
    before = Hashes.of(["return compute()", "first_thing()", "return compute()", "second_thing()"])
    after = Hashes.of(["something_new()", "return compute()"])
    authors: Authors = [None] * 2
    moved([(before, [A, A, B, B], [0, 1, 2, 3])], [(after, authors)])
    assert authors == [None, None]


def test_line_that_is_still_there_is_copied_not_moved() -> None:
    """A copy is new."""
    before = Hashes.of(["compute_total()"])
    after = Hashes.of(["compute_total()"])
    authors: Authors = [None]
    moved([(before, [A], [])], [(after, authors)])
    assert authors == [None]


def test_content_that_was_seen_has_the_authors_it_had() -> None:
    """Whatever came between: a checkout of an older commit changes no author."""
    first = known("alpha_one()\nbeta_two()", [A, B])
    second = known("alpha_one()\ngamma_three()", [A, NEW])
    assert resolve(Hashes.of(["alpha_one()", "beta_two()"]), [second, first]) == [A, B]


def test_lines_of_two_versions_are_both_resolved() -> None:
    """As after the merge of two branches."""
    ours = known("start_here()\nours_added()\nend_here()", [A, NEW, A])
    theirs = known("start_here()\nend_here()\ntheirs_added()", [A, A, B])
    merged = Hashes.of(["start_here()", "ours_added()", "end_here()", "theirs_added()"])
    assert resolve(merged, [ours, theirs]) == [A, NEW, A, B]


def test_common_line_is_not_settled_by_itself() -> None:
    """`return` and `}` are written by everybody."""
    authors: Authors = [None, None]
    settle(Hashes.of(["}", "return"]), authors, [known("something_else()\n}\nreturn", [A, A, A])])
    assert settled(authors) == [(), ()]


@pytest.mark.parametrize(
    ("data", "lines", "ending"),
    [
        (b"", [], "none"),
        (b"a\nb\n", ["a", "b"], "lf"),
        (b"a\r\nb", ["a", "b"], "crlf"),
        (b"a\r\nb\n", ["a", "b"], "mixed"),
        (b"\xef\xbb\xbfa\n", ["a"], "lf"),
        ("a\n中\n".encode("utf-16"), ["a", "中"], "lf"),
        (b"a\x0bb\x0cc\n", ["a\x0bb\x0cc"], "lf"),
        (b"\xe9t\xe9\n", ["été"], "lf"),
        (b"\n\n", ["", ""], "lf"),
        (b"a\0b\n", None, "lf"),
        (b"\xff\xfea", None, "none"),
    ],
)
def test_lines_are_numbered_as_git_numbers_them(data: bytes, lines: list[str] | None, ending: str) -> None:
    """A line ends with LF or CRLF and with nothing else; what is not text has no lines."""
    assert lines_of(data) == lines
    assert line_ending(data) == ending


def test_line_ends_change_no_hash() -> None:
    """CRLF and LF, with and without an end of the last line."""
    one, other = lines_of(b"a\nb\n"), lines_of(b"a\r\nb")
    assert one is not None
    assert other is not None
    assert content_key(one) == content_key(other)
    assert range_hash([*one, ""]) == range_hash(other)
