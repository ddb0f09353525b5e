"""The active redactor of this process: everything that is stored or sent passes through it once.

Content goes through `content` when it is captured, names through `name` (with a cache), texts of errors and log lines
through `error_text` and `text`. Everything that the SDK exports, including foreign spans, goes through `attributes`. No
method raises: a value that cannot be examined is replaced by `[REDACTION_ERROR]` and counted.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Any, Final, cast

from ael_otel._generated.attributes import AEL_REDACTION_KIND, RedactionKind
from ael_otel.config import Settings
from ael_otel.core.attributes import readable_fast
from ael_otel.core.metrics import AelMetrics, shared_metrics
from ael_otel.core.run_context import current_run
from ael_otel.privacy.engine_logs import without_quotes
from ael_otel.privacy.markers import ERROR, EXCLUDED_PATH, FAULT, MARKERS
from ael_otel.privacy.policy import Policy
from ael_otel.privacy.redactor import Redactor

type Mode = str
"""How a tool's parameters and results are captured: `none`, `keys`, `redacted` or `full`."""

CONTENT_VARIABLE: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"

_KEPT: Final = 8_192
_LONGEST_KEPT: Final = 256
_SCALARS: Final = (bool, int, float, type(None))
_HASHABLE: Final = (str, *_SCALARS)
_PLAIN: Final = frozenset(_HASHABLE)

logger = logging.getLogger("ael.privacy")


