"""Every outcome of a run, as data: the workflow, and the expected spans, counters, log lines and record.

`tree` is the whole span tree (see `lab.view.tree`), `counts` every counter that changes (`runs workflow status`,
`step workflow step type`, `call tool status`, `error type component`). `message` is the text of the failure in the log
record that carries the exception and in the store. `logged_by` is the span that this one record belongs to: the
outermost frame that failed, or, if the run continues, the one that tolerated the failure.
"""

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True)
class Outcome:
    """One row of the table; a failed run is logged at its root."""

    workflow: str
    tree: str
    counts: str
    status: str = "completed"
    message: str = ""
    logged_by: str = ""
    level: str = "ERROR"
    inputs: dict[str, Any] = field(default_factory=dict)


def _dedent(text: str) -> str:
    lines = text.strip("\n").splitlines()
    cut = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[cut:].rstrip() for line in lines).rstrip()


def _outcome(workflow: str, tree: str, counts: str, **more: Any) -> Outcome:
    if more.get("status") == "failed":
        more.setdefault("logged_by", "Workflow Execution")
    lines = "\n".join(_dedent(counts).splitlines())
    return Outcome(workflow, _dedent(tree), lines, **more)


OUTCOMES: Final[tuple[Outcome, ...]] = (
    _outcome(
        "success",
        """
        Workflow Execution  name=success status=success
          Step 1: tool_call  name=greet status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
          Step 2: tool_call  name=sum status=completed tool=add
            MCP Request [CLIENT]  tool=add server=lab source=tool_step
        """,
        """
        runs success success
        step success greet tool_call
        step success sum tool_call
        call add success
        call echo success
        """,
    ),
    _outcome(
        "code",
        """
        Workflow Execution  name=code status=success
          Step 1: code_execution  name=compute status=completed
            Python Exec
        """,
        """
        runs code success
        step code compute code
        """,
    ),
    _outcome(
        "tool_error",
        """
        Workflow Execution ERROR TOOL_FAILED  name=tool_error status=error
          Step 1: tool_call  name=price status=completed tool=add
            MCP Request [CLIENT]  tool=add server=lab source=tool_step
          Step 2: tool_call ERROR TOOL_FAILED  name=charge status=failed tool=refuse
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
        """,
        """
        runs tool_error error
        step tool_error charge tool_call
        step tool_error price tool_call
        call add success
        call refuse error
        error TOOL_FAILED tool
        """,
        status="failed",
        message="card declined",
    ),
    _outcome(
        "code_runtime",
        """
        Workflow Execution ERROR CODE_RUNTIME  name=code_runtime status=error
          Step 1: code_execution ERROR CODE_RUNTIME  name=divide status=failed
            Python Exec ERROR CODE_RUNTIME
        """,
        """
        runs code_runtime error
        step code_runtime divide code
        error CODE_RUNTIME sandbox
        """,
        status="failed",
        message="ZeroDivisionError at line 1: division by zero",
    ),
    _outcome(
        "code_says_timeout",
        """
        Workflow Execution ERROR CODE_RUNTIME  name=code_says_timeout status=error
          Step 1: code_execution ERROR CODE_RUNTIME  name=wait status=failed
            Python Exec ERROR CODE_RUNTIME
        """,
        """
        runs code_says_timeout error
        step code_says_timeout wait code
        error CODE_RUNTIME sandbox
        """,
        status="failed",
        message="ValueError at line 1: the report timed out at noon",
    ),
    _outcome(
        "code_syntax",
        """
        Workflow Execution ERROR CODE_SYNTAX  name=code_syntax status=error
          Step 1: code_execution ERROR CODE_SYNTAX  name=typo status=failed
            Python Exec ERROR CODE_SYNTAX
        """,
        """
        runs code_syntax error
        step code_syntax typo code
        error CODE_SYNTAX sandbox
        """,
        status="failed",
        message="Security violation: Syntax error in code: invalid syntax (<sandbox>, line 1)",
    ),
    _outcome(
        "code_security",
        """
        Workflow Execution ERROR CODE_SECURITY  name=code_security status=error
          Step 1: code_execution ERROR CODE_SECURITY  name=escape status=failed
            Python Exec ERROR CODE_SECURITY
        """,
        """
        runs code_security error
        step code_security escape code
        error CODE_SECURITY sandbox
        """,
        status="failed",
        message="Security violation: Access to '__class__' is not allowed (security restriction)",
    ),
    _outcome(
        "code_timeout",
        """
        Workflow Execution ERROR CODE_TIMEOUT  name=code_timeout status=timeout
          Step 1: code_execution ERROR CODE_TIMEOUT  name=forever status=failed
            Python Exec ERROR CODE_TIMEOUT
        """,
        """
        runs code_timeout timeout
        step code_timeout forever code
        error CODE_TIMEOUT sandbox
        """,
        status="failed",
        message="Execution timeout after 1s",
    ),
    _outcome(
        "input_invalid",
        """
        Workflow Execution ERROR INPUT_INVALID  name=input_invalid status=error
        """,
        """
        runs input_invalid error
        error INPUT_INVALID workflow_engine
        """,
        status="failed",
        message="Invalid workflow input: Missing required input: order",
    ),
    _outcome(
        "template_error",
        """
        Workflow Execution ERROR TEMPLATE_ERROR  name=template_error status=error
          Step 1: tool_call ERROR TEMPLATE_ERROR  name=look_up status=failed tool=echo
        """,
        """
        runs template_error error
        step template_error look_up tool_call
        error TEMPLATE_ERROR step
        """,
        status="failed",
        message="Template rendering failed",
    ),
    _outcome(
        "when_error",
        """
        Workflow Execution ERROR TEMPLATE_ERROR  name=when_error status=error
          Step 1: tool_call ERROR TEMPLATE_ERROR  name=optional status=failed tool=echo
        """,
        """
        runs when_error error
        step when_error optional tool_call
        error TEMPLATE_ERROR step
        """,
        status="failed",
        message="Template rendering failed",
    ),
    _outcome(
        "output_error",
        """
        Workflow Execution ERROR TEMPLATE_ERROR  name=output_error status=error
          Step 1: tool_call  name=greet status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs output_error error
        step output_error greet tool_call
        call echo success
        error TEMPLATE_ERROR workflow_engine
        """,
        status="failed",
        message="Template rendering failed",
    ),
    _outcome(
        "when_met",
        """
        Workflow Execution  name=when_met status=success
          Step 1: tool_call  name=optional status=completed tool=echo
            * decision decision.kind=when decision.outcome=met
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs when_met success
        step when_met optional tool_call
        call echo success
        """,
        inputs={"wanted": True},
    ),
    _outcome(
        "when_skip",
        """
        Workflow Execution  name=when_skip status=success
          Step 1: tool_call  name=start status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
          Step 2: tool_call  name=optional status=skipped skip_reason='when: inputs.wanted' tool=echo
            * decision decision.kind=when decision.outcome=not_met
          Step 3: tool_call  name=finish status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs when_skip success
        step when_skip finish tool_call
        step when_skip start tool_call
        call echo success x2
        """,
    ),
    _outcome(
        "when_skip_code",
        """
        Workflow Execution  name=when_skip_code status=success
          Step 1: code_execution  name=optional status=skipped skip_reason='when: inputs.wanted'
            * decision decision.kind=when decision.outcome=not_met
        """,
        """
        runs when_skip_code success
        """,
    ),
    _outcome(
        "when_retry",
        """
        Workflow Execution  name=when_retry status=success
          Step 1: tool_call  name=optional status=skipped skip_reason='when: inputs.wanted' attempt=3 tool=echo
            * decision decision.kind=when decision.outcome=not_met
        """,
        """
        runs when_retry success
        """,
    ),
    _outcome(
        "cascade_skip",
        """
        Workflow Execution  name=cascade_skip status=success
          Step 1: tool_call  name=optional status=skipped skip_reason='when: inputs.wanted' tool=echo
            * decision decision.kind=when decision.outcome=not_met
          Step 2: tool_call  name=tool_after status=skipped skip_reason='dependency: optional' tool=echo
          Step 3: code_execution  name=code_after status=skipped skip_reason='dependency: tool_after'
          Step 4: tool_call  name=finish status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs cascade_skip success
        step cascade_skip finish tool_call
        call echo success
        """,
    ),
    _outcome(
        "error_skip",
        """
        Workflow Execution  name=error_skip status=success
          Step 1: tool_call  name=pay status=skipped skip_reason='on_error: TOOL_FAILED' tool=refuse
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
          Step 2: tool_call  name=receipt status=skipped skip_reason='dependency: pay' tool=echo
          Step 3: tool_call  name=finish status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs error_skip success
        step error_skip finish tool_call
        step error_skip pay tool_call
        call echo success
        call refuse error
        error TOOL_FAILED tool
        """,
        message="card declined",
        logged_by="Step 1: tool_call",
        level="WARN",
    ),
    _outcome(
        "error_skip_code",
        """
        Workflow Execution  name=error_skip_code status=success
          Step 1: code_execution  name=divide status=skipped skip_reason='on_error: CODE_RUNTIME'
            Python Exec ERROR CODE_RUNTIME
          Step 2: tool_call  name=finish status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs error_skip_code success
        step error_skip_code divide code
        step error_skip_code finish tool_call
        call echo success
        error CODE_RUNTIME sandbox
        """,
        message="ZeroDivisionError at line 1: division by zero",
        logged_by="Step 1: code_execution",
        level="WARN",
    ),
    _outcome(
        "missing_tool_skip",
        """
        Workflow Execution  name=missing_tool_skip status=success
          Step 1: tool_call  name=absent status=skipped skip_reason='on_missing_tool: no_such_tool' tool=no_such_tool
            MCP Request [CLIENT] ERROR TOOL_UNAVAILABLE  tool=no_such_tool source=tool_step
          Step 2: tool_call  name=finish status=completed tool=echo
            MCP Request [CLIENT]  tool=echo server=lab source=tool_step
        """,
        """
        runs missing_tool_skip success
        step missing_tool_skip absent tool_call
        step missing_tool_skip finish tool_call
        call echo success
        call no_such_tool error
        error TOOL_UNAVAILABLE tool
        """,
        message="Tool '' is unavailable",  # the engine's own words
        logged_by="Step 1: tool_call",
        level="WARN",
    ),
    _outcome(
        "retry_succeeds",
        """
        Workflow Execution  name=retry_succeeds status=success
          Step 1: tool_call  name=call status=completed attempt=3 tool=flaky
            * retry step.attempt=2 error.type=TOOL_FAILED
            * retry step.attempt=3 error.type=TOOL_FAILED
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=flaky server=lab source=tool_step
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=flaky server=lab source=tool_step
            MCP Request [CLIENT]  tool=flaky server=lab source=tool_step
        """,
        """
        runs retry_succeeds success
        step retry_succeeds call tool_call
        call flaky error x2
        call flaky success
        error TOOL_FAILED tool x2
        """,
    ),
    _outcome(
        "retry_exhausted",
        """
        Workflow Execution ERROR TOOL_FAILED  name=retry_exhausted status=error
          Step 1: tool_call ERROR TOOL_FAILED  name=call status=failed attempt=3 tool=refuse
            * retry step.attempt=2 error.type=TOOL_FAILED
            * retry step.attempt=3 error.type=TOOL_FAILED
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
        """,
        """
        runs retry_exhausted error
        step retry_exhausted call tool_call
        call refuse error x3
        error TOOL_FAILED tool x3
        """,
        status="failed",
        message="still no",
    ),
    _outcome(
        "retry_code",
        """
        Workflow Execution ERROR CODE_RUNTIME  name=retry_code status=error
          Step 1: code_execution ERROR CODE_RUNTIME  name=divide status=failed attempt=2
            * retry step.attempt=2 error.type=CODE_RUNTIME
            Python Exec ERROR CODE_RUNTIME
            Python Exec ERROR CODE_RUNTIME
        """,
        """
        runs retry_code error
        step retry_code divide code
        error CODE_RUNTIME sandbox x2
        """,
        status="failed",
        message="ZeroDivisionError at line 1: division by zero",
    ),
    _outcome(
        "defaults",
        """
        Workflow Execution ERROR TOOL_FAILED  name=defaults status=error
          Step 1: tool_call ERROR TOOL_FAILED  name=call status=failed attempt=2 tool=refuse
            * retry step.attempt=2 error.type=TOOL_FAILED
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
            MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=tool_step
        """,
        """
        runs defaults error
        step defaults call tool_call
        call refuse error x2
        error TOOL_FAILED tool x2
        """,
        status="failed",
        message="never",
    ),
    _outcome(
        "nested_ok",
        """
        Workflow Execution  name=nested_ok status=success
          Step 1: code_execution  name=collect status=completed
            Python Exec
              MCP Request [CLIENT]  tool=add server=lab source=code_block
              MCP Request [CLIENT]  tool=add server=lab source=code_block
        """,
        """
        runs nested_ok success
        step nested_ok collect code
        call add success x2
        """,
    ),
    _outcome(
        "nested_handled",
        """
        Workflow Execution  name=nested_handled status=success
          Step 1: code_execution  name=collect status=completed
            Python Exec
              MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=code_block
              MCP Request [CLIENT]  tool=echo server=lab source=code_block
        """,
        """
        runs nested_handled success
        step nested_handled collect code
        call echo success
        call refuse error
        error TOOL_FAILED tool
        """,
        message="card declined",
        logged_by="Python Exec",
        level="WARN",
    ),
    _outcome(
        "nested_unhandled",
        """
        Workflow Execution ERROR TOOL_FAILED  name=nested_unhandled status=error
          Step 1: code_execution ERROR TOOL_FAILED  name=collect status=failed
            Python Exec ERROR TOOL_FAILED
              MCP Request [CLIENT] ERROR TOOL_FAILED  tool=refuse server=lab source=code_block
        """,
        """
        runs nested_unhandled error
        step nested_unhandled collect code
        call refuse error
        error TOOL_FAILED tool
        """,
        status="failed",
        message="card declined",
    ),
)

