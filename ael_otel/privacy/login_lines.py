"""Find secrets by their place in a line: arguments of programs without an option, or their standard input.

`sqlplus ada/hunter2@db`, `net user ada hunter2`, `echo hunter2 | docker login --password-stdin`, the communities of SNMP.
"""

# ruff: noqa: E501 - a table of patterns

import re
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import CHARS_READ
from ael_otel.privacy.field_names import NO_VALUE
from ael_otel.privacy.turns import worked
from ael_otel.privacy.validators import is_placeholder, looks_like_key, looks_secret

_VALUE: Final = r"(?:[\"'](?P<quoted>[^\"'\n]{3,256})[\"']|(?P<bare>[^\s\"'|;&<>()$-][^\s\"'|;&<>()]{2,256}))"
_GAP: Final = r"[ \t]{1,8}"
_WORD: Final = r"[^\s\"'|;&<>()]{1,128}"


def _line(pattern: str) -> "re.Pattern[str]":
    return re.compile(
        pattern.replace("VALUE", _VALUE).replace("WORD", _WORD).replace(" ", _GAP), re.IGNORECASE
    )


_HOSTS: Final = re.compile(
    r"(?:(?:github|gitlab|forgejo)-(?:oauth|token)|\"bearer)\\{0,3}[\"']\s{0,2}:\s{0,2}\{\s{0,40}\\{0,3}[\"'][\w.:-]{3,100}\\{0,3}[\"']\s{0,2}:"
    r"\s{0,2}\\{0,3}[\"'](?P<quoted>[^\"'\n\\]{8,256}(?:\\{0,3}[\"'],\s{0,40}\\{0,3}[\"'][\w.:-]{3,100}\\{0,3}[\"']\s{0,2}:\s{0,2}\\{0,3}[\"'][^\"'\n\\]{8,256}){0,8})"
    r"(?P<bare>)",
    re.IGNORECASE,
)
_MORE_HOSTS: Final = re.compile(
    r"(?:\\{0,3}[\"'],\s{0,40}\\{0,3}[\"'][\w.:-]{3,100}\\{0,3}[\"']\s{0,2}:\s{0,2}\\{0,3}[\"'][^\"'\n\\]{8,256}){1,64}+"
)
_CODE_OF_LIST: Final = (
    r"(?:[a-z0-9]{4,10}-[a-z0-9]{4,10}(?:-[a-z0-9]{4,10}){0,2}|(?=[a-z]{0,9}[0-9])[a-z0-9]{4,12})(?![\w-])"
)
_CODES: Final = re.compile(
    r"\w{6,9} codes(?:[ \t](?:for|of)[ \t][^\n:]{1,48})?[:*=]{0,3}\s{1,6}(?:<[a-z]{2,4}>\s{0,4})?BULLET(?=[^0-9\n]{0,24}[0-9])"
    r"(?P<bare>CODE(?:[\s,;|]{1,8}BULLETCODE){1,31}+)(?P<quoted>)".replace(
        "BULLET", r"(?:(?:[-*+\u2022]|[0-9]{1,2}[.)]|\[ ?\])[ \t]{1,3}){0,2}"
    ).replace("CODE", _CODE_OF_LIST),
    re.IGNORECASE,
)
_MORE_CODES: Final = re.compile(
    r"(?:[\s,;|]{1,8}(?:(?:[-*+\u2022]|[0-9]{1,3}[.)]|\[ ?\])[ \t]{1,3}){0,2}CODE){1,64}+".replace(
        "CODE", _CODE_OF_LIST
    ),
    re.IGNORECASE,
)
_BEHIND: Final = {
    # Oracle's clients, with and without options before the account.
    **dict.fromkeys(
        ("sqlplus ", "expdp ", "impdp ", "sqlldr ", "sqlcl ", "rman target "),
        _line(r"(?:sqlplus|expdp|impdp|sqlldr|sqlcl|rman target)(?: -\w{1,8}){0,4}"
              r" [\"']?(?:userid=)?\w{1,64}/(?P<bare>[^\s/\"'@]{3,128})(?=@|[\s\"']|\Z)(?P<quoted>)"),
    ),
    # The same account in the client itself; a name of the database follows.
    **dict.fromkeys(
        ("conn ", "connect "),
        _line(r"conn(?:ect)? [\"']?\w{1,64}/(?P<bare>[^\s/\"'@]{3,128})(?=[\"']?@[\w/(])(?P<quoted>)"),
    ),
    "net user ": _line(r"net user WORD VALUE"),
    "vault login ": _line(r"vault login(?: -no-print)? (?:token=)?VALUE"),
    **dict.fromkeys(("rabbitmqctl add_user ", "rabbitmqctl change_password "), _line(r"rabbitmqctl \w{1,16} WORD VALUE")),
    "reset-admin-password ": _line(r"reset-admin-password(?: --?[\w-]{1,32} WORD){0,3} VALUE"),
    "username ": _line(r"username \S{1,64}(?: privilege \d{1,2})? (?:secret|password)(?: \d)? VALUE"),
    **dict.fromkeys((" /p ", " /p:"), re.compile(r"\s/p(?::|[ \t]{1,4})" + _VALUE, re.IGNORECASE)),
    # A code that is sent to a telephone, before or behind its name.
    **dict.fromkeys(
        ("verification code", "one-time code", "login code", "security code", "2fa code"),
        re.compile(r"[\w-]{3,16} code(?:[ \t]{1,2}(?:is|was|for[ \t]\w{1,24}[ \t]is))?[ \t]{0,2}[:=]?[ \t]{0,2}(?P<bare>[0-9]{4,8}|[0-9]{3}[ -][0-9]{3})"
                   r"(?![\w-])(?P<quoted>)", re.IGNORECASE),
    ),
    # Lines of the protocols of Redis, SMTP, IMAP and IRC.
    " login ": _line(r" login WORD VALUE"),
    "identify ": _line(r"identify (?:\w{1,32} )?VALUE"),
    "acl setuser ": _line(r"acl setuser WORD(?: [^\s>]{1,32}){0,6} >VALUE"),
    "operator unseal ": _line(r"operator unseal VALUE"),
    "proceed to installation:": _line(r"proceed to installation:(?:\s|\\n){1,8}(?P<bare>[0-9a-f]{32})(?P<quoted>)"),
    "wpa_passphrase ": _line(r"wpa_passphrase [\"']?[^\s\"']{1,64}[\"']? VALUE"),
    "openssl passwd ": _line(r"openssl passwd(?: -(?:salt WORD|\w{1,8})){0,3} VALUE"),
    "qpdf ": _line(r"qpdf [^\n]{0,64}?--encrypt VALUE"),
    "community": _line(r"(?:community6?|community-name) (?:index \d{1,3} |(?:add|name) )?VALUE"),
    "com2sec": _line(r"com2sec6?(?: -Cn WORD)? WORD WORD VALUE"),
    "secret set ": _line(r"secret set WORD[^\n]{0,64}? (?:--body|-b|--value)(?:=| )VALUE"),
    "secrets set ": _line(r"secrets set(?: -\S{1,32}){0,4} \w{1,64}(?:=| )VALUE"),
    "--from-literal=": _line(r"--from-literal=[\"']?[\w.-]{1,64}=(?P<bare>[^\s\"'$]{3,512})(?P<quoted>)"),
    "secret-string ": _line(r"secret-string VALUE"),
    "securestring --value ": _line(r"securestring --value VALUE"),
    # Commands in the logs of GitHub Actions and Azure Pipelines, which hide a value from then on.
    "::add-mask::": re.compile("::add-mask::" + _VALUE, re.IGNORECASE),
    "task.setsecret]": re.compile(r"task\.setsecret\]" + _VALUE, re.IGNORECASE),
    "issecret=true": re.compile(r"issecret=true[^\]\n]{0,80}\]" + _VALUE, re.IGNORECASE),
    # Logins of SMTP and IMAP in Base64, of Bundler in the name of a host.
    "auth plain ": _line(r"auth plain (?P<bare>[A-Za-z0-9+/]{10,512}={0,2})(?P<quoted>)"),
    "334 ugfzc3dvcmq6": re.compile(r"334 ugfzc3dvcmq6\s{1,4}(?:[<>C~-]{1,3}:?[ \t]{1,3})?(?P<bare>[A-Za-z0-9+/]{4,512}={0,2})(?P<quoted>)", re.IGNORECASE),
    # Composer's tokens, by host.
    **dict.fromkeys(("github-oauth", "gitlab-oauth", "gitlab-token", "forgejo-token"), _HOSTS),
    '"bearer': _HOSTS,
    # Codes that each let in once, below such a heading or behind it.
    **dict.fromkeys(("recovery codes", "backup codes", "scratch codes", "rescue codes", "emergency codes"), _CODES),
    "bundle_": re.compile(r"bundle_\w{1,64}__\w{1,64}[\"']?[ \t]{0,2}[:=][ \t]{0,3}[\"']?[\w.@%+-]{1,64}:(?P<bare>[^\s\"':@/]{4,256})(?P<quoted>)", re.IGNORECASE),
    "net use ": _line(r"net use(?: [A-Z*]:?)? \\\\[^\s/]{1,128}(?: /user:WORD)? VALUE"),
    " /rp ": _line(r" /rp VALUE"),
    **dict.fromkeys((": psk ", ": eap ", ": xauth "), re.compile(r": (?:psk|eap|xauth)[ \t]{1,4}[\"'](?P<quoted>[^\"'\n]{3,256})[\"'](?P<bare>)", re.IGNORECASE)),
    "<auth-user-pass>": re.compile(r"<auth-user-pass>\s{1,4}[^\s<]{1,128}\s{1,4}(?P<bare>[^\s<]{3,256})(?P<quoted>)", re.IGNORECASE),
    " enc ": _line(r" ENC (?P<bare>[A-Za-z0-9+/]{16,512}={0,2})(?P<quoted>)"),
    "cargo login ": _line(r"cargo login(?: --registry(?: |=)WORD)? VALUE"),
    "http-basic.": _line(r"http-basic\.[\w.-]{1,64} WORD VALUE"),
    "alias set ": _line(r"alias set WORD https?://WORD WORD VALUE"),
    "ssh-keygen ": _line(r"ssh-keygen [^\n|;]{0,48}?-N ?VALUE"),
    **dict.fromkeys(("nuget push ", "choco "), _line(r"(?:nuget push|choco) [^\n|;]{0,80}?(?:-k|--api-key) VALUE")),
    "etcdctl ": _line(r"etcdctl [^\n|;]{0,48}?--user(?: |=)[\"']?[\w.-]{1,64}:(?P<bare>[^\s\"']{3,256})(?P<quoted>)"),
    # A key of AWS and its secret, as `aws sts get-session-token --output text` and passwd-s3fs have them; a date may stand between.
    **dict.fromkeys(
        ("akia", "asia"),
        re.compile(r"a[ks]ia[A-Z0-9]{16}SEP(?:[0-9]{4}-[0-9TZ:.+-]{6,29}SEP)?(?P<bare>[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/=])(?P<quoted>)"
                   .replace("SEP", r"(?:[ \t]{1,8}|\\{1,3}t|[:,])"), re.IGNORECASE),
    ),
    "send ": _line(r"send(?: --)? \"(?P<quoted>[^\"\n\\]{3,128})\\[rn]\"(?P<bare>)"),
}  # fmt: skip
"""The pattern of a line whose last part is a secret, by the text in lower case that begins it."""

