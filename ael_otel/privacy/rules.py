"""The table of rules: what a secret looks like in text, by its shape alone.

A rule names literal texts (`anchors`) that every match of it begins with; only where one occurs is its pattern tried,
and every repetition in a pattern has a bound. So the time that a text takes grows with its length, whatever it holds.
"""

# ruff: noqa: E501 - a table of patterns

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from ael_otel.privacy import key_value as assignments
from ael_otel.privacy import markers
from ael_otel.privacy.field_names import a_set
from ael_otel.privacy.validators import is_basic_pair, is_card, is_ssn

Found = tuple[int, int, str]
"""Where a secret begins and ends, and its kind."""


class Rule(NamedTuple):
    """How one sort of secret is found.

    Attributes:
        name: what `ael privacy` calls it.
        kind: what its matches are counted as, and replaced by the marker of.
        summary: what it finds, for people.
        example: a text that it finds something in.
        counter: a similar text that it leaves alone.
        anchors: texts that a match begins with; none for digits, which are looked for everywhere.
        pattern: matched at an anchor. A group `secret` is what goes; without it the whole match.
        fold: whether anchors are looked for without regard to case.
        check: what else must hold of a match, and where the secret in it is.
        in_run: whether a match begins a run of 20 letters, digits and `_ . ~ -` that no letter or digit stands before.
        find: instead of the pattern.
        group: what of a match is the secret.
    """

    name: str
    kind: str
    summary: str
    example: str
    counter: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    fold: bool = False
    check: Callable[[str, "re.Match[str]"], Found | None] | None = None
    in_run: bool = False
    find: Callable[[str, int], Found | None] | None = None
    group: str | int = 0


_NO_WORD_BEFORE: Final = r"(?<![A-Za-z0-9])"


def _shape(
    name: str,
    kind: str,
    summary: str,
    example: str,
    counter: str,
    anchors: str,
    pattern: str,
    *,
    check: Callable[[str, "re.Match[str]"], Found | None] | None = None,
    find: Callable[[str, int], Found | None] | None = None,
    fold: bool = False,
    in_run: bool = False,
) -> Rule:
    compiled = re.compile(pattern, re.IGNORECASE if fold else 0)
    group = "secret" if "secret" in compiled.groupindex else 0
    words = tuple(anchors.split())
    return Rule(name, kind, summary, example, counter, words, compiled, fold, check, in_run, find, group)


# --- checks that need the text around a match -------------------------------------------------------------------------

_LOCAL: Final = re.compile(r"[\w.#$%*+^~'-]{1,64}")
_QUOTED_LOCAL: Final = re.compile(r'"[^"\r\n@]{1,64}"')
_FILES: Final = a_set("png jpg jpeg gif svg webp ico css js ts map json yaml yml txt html")


def _email(text: str, match: "re.Match[str]") -> Found | None:
    """Find the part before the sign, which the pattern cannot look for without trying every word of the text."""
    at = match.start()
    before = text[max(0, at - 66) : at][::-1]
    local = _LOCAL.match(before) or _QUOTED_LOCAL.match(before)
    if local is None or match["tld"].lower() in _FILES:
        return None
    name = local[0][::-1]
    if not name.startswith('"'):
        name = name.lstrip(".#$%*+^~'-")
    if not name or (name == "git" and text[match.end() : match.end() + 1] in {":", "/"}):
        return None
    return at - len(name), match.end(), markers.EMAIL


def _number(text: str, match: "re.Match[str]") -> Found | None:
    """Tell a social security number from a card and from all other numbers."""
    del text
    if is_card(match[0]):
        return match.start(), match.end(), markers.CREDIT_CARD
    return None


def _ssn(text: str, match: "re.Match[str]") -> Found | None:
    del text
    return (match.start(), match.end(), markers.SSN) if is_ssn(match[0]) else None


_HOLE: Final = re.compile(r"[$%]?[{<(][^{}<>()]*[)>}]|\$\w+|\*+|\.{3}|…")


def _url(text: str, match: "re.Match[str]") -> Found | None:
    del text
    secret = match["secret"]
    user, colon, password = secret.partition(":")
    if not colon:
        # A name alone is no secret; a long one is a key that stands where a name does.
        if len(user) < 20 or user.startswith("["):
            return None
    elif not password or _HOLE.fullmatch(password) or password in markers.ALL_MARKERS:
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
    return match.start("secret"), match.end("secret"), markers.TOKEN


def _pem(text: str, match: "re.Match[str]") -> Found | None:
    """Take the block up to its end, or what looks like one as far as it does."""
    del text
    body = match["body"] if match["whole"] is None else match["whole"]
    return (match.start(), match.end(), markers.PRIVATE_KEY) if _KEY_BODY.search(body) else None