class ActiveRedaction:
    """Applies the privacy settings of the configuration.

    Args:
        settings: the configuration; its `privacy` and `redaction` sections are used.
        metrics: metric sets that count redactions; None uses those on the global meter provider.

    Attributes:
        redacts: whether anything is redacted.
    """

    redacts = True

    def __init__(self, settings: Settings, metrics: AelMetrics | None = None) -> None:
        redaction = settings.redaction
        self._metrics = metrics
        self.redactor = Redactor(Policy.of(settings), on_redacted=self._count)
        self.hides_inputs = redaction.redact_inputs
        self.hides_outputs = redaction.redact_outputs
        self._modes = tuple(redaction.tools.items())
        self._mode_of: dict[str, Mode] = {}
        self._clean: set[object] = set()

    # --- texts and values ---------------------------------------------------------------------------------------------

    def text(self, text: str) -> str:
        """Return a text with its secrets replaced, including secrets detected elsewhere in the current run."""
        try:
            found = self.redactor.text(text)
            run = current_run.get()
            if run is not None and run.secrets is not None:
                if not run.secrets.settle():
                    return self.fault()
                if run.secrets.values:
                    found = run.secrets.mask_text(found)
        except Exception:
            return self.fault()
        return found

    def log_text(self, text: str) -> str:
        """Return the text of a log line that is not an error, without secrets and values quoted by a validator."""
        return self.text(without_quotes(text))

    def error_text(self, text: str, *, for_log: bool = True) -> str:
        """Return the text of an error without secrets, values quoted by a validator, and values that the caller passed
        in.

        With `for_log` False, for the run store, the caller's values are left in, unless `redact_inputs` replaces them.
        """
        try:
            run = current_run.get()
            if run is not None and run.secrets is not None and not run.secrets.settle():
                return self.fault()
            if run is not None and run.excluded:
                self._count(EXCLUDED_PATH, 1)
                return MARKERS[EXCLUDED_PATH]
            text = without_quotes(text)
        except Exception:
            return self.fault()
        return self.text(self.without_given(text) if for_log or self.hides_inputs else text)

    def without_given(self, text: str) -> str:
        """Return a text without the values that the caller of the run or tool passed in; unchanged if it has none."""
        run = current_run.get()
        if run is None or run.given is None:
            return text
        try:
            return run.given.hide(text)
        except Exception:
            return self.fault()

    def content(self, value: Any) -> Any:
        """Return plain JSON with its secrets replaced; the same object if there are none.

        A secret that is detected here is masked everywhere else in the current run.
        """
        try:
            found = self.redactor.value(value)
            run = current_run.get()
            if run is not None and run.secrets is not None:
                if not run.secrets.settle():
                    return self.fault()
                if found is not value:
                    run.secrets.learn(value, found)
                found = run.secrets.mask(found)
        except Exception:
            return self.fault()
        return found

    def excludes(self, params: Any) -> bool:
        """Return whether a call's parameters name an excluded file; True if that cannot be decided."""
        try:
            return self.redactor.names_excluded(params)
        except Exception:
            self.fault()
            return True

    def excluded(self, result: Any) -> str:
        """Count and return the marker for the content of an excluded file; the run masks the content from then on."""
        run = current_run.get()
        if run is not None and run.secrets is not None:
            run.secrets.learn_all(result, MARKERS[EXCLUDED_PATH])
        self._count(EXCLUDED_PATH)
        return MARKERS[EXCLUDED_PATH]

    def mode(self, tool: str) -> Mode:
        """Return the capture mode of a tool's parameters and results, by the first matching pattern.

        `full` is logged, once for each tool.
        """
        found = self._mode_of.get(tool)
        if found is None:
            found = self.stated_mode(tool)
            if len(self._mode_of) < _KEPT:
                self._mode_of[tool] = found
            if found == "full":
                logger.warning(
                    "NOT REDACTED: the run store contains the parameters and results of %s unredacted "
                    "(telemetry.redaction.tools is full)",
                    self.name(tool),
                )
        return found

    def stated_mode(self, tool: str) -> Mode:
        """Return the capture mode of a tool like `mode`, without a log line."""
        return next((mode for glob, mode in self._modes if fnmatchcase(tool, glob)), "redacted")

    # --- texts that repeat --------------------------------------------------------------------------------------------

    def name(self, name: str) -> str:
        """Return a name (of a workflow, step, tool) with its secrets replaced; clean names are cached."""
        if name in self._clean:
            return name
        found = self.text(name)
        if found == name and len(name) <= _LONGEST_KEPT:
            self._remember(name)
        return found

    def attributes(self, attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return attributes with their secrets replaced; the same object if there are none."""
        if not attributes:
            return attributes
        changed: dict[str, Any] = {}
        renamed = False
        try:
            for key, value in readable_fast(attributes).items():
                # Looked up here before `_attribute` does: most attributes have been seen before.
                known = type(value) in _PLAIN and (key, value) in self._clean
                found = value if known else self._attribute(key, value)
                if found is not value:
                    changed[key] = found
                if key not in self._clean and self.name(key) != key:
                    renamed = True
            if renamed:
                return self._renamed({**attributes, **changed})
        except Exception:
            self.fault()
            return {AEL_REDACTION_KIND: ERROR}
        return {**attributes, **changed} if changed else attributes

    def _renamed(self, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """Return attributes with redacted names; if two names become equal, both attributes are kept."""
        found: dict[str, Any] = {}
        for key, value in attributes.items():
            clean = name = self.name(key)
            number = 1
            while clean in found:
                number += 1
                clean = f"{name}#{number}"
            found[clean] = value
        return found

    def _attribute(self, key: str, value: Any) -> Any:
        known = (key, value) if isinstance(value, _HASHABLE) else None
        if known is not None and known in self._clean:
            return value
        found = self.redactor.field(key, value)
        if found is value or found == value:
            if known is not None and not (isinstance(value, str) and len(value) > _LONGEST_KEPT):
                self._remember(known)
            return value
        return list(cast("Sequence[Any]", found)) if isinstance(found, tuple) else found

    def _remember(self, what: object) -> None:
        if len(self._clean) >= _KEPT:
            self._clean = set()
        self._clean.add(what)

    # --- counting -----------------------------------------------------------------------------------------------------

    def _count(self, kind: str, number: int = 1) -> None:
        """Count redactions: for the process, and for the current run."""
        run = current_run.get()
        if run is not None and run.counted and run.secrets is not None:
            run.secrets.count(kind, number)
        metrics = self._metrics if self._metrics is not None else shared_metrics()
        metrics.redaction.bind(kind=cast("RedactionKind", kind)).add(redaction=number)

    def fault(self) -> str:
        """Count a value that could not be examined, and return the marker that replaces it."""
        with suppress(Exception):  # the value is replaced even if counting fails
            self._count(ERROR)
        return FAULT


class DisabledRedaction(ActiveRedaction):
    """Redaction with `telemetry.enabled: false`: nothing is captured, so nothing is examined.

    Log lines are the engine's own in that case, with the arguments that the engine puts into them.
    """

    redacts = False

    def text(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def log_text(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def error_text(self, text: str, *, for_log: bool = True) -> str:
        """Return the text unchanged."""
        del for_log
        return text

    def without_given(self, text: str) -> str:
        """Return the text unchanged."""
        return text

    def name(self, name: str) -> str:
        """Return the name unchanged."""
        return name

    def content(self, value: Any) -> Any:
        """Return the value unchanged: it is not stored."""
        return value

    def excludes(self, params: Any) -> bool:
        """Return False: nothing is captured of any call."""
        del params
        return False

    def stated_mode(self, tool: str) -> Mode:
        """Return `none`: nothing is captured of any call."""
        del tool
        return "none"

    def attributes(self, attributes: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Return attributes unchanged: they are not exported."""
        return attributes


class _InForce:
    redaction: ActiveRedaction | None = None


def active_redaction() -> ActiveRedaction:
    """Return the active redaction; before `set_active_redaction`, the one of the defaults."""
    found = _InForce.redaction
    if found is None:
        found = _InForce.redaction = ActiveRedaction(Settings())
    return found


def set_active_redaction(new: ActiveRedaction | None) -> None:
    """Make `new` the active redaction; None restores the defaults."""
    _InForce.redaction = new


def redact(value: Any) -> Any:
    """Return a value with every secret replaced by a marker, like everything that is stored or sent; never raises.

    The rules are those of the active configuration, or the defaults before telemetry has started. Fields are redacted
    by their names, texts by their content. A value without secrets is returned as the same object, and a value that
    cannot be examined as `[REDACTION_ERROR]`.

        >>> import ael_otel
        >>> ael_otel.redact({"user": "ada", "password": "correct horse"})  # hygiene: made up
        {'user': 'ada', 'password': '[PASSWORD]'}
        >>> ael_otel.redact("mail ada@example.com about it")
        'mail [EMAIL] about it'

    Args:
        value: text, numbers, or containers of them; an object that JSON cannot represent becomes a dict or text if it
            contained a secret.
    """
    active = active_redaction()
    # Not the methods of `active`: with telemetry disabled they return everything as it is.
    if isinstance(value, str):
        return ActiveRedaction.text(active, value)
    return ActiveRedaction.content(active, value)


def content_on_spans(environ: Mapping[str, str] = os.environ) -> bool:
    """Return whether spans carry content: only if the variable above enables it."""
    stated = environ.get(CONTENT_VARIABLE, "").strip().lower()
    return stated in ("true", "1", "span_only", "span_and_event")
