"""Generated histories of a workflow with tools, inputs, retries and code, and of tools that clients call directly."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from ael_otel.store import ErrorRecord, ExecutionRecord, StepRecord, ToolCallRecord
from ael_otel.store.records import ModelCallRecord

START = datetime(2026, 1, 31, 12, tzinfo=UTC)
EVERY = timedelta(seconds=30)


def shop(
    seed: int,
    *,
    runs: int = 600,
    retried: float = 0.0,
    both: float = 0.0,
    called: float = 0.0,
    flaky: float = 0.0,
    outage: int = 0,
    tail: float = 0.0,
    storm: int = 0,
    later: float = 0.0,
    dear: float | None = None,
) -> list[ExecutionRecord]:
    """Return a history, newest run first, with a run every half minute.

    `fetch` is retried in one run in three if there is a `retried` or `both`, else never; `enrich` is skipped in one of
    three; the code of `collect` calls `convert` in one of five; `charge` always fails for one of 30 cards; `save` fails
    in 3 % of runs. The plants: `retried`, `both` and `called` are the additional chance that `save` fails after a retry
    of `fetch`, after that and a skipped `enrich`, after a call of `convert`; `flaky` is the chance that `charge` fails
    for a good card; in an `outage` of that many runs it fails for every card; `tail` is the share of runs in which
    `save` takes ten times as long; a `storm` is that many retries of `fetch` within three minutes; `later` is the
    additional chance that `save` fails in the second half; `dear` is the share of runs in which the model that
    `collect` calls costs ten times as much, None without a model.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up histories
    from_here = runs // 3
    made: list[ExecutionRecord] = []
    for number in range(runs):
        at = START + EVERY * number
        again = chance.random() < 0.33 and (retried > 0 or both > 0)
        attempts = 2 if again else 1
        if storm and from_here <= number < from_here + 6:
            attempts = 1 + storm // 6
        skips, converts = chance.random() < 0.33, chance.random() < 0.2
        card = chance.randrange(30)
        refused = card == 0 or chance.random() < flaky or from_here <= number < from_here + outage
        fails = 0.03 + (retried if again else 0) + (both if again and skips else 0)
        fails += (called if converts else 0) + (later if number >= runs // 2 else 0)
        maker = _Maker(number, at, chance)
        maker.tool("fetch", "http.get", {"page": number % 50}, attempts=attempts)
        if skips:
            maker.steps.append(StepRecord("enrich", 1, "tool", "skipped", at, "condition", tool_name="crm"))
        else:
            maker.tool("enrich", "crm", {"customer": number})
        maker.code("collect", ["add", *(["convert"] if converts else []), "add"])
        if dear is not None:
            maker.model("collect", 10.0 if chance.random() < dear else 1.0)
        if maker.tool("charge", "pay", {"card": card}, fails=refused):
            slow = 10.0 if chance.random() < tail else 1.0
            maker.tool("save", "db", {"row": number}, fails=chance.random() < fails, times=slow)
        made.append(maker.run())
    return made[::-1]


class _Maker:
    """One run, step by step."""

    def __init__(self, number: int, at: datetime, chance: random.Random) -> None:
        self.number = number
        self.at = at
        self.chance = chance
        self.steps: list[StepRecord] = []
        self.error: ErrorRecord | None = None
        self.models: list[ModelCallRecord] = []

    def tool(
        self,
        name: str,
        tool: str,
        params: dict[str, Any],
        *,
        attempts: int = 1,
        fails: bool = False,
        times: float = 1.0,
    ) -> bool:
        """Add a step with a tool; return whether it completed."""
        took = [self.chance.lognormvariate(3.5, 0.3) * times for _ in range(attempts)]
        message = f"{tool} refused request {self.number} after {took[-1]:.1f} ms"
        error = ErrorRecord("TOOL_FAILED", "tool", message) if fails else None
        reset = ErrorRecord("TOOL_UNAVAILABLE", "tool", f"connection {self.number} reset")
        calls = [
            ToolCallRecord(
                f"{self.number}-{name}-{each}", tool, "tool_step", each, self.at, step_id=name, params=params,
                status="success" if each == attempts - 1 and error is None else "error", duration_ms=ms,
                error=error if each == attempts - 1 else reset,
            )
            for each, ms in enumerate(took)
        ]  # fmt: skip
        self.steps.append(
            StepRecord(
                name, len(self.steps), "tool", "failed" if fails else "completed", self.at, tool_name=tool,
                duration_ms=sum(took) + 20.0 * (attempts - 1), attempt=attempts, max_attempts=3, tool_calls=calls,
                error=error, tool_params=params,
            )
        )  # fmt: skip
        self.error = error
        return not fails

    def code(self, name: str, tools: list[str]) -> None:
        """Add a step with code that calls these tools."""
        calls = [
            ToolCallRecord(
                f"{self.number}-{name}-{each}", tool, "code_block", each, self.at, step_id=name, params={"n": each},
                status="success", duration_ms=2.0,
            )
            for each, tool in enumerate(tools)
        ]  # fmt: skip
        took = 2.0 * len(tools) + self.chance.lognormvariate(3, 0.2)
        self.steps.append(
            StepRecord(
                name, len(self.steps), "code", "completed", self.at, duration_ms=took, tool_calls=calls
            )
        )

    def model(self, step: str, times: float) -> None:
        """Add a call of a model from a step."""
        nano = round(2e6 * self.chance.lognormvariate(0, 0.3) * times)
        self.models.append(
            ModelCallRecord(
                "result",
                self.at,
                model="small-1",
                step_id=step,
                cost_nano=nano,
                currency="USD",
                cost_source="table",
            )
        )

    def run(self) -> ExecutionRecord:
        """Return the run of these steps."""
        return ExecutionRecord(
            f"exec-{self.number:06d}", "workflow", "failed" if self.error else "completed", self.at,
            workflow_name="shop", workflow_version="2.0.0", error=self.error, steps=self.steps,
            duration_ms=sum(step.duration_ms or 0.0 for step in self.steps) + 3.0, trace_id=f"{self.number:032x}",
            model_calls=self.models,
        )  # fmt: skip


def direct_calls(
    seed: int, *, sessions: int = 8, calls: int = 40, chain: float = 0.0
) -> list[ExecutionRecord]:
    """Return tools that clients called directly, newest first.

    At a chance of `chain` they are `search`, `read` and `note` in a row, else one of six tools.
    """
    chance = random.Random(seed)  # noqa: S311 - made-up histories
    made: list[ExecutionRecord] = []
    for session in range(sessions):
        at = START + timedelta(hours=session)
        planned: list[str] = []
        while len(planned) < calls:
            if chance.random() < chain:
                planned += ["search", "read", "note"]
            else:
                planned.append(chance.choice(["search", "read", "note", "list", "move", "ping"]))
        for number, tool in enumerate(planned):
            at += timedelta(seconds=chance.uniform(1, 8))
            made.append(
                ExecutionRecord(
                    f"exec-{session:03d}{number:03d}", "direct", "completed", at, duration_ms=20.0,
                    metadata={"session_id": f"session-{session}"},
                    tool_calls=[
                        ToolCallRecord(
                            f"{session}-{number}", tool, "direct", 0, at, status="success", duration_ms=20.0
                        )
                    ],
                )
            )  # fmt: skip
    return sorted(made, key=lambda run: run.started_at, reverse=True)
