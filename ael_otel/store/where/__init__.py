"""The query language of `--where`: SQL for the databases, a predicate for the memory store.

    workflow = "order" and step.tool = "charge" and step.status = "failed"

Terms name fields of a run (bare names), of its steps (`step.`) and of its tool calls (`call.`). All `step.` terms of an
expression refer to the same step, all `call.` terms to the same call; `not (...)` and `has (...)` choose their own step
and call. A comparison is never unknown: it is false if the value is absent or of another kind.

`parsing` reads text, `fields` is the table of names, `scope` decides which terms refer to the same step or call;
`statement`, `document` and `predicate` evaluate. Text never becomes part of a statement: every name comes from the
table, every value is a parameter.
"""

from ael_otel.store.where.parsing import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "MAX_TERMS", "parse"]
