"""The redactor: its results may leave the process and be stored on disk.

Names of fields are judged first: a secret name redacts the whole value. Then every text is searched, and only the
secrets in it are replaced. A text that contains JSON is decoded first. A fault never lets a value through: it becomes
`[REDACTION_ERROR]`.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from ael_otel.privacy.budget import Budget
from ael_otel.privacy.excluded_calls import ExcludedCalls
from ael_otel.privacy.field_judge import FieldJudge, chosen_names
from ael_otel.privacy.findings import Finding, Tally
from ael_otel.privacy.paths import ExcludedPaths
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.rules import rules_for
from ael_otel.privacy.scan import Scanner
from ael_otel.privacy.texts import MAX_CHARS, TextRedactor
from ael_otel.privacy.values import MAX_DEPTH, ValueRedactor, Walk

__all__ = ["MAX_CHARS", "MAX_DEPTH", "Finding", "Redactor"]


class Redactor:
    """Redacts values; safe to share between threads.

    Its parts: `FieldJudge` judges names of fields, `Scanner` finds secrets in a text, `TextRedactor` replaces them,
    `ValueRedactor` traverses values, `ExcludedCalls` finds calls that refer to excluded files.

    Args:
        policy: what to redact.
        on_redacted: called with a kind and its number, once for each text or field; its exceptions are ignored.
    """

    def __init__(
        self, policy: Policy | None = None, *, on_redacted: Callable[[str, int], None] | None = None
    ) -> None:
        self.policy = policy if policy is not None else Policy()
        paths = ExcludedPaths(self.policy.excluded_paths)
        self._paths = paths
        self._tally = Tally(on_redacted)
        rules = rules_for(self.policy)
        chosen = chosen_names(self.policy.sensitive_field_patterns)
        self._scanner = Scanner(rules, chosen=chosen)
        own_markers = {rule.name: rule.marker for rule in rules if rule.marker is not None}
        self._texts = TextRedactor(self._scanner, paths, self._tally, self._inside, own_markers)
        self._names = FieldJudge(
            self.policy, lambda name, budget: self._texts.redact(name, None, "$", budget)
        )
        self._values = ValueRedactor(
            self._names,
            self._texts,
            self._scanner,
            paths,
            self._tally,
            scrub_pii=self.policy.scrub_pii and "payment_card" in self.policy.pii,
        )
        self._calls = ExcludedCalls(paths)
        self._is_clean = self._values.is_clean

    def forget(self) -> None:
        """Clear all cached results, so that a value is searched again: for measurements."""
        self._texts.forget()
        self._names.known.clear()

    def _inside(self, value: Any, findings: list[Finding] | None, where: str, budget: Budget) -> Any:
        """Redact the JSON in a text."""
        return self._values.value(value, self._values.walk(value, findings, budget), where, 1)

    def text(self, text: str) -> str:
        """Return a text without its secrets, the same object if it has none."""
        try:
            return self._texts.redact(text, None, "$")
        except Exception:  # noqa: BLE001 - no fault lets a value through
            return self._tally.fault(None, "$")

    def value(self, value: Any) -> Any:
        """Return a value of any type without its secrets, the same object if it has none.

        An object that JSON cannot express is judged by its fields and its text, and becomes a dict or a text if it
        contained a secret. A container inside itself becomes a marker.
        """
        try:
            if self._is_clean(value):
                return value
            return self._values.value(value, self._values.walk(value), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            return self._tally.fault(None, "$")

    def field(self, key: str, value: Any) -> Any:
        """Return the value of one field, judged by its name too."""
        try:
            name = self._names.judge(key, Budget())
            return self._values.field(name, value, self._values.walk(value), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            return self._tally.fault(None, "$")

    def attributes(self, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return flat attributes without their secrets, the same object if there are none."""
        try:
            return cast("Mapping[str, Any]", self._values.mapping(attributes, Walk(), "$", 0))
        except Exception:  # noqa: BLE001 - as above
            return {"redaction": self._tally.fault(None, "$")}

    def path(self, path: str) -> bool:
        """Return whether a file is excluded; True for a path that cannot be judged."""
        try:
            return self._paths.matches(path)
        except Exception:  # noqa: BLE001 - as above
            return True

    def names_excluded(self, value: Any) -> bool:
        """Return whether a call with these parameters refers to excluded files.

        True if a text in them names such a file, a folder that is excluded completely, a wild card that matches such a
        file, or a folder and the name of an excluded file in it.
        """
        try:
            return self._calls.reads(value)
        except Exception:  # noqa: BLE001 - as above
            return True

    def explain(self, value: Any) -> list[Finding]:
        """Return what would be redacted and why, in the order of the traversal; nothing is counted."""
        findings: list[Finding] = []
        try:
            self._values.value(value, self._values.walk(value, findings), "$", 0)
        except Exception:  # noqa: BLE001 - as above
            self._tally.fault(findings, "$")
        return findings
