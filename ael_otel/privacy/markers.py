"""The text that replaces each kind of secret, and the closed set of kinds that redactions are counted by."""

import re
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
BANK_ACCOUNT: Final = "bank_account"
PHONE: Final = "phone"
IP_ADDRESS: Final = "ip_address"
NATIONAL_ID: Final = "national_id"
CUSTOM: Final = "custom"

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
    BANK_ACCOUNT: "[BANK_ACCOUNT]",
    PHONE: "[PHONE]",
    IP_ADDRESS: "[IP_ADDRESS]",
    NATIONAL_ID: "[NATIONAL_ID]",
    CUSTOM: "[CUSTOM]",
}
"""The marker of each kind. A marker reveals nothing about the text that it replaces, not even its length."""

KINDS: Final = tuple(MARKERS)
PII: Final = frozenset({EMAIL, SSN, CREDIT_CARD, BANK_ACCOUNT, PHONE, IP_ADDRESS, NATIONAL_ID})
"""Kinds that `privacy.scrub_pii` governs; all others are credentials and always redacted."""

ALL_MARKERS: Final = frozenset(MARKERS.values())
REDACTED: Final = MARKERS[FIELD]
FAULT: Final = MARKERS[ERROR]

MARKER: Final = re.compile(r"\[[A-Z][A-Z0-9_]{1,31}\]")
"""The form of every marker, built in or of `privacy.patterns`."""