_REVERSED: Final = (
    "is the password", "is your password", "is my password", "is the token", "is your token", "is the api key", "is your api key",
    "is your verification code", "is your code", "is your login code", "is your one-time", "is your security code",
    "is the admin password", "is the root password",
)  # fmt: skip
"""Texts in lower case after a secret with which the sentence begins."""
_FROM_INPUT: Final = (
    "--password-stdin", "--with-token", "chpasswd", "sudo -s", "--passphrase-fd", "| passwd", "kinit", "cryptsetup",
    "--stdin", "--data-file=-",
    "secret create ", "secret put ", "gh secret set",
    "--token-stdin", "argon2 ", "passwd -stdin",
)  # fmt: skip
"""Texts in lower case of commands that read a secret from their input."""
ANCHORS: Final = (*_BEHIND, *_FROM_INPUT, *_REVERSED)
"""Texts in lower case, one of which begins each match."""

_HEAD: Final = 4
_LONGEST: Final = max(map(len, ANCHORS))
_BY_HEAD: Final = {
    head: sorted((anchor for anchor in ANCHORS if anchor.startswith(head)), reverse=True)
    for head in {anchor[:_HEAD] for anchor in ANCHORS}
}
"""Anchors by their first characters, longest first; one pattern for all of them takes several times as long."""
_PRINTS: Final = ("yes ", "echo ", "printf ", "Write-Output ", "write-output ")
_ECHOED: Final = re.compile(
    r"(?:yes|echo|printf|write-output)(?:[ \t]{1,4}-[nNeE]{1,3}){0,2}[ \t]{1,4}(?:[\"']%s(?:\\n)?[\"'][ \t]{1,4})?"
    r"(?:\"(?P<double>[^\"\n]{3,256})\"|'(?P<single>[^'\n]{3,256})'|(?P<bare>[^\s\"'|;&<>()$-][^\s\"'|;&<>()]{2,256}))[ \t]{0,4}\|",
    re.IGNORECASE,
)
_HERE: Final = re.compile(
    r"[^\n|;&]{0,128}?<<<[ \t]{0,4}(?:\$?\"(?P<double>[^\"\n]{3,256})\"|\$?'(?P<single>[^'\n]{3,256})'|(?P<bare>[^\s\"'|;&<>()$][^\s\"'|;&<>()]{2,256}))"
)
_DOCUMENT: Final = re.compile(
    r"[^\n|;&<]{0,128}<<-?[ \t]{0,2}[\"']?(?P<end>[A-Za-z_]\w{0,30})[\"']?[^\n]{0,64}\n(?P<body>[^\n]{1,512}(?:\n[^\n]{1,512}){0,31}?)\n[ \t]{0,16}(?P=end)\b"
)
_ACCOUNT: Final = re.compile(r"[\w.-]{1,64}:")
_ACCOUNTS: Final = re.compile(
    r"chpasswd:\s{1,40}(?:expire:[ \t]\w{1,8}\s{1,40})?list:[ \t]{0,2}(?:[|>][+-]?)?[ \t]{0,2}\r?\n"
    r"(?:[ \t]{1,40}(?:- )?[\w.-]{1,64}:(?:R|RANDOM)[ \t]{0,4}(?:\r?\n|\Z)){0,16}+"
    r"(?P<body>[ \t]{0,40}(?:- )?[\"']?[\w.-]{1,64}:[^\s:]{3,256}(?:\r?\n[ \t]{0,40}(?:- )?[\"']?[\w.-]{1,64}:[^\s:]{1,256}){0,31})"
)
_MORE_ACCOUNTS: Final = re.compile(
    r"(?:\r?\n[ \t]{0,40}(?:- )?[\"']?[\w.-]{1,64}:[^\s:]{1,256}[ \t]{0,4}(?=\r?\n|\Z)){1,64}+"
)
_LONG_DOCUMENT: Final = re.compile(
    r"[^\n|;&<]{0,128}<<-?[ \t]{0,2}[\"']?[A-Za-z_]\w{0,30}[\"']?[^\n]{0,64}\n(?P<body>[\w.-]{1,64}:[^\s:]{3,256})(?=\n)"
)
_BEFORE: Final = 512
_CODE: Final = re.compile("(?:[A-Z]-)?[0-9]{4,8}")
_LONGEST_WORD: Final = 160
_LAST_WORD: Final = re.compile(r"[ \t]{1,2}[\"'`)]{0,2}(?P<secret>[^\s\"'`:()#;*]{4,128})(?![^\s\"'`:(#;*])")
"""The last word of a text, read backwards."""
_DIGIT: Final = re.compile("[0-9]")
_KEY_IDS: Final = frozenset({"akia", "asia"})
_MIXED: Final = re.compile("(?=[^a-z]*[a-z])(?=[^A-Z]*[A-Z])[^0-9]*[0-9]")
_PROMPT: Final = re.compile("assword|assphrase|PIN")
_ANSWERS: Final = frozenset({"yes", "y\\n", "no", "true", "false"})
_EMPTY: Final = frozenset({"public", "private", "add", "/add", "/delete", "*", "ro", "rw", "string", "name"})


