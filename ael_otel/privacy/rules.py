"""The table of rules: the only place where the shape of a secret is written.

A rule names literal texts (`anchors`) that every match of it begins with; only where one occurs is its pattern tried,
and every repetition in a pattern has a bound, so time grows linearly with the length of a text. A provider's token is
one row of `FORMATS`. `make generate` writes the table in docs/explanation/privacy.md and the statements in collector/config.yaml
from here.
"""

# ruff: noqa: E501 - a table of patterns

import re
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from os.path import commonprefix
from typing import TYPE_CHECKING, Final, NamedTuple

from ael_otel.privacy import key_value, login_calls, login_lines, markers
from ael_otel.privacy.field_names import ANCHORS, a_set
from ael_otel.privacy.validators import (
    digits_of,
    is_aadhaar,
    is_basic_pair,
    is_canadian_sin,
    is_card,
    is_chinese_id,
    is_cnpj,
    is_codice_fiscale,
    is_cpf,
    is_french_nir,
    is_german_tax_id,
    is_iban,
    is_nhs,
    is_pesel,
    is_placeholder,
    is_random,
    is_spanish_id,
    is_ssn,
    is_words,
    looks_like_key,
    looks_secret,
)

if TYPE_CHECKING:
    from ael_otel.privacy.policy import Policy

Found = tuple[int, int, str]
"""Start and end of a secret, and its kind."""
Check = Callable[[str, "re.Match[str]"], Found | None]


class CollectorForm(NamedTuple):
    """How the Collector finds the matches of a rule, with RE2 and without checks in code.

    Attributes:
        pattern: RE2 expression. A group `keep` stays in front of the marker; `after` stays behind it.
        words: texts in lower case, one of which is in each match; none where the pattern has no fixed text.
        marker: what replaces a match.
        names: whether names of attributes are searched too: programs make keys of the data that they handle.
        example: a text in which the pattern finds something.
    """

    pattern: str
    words: tuple[str, ...]
    marker: str
    names: bool
    example: str


class Rule(NamedTuple):
    """How one sort of secret is found.

    Attributes:
        name: identifier in `ael privacy`.
        kind: what its matches are counted as; its marker replaces them.
        summary: what it finds, for people.
        example: a text in which it finds a secret.
        counter: a similar text in which it finds none.
        anchors: texts that a match begins with; none for digits, which are searched for everywhere.
        pattern: matched at an anchor. A group `secret` is the secret; without it the whole match.
        fold: whether anchors are searched for without regard to case.
        check: what else must hold of a match, and where the secret in it is.
        in_run: whether a match begins a run of 20 letters, digits and `_ . ~ -` that no letter or digit precedes.
        find: used instead of the pattern.
        group: the group of a match that is the secret.
        collector: forms for the Collector; empty if it does not apply the rule.
        search: whether the pattern has no anchors and is searched for in the whole text.
        marker: the text that replaces a match, None for that of its kind.
    """

    name: str
    kind: str
    summary: str
    example: str
    counter: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    fold: bool = False
    check: Check | None = None
    in_run: bool = False
    find: Callable[[str, int], Found | None] | None = None
    group: str | int = 0
    collector: tuple[CollectorForm, ...] = ()
    search: bool = False
    marker: str | None = None


class Format(NamedTuple):
    """The published form of one provider's key or token: one row of `FORMATS`.

    Attributes:
        name: identifier, unique in the table.
        rule: the rule that it belongs to.
        prefixes: literal texts, one of which begins each match.
        body: pattern of the characters behind the prefix, with bounded repetitions.
        example: a made-up token, put together at import so that none stands in this file.
        solid: whether the token is one word without separators, which no slug or sentence resembles.
        strict: whether small and capital letters must occur, and a digit if it is short: the prefix says little.
    """

    name: str
    rule: str
    prefixes: tuple[str, ...]
    body: str
    example: str
    solid: bool
    strict: bool


_NO_WORD_BEFORE: Final = r"(?<![A-Za-z0-9])"
_NO_WORD_AFTER: Final = r"(?![A-Za-z0-9])"


def _shape(
    name: str,
    kind: str,
    summary: str,
    example: str,
    counter: str,
    anchors: str,
    pattern: str,
    *,
    check: Check | None = None,
    find: Callable[[str, int], Found | None] | None = None,
    fold: bool = False,
    in_run: bool = False,
    collector: tuple[CollectorForm, ...] = (),
    search: bool = False,
) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE if fold else 0)
    group = "secret" if "secret" in compiled.groupindex else 0
    words = tuple(anchors.split())
    return Rule(
        name, kind, summary, example, counter, words, compiled, fold, check, in_run, find, group, collector, search
    )  # fmt: skip


# --- checks that need the text around a match -------------------------------------------------------------------------

_LOCAL: Final = re.compile(r"[\w.#$%*+^~'-]{1,64}")
_QUOTED_LOCAL: Final = re.compile(r'"[^"\r\n@]{1,64}"')
_FILES: Final = a_set("png jpg jpeg gif svg webp ico css js ts map json yaml yml txt html")
# Names of hosts that no mail reaches from outside (RFC 6762, RFC 8375, RFC 2606 and common private zones).
_PRIVATE_ZONES: Final = a_set("local localhost localdomain internal lan intranet invalid cluster svc")
_NO_DOMAINS: Final = _FILES | _PRIVATE_ZONES
_OF_VERSION: Final = frozenset("v0123456789")
_NO_REPLY: Final = a_set("noreply no-reply no_reply donotreply do-not-reply do_not_reply")
_VERSION: Final = re.compile(r"@v?[0-9]+(?:\.[0-9]+)*\.?(?:dev|post|rc|beta|alpha|final|x|[a-z]{1,6})")


def _email(text: str, match: "re.Match[str]") -> Found | None:
    """Find the part before the sign, which the pattern cannot look for without trying every word of the text."""
    at = match.start()
    before = text[max(0, at - 66) : at][::-1]
    local = _LOCAL.match(before) or _QUOTED_LOCAL.match(before)
    tld = match["tld"].lower()
    if local is None or tld in _NO_DOMAINS or (text[at + 1] in _OF_VERSION and _VERSION.fullmatch(match[0])):
        return None
    name = local[0][::-1]
    if name[0] in ".#$%*+^~'-":
        name = name.lstrip(".#$%*+^~'-")
    if not name or (name == "git" and text[match.end() : match.end() + 1] in {":", "/"}):
        return None
    start = at - len(name)
    if name.lower() in _NO_REPLY or (tld == "com" and match[0].lower() == "@users.noreply.github.com"):
        return None  # nobody's address: it is printed to be public and reads no mail
    if start > 2 and text.startswith("://", start - 3):
        return None  # who logs in at an address, without a password; `mailto:` has no slashes
    return start, match.end(), markers.EMAIL


_CARD_WORDS: Final = re.compile(
    r"(?i)card|\bpan\b|visa|master|amex|\bcc\b|credit|debit|payment|karte|carte|tarjeta|cart[aã]o|карт|卡"
)
# Words that name a number which is no card; only a number without separators is believed to be one.
_OTHER_NUMBER: Final = re.compile(
    r"(?i)\b(?:order|invoice|tracking|parcel|shipment|consignment|isbn|ean|gtin|upc|barcode|imei|iccid|serial|asin|sku|ticket|"
    r"article|transaction id|message id|snowflake)(?:[ _-]?(?:no\.?|number|nr\.?|id|code))?\s?[:#=]?\s?[#\"']?$"
)


def _number(text: str, match: "re.Match[str]") -> Found | None:
    """Distinguish a payment card from all other numbers."""
    if not is_card(match[0]):
        return None
    start, end = match.span()
    plain = match[0].isdigit()
    if plain and _OTHER_NUMBER.search(text[max(0, start - 32) : start]):
        return None
    if len(digits_of(match[0])) == 13 and not _CARD_WORDS.search(text[max(0, start - 48) : end + 24]):
        return None  # a Visa number of 13 digits has the form of an EAN-13 barcode, and the same check digit often enough
    return start, end, markers.CREDIT_CARD


_TELEPHONE: Final = re.compile(r"(?i)tele?phone|\b(?:tel|phone|fax|call|dial|mobile|cell)\b")
_OF_TELEPHONE: Final = re.compile("phone|tel|fax|call|dial|mobile|cell")
_SSN_WORDS: Final = re.compile(r"(?i)ssn|social|itin|taxpayer|\btin\b")


def _ssn(text: str, match: "re.Match[str]") -> Found | None:
    if not is_ssn(match[0]):
        return None
    start, end = match.span()
    around = text[max(0, start - 32) : end + 32]
    if _OF_TELEPHONE.search(around.lower()) and _TELEPHONE.search(around) and not _SSN_WORDS.search(around):
        return None
    return start, end, markers.SSN


def _named_ssn(text: str, match: "re.Match[str]") -> Found | None:
    del text
    return (*match.span("secret"), markers.SSN) if is_ssn(match["secret"]) else None


_HOLE: Final = re.compile(r"[$%]?[{<(][^{}<>()]*[)>}]|\$\w+|\*+|\.{3}|…")
_EXAMPLE_USERS: Final = a_set("user username name login usr")
_EXAMPLE_PASSWORDS: Final = a_set("password passwd pass pwd pw secret token")


def _url(text: str, match: "re.Match[str]") -> Found | None:
    del text
    secret = match["secret"]
    user, colon, password = secret.partition(":")
    if not colon:
        # A name alone is no secret; a long one is a key that stands where a name does.
        if len(user) < 20 or user.startswith("[") or is_placeholder(user) or is_words(user):
            return None
    elif (
        not password
        or _HOLE.fullmatch(password)
        or markers.MARKER.fullmatch(password)
        or (user.lower() in _EXAMPLE_USERS and password.lower() in _EXAMPLE_PASSWORDS)
    ):
        return None
    return match.start("secret"), match.end("secret"), markers.URL_CREDENTIALS


def _basic(text: str, match: "re.Match[str]") -> Found | None:
    del text
    ok = is_basic_pair(match["secret"])
    return (match.start("secret"), match.end("secret"), markers.PASSWORD) if ok else None


def _bearer(text: str, match: "re.Match[str]") -> Found | None:
    del text
    secret = match["secret"]
    if not any("0" <= c <= "9" for c in secret) and len(secret) < 24:
        return None
    if is_placeholder(secret):
        return None
    return match.start("secret"), match.end("secret"), markers.TOKEN


def _pem(text: str, match: "re.Match[str]") -> Found | None:
    """Redact the block up to its end, or as far as it looks like one."""
    del text
    body = match["body"] if match["whole"] is None else match["whole"]
    return (match.start(), match.end(), markers.PRIVATE_KEY) if _KEY_BODY.search(body) else None


_KEY_BODY: Final = re.compile(r"[A-Za-z0-9+/=]{16}")


def _with_beginning(text: str, match: "re.Match[str]") -> Found:
    """Include the three characters before the sign by which an Azure client secret is known."""
    at = match.start()
    return max(at - 3, at - len(text[max(0, at - 3) : at].rpartition(" ")[2])), match.end(), markers.API_KEY


def _around(kind: str, before: str) -> Check:
    """Return a check that includes the characters before a signature in a key; `before` matches them backwards."""
    pattern = re.compile(before)

    def check(text: str, match: "re.Match[str]") -> Found | None:
        at = match.start()
        run = pattern.match(text[max(0, at - 192) : at][::-1])
        return None if run is None else (at - run.end(), match.end(), kind)

    return check


_SIGNED: Final = re.compile(r"[?&;~][\w.-]{0,24}\Z|%26[\w.-]{0,24}\Z")
_ADDRESS_END: Final = re.compile(r"[\s\"'<>`]")
# Beside these a code is that of an authorization (RFC 6749, section 4.1.2), and a hash signs an address for some time.
_OF_CODES: Final = re.compile(
    r"[?&#](?:state|session_state|scope|iss|redirect_uri|grant_type|code_verifier)=", re.IGNORECASE
)
_OF_SIGNED: Final = re.compile(
    r"[?&](?:e|exp|expires?|expiry|expiration|se|ttl|until|validto|wstime|txtime|ts|timestamp)=",
    re.IGNORECASE,
)
_TIME: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}T?[0-9]{0,6}Z?(?![0-9A-Za-z])")
_LOOK: Final = 400


