"""The suite's resolver of Grafana's links: replaced, undefined and refused variables."""

import json
from urllib.parse import quote

import pytest

from tests.e2e.links import Board, Explore, fill, opened, unfilled

VALUES = {
    "workflow": ".*",
    "several": ["a.b", "c"],
    "__data": {"fields": {"Workflow": "pay & go", "trace id": "0af7"}},
    "__value": {"raw": "0af7"},
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('{workflow=~"$workflow"}', '{workflow=~".*"}'),
        ("${__value.raw}", "0af7"),
        ("${__data.fields.Workflow}", "pay & go"),
        ('${__data.fields["trace id"]}', "0af7"),
        ("${several}", "(a.b|c)"),
        ("${several:pipe}", "a.b|c"),
        ("${several:regex}", r"(a\.b|c)"),
        ("${several:queryparam}", "var-several=a.b&var-several=c"),
        ("${__data.fields.Workflow:percentencode}", "pay%20%26%20go"),
    ],
)
def test_a_variable_is_filled_in(text: str, filled: str) -> None:
    """Proves the rules for plain, nested and formatted variables."""
    assert fill(text, VALUES) == filled


@pytest.mark.parametrize("text", ["$nobody", "${__data.fields.Nothing}", "${__span.tags.x}"])
def test_undefined_variable_is_left_in_place_and_reported(text: str) -> None:
    """Proves that a link with a misspelt variable cannot pass as filled in."""
    assert unfilled(fill(text, VALUES)) == [text]


def test_end_of_an_expression_is_not_a_variable() -> None:
    """Proves that a `$` that ends a regular expression, or a group in a replacement, does not count as one."""
    assert unfilled('{a=~"x$"} $1') == []


def test_a_link_into_explore_is_read_back() -> None:
    """Proves that a value with characters of URLs and JSON arrives in the query unchanged."""
    pane = {
        "datasource": "loki",
        "queries": [{"refId": "A", "datasource": {"type": "loki", "uid": "loki"}, "expr": "${__value.raw}"}],
    }
    url = f"/explore?schemaVersion=1&panes={quote(json.dumps({'ael': pane}), safe='${}:,.')}"
    target = opened(url, VALUES | {"__value": {"raw": "a|b 100%"}})
    assert isinstance(target, Explore)
    assert (target.source, target.text) == ("loki", "a|b 100%")


def test_a_link_to_a_board_is_read_back() -> None:
    """Proves that the board's uid and the variables that it is given are seen."""
    target = opened(
        "/d/ael-workflows/x?from=1&to=2&var-workflow=${__data.fields.Workflow:percentencode}", VALUES
    )
    assert target == Board("ael-workflows", {"workflow": ["pay & go"]})


def test_any_other_address_is_refused() -> None:
    """Proves that a link out of Grafana does not count as one that leads on."""
    with pytest.raises(AssertionError, match="neither"):
        opened("/api/x?a=1", VALUES)
