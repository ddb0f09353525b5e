"""The settings of a redactor: the part of the configuration that privacy depends on."""

from typing import Final, Self

import msgspec

from ael_otel.config import Settings
from ael_otel.config.patterns import field_fault, path_fault, pattern_fault, text_pattern_fault
from ael_otel.config.settings import CustomPattern
from ael_otel.errors import ConfigError

__all__ = ["DEFAULT_PII", "CustomPattern", "Policy"]

DEFAULT_PII: Final = ("email", "us_ssn", "payment_card")
"""Detectors of personal data that are used by default."""


class Policy(msgspec.Struct, frozen=True):
    """What to redact. Credentials are always redacted.

    Attributes:
        sensitive_field_patterns: regular expressions, searched in names of fields without regard to case; the whole
            value of a field whose name matches is replaced.
        scrub_pii: whether the personal data that `pii` names is redacted too.
        excluded_paths: files whose names and contents are redacted: `~`, `..` and symbolic links are resolved, `*`
            matches any characters, a folder stands for its content, a pattern without `/` for a file name anywhere.
        allow_fields: names of fields (`*` and `?` match) that are never redacted.
        pii: names of detectors of personal data (`rules.PII_DETECTORS`).
        patterns: forms of secrets that only the configuration knows, searched for in all texts.

    Raises:
        ConfigError: a pattern is invalid or could take forever, or a path is empty. It names the pattern.
    """

    sensitive_field_patterns: tuple[str, ...] = ()
    scrub_pii: bool = True
    excluded_paths: tuple[str, ...] = ()
    allow_fields: tuple[str, ...] = ()
    pii: tuple[str, ...] = DEFAULT_PII
    patterns: tuple[CustomPattern, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the policy of the `privacy` and `redaction` sections of a configuration."""
        return cls(
            sensitive_field_patterns=settings.redaction.sensitive_field_patterns,
            scrub_pii=settings.privacy.scrub_pii,
            excluded_paths=settings.privacy.excluded_paths,
            allow_fields=settings.redaction.allow_fields,
            pii=settings.privacy.pii,
            patterns=settings.privacy.patterns,
        )

    def __post_init__(self) -> None:
        """Raise ConfigError for settings that cannot be applied."""
        for name, given, fault_of in (
            ("sensitive_field_patterns", self.sensitive_field_patterns, pattern_fault),
            ("excluded_paths", self.excluded_paths, path_fault),
            ("allow_fields", self.allow_fields, field_fault),
            ("patterns", tuple(each.regex for each in self.patterns), text_pattern_fault),
        ):
            for each in given:
                if fault := fault_of(each):
                    raise ConfigError(f"{name}: {each!r} {fault}")