def find(text: str, at: int) -> tuple[int, int, str] | None:
    """Return position and kind of the secret in the line at a position; None if nothing is to be redacted."""
    head = text[at : at + _LONGEST].lower()
    anchor = next(filter(head.startswith, _BY_HEAD.get(head[:_HEAD], ())), None)
    if anchor is None:
        return None
    pattern = _BEHIND.get(anchor)
    if anchor in _REVERSED:
        return _reversed(text, at)
    if pattern is None:
        return _from_input(text, at, anchor)
    match = pattern.match(text, at)
    if match is None:
        return None
    group = "quoted" if match["quoted"] else "bare"
    if not _is_secret(anchor, match[group], text, at):
        return None
    start, end = match.span(group)
    if pattern is _HOSTS or pattern is _CODES:
        return start, _last_of(_MORE_HOSTS if pattern is _HOSTS else _MORE_CODES, text, end), markers.TOKEN
    if anchor in _KEY_IDS:
        return start, end, markers.API_KEY
    return start, end, markers.TOKEN if anchor == "vault login " else markers.PASSWORD


def _last_of(more: "re.Pattern[str]", text: str, end: int) -> int:
    """Return where a list ends that has more items than those by which it was recognised."""
    while (items := more.match(text, end)) is not None:
        worked((items.end() - end) / CHARS_READ)
        end = items.end()
    return end


