"""Inputs on the command line and from a file."""

import io

import click
import pytest

from ael_otel.cli.inputs import parse_pairs, read_file


@pytest.mark.parametrize(
    ("pair", "inputs"),
    [
        ("name=Ada", {"name": "Ada"}),
        ("n=3", {"n": 3}),
        ("n=-1.5e3", {"n": -1500.0}),
        ("ok=true", {"ok": True}),
        ("none=null", {"none": None}),
        ('tags=["a", 1]', {"tags": ["a", 1]}),
        ('name="3"', {"name": "3"}),
        ("zip=007", {"zip": "007"}),
        ("url=http://x/?a=b", {"url": "http://x/?a=b"}),
        ("empty=", {"empty": ""}),
        ("word=NaN", {"word": "NaN"}),
        ("word=Infinity", {"word": "Infinity"}),
        ("broken={a", {"broken": "{a"}),
    ],
)
def test_a_value_is_json_where_it_is_json_and_text_elsewhere(pair, inputs):
    """The first equals sign divides; NaN and Infinity, which Python would take, are words."""
    assert parse_pairs([pair]) == inputs


def test_the_last_of_two_pairs_with_one_key_wins():
    """As with other options."""
    assert parse_pairs(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}


@pytest.mark.parametrize("pair", ["name", "=x", "", "="])
def test_a_pair_without_key_or_equals_sign_is_refused(pair):
    """The message repeats the user's text."""
    with pytest.raises(click.BadParameter, match="is not key=value"):
        parse_pairs([pair])


def test_a_value_that_is_nested_too_deep_is_text():
    """Text that no JSON parser accepts is treated as text and is not an error."""
    deep = "[" * 100_000 + "]" * 100_000
    assert parse_pairs([f"a={deep}"]) == {"a": deep}


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "a: " + "[" * 20_000, "? [a]\n: 1", "!!int ''", "a: !!timestamp x"]
)
def test_file_that_is_not_a_mapping_is_refused(text, tmp_path):
    """Depth, keys that are lists and values that do not fit their tags end in one line."""
    path = tmp_path / "inputs"
    path.write_text(text)
    with pytest.raises(
        click.BadParameter, match=r"nested too deep|neither JSON nor YAML|must contain one mapping"
    ):
        read_file(str(path))


@pytest.mark.parametrize("text", ['{"a": 1, "b": [2]}', "a: 1\nb: [2]\n"])
def test_a_file_may_be_json_or_yaml(text, tmp_path):
    """The same mapping either way."""
    path = tmp_path / "inputs"
    path.write_text(text)
    assert read_file(str(path)) == {"a": 1, "b": [2]}


def test_a_dash_is_stdin(monkeypatch):
    """For inputs that another command makes."""
    monkeypatch.setattr("sys.stdin", io.StringIO('{"a": 1}'))
    assert read_file("-") == {"a": 1}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[1, 2]", "must contain one mapping"),
        (b"", "must contain one mapping"),
        (b"just words", "must contain one mapping"),
        (b"a: [1", "neither JSON nor YAML at line 1"),
        (b"\xff\xfe\xfa", "not UTF-8 text"),
    ],
)
def test_a_file_that_holds_no_inputs_is_refused_with_the_reason(content, reason, tmp_path):
    """The file is named, its content is not repeated."""
    path = tmp_path / "inputs"
    path.write_bytes(content)
    with pytest.raises(click.BadParameter, match=reason):
        read_file(str(path))


def test_a_file_that_is_not_there_is_refused(tmp_path):
    """With the system's own words."""
    with pytest.raises(click.BadParameter, match="No such file or directory"):
        read_file(str(tmp_path / "gone"))
