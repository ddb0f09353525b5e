"""The page of a run: self-contained, harmless for any content, and readable."""

import re
from html.parser import HTMLParser

from hypothesis import given

from ael_otel.export.page import page
from ael_otel.export.waterfall import Section, Sheet
from ael_otel.store import ErrorRecord
from tests.unit.export.conftest import records

LOADS = {"src", "href", "srcset", "data", "action", "poster", "background", "ping"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "details", "summary"),
    *("h1", "h2", "p", "code", "div", "span", "small", "dl", "dt", "dd", "pre", "i"),
    *("section", "table", "thead", "tbody", "tr", "th", "td"),
}


class Reader(HTMLParser):
    """Collects elements, their attributes and the text outside the style."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        """Check that elements end in order."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note text."""
        if "style" not in self.open:
            self.text += data


def test_the_box_of_the_error_is_not_drawn_around_rows(full):
    """The rules for the box in the style sheet match no class of a row: statuses of runs and calls."""
    full.error = ErrorRecord("TOOL_FAILED", "tool", "declined")
    read = Reader(page(full))
    (box,) = [found["class"] for tag, found in read.elements if tag == "p" and found.get("role") == "alert"]
    rows = {
        word
        for tag, found in read.elements
        if tag == "span" and "name" in (found.get("class") or "").split()
        for word in (found["class"] or "").split()
    }
    assert "error" in rows
    assert not rows & set(box.split())


def test_a_run_is_a_row_for_each_of_its_parts(full):
    """Run, steps, attempts, code and calls from it, with names and durations; errors are marked."""
    read = Reader(page(full))
    rows = [attributes for tag, attributes in read.elements if tag == "summary"]
    assert len(rows) == 10
    for words in (
        "order",
        "1 greet",
        "attempt 2",
        "2 crunch",
        "Python",
        "add@demo",
        "3 mail",
        "4 pay",
        "50.2 ms",
    ):
        assert words in read.text
    assert "TOOL_FAILED: card declined" in read.text
    assert "hello" in read.text, "what the code printed"
    assert len([1 for tag, attributes in read.elements if tag == "i" and attributes["class"] == "bad"]) == 4


def test_calls_of_an_agents_step_are_calls(full):
    """Several tools in one step, as in foreign spans, are not attempts; the step's number is printed once."""
    step = full.steps[0]
    step.step_id, step.max_attempts, step.tool_name = "1 plan", 1, None
    text = Reader(page(full)).text
    assert "attempt" not in text
    assert "1 1 plan" not in text
    assert "1 plan" in text


def test_bars_are_where_the_work_was(full, going_on):
    """In percent of the run; no bar leaves its lane, also in a running run."""
    for run in (full, going_on):
        bars = re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page(run))
        assert bars[0] == ("0.000", "100.000")
        for left, width in bars:
            assert 0 <= float(left) <= float(left) + float(width) <= 100.001
    assert re.findall(r"left:([\d.]+)%;width:([\d.]+)%", page(full))[1] == ("1.990", "19.900")


@given(records())
def test_content_of_a_run_is_never_markup(record):
    """For any names, messages and content: the elements are ours, they close in order, and nothing is loaded."""
    read = Reader(page(record))
    assert read.open == []
    for tag, attributes in read.elements:
        assert tag in ALLOWED
        assert not LOADS & set(attributes)
        assert not [name for name in attributes if name.startswith("on")]


def test_an_attack_is_text(full):
    """Markup in every place that a workflow, a tool or an error can write to."""
    attack = "</style></pre>\"'><img src=x onerror=alert(1)><script>alert(1)</script>\x00\x1b[31m\ud800"
    full.workflow_name = full.execution_id = full.caller_id = attack
    full.inputs = {attack: attack}
    full.metadata = {attack: attack}
    full.error = ErrorRecord(attack, attack, attack, detail=attack)
    full.steps[0].step_id = full.steps[0].tool_calls[0].tool_name = attack
    full.steps[1].code.stdout = attack
    text = page(full, [Section(attack, [Sheet([attack], [[attack]])], [attack])])
    text.encode("utf-8")
    read = Reader(text)
    assert {tag for tag, _ in read.elements} <= ALLOWED
    assert read.text.count("<script>alert(1)</script>") > 12
    assert "\x1b" not in text
    assert "\x00" not in text


def test_the_page_forbids_itself_everything(full):
    """No script, no network: by its policy, and because there is neither in it."""
    text = page(full)
    assert "default-src 'none'" in text
    assert not re.search(r"https?:|//[a-z]|<script|<link|<img|url\(|@import", text)