def _is_secret(anchor: str, value: str, text: str, at: int) -> bool:
    if value.lower() in NO_VALUE or value.lower() in _EMPTY or is_placeholder(value) or value[0] in "$[":
        return False
    if anchor in _KEY_IDS:
        # The letter before may belong to an escape.
        begins = not text[at - 1 : at].isalnum() or text[at - 2 : at] in {"\\t", "\\n", "\\r"}
        return begins and text[at : at + 4].isupper() and _MIXED.match(value) is not None
    if anchor.startswith("send"):
        return _PROMPT.search(text, max(0, at - 240), at) is not None
    if anchor == "vault login ":
        return looks_secret(value)
    if anchor == "community":
        line = text[max(0, at - 24) : at]
        return line.endswith(("snmp-server ", "snmp ")) or (
            line[-2:].lower() in {"ro", "rw", "ap"} and not value.startswith("(")
        )
    if anchor.startswith(" /p"):
        near = text[max(0, at - 160) : at + 160].lower()
        return (" /u" in near or " /v:" in near) and _DIGIT.search(value) is not None
    if anchor in {" enc ", ": psk ", ": eap ", ": xauth "}:
        return text[at : at + len(anchor)].isupper()
    if anchor == " /rp ":
        return " /ru " in text[max(0, at - 160) : at + 160].lower()
    if anchor in {"cargo login ", "http-basic.", "alias set ", "net use "}:
        return looks_secret(value)
    if anchor in {" login ", "identify "}:
        # Clients write these commands in capitals, sentences do not.
        word = text[at : at + len(anchor)]
        return word.isupper() and len(value) >= 6 and _DIGIT.search(value) is not None
    if anchor == "username ":
        return _DIGIT.search(value) is not None
    if anchor == "net user ":
        return _DIGIT.search(value) is not None or not value.isalpha()
    if anchor == "secrets set ":
        return len(value) >= 6 and (looks_secret(value) or _DIGIT.search(value) is not None)
    return True


