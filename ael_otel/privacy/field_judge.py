"""Judge names of fields by the configuration and the built-in words, and cache the results."""

import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import Final, NamedTuple

from ael_otel.privacy import markers
from ael_otel.privacy.budget import NAMED, NEW_FIELD, Budget
from ael_otel.privacy.field_names import kind_of
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.rules import rules_for
from ael_otel.privacy.scan import TOO_MANY

LONGEST_NAME: Final = 256
COUNTS: Final = "counts"
"""The rule of the field `redactions`, in which run records keep counts by kind."""

_NAMES_KEPT: Final = 4096


class FieldName(NamedTuple):
    """The judgement of a field's name."""

    kind: str | None
    rule: str
    clean: str
    allowed: bool


UNJUDGED: Final = FieldName(markers.FIELD, TOO_MANY, markers.REDACTED, allowed=False)
"""The result for a name when no budget is left: its value is redacted."""
PLAIN_NAME: Final = FieldName(None, "", "", allowed=False)


def chosen_names(patterns: Sequence[str]) -> Callable[[str], str | None] | None:
    """Return a function that judges names by the patterns of the configuration, None if there are none."""
    if not patterns:
        return None
    compiled = [re.compile(each, re.IGNORECASE) for each in patterns]

    def kind_for(name: str) -> str | None:
        return markers.FIELD if any(pattern.search(name) for pattern in compiled) else None

    return kind_for


class FieldJudge:
    """Judges names of fields.

    Args:
        policy: names that are secret or allowed by configuration.
        redact: redacts secrets in a name itself.

    Attributes:
        known: names that have been judged, for fast lookups.
    """

    def __init__(self, policy: Policy, redact: Callable[[str, Budget], str]) -> None:
        self._policy = policy
        self._redact = redact
        # Personal data whose detector is off.
        self._kept_kinds = markers.PII - {rule.kind for rule in rules_for(policy)}
        self._patterns = [re.compile(each, re.IGNORECASE) for each in policy.sensitive_field_patterns]
        allowed = "|".join(translate(each) for each in policy.allow_fields)
        self._allowed = re.compile(allowed, re.IGNORECASE) if allowed else None
        self.known: dict[str, FieldName] = {}

    def judge(self, key: str, budget: Budget, *, is_clean: bool = False) -> FieldName:
        """Return the result for a name, which is cached.

        Args:
            key: the name.
            budget: limits the search of a new name.
            is_clean: whether a search has found no secret in the name itself.
        """
        known = self.known.get(key)
        if known is not None:
            return known
        if budget.is_spent_between(NAMED if is_clean else NEW_FIELD):
            return UNJUDGED
        if self._allowed is not None and (
            self._allowed.match(key) or self._allowed.match(key.rpartition(".")[2])
        ):
            name = FieldName(None, "", key, allowed=True)
        else:
            # A marker in a name replaces a secret: it has no meaning for the value.
            kind, rule = kind_of(markers.MARKER.sub(" x ", key) if "[" in key else key), "field_name"
            if kind in self._kept_kinds:
                kind = None
            if self._patterns:
                shown = key if len(key) <= LONGEST_NAME else key[:128] + key[-128:]
                if any(pattern.search(shown) for pattern in self._patterns):
                    kind, rule = markers.FIELD, "field_pattern"
            if key == "redactions" and kind is None:
                kind, rule = markers.FIELD, COUNTS
            name = FieldName(kind, rule, key if is_clean else self._redact(key, budget), allowed=False)
        # What was spent before a name decides whether it is cut.
        if len(key) <= LONGEST_NAME and not budget.was_spent:
            if len(self.known) >= _NAMES_KEPT:
                self.known.clear()
            self.known[key] = name
        return name