def _signed(text: str, match: "re.Match[str]") -> Found | None:
    """Redact the value of a parameter only where its name begins one, in an address.

    Where the name alone says little, the value must look drawn at random, or what stands beside it must say so.
    """
    start = match.start()
    name = match["weak"]
    if name is None:
        if not _SIGNED.search(text[max(0, start - 26) : start]):
            return None
        return (*match.span("secret"), markers.TOKEN)
    secret = match["secret"]
    if is_placeholder(secret) or is_words(secret) or _TIME.match(secret):
        return None
    if name.lower() in _KEY_PARAMETERS:
        return (*match.span("secret"), markers.API_KEY) if _is_key(secret) else None
    if name.lower() == "code" and _is_key(secret):
        return (*match.span("secret"), markers.TOKEN)
    around = _address_around(text, start + 1, match.end())
    beside = _OF_CODES if name.lower() == "code" else _OF_SIGNED
    digit = _DIGIT.search(secret) is not None or len(secret) >= 20
    return (*match.span("secret"), markers.TOKEN) if digit and beside.search(around) else None


def _is_key(value: str) -> bool:
    """Return whether a value has the form of a key, or that of a key behind a prefix, `ST-42-...`."""
    return looks_like_key(value) or looks_like_key(value.rpartition("-")[2])


def _address_around(text: str, start: int, end: int) -> str:
    """Return the parts of an address before and behind a parameter."""
    before = text[max(0, start - _LOOK) : start]
    first = max(map(before.rfind, " \t\n\"'<>`")) + 1
    last = _ADDRESS_END.search(text, end, end + _LOOK)
    return before[first:] + text[end : end + _LOOK if last is None else last.start()]


_KEY_PARAMETERS: Final = a_set("appid app_id key k auth ticket apikey")
_WEAK_PARAMETERS: Final = (
    "code",
    "st",
    "appid",
    "app_id",
    "key",
    "k",
    "auth",
    "ticket",
    "md5",
    "hash",
    "h",
    "s",
)


_IDENTIFIER: Final = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}|[A-Z]{2}[0-9a-f]{32}|S-1-[0-9-]+",
    re.IGNORECASE,
)
"""A UUID, an identifier of Twilio, an account of Windows."""


def _session(text: str, match: "re.Match[str]") -> Found | None:
    """Redact the value of a session's cookie where it is drawn at random, and no identifier."""
    del text
    secret = match["secret"]
    if _IDENTIFIER.fullmatch(secret) or is_placeholder(secret) or not looks_secret(secret):
        return None
    if not (is_random(secret[:256]) or _LONG_HEX.match(secret)):
        return None
    return (*match.span("secret"), markers.TOKEN)


_LONG_HEX: Final = re.compile("[0-9a-f]{32}|[0-9A-F]{32}")


def _login(text: str, match: "re.Match[str]") -> Found | None:
    """Redact the password of a login in SQL, or in the address of a driver of Go or Oracle."""
    if match["secret"] is not None:
        start, end = match.span("secret")
        if match[0][:10].lower() == "identified":
            value = text[start:end]
            bare = text[start - 1] not in "\"'"
            if value.isalpha() or (bare and (_DIGIT.search(value) is None or is_words(value))):
                return None  # a sentence: `a library identified by 'name'`
            if bare:
                end -= len(value) - len(value.rstrip(";\\,)"))
    else:
        end = match.start()
        before = _GO_LOGIN.search(text[max(0, end - 192) : end])
        if before is None:
            return None
        start = end - len(before["password"])
    secret = text[start:end]
    return (
        None if is_placeholder(secret) or markers.MARKER.fullmatch(secret) else (start, end, markers.PASSWORD)
    )


_GO_LOGIN: Final = re.compile(r"(?<![\w.-])[\w.-]{1,64}:(?P<password>[^\s\"'`/:@]{3,128})\Z")


# --- made-up examples -------------------------------------------------------------------------------------------------

_UP: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_B: Final = _NO_WORD_BEFORE
_E: Final = _NO_WORD_AFTER
_UUID: Final = "7c1e5f2a-9b3d-4e68-a0c4-5d8f1b7e2a90"