_KEY_BODY: Final = re.compile(r"[A-Za-z0-9+/=]{16}")


def _mixed(text: str, match: "re.Match[str]") -> Found | None:
    """Leave words alone that only begin like a key: `sk-learn` and a long name behind it."""
    del text
    if not any("0" <= c <= "9" for c in match[0]):
        return None
    return match.start(), match.end(), markers.API_KEY


def _mixed_token(text: str, match: "re.Match[str]") -> Found | None:
    found = _mixed(text, match)
    return None if found is None else (*found[:2], markers.TOKEN)


def _with_beginning(text: str, match: "re.Match[str]") -> Found:
    """Take the three characters before the sign that tells an Azure secret."""
    at = match.start()
    return max(at - 3, at - len(text[max(0, at - 3) : at].rpartition(" ")[2])), match.end(), markers.API_KEY


# --- the table --------------------------------------------------------------------------------------------------------

_UP: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_B: Final = _NO_WORD_BEFORE
_E: Final = r"(?![A-Za-z0-9])"


def _made_up(prefix: str, size: int) -> str:
    """Make an example key up, so that none stands in this file."""
    letters = "4f7Gh2Kq9ZtB5xW8nRj3Vc6Ym1Ds0Lp"
    return prefix + (letters * (size // len(letters) + 1))[:size]


RULES: Final[tuple[Rule, ...]] = (
    _shape(
        "email", markers.EMAIL, "e-mail addresses", "write to ada.l+x@mail.example.org today",
        "pip install demo@1.2.0, icon@2x.png, echo@demo", "@ %40",
        r"(?:@|%40)(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}(?P<tld>[^\W\d_]{2,24})(?![\w-])(?!\.\w)", check=_email,
    ),
    _shape(
        "us_ssn", markers.SSN, "US social security numbers with valid areas", "her SSN, 219-09-9999, is here",
        "000-12-3456 666-12-3456 912-34-5678 2026-03-01", "",
        "[0-9](?<![0-9A-Za-z_.\u2010-\u2013-].)[0-9]{2}([- \u00a0\u2010-\u2013])[0-9]{2}\\1[0-9]{4}(?![0-9A-Za-z_-])",
        check=_ssn,
    ),
    _shape(
        "payment_card", markers.CREDIT_CARD, "payment cards: issuer, length and check digit",
        "paid with 4111 1111 1111 1111", "order 4111 1111 1111 1112 at 1767225600000000", "",
        "[2-6](?<![0-9A-Za-z_.-].)[0-9]{3}(?:[0-9]{9,15}|(?:([ \u00a0\u2010-\u2013-])[0-9]{4}){2,3}\\1[0-9]{1,4}"
        "|([ \u00a0-])[0-9]{6}\\2[0-9]{4,5})(?![0-9A-Za-z_])(?!\\.(?!0(?![0-9]))[0-9])",
        check=_number,
    ),
    _shape(
        "private_key", markers.PRIVATE_KEY, "private keys in PEM form, also cut off or with escaped line ends",
        "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END PRIVATE KEY-----",
        "-----BEGIN CERTIFICATE-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\n-----END CERTIFICATE-----", "-----BEGIN",
        # Up to its end, whatever stands at the beginning of its lines: a comment, a quote, a diff; or as far as it looks like one.
        r"-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:"
        r"(?P<whole>[^-]{0,32768}+(?:-(?!----)[^-]{0,4096}+){0,512}+)-{5,7}END[A-Z0-9 ]{0,40}-----"
        r"|(?P<body>[A-Za-z0-9+/=\s\\:,.()_|>#*]{0,32768}+(?:-[A-Za-z0-9+/=\s\\:,.]{1,200}){0,2}+)"
        r"(?:-----END[A-Z0-9 ]{0,40}-----)?)", check=_pem,
    ),
    _shape(
        "url_credentials", markers.URL_CREDENTIALS, "user and password in an address or a connection string",
        "postgres://ada:" + "s3cret@db.example.org/x", "https://example.org:8080/a@b ssh://git@example.org/x", "://",
        r"://(?P<secret>[^\s/?#\"'<>`\\:]{0,256}:(?![0-9]{1,5}(?:[/?#\s]|$))"
        r"(?:[^\s/?#\"'<>`]{1,256}(?=@[\w\[])|[^\s\"'<>`]{1,256}?(?=@[\w\[]))|[^\s/?#\"'<>`\\@:]{20,256}(?=@))"
        , check=_url,
    ),
    _shape(
        "basic_credentials", markers.PASSWORD, "`Basic` with name and password in base64",
        "Basic " + "YWRhOmh1bnRlcjI=", "basic authentication, Basic understanding", "basic",
        _B + r"basic\s{1,4}(?P<secret>[A-Za-z0-9+/]{6,512}={0,2})(?![\w+/])", check=_basic, fold=True,
    ),
    _shape(
        "bearer_token", markers.TOKEN, "`Bearer` and a token", "Bearer " + "mF9.B5f-4.1JqM", "bearer authentication", "bearer",
        _B + r"bearer(?:\s|%20|\+|:){1,4}(?P<secret>[\w.~+/=-]{8,4096})", check=_bearer, fold=True,
    ),
    _shape(
        "jwt", markers.TOKEN, "JSON web tokens", _made_up("eyJ", 20) + "." + _made_up("eyJ", 30) + "." + _made_up("", 24),
        "eyJust.a.word", "eyJ", r"(?<![\w-])eyJ[\w-]{8,8192}+(?:\.[\w-]{0,8192}+){1,4}", in_run=True,
    ),
    _shape(
        "named_secret", markers.FIELD, 'values that their name gives away: `password=`, `"api_key":`, `Cookie:`',
        "db_password=hunter2", "max_tokens=4096 primary_key=id monkey=george author: ada",
        " ".join(assignments.WORDS), "", find=assignments.find, fold=True,
    ),
    _shape(
        "command_option", markers.FIELD, "values of options whose name gives them away", "curl --token abc123xyz -v",
        "tool --max-tokens 4096 --token-count 17", "--", "", find=assignments.option,
    ),
    _shape(
        "aws_key_id", markers.API_KEY, "AWS access key ids", _made_up("AKIA", 0) + (_UP + "234567")[8:24],
        "AKIAnotakey AKIA1234", "AKIA ASIA ABIA ACCA", _B + r"A(?:KIA|SIA|BIA|CCA)[A-Z0-9]{16}" + _E, in_run=True,
    ),
    _shape(
        "google_key", markers.API_KEY, "Google API keys and OAuth secrets", _made_up("AIza", 35), "AIzaShort",
        "AIza GOCSPX- ya29.", r"(?<![A-Za-z0-9])(?:AIza[\w-]{35}|GOCSPX-[\w-]{20,64}|ya29\.[\w-]{20,2048})", in_run=True,
    ),
    _shape(
        "azure_secret", markers.API_KEY, "Azure client secrets", _made_up("abc", 0) + "8Q~" + _made_up("", 34), "8Q~ alone",
        "7Q~ 8Q~", r"[78]Q~[\w.~-]{31,40}", check=_with_beginning,
    ),
    _shape(
        "github_token", markers.TOKEN, "GitHub tokens", _made_up("ghp_", 36), "ghp_short",
        "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", _B + r"(?:gh[pousr]_[A-Za-z0-9]{30,255}|github_pat_\w{22,255})", in_run=True,
    ),
    _shape(
        "gitlab_token", markers.TOKEN, "GitLab tokens", _made_up("glpat-", 20), "glpat-short",
        "glpat- gldt- glrt- glcbt- glptt- glft- glimt- glagent- glsoat- gloas-",
        _B + r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|soat|oas)-[\w.-]{20,128}", in_run=True,
    ),
    _shape(
        "slack_token", markers.TOKEN, "Slack tokens", _made_up("xoxb-", 24), "xoxb-no",
        "xoxa- xoxb- xoxc- xoxe- xoxe. xoxo- xoxp- xoxr- xoxs- xapp-", _B + r"(?:xox[abceoprs][-.]|xapp-)[\w.%-]{10,400}", in_run=True,
    ),
    _shape(
        "webhook", markers.TOKEN, "webhook addresses of Slack, Discord and Teams",
        "https://hooks.slack.com/services/" + _made_up("T0/B0/", 24), "https://hooks.slack.com/help",
        "hooks.slack.com/ discord.com/api/webhooks/ discordapp.com/api/webhooks/ .webhook.office.com/",
        r"(?:hooks\.slack\.com/(?:services|workflows|triggers)/|discord(?:app)?\.com/api/webhooks/|\.webhook\.office\.com/)"
        r"(?P<secret>[\w/@-]{16,400})",
    ),
    _shape(
        "stripe_key", markers.API_KEY, "Stripe secret keys", _made_up("sk_" + "live_", 24), "pk_live_is_public",
        "sk_live_ sk_test_ rk_live_ rk_test_", _B + r"[sr]k_(?:live|test)_[A-Za-z0-9]{12,255}", in_run=True,
    ),
    _shape(
        "base64_token", markers.TOKEN, "tokens in base64: Stripe webhooks, Grafana Cloud, Sentry, Slack cookies",
        _made_up("whsec_", 32), "whsec_short", "whsec_ glc_ sntrys_ xoxd-",
        _B + r"(?:whsec_|glc_|sntrys_|xoxd-)[\w=+/%-]{16,512}", check=_mixed_token,
    ),
    _shape(
        "model_key", markers.API_KEY, "keys of model providers: OpenAI, Anthropic, OpenRouter, Groq, xAI, Hugging Face and others",
        _made_up("sk-" + "ant-api03-", 40), "task-learn-contrib, sk-learn-contrib",
        "sk- gsk_ xai- hf_ r8_ pplx- nvapi- tvly- fw_ jina_",
        _B + r"(?:sk-[\w-]{20,400}|gsk_[A-Za-z0-9]{40,80}|xai-[A-Za-z0-9]{40,120}|hf_[A-Za-z0-9]{30,60}|r8_[A-Za-z0-9]{36,60}"
        r"|pplx-[A-Za-z0-9]{40,80}|nvapi-[\w-]{40,120}|tvly-[\w-]{20,80}|fw_[A-Za-z0-9]{20,60}|jina_[A-Za-z0-9]{40,100})",
        check=_mixed, in_run=True,
    ),
    _shape(
        "package_token", markers.TOKEN, "tokens of npm, PyPI, RubyGems, Docker Hub and crates.io",
        _made_up("npm_", 36), "npm_config_registry", "npm_ pypi- rubygems_ dckr_pat_ cio",
        _B + r"(?:npm_[A-Za-z0-9]{36}|pypi-[\w-]{40,400}|rubygems_[0-9a-f]{40,64}|dckr_pat_[\w-]{20,64}|cio[A-Za-z0-9]{32})" + _E, in_run=True,
    ),
    _shape(
        "mail_key", markers.API_KEY, "keys of SendGrid, Mailgun, Mailchimp and Brevo", "SG." + _made_up("", 22) + "." + _made_up("", 43),
        "SG.22 key-value", "SG. key- xkeysib-",
        _B + r"(?:SG\.[\w-]{16,32}\.[\w-]{16,64}|key-[0-9a-f]{32}|xkeysib-[0-9a-f]{64}-[A-Za-z0-9]{16})" + _E, in_run=True,
    ),
    _shape(
        "twilio_key", markers.API_KEY, "Twilio API keys", "SK" + "0123456789abcdef" * 2, "SKU0123456789", "SK",
        _B + r"SK[0-9a-f]{32}" + _E, in_run=True,
    ),
    _shape(
        "telegram_token", markers.TOKEN, "Telegram bot tokens", "bot123456789" + _made_up(":AA", 33), "a:AAA", ":AA",
        r"(?<=[0-9]{8}):AA[\w-]{32,34}" + _E,
    ),
    _shape(
        "cloud_token", markers.TOKEN,
        "tokens of DigitalOcean, Databricks, Vault, Grafana, Shopify, Square, Atlassian, Linear, Notion, Figma and others",
        _made_up("hvs.", 24), "hvs.short dapine",
        "dop_v1_ doo_v1_ dapi hvs. hvb. hvr. glsa_ glc_ shpat_ shpss_ shpca_ shppa_ sq0atp- sq0csp- EAAA ATATT3 ATBB lin_api_ ntn_ "
        "figd_ dp.pt. dp.st. pul- NRAK- NRJS- phx_ PMAK- CFPAT- sbp_ LTAI AGE-SECRET-KEY-1 tskey- rpa_ sgp_",
        _B + r"(?:do[op]_v1_[0-9a-f]{64}|dapi[0-9a-f]{32}|hv[sbr]\.[\w-]{20,256}|glsa_\w{32,48}"
        r"|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{32}|sq0(?:atp|csp)-[\w-]{22,48}|EAAA[\w-]{60}|ATATT3[\w=-]{60,400}|ATBB[A-Za-z0-9]{32}"
        r"|lin_api_[A-Za-z0-9]{32,48}|ntn_[A-Za-z0-9]{40,60}|figd_[\w-]{38,60}|dp\.[ps]t\.[A-Za-z0-9]{40,44}|pul-[0-9a-f]{40}"
        r"|NR(?:AK|JS)-[A-Za-z0-9-]{19,40}|phx_[A-Za-z0-9]{40,60}|PMAK-[0-9a-f]{24}-[0-9a-f]{34}"
        r"|CFPAT-[\w-]{43}|sbp_[0-9a-f]{40}|LTAI[A-Za-z0-9]{17,22}|AGE-SECRET-KEY-1[A-Z0-9]{58}|tskey-\w{3,10}-[A-Za-z0-9-]{20,80}"
        r"|rpa_[A-Z0-9]{32,60}|sgp_[0-9a-f_]{40,80})", in_run=True,
    ),
)  # fmt: skip
"""All rules, in the order in which a span that two of them find takes its kind."""