TIMED_OUT: Final = _outcome(
    "slow",
    """
    Workflow Execution ERROR WORKFLOW_TIMEOUT  name=slow status=timeout
      Step 1: tool_call  name=before status=completed tool=echo
        MCP Request [CLIENT]  tool=echo server=lab source=tool_step
      Step 2: tool_call ERROR cancelled  name=dawdle status=failed tool=wait
        MCP Request [CLIENT] ERROR cancelled  tool=wait server=lab source=tool_step
    """,
    """
    runs slow timeout
    step slow before tool_call
    step slow dawdle tool_call
    call echo success
    call wait cancelled
    error WORKFLOW_TIMEOUT workflow_engine
    """,
    status="failed",
    message="Workflow timed out after 0.5s",
)

STOPPED_IN_CODE: Final = _outcome(
    "slow_code",
    """
    Workflow Execution ERROR CODE_RUNTIME  name=slow_code status=error
      Step 1: code_execution ERROR CODE_RUNTIME  name=dawdle status=failed
        Python Exec ERROR cancelled
          MCP Request [CLIENT] ERROR cancelled  tool=wait server=lab source=code_block
    """,
    """
    runs slow_code error
    step slow_code dawdle code
    call wait cancelled
    error CODE_RUNTIME step
    """,
    status="failed",
    message="CancelledError at line 1: ",
)
"""The engine (1.7) hands a cancellation, or a time-out, that comes during a call from code to the code as an error of
that call, and forgets it: the run fails by its code, which is also what its caller and its telemetry get.
"""