def _drawn(letters: str, size: int) -> str:
    return (letters * (size // len(letters) + 1))[:size]


def _made_up(prefix: str, size: int) -> str:
    """Return a made-up key, so that none stands in this file."""
    return prefix + _drawn("4f7Gh2Kq9ZtB5xW8nRj3Vc6Ym1Ds0Lp", size)


def _a(size: int) -> str:
    return _drawn("4f7Gh2Kq9ZtB5xW8nRj3Vc6Ym1Ds0Lp", size)


def _h(size: int) -> str:
    return _drawn("3d9f0b7c2a684e15", size)


def _u(size: int) -> str:
    return _drawn("7QX2MZK4VB9TN3RW8CJ5LHD6PF1SYG0A", size)


def _l(size: int) -> str:
    return _drawn("4f7gh2kq9ztb5xw8nrj3vc6ym1ds0lp", size)


# --- formats of providers ---------------------------------------------------------------------------------------------

_ALNUM: Final = "[A-Za-z0-9]"
_WORDY: Final = r"[\w-]"
_UUID_RE: Final = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_JWT_RE: Final = r"eyJ[\w-]{8,8192}+\.[\w-]{4,8192}+\.[\w-]{4,8192}+"


def _row(rule: str, name: str, prefixes: str, body: str, example: str, *, strict: bool = False) -> Format:
    first = prefixes.split()
    solid = re.fullmatch(r"\[[^\]\\]*\]\{[0-9,]+\}", body) is not None and "-]" not in body
    return Format(name, rule, tuple(first), body, first[0] + example, solid, strict)


FORMATS: Final[tuple[Format, ...]] = (
    # AI models and their platforms
    _row("model_key", "openai_style", "sk-", r"[\w-]{20,400}", "ant-api03-" + _a(40)),
    _row("model_key", "openai_session", "sess-", "[A-Za-z0-9]{40}", _a(40)),
    _row("model_key", "groq", "gsk_", "[A-Za-z0-9]{40,80}", _a(52)),
    _row("model_key", "xai", "xai-", "[A-Za-z0-9]{40,120}", _a(80)),
    _row("model_key", "hugging_face", "hf_ api_org_", "[A-Za-z0-9]{30,60}", "QwErTyUiOpAsDfGhJkLzXcVbNmPoIuYtRe", strict=True),
    _row("model_key", "replicate", "r8_", "[A-Za-z0-9]{36,60}", _a(37)),
    _row("model_key", "perplexity", "pplx-", "[A-Za-z0-9]{40,80}", _a(48)),
    _row("model_key", "nvidia", "nvapi-", r"[\w-]{40,120}", _a(64)),
    _row("model_key", "tavily", "tvly-", r"[\w-]{20,80}", "dev-" + _a(32)),
    _row("model_key", "fireworks", "fw_", "[A-Za-z0-9]{20,60}", _a(24), strict=True),
    _row("model_key", "jina", "jina_", r"[\w-]{40,100}", _a(60)),
    _row("model_key", "cerebras", "csk-", "[a-z0-9]{40,64}", _l(48)),
    _row("model_key", "voyage", "pa-", r"[\w-]{40,50}", _a(43), strict=True),
    _row("model_key", "together", "tgp_v1_", r"[\w-]{40,60}", _a(43)),
    _row("model_key", "anyscale", "esecret_", "[a-z0-9]{20,40}", _l(24)),
    _row("model_key", "langsmith", "lsv2_pt_ lsv2_sk_", "[0-9a-f]{32}_[0-9a-f]{10}", _h(32) + "_" + _h(10)),
    _row("model_key", "langsmith_old", "ls__", "[0-9a-f]{32}", _h(32)),
    _row("model_key", "weights_and_biases", "wandb_v1_", r"\w{40,100}", _a(77)),
    _row("model_key", "pinecone", "pcsk_", "[A-Za-z0-9]{4,8}_[A-Za-z0-9]{40,80}", _a(5) + "_" + _a(63)),
    _row("model_key", "runpod", "rpa_", "[A-Z0-9]{32,60}", _u(44)),
    _row("model_key", "modal", "ak- as-", "[A-Za-z0-9]{22}", _a(22), strict=True),
    _row("model_key", "elevenlabs", "sk_", "(?:[0-9a-f]{48}|[0-9a-f]{32})", _h(48)),
    _row("model_key", "cartesia", "sk_car_", r"\w{20,40}", _a(24), strict=True),
    _row("model_key", "llama_cloud", "llx-", r"[\w-]{40,60}", _a(48)),
    _row("model_key", "firecrawl", "fc-", "[0-9a-f]{32}", _h(32)),
    _row("model_key", "brave_search", "BSA", r"[\w-]{27,30}", _a(28), strict=True),
    _row("model_key", "e2b", "e2b_", "[0-9a-f]{40}", _h(40)),
    _row("model_key", "mem0", "m0-", "[A-Za-z0-9]{36,48}", _a(40), strict=True),
    _row("model_key", "cursor", "key_ crsr_", "[0-9a-f]{64}", _h(64)),
    _row("model_key", "context7", "ctx7sk-", "[0-9a-f-]{36}", _UUID),
    _row("model_key", "dify", "app- dataset-", "[A-Za-z0-9]{24}", _a(24), strict=True),
    _row("model_key", "coze", "pat_", "[A-Za-z0-9]{64}", _a(64), strict=True),
    _row("model_key", "upstage", "up_", "[A-Za-z0-9]{29}", _a(29), strict=True),
    _row("model_key", "nomic", "nk-", r"[\w-]{40,50}", _a(43), strict=True),
    _row("model_key", "browserbase", "bb_live_ bb_test_", r"[\w-]{20,50}", _a(27)),
    _row("model_key", "retell", "key_", "[0-9a-f]{28,32}", _h(28)),
    _row("model_key", "daytona", "dtn_", "[0-9a-f]{64}", _h(64)),
    _row("model_key", "devin", "apk_user_ cog_", r"[\w=-]{40,120}", _a(60)),
    _row("model_key", "unkey", "unkey_", "[A-Za-z0-9]{20,40}", _a(24), strict=True),
    _row("model_key", "photoroom", "sk_pr_", r"\w{2,40}_[0-9a-f]{40}", "default_" + _h(40)),
    _row("base64_token", "copilot_session", "tid=", "[0-9a-f]{32};exp=[0-9]{10}[^\\s\"',]{10,1024}", _h(32) + ";exp=1767225600;sku=free;8kp=1:" + _h(64)),
    # AWS, Google, Azure
    _row("aws_key_id", "aws_key_id", "AKIA ASIA ABIA ACCA", "[A-Z0-9]{16}", (_UP + "234567")[8:24]),
    _row("google_key", "google_api", "AIza", r"[\w-]{35}", _a(35)),
    _row("google_key", "google_oauth_secret", "GOCSPX-", r"[\w-]{20,64}", _a(28)),
    _row("google_key", "google_access_token", "ya29.", r"[\w.-]{20,2048}", "a0" + _a(60)),
    _row("google_key", "gemini", "AQ.Ab", r"[\w-]{40,80}", "8RN6" + _a(46)),
    # Source hosting and build services
    _row("github_token", "github", "ghp_ gho_ ghu_ ghr_ ghs_", "[A-Za-z0-9]{30,255}", _a(36)),
    _row("github_token", "github_app", "ghs_", r"[0-9]{3,16}_" + _JWT_RE, "482913_eyJ" + _a(16) + ".eyJ" + _a(24) + "." + _a(32)),
    _row("github_token", "github_fine_grained", "github_pat_", r"\w{22,255}", _a(22) + "_" + _a(59)),
    _row("gitlab_token", "gitlab",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glffct- glimt- glagent- glsoat- gloas- glwt-", r"[\w.-]{20,128}", _a(20)),
    _row("gitlab_token", "gitlab_runner", "GR1348941", r"[\w-]{20}", _a(20)),
    _row("build_token", "circleci", "CCIPAT_ CCIPRJ_", "[A-Za-z0-9]{22}_[0-9a-f]{40}", _a(22) + "_" + _h(40)),
    _row("build_token", "buildkite", "bkua_ bkaj_ bkat_ bkpt_ bkct_", "[A-Za-z0-9]{32,64}", _h(40)),
    _row("build_token", "sonarqube", "squ_ sqp_ sqa_", "[0-9a-f]{40}", _h(40)),
    _row("build_token", "snyk", "snyk_uat. snyk_sat.", r"[0-9a-f]{8}\.[\w-]{8,400}\.[\w-]{8,400}", _h(8) + "." + _a(40) + "." + _a(43)),
    _row("build_token", "octopus", "API-", "[A-Z0-9]{25,36}", _u(30)),
    _row("build_token", "harness", "pat. sat.", r"[\w-]{22}\.[0-9a-f]{24}\.[A-Za-z0-9]{20}", _a(22) + "." + _h(24) + "." + _a(20), strict=True),
    _row("build_token", "sourcegraph", "sgp_ sgd_ slk_ sgs_", "(?:[0-9a-fA-F]{16}_|local_)?[0-9a-fA-F]{40,64}", _h(40)),
    _row("build_token", "segment_public_api", "sgp_", "[A-Za-z0-9]{64}", _a(64)),
    _row("build_token", "jenkins", "11", "[0-9a-f]{32}", _h(32)),
    _row("build_token", "qlty", "qltcp_ qltcw_", "[A-Za-z0-9]{20,64}", _a(32)),
    _row("build_token", "prefect", "pnu_ pnb_", "[A-Za-z0-9]{36}", _a(36)),
    _row("build_token", "dbt_cloud", "dbtu_ dbtc_ dbts_", r"[\w=-]{30,80}", _a(40)),
    _row("build_token", "trigger_dev", "tr_dev_ tr_prod_ tr_stg_ tr_pat_", "[A-Za-z0-9]{20,64}", _a(24)),
    _row("build_token", "inngest", "signkey-prod- signkey-test- signkey-branch-", "[0-9a-f]{64}", _h(64)),
    _row("build_token", "atlassian", "ATATT3 ATCTT3 ATSTT3 ATOATT3", r"[\w=-]{60,400}", _a(180)),
    _row("build_token", "bitbucket", "ATBB", "[A-Za-z0-9]{32}", _a(32)),
    _row("build_token", "trello", "ATTA", "[0-9a-fA-F]{64,76}", _h(64)),
    _row("build_token", "launchdarkly", "sdk- api-", _UUID_RE, _UUID),
    _row("build_token", "postman", "PMAK-", "[0-9a-f]{24}-[0-9a-f]{34}", _h(24) + "-" + _h(34)),
    _row("build_token", "readme_io", "rdme_", "[a-z0-9]{70}", _l(70)),
    _row("build_token", "hex_technologies", "hxtp_ hxtw_", "[0-9a-f]{40,128}", _h(64)),
    _row("base64_token", "bitbucket_data_center", "BBDC-", "[A-Za-z0-9+/@_-]{40,50}", _a(44)),
    _row("build_token", "dependency_track", "odt_", "(?:[A-Za-z0-9]{8}_)?[A-Za-z0-9]{32,40}", _a(40), strict=True),
    _row("build_token", "postman_access", "PMAT-", "[0-9A-Z]{26}", _u(26)),
    _row("build_token", "socket_security", "sktsec_", r"\w{30,80}", _a(47)),
    _row("build_token", "spectral", "spu-", "[a-z0-9]{32}", _l(32)),
    _row("build_token", "trufflehog", "thog-secret- thog-key-", "[0-9a-f]{16,64}", _h(32)),
    _row("build_token", "wundergraph", "cosmo_", "[0-9a-f]{32}", _h(32)),
    _row("build_token", "rootly", "rootly_", "[0-9a-f]{64}", _h(64)),
    # Chat
    _row("slack_token", "slack",
        "xoxa- xoxb- xoxc- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp- xwfp-", r"[\w.%-]{10,400}", _made_up("", 24)),
    _row("chat_token", "discord_bot", "MT MD Mj Mz ND NT Nj Nz OD OT", r"[A-Za-z0-9_-]{22,26}\.[\w-]{6}\.[\w-]{27,40}",
        "E5ODc2NTQzMjEwOTg3NjU0" + ".GxYz1A." + _a(38)),
    _row("cloud_token", "facebook", "EAA", "[A-Za-z0-9]{80,400}", _a(180), strict=True),
    _row("chat_token", "instagram", "IGQV IGAA", r"[\w-]{80,400}", _a(140)),
    _row("chat_token", "twitter_app", "AAAAAAAAAAAAAAAAAAAAA", "[A-Za-z0-9%]{50,140}", _a(80)),
    _row("chat_token", "intercom", "dG9r", "[A-Za-z0-9+/=]{50,80}", _a(56), strict=True),
    _row("chat_token", "pubnub", "sec-c-", "[A-Za-z0-9=]{36,60}", _a(48)),
    # Money
    _row("stripe_key", "stripe", "sk_live_ sk_test_ rk_live_ rk_test_ sk_org_", "[A-Za-z0-9]{12,255}", _a(24)),
    _row("payment_key", "square", "sq0atp- sq0csp-", r"[\w-]{22,48}", _a(43)),
    _row("cloud_token", "square_access", "EAAA", r"[\w=-]{60}", _a(60)),
    _row("payment_key", "shopify", "shpat_ shpss_ shpca_ shppa_ shprt_ shpua_", "[0-9a-fA-F]{32}", _h(32)),
    _row("payment_key", "plaid", "access-production- access-sandbox- access-development-", _UUID_RE, _UUID),
    _row("payment_key", "razorpay", "rzp_live_ rzp_test_", "[A-Za-z0-9]{14}", _a(14)),
    _row("payment_key", "flutterwave", "FLWSECK- FLWSECK_TEST-", "[0-9a-zA-Z]{12,40}(?:-X)?", _h(32) + "-X"),
    _row("payment_key", "gocardless_mollie", "live_ sandbox_", r"[\w=-]{30,45}", _a(40), strict=True),
    _row("payment_key", "shippo", "shippo_live_ shippo_test_", "[0-9a-f]{40}", _h(40)),
    _row("payment_key", "easypost", "EZAK EZTK", "[A-Za-z0-9]{54}", _a(54)),
    _row("payment_key", "duffel", "duffel_live_ duffel_test_", r"[\w=-]{40,60}", _a(43)),
    _row("payment_key", "paddle", "pdl_live_apikey_ pdl_sdbx_apikey_", "[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}", _l(26) + "_" + _a(22) + "_" + _a(3)),
    _row("payment_key", "polar", "polar_oat_ polar_pat_ polar_at_", r"[\w]{30,64}", _a(43)),
    _row("payment_key", "woocommerce", "ck_ cs_", "[0-9a-f]{40}", _h(40)),
    _row("payment_key", "amazon_lwa_secret", "amzn1.oa2-cs.v1.", "[0-9a-f]{64}", _h(64)),
    _row("payment_key", "amazon_mws", "amzn.mws.", _UUID_RE, _UUID),
    _row("payment_key", "adyen", "AQE", r"[A-Za-z0-9+/=]{50,160}(?:-[\w+/=.{}()\[\]<>^~!?&%$#@*;:,|-]{20,100})?", _a(100), strict=True),
    # Packages and registries
    _row("package_token", "npm", "npm_", "[A-Za-z0-9]{36}", _a(36)),
    _row("package_token", "pypi", "pypi-", r"[\w-]{40,400}", "AgEIcHlwaS5vcmc" + _a(100)),
    _row("package_token", "rubygems", "rubygems_", "[0-9a-f]{40,64}", _h(48)),
    _row("package_token", "docker_hub", "dckr_pat_ dckr_oat_", r"[\w-]{20,64}", _a(27)),
    _row("package_token", "crates_io", "cio", "[A-Za-z0-9]{32}", _a(32)),
    _row("package_token", "nuget", "oy2", "[a-z0-9]{43}", _l(43)),
    _row("package_token", "packagist", "packagist_ort_ packagist_out_ packagist_uut_", "[0-9a-f]{40,80}", _h(68)),
    _row("package_token", "artifactory", "AKCp", "[A-Za-z0-9]{60,80}", _a(69)),
    _row("package_token", "artifactory_reference", "cmVmdGtu", "[A-Za-z0-9]{56}", _a(56)),
    _row("package_token", "clojars", "CLOJARS_", "[0-9a-z]{60}", _l(60)),
    _row("package_token", "deno", "ddp_ ddw_ ddo_", "[A-Za-z0-9]{36}", _a(36)),
    _row("package_token", "docker_swarm", "SWMTKN-1-", "[0-9a-z]{50}-[0-9a-z]{25}", _l(50) + "-" + _l(25)),
    _row("package_token", "docker_swarm_unlock", "SWMKEY-1-", r"[\w+/=]{40,48}", _a(43)),
    # Mail
    _row("mail_key", "sendgrid", "SG.", r"[\w-]{16,32}\.[\w-]{16,64}", _a(22) + "." + _a(43)),
    _row("mail_key", "mailgun", "key-", "(?:[0-9a-f]{32}|[A-Za-z0-9]{64})", _h(32)),
    _row("mail_key", "brevo", "xkeysib- xsmtpsib-", "[0-9a-f]{64}-[A-Za-z0-9]{16}", _h(64) + "-" + _a(16)),
    _row("mail_key", "resend", "re_", "[A-Za-z0-9]{8}_[A-Za-z0-9]{20,30}", _a(8) + "_" + _a(24), strict=True),
    _row("mail_key", "mailersend", "mlsn.", "[0-9a-f]{64}", _h(64)),
    _row("mail_key", "mandrill", "md-", r"[\w-]{22}", _a(22), strict=True),
    _row("cloud_token", "klaviyo", "pk_", "[0-9a-f]{34}", _h(34)),
    _row("mail_key", "onesignal", "os_v2_app_ os_v2_org_", "[a-z0-9]{80,140}", _l(103)),
    # Base64, which may go on behind a run of letters: searched for wherever the prefix stands
    _row("base64_token", "stripe_webhook", "whsec_", r"[\w=+/%-]{16,512}", _a(32)),
    _row("base64_token", "grafana_cloud", "glc_", r"[\w=+/%-]{16,512}", "eyJ" + _a(60)),
    _row("base64_token", "sentry_org", "sntrys_", r"[\w=+/%-]{16,512}", "eyJ" + _a(60)),
    _row("base64_token", "slack_cookie", "xoxd-", r"[\w=+/%-]{16,512}", _a(60)),
    _row("base64_token", "aws_bedrock", "ABSK", "[A-Za-z0-9+/%]{60,200}={0,2}", "QmVkcm9ja0FQSUtleS0x" + _a(90)),
    _row("base64_token", "aws_bedrock_short", "bedrock-api-key-", "[A-Za-z0-9+/=%]{40,4096}", _a(120)),
    _row("base64_token", "aws_session", "IQoJb3JpZ2lu FwoGZXIvYXdz FQoGZXIvYXdz", "[A-Za-z0-9+/=%]{40,4096}", "X2VjE" + _a(200)),
    _row("base64_token", "fly_io", "fm1r_ fm1a_ fm2_ fo1_", r"[\w+/=%-]{40,2048}", "lJPE" + _a(80)),
    _row("base64_token", "google_refresh", "1//0", r"[\w-]{40,200}", _a(60)),
    _row("base64_token", "google_code", "4/0A", r"[\w-]{40,120}", _a(60)),
    _row("base64_token", "baidu", "bce-v3/ALTAK-", r"[A-Za-z0-9]{21}/[0-9a-f]{40}", _a(21) + "/" + _h(40)),
    _row("base64_token", "asana", "1/ 2/", "[0-9]{10,20}(?:/[0-9]{10,20})?:[0-9a-f]{32}", "1378549960174680:" + _h(32)),
    _row("base64_token", "confluent", "cflt", "[A-Za-z0-9+/]{60}", _a(60), strict=True),
    _row("base64_token", "amazon_login", "Atza| Atzr|", r"[\w-]{60,2048}", "IwEBI" + _a(100)),
    _row("base64_token", "paypal_braintree", "access_token$production$ access_token$sandbox$", r"[0-9a-z]{16}\$[0-9a-f]{32}", _l(16) + "$" + _h(32)),
    _row("base64_token", "rfc_8959", "secret-token:", r"[\w.~%+/=:@!$&*-]{12,400}", "mercury_production_" + _a(32)),
    _row("base64_token", "pagerduty", "pdus+", r"[\w+-]{16,40}", _a(20)),
    _row("base64_token", "endor", "endr+", r"[A-Za-z0-9-]{16,40}", _a(16)),
    _row("base64_token", "metabase", "mb_", "[A-Za-z0-9+/]{43}=", _a(43) + "=", strict=True),
    _row("base64_token", "imagekit", "private_", "[A-Za-z0-9+/]{27}=", _a(27) + "=", strict=True),
    _row("base64_token", "convex", "prod: dev: preview:", r"[a-z]{2,16}-[a-z]{2,16}-[0-9]{1,4}\|[A-Za-z0-9+/=]{40,120}", "happy-otter-123|" + _a(60)),
    _row("base64_token", "bitwarden", "0.", _UUID_RE + r"\.[A-Za-z0-9]{30}:[A-Za-z0-9+/]{22}==", _UUID + "." + _a(30) + ":" + _a(22) + "=="),
    _row("base64_token", "salesforce", "00D", r"[A-Za-z0-9]{12,15}![\w.]{60,200}", _a(12) + "!" + _a(96), strict=True),
    # Clouds, databases, monitoring and applications
    _row("cloud_token", "digitalocean", "dop_v1_ doo_v1_ dor_v1_", "[0-9a-f]{64}", _h(64)),
    _row("cloud_token", "databricks", "dapi dkea dsapi dose", "[0-9a-fA-F]{32}(?:-[0-9])?", _h(32)),
    _row("cloud_token", "vault", "hvs. hvb. hvr.", r"[\w-]{20,256}", _a(24)),
    _row("cloud_token", "vault_old", "s. b. r.", "[A-Za-z0-9]{24}", _a(24), strict=True),
    _row("cloud_token", "grafana", "glsa_", r"\w{32,48}", _a(32) + "_" + _h(8)),
    _row("cloud_token", "grafana_old", "eyJrIjoi", "[A-Za-z0-9+/=]{60,160}", _a(80)),
    _row("cloud_token", "sentry_user", "sntryu_ sntrya_ sntryi_", "[0-9a-f]{64}", _h(64)),
    _row("cloud_token", "new_relic", "NRAK- NRJS- NRII- NRIQ- NRRA- NRAA- NRSP- NRBR-", r"[\w-]{19,40}", _u(27)),
    _row("cloud_token", "honeycomb", "hcaik_ hcbik_ hccik_ hcamk_ hcalk_", "[a-z0-9]{40,64}", _l(58)),
    _row("cloud_token", "dynatrace", "dt0c01. dt0s01. dt0s02. dt0s04. dt0s06. dt0s08. dt0s16. dt0e01.", r"[A-Z0-9-]{8,24}\.[A-Z0-9]{64}", _u(24) + "." + _u(64)),
    _row("cloud_token", "elastic_cloud", "essu_ essa_ essp_", r"[A-Za-z0-9+/=_-]{40,120}", _a(60)),
    _row("cloud_token", "axiom", "xaat- xapt-", _UUID_RE, _UUID),
    _row("cloud_token", "checkly", "cu_", "[0-9a-f]{32}", _h(32)),
    _row("cloud_token", "posthog", "phx_ phs_ pha_ phr_", "[A-Za-z0-9]{40,60}", _a(43)),
    _row("cloud_token", "statsig", "secret- console-", "[A-Za-z0-9]{36,60}", _a(43), strict=True),
    _row("base64_token", "jenkins_secret", "{AQAAAB", r"[A-Za-z0-9+/=]{20,1024}\}", _a(60) + "==}"),
    _row("base64_token", "ntlm", "TlRMTVNTUAAD", "[A-Za-z0-9+/=]{40,2048}", _a(120)),
    _row("base64_token", "teamwork", "tkn.v1_", "[A-Za-z0-9+/=]{40,120}", _a(70)),
    _row("base64_token", "configcat", "configcat-sdk-1/", r"[\w-]{22}/[\w-]{22}", _a(22) + "/" + _a(22)),
    _row("cloud_token", "linear", "lin_api_ lin_oauth_", "[A-Za-z0-9]{32,64}", _a(40)),
    _row("cloud_token", "notion", "ntn_", "[A-Za-z0-9]{40,60}", _a(46)),
    _row("cloud_token", "notion_old", "secret_", "[A-Za-z0-9]{43}", _a(43), strict=True),
    _row("cloud_token", "figma", "figd_ figo_ figu_ figoh_ figor_", r"[\w-]{38,60}", _a(40)),
    _row("cloud_token", "airtable", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}", _a(14) + "." + _h(64), strict=True),
    _row("cloud_token", "hubspot", "pat-na1- pat-na2- pat-na3- pat-eu1- pat-ap1-", _UUID_RE, _UUID),
    _row("cloud_token", "clickup", "pk_", "[0-9]{5,12}_[A-Z0-9]{32}", "3012345" + "_" + _u(32)),
    _row("cloud_token", "typeform", "tfp_", r"[\w-]{40,70}", _a(44)),
    _row("cloud_token", "contentful", "CFPAT-", r"[\w-]{43}", _a(43)),
    _row("cloud_token", "dropbox", "sl. sl.u.", r"[\w-]{100,2048}", _a(130)),
    _row("cloud_token", "doppler", "dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit. dp.said.", r"(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{40,44}", _a(43)),
    _row("cloud_token", "pulumi", "pul-", "[0-9a-f]{40}", _h(40)),
    _row("cloud_token", "infisical", "st.", r"[0-9a-f]{24}\.[0-9a-f]{32}\.[0-9a-f]{32}", _h(24) + "." + _h(32) + "." + _h(32)),
    _row("cloud_token", "onepassword_service", "ops_eyJ", r"[\w=-]{100,2048}", _a(250)),
    _row("cloud_token", "onepassword_secret_key", "A3-", "[A-Z0-9]{6}-(?:[A-Z0-9]{11}|[A-Z0-9]{6}-[A-Z0-9]{5})-[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}",
        "-".join((_u(6), _u(6), _u(5), _u(5), _u(5), _u(5)))),
    _row("cloud_token", "tailscale", "tskey-", r"\w{3,10}-[A-Za-z0-9-]{20,80}", "api-" + _a(17) + "-" + _a(32)),
    _row("cloud_token", "cloudflare", "cfut_ cfat_ cfk_", "[A-Za-z0-9]{36,64}", _a(48)),
    _row("cloud_token", "cloudflare_origin_ca", "v1.0-", "[0-9a-f]{24}-[0-9a-f]{146}", _h(24) + "-" + _h(146)),
    _row("cloud_token", "cloudflare_turnstile", "0x4AAAAAAA", r"[\w-]{20,40}", _a(25)),
    _row("cloud_token", "heroku", "HRKU-", r"[\w-]{36,70}", "AA" + _a(58)),
    _row("cloud_token", "render", "rnd_", "[A-Za-z0-9]{24,40}", _a(28)),
    _row("cloud_token", "netlify", "nfp_ nfc_ nfo_ nfu_ nfb_", "[A-Za-z0-9]{36}", _a(36)),
    _row("cloud_token", "vercel", "vcp_ vci_ vca_ vcr_ vck_", "[A-Za-z0-9]{24,80}", _a(56)),
    _row("cloud_token", "supabase", "sbp_ sbp_v0_ sbp_oauth_", "[0-9a-f]{40}", _h(40)),
    _row("cloud_token", "supabase_secret", "sb_secret_", r"[\w-]{20,48}", _a(22) + "_" + _a(8)),
    _row("cloud_token", "planetscale", "pscale_tkn_ pscale_pw_ pscale_oauth_", r"[\w=.-]{32,64}", _a(43)),
    _row("cloud_token", "neon", "napi_", "[a-z0-9]{50,80}", _l(64)),
    _row("cloud_token", "neon_password", "npg_", "[A-Za-z0-9]{12,24}", _a(16)),
    _row("cloud_token", "xata", "xau_", "[A-Za-z0-9]{40,48}", _a(43)),
    _row("cloud_token", "cockroach", "CCDB1_", "[A-Za-z0-9]{22}_[A-Za-z0-9]{40}", _a(22) + "_" + _a(40)),
    _row("cloud_token", "mongodb_atlas", "mdb_sa_sk_", r"[\w-]{30,64}", _a(40)),
    _row("cloud_token", "aiven", "aivenv1", r"[\w+/=-]{60,400}", _a(120)),
    _row("cloud_token", "yandex_key", "AQVN", r"[\w-]{35,38}", _a(36)),
    _row("cloud_token", "yandex_static", "YCAJE YCM YCN YCO YCP", r"[\w-]{20,40}", _a(35), strict=True),
    _row("cloud_token", "yandex_oauth", "y0_", r"[\w-]{50,64}", "AgAAAA" + _a(50)),
    _row("cloud_token", "yandex_iam", "t1.", r"[\w-]{20,400}={0,2}\.[\w-]{86}={0,2}", _a(120) + "." + _a(86)),
    _row("cloud_token", "alibaba", "LTAI", "[A-Za-z0-9]{12,26}", _a(20), strict=True),
    _row("cloud_token", "tencent", "AKID", "[A-Za-z0-9]{32}", _a(32)),
    _row("cloud_token", "volcengine", "AKLT", r"[\w-]{40,60}", _a(43)),
    _row("cloud_token", "scaleway", "SCW", "[A-Z0-9]{17}", _u(17)),
    _row("cloud_token", "scalingo", "tk-us-", r"[\w-]{40,60}", _a(48)),
    _row("cloud_token", "linkedin", "WPL_AP0. WPL_AP1.", r"[\w.]{12,64}={0,2}", _a(16) + "." + _a(8)),
    _row("cloud_token", "exoscale", "EXO", "[0-9a-f]{24,32}", _h(26)),
    _row("cloud_token", "upcloud", "ucat_", "[A-Z0-9]{26}", _u(26)),
    _row("cloud_token", "digitalocean_spaces", "DO00 DO80", "[A-Z0-9]{16}", _u(16)),
    _row("cloud_token", "ibm", "ApiKey-", _UUID_RE, _UUID),
    _row("cloud_token", "age", "AGE-SECRET-KEY-1", "[A-Z0-9]{58}", _u(58)),
    _row("cloud_token", "age_plugin", "AGE-PLUGIN-", "[A-Z0-9]{2,20}-1[A-Z0-9]{20,120}", "YUBIKEY-1" + _u(40)),
    _row("cloud_token", "mapbox_secret", "sk.eyJ tk.eyJ", r"[\w-]{20,400}\.[\w-]{16,64}", _a(60) + "." + _a(22)),
    _row("cloud_token", "arcgis", "AAPK AAPTxy8B", r"[\w.-]{60,400}", _a(68)),
    _row("cloud_token", "okta", "00", r"(?=[\w-]{0,39}[a-z])(?=[\w-]{0,39}[A-Z])[\w-]{40}(?![\w-])", _a(40), strict=True),
    _row("cloud_token", "ory", "ory_at_ ory_rt_ ory_ac_ ory_st_ ory_pat_ ory_apikey_", r"[\w.-]{24,128}", _a(43)),
    _row("cloud_token", "stytch", "secret-live- secret-test-", r"[\w=-]{36}", _a(36)),
    _row("cloud_token", "jumpcloud", "jca_", "[A-Za-z0-9]{36}", _a(36)),
    _row("cloud_token", "onfido", "api_live. api_sandbox. api_live_us. api_live_ca. api_sandbox_us.", r"[\w-]{8,16}\.[\w-]{28,40}", _a(11) + "." + _a(32)),
    _row("cloud_token", "apify", "apify_api_", r"[\w-]{36}", _a(36)),
    _row("cloud_token", "aikido", "AIK_RUNTIME_ AIK_CI_", r"\w{20,120}", "12345_6789_us_" + _a(48)),
    _row("cloud_token", "frame_io", "fio-u-", r"[\w=-]{64}", _a(64)),
    _row("cloud_token", "dub", "dub_", "[A-Za-z0-9]{24}", _a(24)),
    _row("cloud_token", "cal_com", "cal_ cal_live_", "[0-9a-f]{32,64}", _h(32)),
    _row("cloud_token", "liveblocks", "sk_dev_ sk_prod_", r"[\w-]{24,120}", _a(48)),
    _row("cloud_token", "ngrok", "2 3 cr_ ak_", "[A-Za-z0-9]{26}_[A-Za-z0-9]{20,24}", _a(26) + "_" + _a(22), strict=True),
    _row("cloud_token", "adafruit", "aio_", "[A-Za-z0-9]{28}", _a(28)),
    _row("cloud_token", "alchemy", "alcht_", "[A-Za-z0-9]{30}", _a(30)),
    _row("cloud_token", "akamai", "akab-", "[a-z0-9]{16}-[a-z0-9]{16}", _l(16) + "-" + _l(16)),
    _row("cloud_token", "besttime", "pri_", "[0-9a-f]{32}", _h(32)),
    _row("cloud_token", "bannerbear", "bb_ma_ bb_pr_", "[0-9a-f]{22,40}", _h(30)),
    _row("cloud_token", "defined_networking", "dnkey-", "[A-Z0-9]{26}-[A-Z0-9]{52}", _u(26) + "-" + _u(52)),
    _row("cloud_token", "intra_42", "s-s4t2ud-", "[0-9a-f]{64}", _h(64)),
    _row("payment_key", "lob", "live_ test_", "[0-9a-f]{35}", _h(35)),
    _row("base64_token", "openshift", "sha256~", r"[\w-]{43}", _a(43)),
    _row("cloud_token", "nats_seed", "SA SC SN SO SP SU SX", r"(?=[A-Z]{0,40}[2-7])[A-Z2-7]{56}", _drawn("ML2GCZ7IK7E7UD4VZ7ELPZW7DK2ZNL35", 56)),
    _row("cloud_token", "netbird", "nbp_", "[A-Za-z0-9]{36}", _a(36)),
    _row("cloud_token", "pganalyze", "pgar_", "[A-Za-z0-9]{28}", _a(28)),
    _row("cloud_token", "telnyx", "KEY0", "[0-9A-F]{31}_[A-Za-z0-9]{22}", _h(31).upper() + "_" + _a(22)),
    _row("cloud_token", "val_town", "vtwn_", "[A-Za-z0-9]{20,64}", _a(32)),
    _row("cloud_token", "nostr", "nsec1", "[02-9ac-hj-np-z]{58}", _drawn("q9z2x8gf4tv7dw0s3jn5kh6ce", 58)),
    _row("cloud_token", "bip32", "xprv yprv zprv", "[1-9A-HJ-NP-Za-km-z]{100,112}", _drawn("4f7Gh2Kq9ZtB5xW8nRj3Vc6Ym1Ds", 107)),
)  # fmt: skip
"""One row for each published form; the rules for keys and tokens are put together from them."""

_DIGIT: Final = re.compile("[0-9]")
_LOWER: Final = re.compile("[a-z]")
_UPPER: Final = re.compile("[A-Z]")
_LONG_WORD: Final = re.compile("[A-Za-z]{4}")


def trie(words: Iterable[str]) -> str:
    """Return a pattern of all words in which common beginnings stand once, the longest word first."""
    by_letter: dict[str, list[str]] = {}
    for word in sorted(set(words)):
        by_letter.setdefault(word[0], []).append(word)
    branches: list[str] = []
    for group in by_letter.values():
        head = commonprefix(group)  # noqa: RUF071 - texts, not paths
        rests = [word[len(head) :] for word in group if word != head]
        optional = "?" if len(rests) < len(group) else ""
        branches.append(re.escape(head) + (f"(?:{trie(rests)}){optional}" if rests else ""))
    return "|".join(branches)


def _of(rule: str) -> tuple[Format, ...]:
    return tuple(each for each in FORMATS if each.rule == rule)


def _pattern(each: Format) -> str:
    end = _NO_WORD_AFTER if each.solid and re.search(r"\{[0-9]+\}\Z", each.body) else ""
    return f"(?:{trie(each.prefixes)}){each.body}{end}"


def _drawn_check(kind: str, formats: tuple[Format, ...]) -> Check:
    """Return a check that leaves slugs, words and placeholders alone which begin like a key: `sk-learn-contrib`."""
    of = {prefix: each for each in formats for prefix in each.prefixes}
    prefixes = re.compile(trie(of))

    def check(text: str, match: "re.Match[str]") -> Found | None:
        del text
        token = match[0]
        prefix = prefixes.match(token)
        each = of[prefix[0]] if prefix is not None else formats[0]
        body = token[prefix.end() if prefix is not None else 0 :]
        if is_placeholder(token) or is_placeholder(body):
            return None
        if not each.solid and is_words(body) and _LONG_WORD.search(body):
            return None
        digit, mixed = _DIGIT.search(body), _LOWER.search(body) and _UPPER.search(body)
        if each.strict:
            if not mixed or not (digit or len(body) >= 30):
                return None
        elif not digit and not mixed and not (each.solid and body.isupper()):
            return None
        return match.start(), match.end(), kind

    return check


def _built(
    name: str, kind: str, summary: str, counter: str, *, collector: bool = True, in_run: bool = True
) -> Rule:
    """Return the rule for the rows of `FORMATS` that name it."""
    formats = _of(name)
    anchors = tuple(dict.fromkeys(prefix for each in formats for prefix in each.prefixes))
    pattern = re.compile(_NO_WORD_BEFORE + "(?:" + "|".join(map(_pattern, formats)) + ")")
    return Rule(
        name, kind, summary, formats[0].example, counter, anchors, pattern, in_run=in_run,
        check=_drawn_check(kind, formats), collector=_collector_forms(kind, formats) if collector else (),
    )  # fmt: skip


# --- forms for the Collector ------------------------------------------------------------------------------------------


class NotRe2Error(ValueError):
    """A pattern has a construct that RE2 does not have; the message names it."""


_LOOKS: Final = re.compile(r"\(\?(?:[=!]|<[=!]|>)|\\[1-9]|\(\?P=")
_REPEATS: Final = re.compile(r"\{(\d+),\d+\}[+?]?")


def re2_form(pattern: str) -> str:
    r"""Translate a pattern of this table to RE2: no look-around, no possessive or bounded upper repetition.

    The boundaries at its ends become `(^|[^A-Za-z0-9])`, whose text the Collector puts back, and `\b`. Upper bounds are
    dropped: RE2 is linear without them, and a program with counted repetitions is large.

    Raises:
        NotRe2Error: the pattern has another look-around or a reference back.
    """
    inside = pattern.replace(_NO_WORD_AFTER, r"\b").removeprefix(_NO_WORD_BEFORE)
    if look := _LOOKS.search(inside):
        raise NotRe2Error(f"{look[0]} has no RE2 form")
    return _REPEATS.sub(lambda match: "*" if match[1] == "0" else "{" + match[1] + ",}", inside)


def collector_format(each: Format) -> str | None:
    """Return the RE2 form of one row of `FORMATS`, None where RE2 has none or the prefix alone says too little."""
    if any(len(prefix) + (not prefix[-1].isalnum()) < _SAYS_ENOUGH for prefix in each.prefixes):
        return None
    try:
        return re2_form(_pattern(each))
    except NotRe2Error:
        return None


_SAYS_ENOUGH: Final = 4
"""Letters that a prefix must have in the Collector, one less before `_`, `-` or `.`: there is no check behind it."""


def collector_formats(rule: str) -> tuple[Format, ...]:
    """Return the rows of a rule that the Collector finds too."""
    return tuple(each for each in _of(rule) if collector_format(each) is not None)


def left_out(rule: Rule) -> str:
    """Return why the Collector does not apply a rule."""
    return _LEFT_OUT[rule.name]


_LEFT_OUT: Final = {
    "bearer_token": "found by the form of `basic_credentials`, which takes both words",
}


def _collector_forms(kind: str, formats: tuple[Format, ...]) -> tuple[CollectorForm, ...]:
    """Return one form for all rows of a rule that RE2 can express; the Collector cannot apply their checks."""
    usable = [(each, form) for each in formats if (form := collector_format(each)) is not None]
    if not usable:
        return ()
    words = tuple(dict.fromkeys(prefix.lower() for each, _ in usable for prefix in each.prefixes))
    pattern = r"(?P<keep>^|[^A-Za-z0-9])(?:" + "|".join(form for _, form in usable) + ")"
    return (CollectorForm(pattern, words, markers.MARKERS[kind], True, usable[0][0].example),)


def _form(pattern: str, words: str, marker: str, example: str, *, names: bool = False) -> CollectorForm:
    return CollectorForm(pattern, tuple(words.split()), marker, names, example)


_QUOTED: Final = r"\\?\x22[^\x22\\]*\\?\x22|'[^']*'|\[?[^\s\x22'\\,;&\[\]]+\]?"

_FORM_EMAIL: Final = _form(
    r"[A-Za-z0-9._%+-]{1,64}@([A-Za-z0-9-]{1,63}\.)+[A-Za-z]{2,24}\b",
    "@",
    "[EMAIL]",
    "write to ada.l+x@mail.example.org",
    names=True,
)
_FORM_SSN: Final = _form(
    r"\b(00[1-9]|0[1-9][0-9]|[1-578][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])-(0[1-9]|[1-9][0-9])"
    r"-([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)\b", "", "[SSN]", "her SSN, 219-09-9999, is here",
)  # fmt: skip
# The same separator in every gap, or none: the first groups of a UUID, 8-4-4, are no card.
_FORM_CARD: Final = _form(
    r"(?P<keep>^|[^\w.-])((4[0-9]{3}|5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720|6011|65[0-9]{2})"
    r"([0-9]{12}|( [0-9]{4}){3}|(-[0-9]{4}){3})|3[47][0-9]{2}([0-9]{11}| [0-9]{6} [0-9]{5}|-[0-9]{6}-[0-9]{5}))\b",
    "", "[CREDIT_CARD]", "paid with 4111 1111 1111 1111",
)  # fmt: skip
_FORM_PEM: Final = _form(
    r"(?s)-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----.*?(-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----|\z)",
    "-----begin", "[PRIVATE_KEY]", "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ",
)  # fmt: skip
_FORM_URL: Final = _form(
    r"(?P<keep>://)([^\s/?#@\x22'<>]*:[^\s/?#\x22'<>]*|[^\s/?#@:\x22'<>]{16,})(?P<after>@)", "@", "[URL_CREDENTIALS]",
    "postgres://ada:" + "s3cret@db.example.org/x",
)  # fmt: skip
_FORM_BEARER: Final = _form(
    r"(?i)(?P<keep>\b(?:bearer|basic)\s+)([a-z0-9._~+/-]{16,}=*|[a-z._~+/-]{0,15}[0-9][a-z0-9._~+/-]{4,}=*|[a-z0-9+/]{6,}={1,2})",
    "bearer basic", "[TOKEN]", "Bearer " + "mF9.B5f-4.1JqM",
)  # fmt: skip
_FORM_JWT: Final = _form(
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", "eyj", "[TOKEN]",
    _made_up("eyJ", 20) + "." + _made_up("eyJ", 30) + "." + _made_up("", 24),
)  # fmt: skip
_FORMS_NAMED: Final = (
    _form(
        r"(?i)(?P<keep>\b(?:proxy-)?authorization\\?[\x22']?\s*[:=]\s*\\?[\x22']?)"
        r"(?:(?:digest|aws4-hmac-sha256)\s[^\r\n\x22\\]*|(?:[a-z]+\s+)?[^\s\x22'\\,;]+)",
        "authorization", "[TOKEN]", "Authorization: " + _made_up("", 24),
    ),
    _form(
        r"(?i)(?P<keep>\b(?:set-)?cookie\\?[\x22']?\s*[:=]\s*\\?[\x22']?)[^\r\n\x22'\\]+", "cookie", "[REDACTED]",
        "Cookie: sid=" + _made_up("", 24),
    ),
    # `name=value` and `"name": "value"` in text, with one level of escaped quotes.
    _form(
        r"(?i)(?P<keep>(?:\b|_)(?:password|passwd|pwd|passphrase|passwort|kennwort|contrase(?:ñ|n)a|senha|mot[_ -]de[_ -]passe|"
        r"пароль|密码|密碼|口令)\\?[\x22']?\s*[:=：]\s*)(?:" + _QUOTED + ")",
        "pass pwd kennwort contrase senha пароль 密码 密碼 口令", "[PASSWORD]", "login password=" + _made_up("", 12),
    ),
    _form(
        r"(?i)(?P<keep>(?:\btoken|(?:\b|_)(?:access|refresh|auth|id|session|bearer)[_-]?token)\\?[\x22']?\s*[:=]\s*)(?:" + _QUOTED + ")",
        "token", "[TOKEN]", "access_token=" + _made_up("", 12),
    ),
    _form(
        r"(?i)(?P<keep>(?:\b|_)(?:secret|api[_-]?key|secret[_-]?(?:access[_-]?)?key|client[_-]?secret|access[_-]?key|account[_-]?key|"
        r"private[_-]?key|credentials?)\\?[\x22']?\s*[:=]\s*)(?:" + _QUOTED + ")",
        "secret key credential", "[REDACTED]", "api_key: " + _made_up("", 12),
    ),
)  # fmt: skip

_FORM_SSN_BY_NAME: Final = _form(
    r"(?i)(?P<keep>(?:ssn|social[ _-]security|itin|taxpayer)(?:[ _-](?:no\.?|nr\.?|number|num|identification|id|#)){0,3}"
    r"(?:[\x22']?[:=#]|[ ,]{1,2}(?:is|was))?[\s\x22'#]{0,3})[0-9]{9}\b",
    "ssn social itin taxpayer", "[SSN]", "social security number 219099999",
)  # fmt: skip
_FORM_PUTTY: Final = _form(
    r"(?P<keep>Private-Lines: [0-9]{1,3}\s{0,3})(?:[A-Za-z0-9+/=]{16,80}\s{0,3})+", "private-lines:", "[PRIVATE_KEY]",
    "Private-Lines: 1\n" + _made_up("AAAA", 60),
)  # fmt: skip
_FORM_SIGNED: Final = _form(
    r"(?i)(?P<keep>[?&;][\w.-]{0,24}(?:signature|credential|-token|accesskeyid|sig|hmac)(?:=|%3D))[^\s&#\x22'<>;\\]{8,}",
    "signature credential -token accesskeyid sig= sig%3d hmac", "[TOKEN]",
    "https://cdn.example.org/i.jpg?Expires=1785628800&Signature=" + _made_up("", 40),
)  # fmt: skip
_FORM_OPTION: Final = _form(
    r"(?i)(?P<keep>--(?:(?:db|api|auth|access|client|user|admin|bearer|refresh|session|id)-)?(?:password|passwd|passphrase|secret|"
    r"api-?key|access-?key|token)(?:=|[ \t]+))[^\s\x22'\[-][^\s\x22']{3,}",
    "--", "[TOKEN]", "curl --token abc123xyz -v",
)  # fmt: skip
_FORM_PGPASS: Final = _form(
    r"(?P<keep>:(?:5432|5433|6432|\*):[^:\s]{1,64}:[^:\s]{1,64}:)[^\s:\x22'\[][^\s:\x22']{2,}", ":5432: :5433: :6432: :*:",
    "[PASSWORD]", "db.example.org:5432:app:ada:" + "gr33nT3aPot99b",
)  # fmt: skip
_FORM_LOGIN: Final = _form(
    r"(?i)(?P<keep>identified by (?:password )?\\?[\x22'])[^\x22'\s\[]{3,}", "identified", "[PASSWORD]",
    "CREATE USER ada IDENTIFIED BY '" + _made_up("", 12) + "'",
)  # fmt: skip
_FORM_CALL: Final = _form(
    r"(?i)(?P<keep>(?:auth|credentials?)(?: ?= ?)?\([\x22'][^\x22'\n]{1,64}[\x22'],\s?[\x22'])[^\x22'\s\[]{6,}", "auth credential",
    "[PASSWORD]", "auth=('ada', '" + _made_up("", 12) + "')",
)  # fmt: skip
_FORM_LINE: Final = _form(
    r"(?P<keep>(?:echo|printf)\s(?:-[neE]\s)?[\x22']?)[^\s\x22'|$\[]{4,}(?P<after>[\x22']?\s?\|[^|\n]{0,80}--(?:password-stdin|with-token))",
    "--password-stdin --with-token", "[PASSWORD]", "echo " + _made_up("", 12) + " | docker login --password-stdin",
)  # fmt: skip
_FORM_MASKED: Final = _form(
    r"(?i)(?P<keep>::add-mask::|task\.setsecret\]|issecret=true[^\]\n]{0,80}\])[^\s\x22'$\[]{3,}", "::add-mask:: task.setsecret issecret=true",
    "[PASSWORD]", "::add-mask::" + _made_up("", 14),
)  # fmt: skip
_FORM_SESSION: Final = _form(
    r"(?i)(?P<keep>(?:^|[^A-Za-z0-9])(?:sess(?:ion)?(?:id)?|sid)=)[\w%.~+/=:|*!-]{32,}", "session= sessionid= sess= sessid= sid=", "[TOKEN]",
    "set sid=" + _made_up("", 32) + "; path=/",
)  # fmt: skip
_FORM_AZURE: Final = _form(
    r"[A-Za-z0-9+/_-]{30,90}(?:\+ASt[A-Za-z0-9+/]{6}==|ACDb[A-Za-z0-9+/]{6}==|\+ABa[A-Za-z0-9+/]{6}==|\+A(?:Eh|Sb|Io|Rm)[A-Za-z0-9+/]{5,8}={1,2}"
    r"|AzFu[\w-]{6}==|AzSe[A-D][A-Za-z0-9]{5}|AzCa[A-P][A-Za-z0-9]{5}=|\+ACR[A-D][A-Za-z0-9]{5}|AZDO[A-Za-z0-9]{4}|JQQJ99[A-Za-z0-9]{20,34}(?:==)?)",
    "+ast acdb +aba +aeh +asb +aio +arm azfu azse azca +acr azdo jqqj99", "[API_KEY]", _made_up("", 76) + "+ASt" + _made_up("", 6) + "==",
)  # fmt: skip
_FORM_TWILIO: Final = _form(
    r"(?P<keep>(?i:twilio).{0,64}?\b)(?:SK|AC)[0-9a-f]{32}\b",
    "twilio",
    "[API_KEY]",
    "from Twilio SK" + "0123456789abcdef" * 2,
)

COLLECTOR_NAMES: Final = (
    r"(?i)((^|[._-])(authorization|cookie|passwd|pwd|pin|cvv|cvc|ssn|token|id[_-]?token|credentials?|private[_-]?key"
    r"|access[_-]?key([_-]?id)?|account[_-]?key|card[_-]?number|connection[_-]?string|dsn)|password|passphrase"
    r"|secret([_-]?(access[_-]?)?key)?|api[_-]?key|(access|refresh|auth|session|bearer)[_-]?token)$"
)
"""Names of attributes (RE2) which the Collector deletes with their values; `session_id` and `input_tokens` stay."""

COLLECTOR_NAME_ENDS: Final = (
    "authorization", "cookie", "passwd", "pwd", "pin", "cvv", "cvc", "ssn", "token", "credential", "credentials", "key", "key_id",
    "key-id", "keyid", "number", "string", "dsn", "password", "passphrase", "secret",
)  # fmt: skip
"""Ends of the names that `COLLECTOR_NAMES` matches; without one of them the Collector does not try it."""


# --- the table --------------------------------------------------------------------------------------------------------

RULES: Final[tuple[Rule, ...]] = (
    _shape(
        "email", markers.EMAIL, "e-mail addresses", "write to ada.l+x@mail.example.org today",
        "pip install demo@1.2.0, icon@2x.png, echo@demo", "@ %40",
        r"(?:@|%40)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<tld>[^\W\d_]{2,24})(?![\w-])(?!\.\w)", check=_email,
        collector=(_FORM_EMAIL,),
    ),
    _shape(
        "us_ssn", markers.SSN, "US social security numbers with valid areas, and ITINs", "her SSN, 219-09-9999, is here",
        "000-12-3456 666-12-3456 912-34-5678 2026-03-01", "",
        "[0-9](?<![0-9A-Za-z_.\u2010-\u2013-].)[0-9]{2}([- \u00a0\u2010-\u2013])[0-9]{2}\\1[0-9]{4}(?![0-9A-Za-z_-])",
        check=_ssn, collector=(_FORM_SSN,),
    ),
    _shape(
        "us_ssn_by_name", markers.SSN, "nine digits beside `SSN`, `social security number`, `ITIN`",
        "social security number 219099999", "social security number 000099999",
        "ssn social itin taxpayer",
        r"(?:ssn|social[ \u00a0_-]security|itin|taxpayer)(?:[ _-](?:no\.?|nr\.?|number|num|identification|id|#)){0,3}"
        r"(?:[\"']?[:=#]|[ ,]{1,2}(?:is|was))?[\s\"'#]{0,3}(?P<secret>[0-9]{9})(?![0-9A-Za-z_-])", check=_named_ssn, fold=True,
        collector=(_FORM_SSN_BY_NAME,),
    ),
    _shape(
        "payment_card", markers.CREDIT_CARD, "payment cards: issuer, length and check digit",
        "paid with 4111 1111 1111 1111", "order 4111 1111 1111 1112 at 1767225600000000", "",
        "[2-6](?<![0-9A-Za-z_.-].)[0-9]{3}(?:[0-9]{9,15}|(?:([ \u00a0\u2010-\u2013-])[0-9]{4}){2,3}\\1[0-9]{1,4}"
        "|([ \u00a0-])[0-9]{6}\\2[0-9]{4,5})(?![0-9A-Za-z_])(?!\\.(?!0(?![0-9]))[0-9])",
        check=_number, collector=(_FORM_CARD,),
    ),
    _shape(
        "private_key", markers.PRIVATE_KEY, "private keys in PEM form, also cut off or with escaped line ends",
        "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END CERTIFICATE-----", "-----BEGIN",
        # Up to its end, whatever stands at the beginning of its lines: a comment, a quote, a diff; or as far as it looks like one.
        r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:"
        r"(?P<whole>[^-]{0,32768}+(?:-(?!----)[^-]{0,4096}+){0,512}+)-{5,7}END[A-Z0-9 ]{0,40}-----"
        r"|(?P<body>[A-Za-z0-9+/=\s\\:,.()_|>#*]{0,32768}+(?:-[A-Za-z0-9+/=\s\\:,.]{1,200}){0,2}+)"
        r"(?:-----END[A-Z0-9 ]{0,40}-----)?)", check=_pem, collector=(_FORM_PEM,),
    ),
    _shape(
        "putty_key", markers.PRIVATE_KEY, "private keys in PuTTY's form", "Private-Lines: 2\n" + _made_up("AAAA", 60) + "\n" + _made_up("", 30),
        "Private-Lines: 2, then the key", "Private-Lines:",
        r"Private-Lines: [0-9]{1,3}\s{0,3}(?P<secret>(?:[A-Za-z0-9+/=]{16,80}(?:\\r|\\n|\s){0,3}){1,64}+(?:Private-MAC: [0-9a-f]{20,128})?)",
        collector=(_FORM_PUTTY,),
    ),
    _shape(
        "url_credentials", markers.URL_CREDENTIALS, "user and password in an address or a connection string",
        "postgres://ada:" + "s3cret@db.example.org/x", "https://example.org:8080/a@b ssh://git@example.org/x", "://",
        r"://(?P<secret>[^\s/?#\"'<>`\\:]{0,256}:(?![0-9]{1,5}(?:[/?#\s]|$))"
        r"(?:[^\s/?#\"'<>`]{1,256}(?=@[\w\[])|[^\s\"'<>`]{1,256}?(?=@[\w\[]))|[^\s/?#\"'<>`\\@:]{20,256}(?=@))"
        , check=_url, collector=(_FORM_URL,),
    ),
    _shape(
        "signed_url", markers.TOKEN, "signatures and credentials in the query of a signed address",
        "https://cdn.example.org/i.jpg?Expires=1785628800&Signature=" + _made_up("", 40) + "&Key-Pair-Id=K2JCJ",
        "def f(*, signature=None): https://example.org/?signature=", "signature= credential= -token= accesskeyid= sig= hmac= policy= "
        + " ".join(f"?{each}= &{each}=" for each in _WEAK_PARAMETERS),
        r"(?:(?:signature|credential|security-token|-token|accesskeyid|sig|hmac|policy)(?:=|%3D)|[?&](?P<weak>" + "|".join(_WEAK_PARAMETERS) + r")=)"
        r"(?P<secret>[^\s&#\"'<>;\\]{8,4096})",
        check=_signed, fold=True, collector=(_FORM_SIGNED,),
    ),
    _shape(
        "basic_credentials", markers.PASSWORD, "`Basic` with name and password in base64",
        "Basic " + "YWRhOmh1bnRlcjI=", "basic authentication, Basic understanding", "basic",
        _B + r"basic\s{1,4}(?P<secret>[A-Za-z0-9+/]{6,512}={0,2})(?![\w+/])", check=_basic, fold=True, collector=(_FORM_BEARER,),
    ),
    _shape(
        "bearer_token", markers.TOKEN, "`Bearer` and a token", "Bearer " + "mF9.B5f-4.1JqM", "bearer authentication", "bearer",
        _B + r"bearer(?:\s|%20|\+|:){1,4}(?P<secret>[\w.~+/=-]{8,4096})", check=_bearer, fold=True,
    ),
    _shape(
        "jwt", markers.TOKEN, "JSON web tokens", _made_up("eyJ", 20) + "." + _made_up("eyJ", 30) + "." + _made_up("", 24),
        "eyJust.a.word", "eyJ", r"(?<![\w-])eyJ[\w-]{8,8192}+(?:\.[\w-]{0,8192}+){1,4}", in_run=True, collector=(_FORM_JWT,),
    ),
    _shape(
        "named_secret", markers.FIELD, 'values that their name gives away: `password=`, `"api_key":`, `Cookie:`',
        "db_password=hunter2", "max_tokens=4096 primary_key=id monkey=george author: ada",
        " ".join(ANCHORS), "", find=key_value.find, fold=True, collector=_FORMS_NAMED,
    ),
    _shape(
        "session_cookie", markers.TOKEN, "cookies of sessions outside a `Cookie` header: `session=`, `sid=`, `sessionid=`, and files of cookies",
        "set sid=" + _made_up("", 32) + "; path=/", "sid=S-1-5-21-3623811015-3361044348-30300820-1013 session=agent:main:main-thread",
        "", r"(?:(?<![A-Za-z0-9])(?:sess(?:ion)?(?:id)?|sid)=|\t(?:true|false)\t/[^\t\n]{0,256}\t(?:true|false)\t[0-9]{1,12}\t[^\t\n]{1,128}\t)"
        r"(?P<secret>[\w%.~+/=:|*!-]{16,4096})", fold=True, check=_session, collector=(_FORM_SESSION,),
    )._replace(anchors=("session=", "sessionid=", "sess=", "sessid=", "sid=", "\ttrue\t", "\tfalse\t")),
    _shape(
        "database_login", markers.PASSWORD, "passwords of `IDENTIFIED BY` in SQL, and of the addresses of Go's and Oracle's drivers",
        "CREATE USER ada IDENTIFIED BY '" + _made_up("", 12) + "'", "identified by the user, ada@tcp(db:3306)/x",
        "@tcp( @unix( jdbc:oracle:thin:",
        r"(?:@(?:tcp|unix)\(|identified (?:with [\"'`]?\w{1,40}[\"'`]? )?(?:by|as) (?:password )?(?:\\?[\"'])?(?=[^\"'\s]{3})|jdbc:oracle:thin:[^/\s\"']{1,64}/(?=[^/]))"
        r"(?P<secret>(?<!\()[^\"'\s@]{3,128})?", fold=True, check=_login, collector=(_FORM_LOGIN,),
    )._replace(anchors=("identified by ", "identified with ", "@tcp(", "@unix(", "jdbc:oracle:thin:")),
    _shape(
        "login_call", markers.PASSWORD, "passwords in calls that log in: `new PDO(...)`, `BasicAuth(...)`, `ConvertTo-SecureString`",
        "auth=('ada', '" + _made_up("", 12) + "')", "auth=('user', 'pass')", "", "", find=login_calls.find, fold=True,
        collector=(_FORM_CALL,),
    )._replace(anchors=login_calls.ANCHORS),
    _shape(
        "login_line", markers.PASSWORD, "secrets that stand in a line without an option, or that a command reads: `net user`, SNMP, `echo ... |`",
        "echo " + _made_up("", 12) + " | docker login --password-stdin", "net user ada /add", "", "", find=login_lines.find, fold=True,
        collector=(_FORM_LINE, _FORM_MASKED),
    )._replace(anchors=login_lines.ANCHORS),
    _shape(
        "command_option", markers.FIELD, "values of options whose name gives them away", "curl --token abc123xyz -v",
        "tool --max-tokens 4096 --token-count 17", "--", "", find=key_value.option,
        collector=(_FORM_OPTION,),
    ),
    _shape(
        "password_hash", markers.PASSWORD, "hashes of passwords: crypt, bcrypt, Argon2, htpasswd, LDAP, Django, WordPress",
        "ada:$2b$12$" + _made_up("", 53), "$2b is cheap, {SSHA} is old, $1$ a day",
        "$2a$ $2b$ $2y$ $apr1$ $1$ $5$ $6$ $7$ $y$ $gy$ $argon2 $scrypt$ $P$ $H$ $pbkdf2 pbkdf2_sha $krb5 $8$ $9$ $S$ $DCC2$ {SHA} {SSHA} {SSHA256} {SSHA512} {CRYPT}",
        r"(?:\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$(?:apr1|1|5|6|7)\$(?:rounds=[0-9]{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}"
        r"|\$g?y\$[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{1,64}\$[./A-Za-z0-9]{43}|\$(?:argon2|scrypt|pbkdf2)[\w-]{0,16}\$[\w=,.$+/-]{24,400}"
        r"|\$krb5(?:tgs|asrep|pa)\$[0-9]{1,2}\$[^\s\"']{32,4096}|\$[89]\$[./A-Za-z0-9]{14}\$[./A-Za-z0-9]{43}|\$S\$[./A-Za-z0-9]{52}"
        r"|\$DCC2\$[0-9]{1,6}#[^\s#]{1,64}#[0-9a-f]{32}|pbkdf2_sha[0-9]{1,3}\$[0-9]{1,9}\$[\w+/=]{1,64}\$[\w+/=]{20,128}|\$[PH]\$[./A-Za-z0-9]{31}|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{27,140}={0,2}"
        r"|\{CRYPT\}[$./A-Za-z0-9]{13,128})",
        collector=(_form(
            r"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}|\$(?:apr1|1|5|6)\$(?:rounds=[0-9]+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}"
            r"|\$argon2[a-z]{0,2}\$[\w=,.$+/-]{24,}|\{S?SHA(?:256|512)?\}[A-Za-z0-9+/]{27,}={0,2}",
            "$2a$ $2b$ $2y$ $apr1$ $1$ $5$ $6$ $argon2 {sha {ssha", "[PASSWORD]", "ada:$2b$12$" + _made_up("", 53)),),
    ),
    _shape(
        "pgpass", markers.PASSWORD, "lines of `.pgpass`", "db.example.org:5432:app:ada:" + "gr33nT3aPot99b", "listens at 0.0.0.0:5432: ok", ":5432: :5433: :6432: :*:",
        r":(?:5432|5433|6432|\*):[^:\s]{1,64}:[^:\s]{1,64}:(?P<secret>[^\s:\"'\[](?:\\.|[^\s\"':\\]){2,128})",
        collector=(_FORM_PGPASS,),
    ),
    _built("aws_key_id", markers.API_KEY, "AWS access key ids", "AKIAnotakey AKIA1234"),
    _built("google_key", markers.API_KEY, "Google API keys and OAuth secrets", "AIzaShort"),
    _shape(
        "azure_secret", markers.API_KEY, "Azure client secrets", _made_up("abc", 0) + "8Q~" + _made_up("", 34), "8Q~ alone",
        "0Q~ 1Q~ 2Q~ 3Q~ 4Q~ 5Q~ 6Q~ 7Q~ 8Q~ 9Q~", r"[0-9]Q~[\w.~-]{31,40}", check=_with_beginning,
        collector=(_form(r"[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}", "q~", "[API_KEY]", "abc8Q~" + _made_up("", 34)),),
    ),
    _shape(
        "azure_resource_key", markers.API_KEY, "keys of Azure resources: storage, Cosmos DB, Functions, Search, Service Bus, DevOps and others",
        _made_up("", 76) + "+ASt" + _made_up("", 6) + "==", "AzFu is short, +ASt too", "+ASt ACDb +ABa +AEh +ASb +AIo +ARm AzFu AzSe AzCa +ACR AZDO JQQJ99",
        r"(?:\+ASt[A-Za-z0-9+/]{6}==|ACDb[A-Za-z0-9+/]{6}==|\+ABa[A-Za-z0-9+/]{6}==|\+A(?:Eh|Sb|Io|Rm)[A-Za-z0-9+/]{5,8}={1,2}"
        r"|AzFu[\w-]{6}==|AzSe[A-D][A-Za-z0-9]{5}|AzCa[A-P][A-Za-z0-9]{5}=|\+ACR[A-D][A-Za-z0-9]{5}|AZDO[A-Za-z0-9]{4}|JQQJ99[A-Za-z0-9]{20,34}(?:==)?)"
        r"(?![A-Za-z0-9+/=])", check=_around(markers.API_KEY, r"[A-Za-z0-9+/_-]{30,90}"), collector=(_FORM_AZURE,),
    ),
    _built("github_token", markers.TOKEN, "GitHub tokens", "ghp_short"),
    _built("gitlab_token", markers.TOKEN, "GitLab tokens", "glpat-short glpat-XXXX"),
    _built("build_token", markers.TOKEN, "tokens of build, review, issue and workflow services", "sdk-api-documentation-for-everyone"),
    _built("slack_token", markers.TOKEN, "Slack tokens", "xoxb-no xoxo-festival-2018-1"),
    _built("chat_token", markers.TOKEN, "tokens of Discord bots and of social and chat services", "MTIzNDU2.short"),
    _shape(
        "webhook", markers.TOKEN, "webhook addresses: Slack, Discord, Teams, Google Chat, Zapier, Make, IFTTT, Feishu, DingTalk, WeCom",
        "https://hooks.slack.com/services/" + _made_up("T0/B0/", 24), "https://hooks.slack.com/help",
        "hooks.slack.com/ discord.com/api/webhooks/ discordapp.com/api/webhooks/ .webhook.office.com/ outlook.office.com/webhook/ .tines.com/webhook/ hooks.zapier.com/hooks/catch/ "
        "hook.make.com/ hook.eu1.make.com/ hook.eu2.make.com/ hook.us1.make.com/ hook.us2.make.com/ /with/key/ open-apis/bot/v2/hook/ "
        "/robot/send?access_token= thingsboard.cloud/api/v1/ chat.googleapis.com/v1/spaces/ /webhook/send?key=",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/|outlook\.office\.com/webhook/|\.tines\.com/webhook/"
        r"|hooks\.zapier\.com/hooks/catch/|hook\.(?:[eu][us][12]\.)?make\.com/|/with/key/|open-apis/bot/v2/hook/|/robot/send\?access_token=|thingsboard\.cloud/api/v1/"
        r"|chat\.googleapis\.com/v1/spaces/[\w/-]{4,64}/messages\?key=|/webhook/send\?key=)(?P<secret>[\w/@=&%-]{12,400})",
        collector=(_form(
            r"(?P<keep>hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/|outlook\.office\.com/webhook/"
            r"|hooks\.zapier\.com/hooks/catch/|hook\.(?:[eu][us][12]\.)?make\.com/)[\w/@-]{12,}",
            "hooks.slack.com/ /api/webhooks/ .webhook.office.com/ .office.com/webhook/ hooks.zapier.com/ make.com/", "[TOKEN]",
            "https://hooks.slack.com/services/" + _made_up("T0/B0/", 24)),),
    ),
    _built("stripe_key", markers.API_KEY, "Stripe secret keys", "pk_live_is_public"),
    _built("payment_key", markers.API_KEY, "keys of payment and shop services", "live_from_the_studio_of_the_house_of_ada_and_bob"),
    _built("base64_token", markers.TOKEN, "tokens in base64: Stripe webhooks, Grafana Cloud, Sentry, AWS sessions and Bedrock, Fly.io and others", "whsec_short", in_run=False),
    _built("model_key", markers.API_KEY, "keys of model providers: OpenAI, Anthropic, OpenRouter, Groq, xAI, Hugging Face and others",
        "task-learn-contrib, sk-learn-contrib, sk-metric-learning-2nd-ed"),
    _built("package_token", markers.TOKEN, "tokens of npm, PyPI, RubyGems, Docker Hub and crates.io", "npm_config_registry"),
    _built("mail_key", markers.API_KEY, "keys of SendGrid, Mailgun, Mailchimp and Brevo", "SG.22 key-value"),
    _shape(
        "mailchimp_key", markers.API_KEY, "Mailchimp API keys", _h(32) + "-us12", "us-west -us12", "-us", r"(?<=[0-9a-f]{32})-us[0-9]{1,2}" + _E,
        check=_around(markers.API_KEY, r"[0-9a-f]{32}(?![0-9A-Za-z])"), collector=(_form(r"\b[0-9a-f]{32}-us[0-9]{1,2}\b", "-us", "[API_KEY]", "x " + _h(32) + "-us12"),),
    ),
    _shape(
        "twilio_key", markers.API_KEY, "Twilio API keys, where the text names Twilio", "from Twilio SK" + "0123456789abcdef" * 2, "SKU0123456789 SK" + "0123456789abcdef" * 2,
        "twilio", r"twilio.{0,64}?(?<![A-Za-z0-9])(?P<secret>(?:SK|AC)[0-9a-f]{32}(?![0-9A-Za-z]))", fold=True, collector=(_FORM_TWILIO,),
    ),
    _shape(
        "telegram_token", markers.TOKEN, "Telegram bot tokens", "bot123456789" + _made_up(":AA", 33), "a:AAA", ":AA %3AAA",
        r"(?<=[0-9]{8})(?::|%3A)AA[\w-]{32,34}" + _E,
        collector=(_form(r"(?P<keep>[0-9]{8})(?::|%3A)AA[\w-]{32,34}\b", ":aa %3aaa", "[TOKEN]", "bot123456789" + _made_up(":AA", 33)),),
    ),
    _shape(
        "signed_by_service", markers.TOKEN, "tokens known by a part inside them: Terraform Cloud, New Relic licences, MaxMind, LINE",
        _made_up("", 14) + ".atlasv1." + _made_up("", 66), "x.atlasv1.short", ".atlasv1. NRAL _mmk 1O/w1cDnyilFU=",
        r"(?:\.atlasv1\.[\w-]{40,80}|NRAL(?![A-Za-z0-9])|_mmk(?![A-Za-z0-9])|1O/w1cDnyilFU=)", check=_around(markers.TOKEN, r"[A-Za-z0-9+/_]{14,180}"),
        collector=(_form(r"\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{40,}|\b[0-9a-f]{36}NRAL\b", ".atlasv1. nral", "[TOKEN]", "x " + _made_up("", 14) + ".atlasv1." + _made_up("", 66)),),
    ),
    _built("cloud_token", markers.TOKEN,
        "tokens of DigitalOcean, Databricks, Vault, Grafana, Shopify, Square, Atlassian, Linear, Notion, Figma and others", "hvs.short dapine"),
)  # fmt: skip
"""All rules that are on by default, in the order in which a span that two of them find takes its kind."""


# --- personal data that is searched for only where `privacy.pii` says so ----------------------------------------------


def _valid(kind: str, is_valid: Callable[[str], bool]) -> Check:
    def check(text: str, match: "re.Match[str]") -> Found | None:
        del text
        secret = match["secret"] if "secret" in match.re.groupindex else match[0]
        start, end = match.span("secret") if "secret" in match.re.groupindex else match.span()
        return (start, end, kind) if is_valid(secret) else None

    return check


_NO_DIGIT_BEFORE: Final = r"(?<![\w.-])"
_NO_DIGIT_AFTER: Final = r"(?![\w-])(?!\.[0-9])"


def _personal(
    name: str,
    kind: str,
    summary: str,
    example: str,
    counter: str,
    pattern: str,
    is_valid: Callable[[str], bool] | None = None,
) -> Rule:
    check = None if is_valid is None else _valid(kind, is_valid)
    return _shape(name, kind, summary, example, counter, "", pattern, check=check, search=True)


def _is_address(text: str) -> bool:
    """Return whether a text is an IP address of a host, not a version, a mask or a loopback or unspecified address."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    if text.count(":") in {1, 2} and not any(c.isdigit() for c in text):
        return False  # `a::b`, a name of a program
    return not (address.is_loopback or address.is_unspecified or text.startswith("255."))


_N: Final = _NO_DIGIT_BEFORE
_M: Final = _NO_DIGIT_AFTER

DETECTORS: Final[dict[str, Rule]] = {
    rule.name: rule
    for rule in (
        _personal(
            "iban", markers.BANK_ACCOUNT, "IBANs: country, length and check digits", "to GB82 WEST 1234 5698 7654 32 by Friday",
            "GB83 WEST 1234 5698 7654 32", _N + r"[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,4})?)(?![\w-])", is_iban,
        ),
        _personal(
            "phone", markers.PHONE, "telephone numbers in international form (E.164)", "call +44 20 7946 0958 today", "+1 more, 2+2, +49",
            r"(?<![\w.+-])\+[1-9](?:[ ().-]{0,2}[0-9]){6,14}(?![\w-])",
        ),
        _personal(
            "ip_address", markers.IP_ADDRESS, "IPv4 and IPv6 addresses of hosts", "from 192.0.2.17 and 2001:db8::8a2e:370:7334",
            "127.0.0.1 version 1.2.3 at 12:30:45",
            r"(?<![\w.:])(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|(?:[0-9A-Fa-f]{0,4}:){2,7}(?:(?:[0-9]{1,3}\.){3}[0-9]{1,3}|[0-9A-Fa-f]{1,4})?)(?![\w:])(?!\.[0-9])",
            _is_address,
        ),
        _personal(
            "uk_nino", markers.NATIONAL_ID, "UK national insurance numbers", "NI QQ 12 34 56 C".replace("QQ", "AB"), "BG123456A AB1234567",
            _N + r"(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D](?![\w-])",
        ),
        _personal(
            "uk_nhs", markers.NATIONAL_ID, "UK NHS numbers: check digit", "patient 943 476 5919", "943 476 5918",
            _N + r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}" + _M, is_nhs,
        ),
        _personal(
            "aadhaar", markers.NATIONAL_ID, "Indian Aadhaar numbers: check digit", "Aadhaar 2341 2341 2346", "2341 2341 2347",
            _N + r"[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}" + _M, is_aadhaar,
        ),
        _personal(
            "cpf", markers.NATIONAL_ID, "Brazilian CPFs: check digits", "CPF 111.444.777-35", "111.444.777-36",
            _N + r"[0-9]{3}\.?[0-9]{3}\.?[0-9]{3}-?[0-9]{2}" + _M, is_cpf,
        ),
        _personal(
            "cnpj", markers.NATIONAL_ID, "Brazilian CNPJs: check digits", "CNPJ 11.222.333/0001-81", "11.222.333/0001-82",
            _N + r"[0-9]{2}\.?[0-9]{3}\.?[0-9]{3}/?[0-9]{4}-?[0-9]{2}" + _M, is_cnpj,
        ),
        _personal(
            "canadian_sin", markers.NATIONAL_ID, "Canadian social insurance numbers: check digit", "SIN 130 692 544", "130 692 545",
            _N + r"[1-79][0-9]{2}([ -]?)[0-9]{3}\1[0-9]{3}" + _M, is_canadian_sin,
        ),
        _personal(
            "spanish_id", markers.NATIONAL_ID, "Spanish DNI and NIE: check letter", "DNI 12345678Z", "DNI 12345678A",
            _N + r"(?:[0-9]{8}|[XYZ]-?[0-9]{7})-?[A-HJ-NP-TV-Z](?![\w-])", is_spanish_id,
        ),
        _personal(
            "french_nir", markers.NATIONAL_ID, "French social security numbers: check digits", "NIR 2 55 08 14 168 025 38",
            "2 55 08 14 168 025 39", _N + r"[12][ .]?[0-9]{2}[ .]?[0-9]{2}[ .]?(?:[0-9]{2}|2[AB])[ .]?[0-9]{3}[ .]?[0-9]{3}[ .]?[0-9]{2}" + _M, is_french_nir,
        ),
        _personal(
            "codice_fiscale", markers.NATIONAL_ID, "Italian tax codes: check letter", "CF RSSMRA85T10A562S", "CF RSSMRA85T10A562T",
            _N + r"[A-Z]{6}[0-9L-NP-V]{2}[A-EHLMPR-T][0-9L-NP-V]{2}[A-Z][0-9L-NP-V]{3}[A-Z](?![\w-])", is_codice_fiscale,
        ),
        _personal(
            "chinese_id", markers.NATIONAL_ID, "Chinese resident identity numbers: date and check digit", "id 11010519491231002X", "110105194912310021",
            _N + r"[1-9][0-9]{5}(?:19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx](?![\w-])", is_chinese_id,
        ),
        _personal(
            "pesel", markers.NATIONAL_ID, "Polish PESEL numbers: date and check digit", "PESEL 44051401359", "44051401358",
            _N + r"[0-9]{11}" + _M, is_pesel,
        ),
        _personal(
            "german_tax_id", markers.NATIONAL_ID, "German tax numbers: check digit", "Steuer-ID 36574261809", "36574261808",
            _N + r"[1-9][0-9](?: ?[0-9]{3}){3}" + _M, is_german_tax_id,
        ),
    )
}  # fmt: skip
"""Detectors of personal data that are off unless `privacy.pii` names them, by name."""

_ON: Final = {"email": ("email",), "us_ssn": ("us_ssn", "us_ssn_by_name"), "payment_card": ("payment_card",)}
_PERSONAL_RULES: Final = frozenset(name for names in _ON.values() for name in names)

PII_DETECTORS: Final = (*_ON, *DETECTORS)
"""What `privacy.pii` can name."""

_IN_RUN: Final = tuple(rule for rule in RULES if rule.in_run)
BY_PREFIX: Final[dict[str, Rule]] = {anchor: rule for rule in _IN_RUN for anchor in rule.anchors}
"""The rule of each text that begins a key or token in a run of letters and digits."""
PREFIX: Final = re.compile(trie(BY_PREFIX))
"""Finds the longest key of `BY_PREFIX` at a place."""


def _beginnings() -> str:
    """Return a pattern that each token in a run begins with: a prefix and something behind it.

    A prefix of one or two characters also begins numbers and words, so there the whole pattern is used.
    """
    short = [each for each in FORMATS if min(map(len, each.prefixes)) < 3 and each.prefixes[0] in BY_PREFIX]
    prefixes = trie(prefix for prefix in BY_PREFIX if len(prefix) > 2)
    return "|".join([rf"(?:{prefixes})[\w.~%=+/-]{{8}}", *map(_pattern, short)])


BEGINNINGS: Final = _beginnings()
"""Pattern of what each key or token in a run of letters and digits begins with."""


def custom_rule(name: str, regex: str, marker: str) -> Rule:
    """Return the rule for one item of `privacy.patterns`: a group `secret` is replaced, without it the whole match."""
    compiled = re.compile(regex)
    group = "secret" if "secret" in compiled.groupindex else 0
    return Rule(
        f"patterns.{name}", markers.CUSTOM, "a pattern of the configuration", "", "", (), compiled, group=group, search=True,
        marker=f"[{marker.strip('[]')}]",
    )  # fmt: skip


def rules_for(policy: "Policy") -> tuple[Rule, ...]:
    """Return the rules that a policy applies: all for credentials, those for personal data that it chooses, its own."""
    chosen = frozenset(policy.pii) if policy.scrub_pii else frozenset[str]()
    on = frozenset(name for detector in chosen for name in _ON.get(detector, ()))
    built_in = [rule for rule in RULES if rule.name not in _PERSONAL_RULES or rule.name in on]
    opted = [rule for name, rule in DETECTORS.items() if name in chosen]
    own = [custom_rule(each.name, each.regex, each.marker) for each in policy.patterns]
    return (*built_in, *opted, *own)
