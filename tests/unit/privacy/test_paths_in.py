"""Which words of a text are paths without doubt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ael_otel.privacy.paths import paths_in


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cat /etc/hosts > ./out.txt", ["/etc/hosts", "./out.txt"]),
        ("docker run -v /from:/to img", ["/from", "/to"]),
        ("see ~/notes/a.md, ../b and $HOME/c.", ["~/notes/a.md", "../b", "$HOME/c"]),
        ("file:///data/mine/a%20b", ["/data/mine/a b"]),
        ("curl -d @/tmp/body --out=/tmp/answer", ["/tmp/body", "/tmp/answer"]),
        ("/a/b.py:12", ["/a/b.py"]),
        ("C:\\x\\y.txt", ["C:\\x\\y.txt"]),
        ("and/or text/html 1/2 s/a/b/ // / ~ .", []),
        ("https://host/path?next=/login s3://bucket/key data:text/plain,/x", []),
    ],
)
def test_paths_in_a_text_are_the_unambiguous_ones(text, found):
    """Rooted in `/`, the home, this folder or a drive, or a `file:` address; never a part of another address."""
    assert list(paths_in(text)) == found


@given(st.text(max_size=60))
def test_paths_in_a_text_are_in_it(text):
    """For any text: each path is a piece of it, or of its percent-decoded form, and none is empty."""
    for path in paths_in(text):
        assert path
        assert path in text or "file:" in text.lower()
