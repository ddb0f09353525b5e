"""The query language of `--where`: SQL for the databases, a predicate for the memory store.

    workflow = "order" and step.tool = "charge" and step.status = "failed"

Terms of a run (bare names), of its steps (`step.`) and of its tool calls (`call.`). All `step.` terms of an expression
mean the same step, all `call.` terms the same call; `not (...)` and `has (...)` are sentences of their own about the
run. No comparison is ever unknown: a value that is absent or of another kind makes it false.

`parsing` reads text, `fields` is the table of names, `scope` decides what means the same step or call; `statement`,
`document` and `predicate` answer. Text never becomes part of a statement: every name comes from the table, every value
is a parameter.
"""

from ael_otel.store.where.parsing import MAX_DEPTH, MAX_LENGTH, MAX_TERMS, parse

__all__ = ["MAX_DEPTH", "MAX_LENGTH", "MAX_TERMS", "parse"]
