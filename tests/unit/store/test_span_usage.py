"""Model calls from spans: a call that several spans report counts once, with its step, tool and agent."""

from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from ael_otel.store.derive import derive
from ael_otel.store.span_processor import Ended

TRACE = "a" * 32
OPERATION = "gen_ai.operation.name"


def span(number: int, parent: int, name: str, start: int, **attributes: Any) -> Ended:
    """One span; names of attributes with two underscores for dots."""
    facts = {key.replace("__", "."): value for key, value in attributes.items()}
    return Ended(
        TRACE,
        f"{number:016x}",
        f"{parent:016x}" if parent else "",
        name,
        start,
        start + 1_000,
        facts,
        (),
        "ok",
        "",
    )


def chat(number: int, parent: int, start: int, tokens: int, **more: Any) -> Ended:
    """One call of a model."""
    facts = {
        "gen_ai__operation__name": "chat",
        "gen_ai__response__model": "m",
        "gen_ai__usage__input_tokens": tokens,
        "gen_ai__usage__output_tokens": 1,
    }
    return span(number, parent, "chat m", start, **(facts | more))


def agent(number: int, parent: int, start: int, tokens: int | None = None, name: str = "bot") -> Ended:
    """One agent, with the sum of its calls where `tokens` are given."""
    facts = {"gen_ai__operation__name": "invoke_agent", "gen_ai__agent__name": name}
    if tokens is not None:
        facts["gen_ai__usage__input_tokens"] = tokens  # type: ignore[assignment]
    return span(number, parent, f"invoke_agent {name}", start, **facts)


def tool(number: int, parent: int, start: int) -> Ended:
    """One call of a tool."""
    return span(
        number,
        parent,
        "execute_tool ask",
        start,
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="ask",
    )


def test_an_agents_sum_and_a_frameworks_span_do_not_count_beside_the_calls() -> None:
    """Proves that the innermost span counts: agent > framework's chat > client's chat is one call."""
    (record,) = derive([agent(1, 0, 1, 30), chat(2, 1, 2, 10), chat(3, 2, 3, 10), chat(4, 1, 4, 20)])
    assert [each.input_tokens for each in record.model_calls] == [10, 20]
    assert {each.agent for each in record.model_calls} == {"bot"}
    assert [each.span_id for each in record.model_calls] == [f"{3:016x}", f"{4:016x}"]


def test_a_sum_counts_where_nothing_below_it_does() -> None:
    """Proves that the usage of an agent whose calls are not instrumented is not lost."""
    (record,) = derive([agent(1, 0, 1, 30), tool(2, 1, 2)])
    assert [each.input_tokens for each in record.model_calls] == [30]


def test_a_call_below_a_tool_is_another_call() -> None:
    """Proves that a model call counts beside one of a tool that it is around, and that the tool's names it."""
    (record,) = derive([agent(1, 0, 1), chat(2, 1, 2, 10), tool(3, 2, 3), chat(4, 3, 4, 20)])
    assert [(each.input_tokens, each.tool_name) for each in record.model_calls] == [(10, None), (20, "ask")]
    assert record.model_calls[1].call_id == record.steps[0].tool_calls[0].call_id
    assert record.model_calls[1].step_id == record.steps[0].step_id


class Node(NamedTuple):
    """A span of a made-up trace: its kind, the tokens of a call, the spans below."""

    kind: str
    tokens: int
    below: "tuple[Node, ...]"


def _nodes() -> st.SearchStrategy[Node]:
    leaf = st.builds(Node, st.just("chat"), st.integers(1, 1_000), st.just(()))
    return st.recursive(
        leaf,
        lambda inner: st.builds(
            Node,
            st.sampled_from(["agent", "wrapper", "tool"]),
            st.just(0),
            st.lists(inner, min_size=1, max_size=3).map(tuple),
        ),
        max_leaves=8,
    )


def has_tool(node: Node) -> bool:
    """Whether a tool is below a span: counts around it are those of another call, and not a sum."""
    return any(child.kind == "tool" or has_tool(child) for child in node.below)


@given(_nodes(), st.booleans())
def test_each_call_of_any_trace_counts_once(node: Node, summed: bool) -> None:
    """Proves that the calls of a trace are its real ones, whatever agents, wrappers and tools are around them."""
    spans: list[Ended] = []
    real: list[int] = []

    def add(each: Node, parent: int) -> int:
        number = len(spans) + 2
        spans.append(agent(number, parent, number))  # its place
        tokens = each.tokens + sum(add(child, number) for child in each.below)
        if each.kind == "chat":
            real.append(each.tokens)
            spans[number - 2] = chat(number, parent, number, each.tokens)
        elif each.kind == "wrapper" and not has_tool(each):
            spans[number - 2] = chat(number, parent, number, tokens)
        elif each.kind == "tool":
            spans[number - 2] = tool(number, parent, number)
        else:
            spans[number - 2] = agent(number, parent, number, tokens if summed else None)
        return tokens

    add(node, 1)
    (record,) = derive([agent(1, 0, 1, sum(real)), *spans])
    assert sorted(each.input_tokens or 0 for each in record.model_calls) == sorted(real)