def _reversed(text: str, at: int) -> tuple[int, int, str] | None:
    """Judge a word that a sentence calls a password: `gr33nT3a is the password`."""
    word = _LAST_WORD.match(text[max(0, at - _LONGEST_WORD) : at][::-1])
    if word is None:
        return None
    value = word["secret"][::-1].lstrip("/")
    end = at - word.start("secret")
    if not (looks_secret(value) or (_CODE.fullmatch(value) and "ode" in text[at : at + 28])):
        return None
    return end - len(value), end, markers.PASSWORD


def _from_input(text: str, at: int, anchor: str) -> tuple[int, int, str] | None:
    """Judge the standard input of a command: text that is printed into it, or that follows it."""
    account = anchor == "chpasswd"
    if account and text[at + 8 : at + 9] == ":":
        return _cloud_init(text, at)
    low = max(0, text.rfind("\n", max(0, at - _BEFORE), at) + 1, at - _BEFORE)
    match: re.Match[str] | None = None
    if text.find("|", low, at + 1) >= 0:
        printed = max(text.rfind(each, low, at) for each in _PRINTS)
        match = _ECHOED.match(text, printed) if printed >= 0 else None
    if match is None:
        match = _HERE.match(text, at)
    if match is None:
        return _document(text, at) if account else None
    group = next(name for name in ("double", "single", "bare") if match[name])
    start, end = match.span(group)
    if account:
        name = _ACCOUNT.match(text, start, end)
        if name is None:
            return None
        start = name.end()
    value = text[start:end]
    if len(value) < 3 or is_placeholder(value) or value[0] == "$" or markers.MARKER.match(value):
        return None
    if value.lower() in _ANSWERS:
        return None
    if anchor in {"--stdin", "kinit", "cryptsetup", "secret create ", "secret put "} and not (
        looks_secret(value) or _DIGIT.search(value)
    ):
        return None
    return start, end, markers.TOKEN if looks_like_key(value) else markers.PASSWORD


