"""What stands in the place of what was taken out, and the closed set of kinds that redactions are counted by."""

from typing import Final

EMAIL: Final = "email"
SSN: Final = "ssn"
API_KEY: Final = "api_key"
TOKEN: Final = "token"
PASSWORD: Final = "password"
PRIVATE_KEY: Final = "private_key"
CREDIT_CARD: Final = "credit_card"
URL_CREDENTIALS: Final = "url_credentials"
EXCLUDED_PATH: Final = "excluded_path"
FIELD: Final = "field"
ERROR: Final = "error"

MARKERS: Final = {
    EMAIL: "[EMAIL]",
    SSN: "[SSN]",
    API_KEY: "[API_KEY]",
    TOKEN: "[TOKEN]",
    PASSWORD: "[PASSWORD]",
    PRIVATE_KEY: "[PRIVATE_KEY]",
    CREDIT_CARD: "[CREDIT_CARD]",
    URL_CREDENTIALS: "[URL_CREDENTIALS]",
    EXCLUDED_PATH: "[EXCLUDED_PATH]",
    FIELD: "[REDACTED]",
    ERROR: "[REDACTION_ERROR]",
}
"""The marker of each kind. A marker never says anything of what it stands for, not even how long it was."""

KINDS: Final = tuple(MARKERS)
PII: Final = frozenset({EMAIL, SSN, CREDIT_CARD})
"""Kinds that `privacy.scrub_pii` governs; all others are credentials and always redacted."""

ALL_MARKERS: Final = frozenset(MARKERS.values())
REDACTED: Final = MARKERS[FIELD]
FAULT: Final = MARKERS[ERROR]
