"""Made-up secrets of every kind, as strategies: the redactor must find them wherever they are put."""

# ruff: noqa: E501 - tables of texts and names

import base64
import string

from hypothesis import strategies as st

LETTERS = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def drawn(alphabet, smallest, largest=None):
    """Text that is drawn at random, with a digit in it."""
    return st.text(alphabet, min_size=smallest, max_size=largest or smallest).filter(
        lambda text: any(c.isdigit() for c in text) and len(set(text)) > min(6, smallest // 3)
    )


def luhn(body):
    """The number with its check digit."""
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return body + str(-total % 10)


def grouped(number, separator):
    """The number in groups of four."""
    return separator.join(number[at : at + 4] for at in range(0, len(number), 4))


ssn = st.builds(
    lambda area, group, serial, separator: f"{area:03}{separator}{group:02}{separator}{serial:04}",
    st.integers(1, 899).filter(lambda area: area != 666),
    st.integers(1, 99),
    st.integers(1, 9999),
    st.sampled_from("- "),
)
# All numbers have one length: the random part fills up the prefix.
card = st.builds(
    lambda head, digits, separator: grouped(luhn((head + digits)[:15]), separator),
    st.sampled_from(["4", "51", "55", "2221"]),
    st.text(string.digits, min_size=15, max_size=15).filter(lambda text: len(set(text)) > 4),
    st.sampled_from(["", " ", "-"]),
)
email = st.builds(
    lambda user, host, top: f"{user}@{host}.{top}",
    st.from_regex(r"[a-z][a-z0-9]{3,8}([.+_-][a-z0-9]{3,8})?", fullmatch=True),
    st.from_regex(r"[a-z][a-z0-9-]{2,10}[a-z]", fullmatch=True),
    st.sampled_from(["org", "com", "co.uk", "museum", "de"]),
)
SHAPES = {
    "email": email,
    "ssn": ssn,
    "card": card,
    "aws": st.builds("AKIA{}".format, drawn(string.ascii_uppercase + "234567", 16)),
    "github": st.builds("ghp_{}".format, drawn(LETTERS, 36)),
    "gitlab": st.builds("glpat-{}".format, drawn(LETTERS, 20)),
    "slack": st.builds("xoxb-{}-{}".format, drawn(string.digits, 12), drawn(LETTERS, 24)),
    "stripe": st.builds("sk_live_{}".format, drawn(LETTERS, 24, 60)),
    "openai": st.builds("sk-proj-{}".format, drawn(LETTERS + "_", 40, 100)),
    "anthropic": st.builds("sk-ant-api03-{}".format, drawn(LETTERS + "_", 40, 100)),
    "google": st.builds("AIza{}".format, drawn(LETTERS + "_", 35)),
    "npm": st.builds("npm_{}".format, drawn(LETTERS, 36)),
    "pypi": st.builds("pypi-{}".format, drawn(LETTERS + "_", 60, 120)),
    "sendgrid": st.builds("SG.{}.{}".format, drawn(LETTERS, 22), drawn(LETTERS, 43)),
    "twilio": st.builds("twilio SK{}".format, drawn(HEX, 32)),
    "azure": st.builds("{}8Q~{}".format, drawn(LETTERS, 3), drawn(LETTERS, 34)),
    "vault": st.builds("hvs.{}".format, drawn(LETTERS, 24, 90)),
    "databricks": st.builds("dapi{}".format, drawn(HEX, 32)),
    "jwt": st.builds("eyJ{}.eyJ{}.{}".format, drawn(LETTERS, 20, 60), drawn(LETTERS, 20, 90), drawn(LETTERS, 43)),
    "bearer": st.builds("Bearer {}".format, drawn(LETTERS + "._", 20, 60).map(lambda text: f"t{text}z")),
    "basic": st.builds(
        lambda user, secret: "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode(),
        drawn(LETTERS, 6),
        drawn(LETTERS, 12),
    ),
    "url": st.builds(
        "{}://{}:{}@db.example.org/x".format, st.sampled_from(["postgres", "https", "redis", "amqp"]),
        drawn(LETTERS, 6), drawn(LETTERS + "!$%*-._", 8, 20).map(lambda text: f"k{text}7"),
    ),
    "pem": st.builds(
        lambda body, end: f"-----BEGIN {'RSA '}PRIVATE KEY-----{end}{body}{end}-----END RSA PRIVATE KEY-----",
        drawn(LETTERS + "+/", 64, 200), st.sampled_from(["\n", "\\n", "\r\n"]),
    ),
    "assigned": st.builds(
        "{}{}{}".format,
        st.sampled_from(["password", "DB_PASSWORD", "api_key", "apiKey", "client_secret", "X-API-Key", "access_token"]),
        st.sampled_from(["=", ": ", " = ", ":"]), drawn(LETTERS, 12, 40),
    ),
    "query": st.builds("https://example.org/x?access_token={}&page=2".format, drawn(LETTERS, 16, 40)),
    "json": st.builds('{{"user": "ada", "password": "{}"'.format, drawn(LETTERS, 8, 20)),
    "cookie": st.builds("Cookie: sid={}; theme=dark".format, drawn(LETTERS, 24)),
}  # fmt: skip
"""Texts that hold a secret by its shape or by the words in front of it."""

any_secret = st.one_of(*SHAPES.values())


def core(secret):
    """The part of a made-up secret that must not be found anywhere afterwards."""
    if "PRIVATE" in secret:
        return max(secret.replace("\\n", "\n").split("\n"), key=len).strip()[:40]
    for sign in ("://", "Bearer ", "Basic ", "sid=", "access_token=", '"password": "'):
        if sign in secret:
            tail = secret.partition(sign)[2]
            if sign == "://" and "@" in tail:
                return tail.rpartition("@")[0].partition(":")[2]
            if sign != "://":
                return tail.partition("&")[0].partition(";")[0].rstrip('"')
    for name in ("assword", "PASSWORD", "api_key", "apiKey", "client_secret", "X-API-Key"):
        if name in secret:
            return secret.partition(name)[2].lstrip(" :=")
    return secret


benign_text = st.sampled_from(
    [
        "completed", "hello Ada", "exec-7f3a91c2d4e5", "/usr/lib/python3.12/json/decoder.py", "gpt-5.2-mini",
        "claude-opus-4-20260101", "2026-03-01T04:56:39.123456Z", "550e8400-e29b-41d4-a716-446655440000",
        "4bf92f3577b34da6a3ce929d0e0e4736", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "$1,299.00", "EUR 12.50", "max_tokens=4096", "input_tokens: 512", "the primary key is id", "author: Ada Lovelace",
        "monkey business", "keyboard layout", "https://example.org/docs?page=2#top", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "SELECT id FROM users WHERE name = ?", "token count: 17", "def tokenize(text): return text.split()", "echo@demo",
        "localhost:4317", "v1.2.3-rc.1+build.5", "10.0.0.1", "fe80::1", "1767225600000", "0.30000000000000004", "[EMAIL]",
    ]
)  # fmt: skip
benign_name = st.sampled_from(
    [
        "session_id", "input_tokens", "max_tokens", "maxTokens", "author", "trace_id", "span_id", "primary_key", "key", "keys",
        "monkey", "keyboard", "tokenizer", "token_count", "cache_key", "public_key", "foreignKey", "password_policy",
        "secret_name", "next_page_token", "name", "value", "status", "authority", "authenticated", "passed", "compass",
        "secretary", "cookie_policy", "gen_ai.usage.output_tokens", "http.request.method", "tokens", "hotkey", "sort-key",
    ]
)  # fmt: skip
scalars = st.one_of(
    benign_text, st.none(), st.booleans(), st.integers(-(10**9), 10**11), st.floats(allow_nan=False)
)


def structures(leaves):
    """JSON-like values of some depth with these leaves, also tuples."""
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(benign_name, inner, max_size=4),
            st.tuples(inner, inner),
        ),
        max_leaves=12,
    )