STOPPED_BY_THE_SANDBOX: Final = _outcome(
    "slow_code",
    """
    Workflow Execution ERROR CODE_TIMEOUT  name=slow_code status=timeout
      Step 1: code_execution ERROR CODE_TIMEOUT  name=dawdle status=failed
        Python Exec ERROR CODE_TIMEOUT
          MCP Request [CLIENT] ERROR cancelled  tool=wait server=lab source=code_block
    """,
    """
    runs slow_code timeout
    step slow_code dawdle code
    call wait cancelled
    error CODE_TIMEOUT sandbox
    """,
    status="failed",
    message="Execution timeout after 1s",
)
"""The same where the limit of the sandbox has run out meanwhile: it ends no call, and is looked at after one."""

CANCELLED: Final = _outcome(
    "slow",
    """
    Workflow Execution ERROR cancelled  name=slow status=cancelled
      Step 1: tool_call  name=before status=completed tool=echo
        MCP Request [CLIENT]  tool=echo server=lab source=tool_step
      Step 2: tool_call ERROR cancelled  name=dawdle status=failed tool=wait
        MCP Request [CLIENT] ERROR cancelled  tool=wait server=lab source=tool_step
    """,
    """
    runs slow cancelled
    step slow before tool_call
    step slow dawdle tool_call
    call echo success
    call wait cancelled
    error cancelled tool
    """,
    status="cancelled",
    logged_by="Workflow Execution",
)

LEFT_ALONE: Final = _outcome(
    "slow",
    """
    Workflow Execution  name=slow status=success
      Step 1: tool_call  name=before status=completed tool=echo
        MCP Request [CLIENT]  tool=echo server=lab source=tool_step
      Step 2: tool_call  name=dawdle status=completed tool=wait
        MCP Request [CLIENT]  tool=wait server=lab source=tool_step
    """,
    """
    runs slow success
    step slow before tool_call
    step slow dawdle tool_call
    call echo success
    call wait success
    """,
)
"""The engine does not notice that a client disconnects: the run continues to its end, and so does its telemetry."""