def _cloud_init(text: str, at: int) -> tuple[int, int, str] | None:
    """Return the lines `name:password` of cloud-init's list of accounts, from the first password on."""
    accounts = _ACCOUNTS.match(text, at)
    if accounts is None:
        return None
    start, end = accounts.span("body")
    name = _ACCOUNT.search(text, start, end)
    if (
        name is None
        or markers.MARKER.match(text, name.end())
        or is_placeholder(text[name.end() : end].split(maxsplit=1)[0])
    ):
        return None
    return name.end(), _last_of(_MORE_ACCOUNTS, text, end), markers.PASSWORD


def _document(text: str, at: int) -> tuple[int, int, str] | None:
    """Return the lines `name:password` of a here-document, from the first password on."""
    document = _DOCUMENT.match(text, at) or _LONG_DOCUMENT.match(text, at)
    if document is None:
        return None
    start, end = document.span("body")
    name = _ACCOUNT.match(text, start, end)
    if name is None or markers.MARKER.match(text, name.end()) or is_placeholder(text[name.end() : end]):
        return None
    if document.re is _LONG_DOCUMENT:
        # If its end is not near, only lines with accounts are redacted.
        end = _last_of(_MORE_ACCOUNTS, text, end)
    return name.end(), end, markers.PASSWORD
