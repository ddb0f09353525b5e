"""Find secrets in arguments of known commands: `curl -u ada:hunter2`, `mysql -phunter2`, `redis-cli -a hunter2`."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from ael_otel.privacy import markers
from ael_otel.privacy.budget import ARGUMENT, COMMAND, Budget, Unlimited
from ael_otel.privacy.validators import looks_secret

_CLIENT: Final = (
    r"(?P<curl>curl|lftp)|(?P<http>https?|xh|httpie)|(?P<mysql>mysql(?:dump|admin|import|show|sh)?|mariadb(?:-dump|-admin)?|mycli|7z[arz]?|rar)"
    r"|(?P<login>docker|podman|helm|nerdctl|buildah|skopeo|oras|crane|az|oc|cf|ibmcloud|argocd|flyctl)"
    r"|(?P<auth>redis-cli|valkey-cli|keydb-cli|redis-benchmark)|(?P<pass>sshpass|(?i:psexec)(?:64)?(?:\.exe)?|crackmapexec|netexec|nxc|evil-winrm|smbmap|rdesktop|mongo(?:sh|dump|restore|export|import)?|cqlsh|beeline|hdbsql)"
    r"|(?P<ldap>ldap(?:search|modify|add|delete|passwd|whoami))|(?P<smb>smb(?:client|cacls|get|tree|spool)|rpcclient|winexe|net)"
    r"|(?P<upper>sqlcmd|bcp|tsql|osql|mosquitto_(?:pub|sub)|zip|unzip|ipmitool)|(?P<openssl>openssl)|(?P<htpasswd>htpasswd)|(?P<pw>plink|pscp|psftp|putty|pdf(?:info|totext|toppm|tops|tohtml|images|fonts|detach|separate|unite|sig))|(?P<snmp>snmp(?:b?walk|bulkwalk|b?get|bulkget|getnext|set|table|trap|inform|status|df|test|usm|vacm))"
)
_COMMAND: Final = re.compile(rf"(?:(?<![\w.-])|(?<=\\n))(?:{_CLIENT})(?=[ \t])")
_ARGUMENTS: Final = re.compile(
    r"(?:\\\"[^\"\n]*+\"|\"[^\"\n]*+\"|'[^'\n]*+'|\\\r?\n|[^\n|;&\"']|[|;&\"'](?=\S)){0,2048}"
)
HINT: Final = re.compile(
    " -(?:[uUpPabwkKcAX]|hp|opw|[cDin]{1,3}b|[fgikLnsSv46]{1,8}[uU]|-user|-proxy-user|-cookie|-auth|-pass)"
)
"""Matches in every command whose arguments contain a secret."""
_LONGEST_COMMAND: Final = 2048
_LONGEST_NAME: Final = 16


def _separate(names: str) -> "re.Pattern[str]":
    """Return a pattern for an option and its value, separated by a blank or `=`."""
    return re.compile(
        rf"(?<=\s)(?:{names})[ \t=]{{0,4}}(?:\\?[\"'](?P<q>[^\"'\n]++)|(?P<s>[^\s\"'\\-][^\s\"'\\]*+))"
    )


_OPTIONS: Final = {
    "curl": (
        re.compile(r"(?<=\s)(?:-[fgikLnsSv46]{0,8}[uU]|--user|--proxy-user)[ \t=]{0,4}\\?[\"']?"
            r"[^\s:,\"']{0,128}[:,](?P<s>[^\s\"'\\]++)"),
        re.compile(
            r"(?<=\s)(?:-b|--cookie)[ \t=]{0,4}(?:\\?[\"'](?P<q>[^\"'\n\\]*=[^\"'\n\\]*+)"
            r"|(?P<s>[^\s\"'=]{1,128}=[^\s\"'\\]++))"),
    ),
    "http": (re.compile(r"(?<=\s)(?:-a|--auth)[ \t=]{0,4}[\"']?[^\s:\"']{0,128}:(?P<s>[^\s\"'\\]++)"),),
    "mysql": (re.compile(r"(?<=\s)-h?p(?:\\?[\"'](?P<q>[^\"'\n]++)|(?P<s>[^\s\"'\\-][^\s\"'\\]*+))"),),
    "login": (_separate("-p"),),
    "auth": (_separate("-a|--pass"),),
    "pass": (_separate("-p"),),
    "ldap": (_separate("-w"),),
    "upper": (_separate("-P"),),
    "smb": (re.compile(r"(?<=\s)(?:-U|--user)[ \t=]{0,4}[\"']?[^\s%\"']{1,128}%(?P<s>[^\s\"'\\]++)"),),
    "openssl": (
        re.compile(r"\bpass:(?P<s>[^\s\"'\\]++)|'pass:(?P<q>[^'\n]++)"),
        _separate("(?:-k|-K|-psk|-srppass|-proxy_pass)(?=[ \\t])"),
    ),
    "pw": (_separate("-pw|-opw|-upw"),),
    "snmp": (_separate("-[cAX]"),),
    "htpasswd": (
        re.compile(
            r"(?<=\s)-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}[ \t]{1,4}(?:\S{1,256}[ \t]{1,4})?\S{1,128}[ \t]{1,4}"
            r"[\"']?(?P<s>[^\s\"'\\]++)"
        ),
    ),
}  # fmt: skip
_PASSWORD: Final = re.compile(
    r"-[pP](?:[ \t=]{1,4}|(?=[A-Za-z0-9]))(?:\\?[\"'](?P<q>[^\"'\n]++)|(?P<s>[^\s\"'\\-][^\s\"'\\]*+))"
)
"""An option of an unknown program: its value is a secret if an account is named before it."""
_HOLE: Final = re.compile(
    r"\$\{?[A-Za-z_][\w.:-]*\}?|\$\(.*|<[^<>]*>?|[*.xX#_-]+|\{\{?[^{}]*\}?\}?|\[[A-Z_]+\]|(?i:password|passwd|pass|secret|token|public|private)"
)

LISTED: Final = frozenset({"-u", "-U", "-p", "-P", "-a", "-b", "-w", "--user", "--proxy-user", "--cookie"})
"""Options whose value may be the next item of a list of arguments."""
_MOST_BEFORE: Final = 16
_ACCOUNT: Final = frozenset({"-u", "-U", "--user", "--username", "-h", "--host"})
_QUOTED_ITEM: Final = re.compile(r"\\{0,3}[\"'](?P<item>[^\"'\\\n]{0,256})\\{0,3}[\"'],?\s{0,40}")
LISTED_OPTION: Final = re.compile(
    r"[\"']-(?:[uUpPabwk]\\{0,3}[\"']|p[^\s\"',]|-(?:user|proxy-user|cookie)\\{0,3}[\"'])"
)
"""Matches in every quoted list of arguments that contains a secret."""
_LONGEST_LIST: Final = 2048


def search(text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget) -> None:
    """Report the secrets in the arguments of commands whose options are in a part of a text."""
    hint = HINT.search(text, start, end)
    searched = start
    account = -1
    while hint is not None:
        at = hint.start()
        behind = at + 1
        if budget.is_spent(at, COMMAND):
            return
        # A command that was searched for one option is not searched again for the next option of the line.
        first = max(_line_of(text, at), searched - _LONGEST_NAME)
        command = _COMMAND.search(text, first, at + 1)
        searched = at
        if command is not None:
            arguments = _ARGUMENTS.match(text, command.end())
            behind = max(behind, command.end() if arguments is None else arguments.end())
            # One line can have several commands, and an option then belongs to any of them.
            clients = {each.lastgroup for each in _COMMAND.finditer(text, command.start(), behind)}
            if "login" not in text[command.end() : behind]:
                clients.discard("login")
            searched = behind
            for client in clients:
                _options(text, command.end(), behind, client or "", found, budget)
            if budget.cut is not None:
                return
        elif text[at + 2] in "uU" or text.startswith("-user", at + 2):
            account = at
        elif account >= 0 and text[at + 2] in "pP" and account >= _line_of(text, at):
            if budget.is_spent(at):
                return
            option = _PASSWORD.match(text, at + 1)
            if option is not None and looks_secret(option[option.lastgroup or ""]):
                found(*option.span(option.lastgroup or ""), markers.PASSWORD)
                behind = option.end()
        hint = HINT.search(text, behind, end)


def _line_of(text: str, at: int) -> int:
    """Return where the line of a position begins, or the first of the lines that backslashes join to it."""
    low = max(0, at - _LONGEST_COMMAND)
    line = text.rfind("\n", low, at) + 1 or low
    while line > low and text[line - 2 : line - 1] == "\\":
        line = text.rfind("\n", low, line - 1) + 1 or low
    return line


def _options(
    text: str, start: int, stop: int, client: str, found: Callable[[int, int, str], object], budget: Budget
) -> None:
    for pattern in _OPTIONS[client]:
        for option in pattern.finditer(text, start, stop):
            if budget.is_spent(option.start()):
                return
            group = "s" if option["s"] is not None else "q"
            value = option[group]
            held = (
                (value or "").partition("=")[2]
                if client == "curl" and pattern is _OPTIONS["curl"][-1]
                else value
            )
            # In a cookie only the part after its name can be a placeholder.
            if held and len(held) >= 3 and not _HOLE.fullmatch(held):
                found(*option.span(group), markers.TOKEN if held != value else markers.PASSWORD)


def in_list(items: Sequence[object], place: int) -> str | None:
    """Return the kind of one argument in a list of arguments; None if it is not a secret.

    An option `-p` of a program that is not listed here counts if an account is named before it and the value looks like
    a secret.
    """
    value = items[place]
    before = items[max(0, place - _MOST_BEFORE) : place]
    if not isinstance(value, str) or not before:
        return None
    texts = [each[:_LONGEST_COMMAND] for each in before if isinstance(each, str)]
    if not texts:
        return None
    line = " ".join(texts)[-_LONGEST_COMMAND:]
    if _COMMAND.search(f"{line} ") is not None:
        hits: list[tuple[int, str]] = []
        end = len(line) + 1 + len(value)
        search(f"{line} {value}", 0, end, lambda start, _end, kind: hits.append((start, kind)), Unlimited())
        for start, kind in hits:
            if start > len(line):
                return kind
    if texts[-1:] == ["-p"] and not _ACCOUNT.isdisjoint(texts) and looks_secret(value):
        return markers.PASSWORD
    return None


def search_lists(
    text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget
) -> None:
    """Report the secrets in lists of arguments in quotes: `['mysql', '-u', 'root', '-p', 'hunter2']`."""
    option = LISTED_OPTION.search(text, start, end)
    while option is not None:
        at = option.start()
        if budget.is_spent(at, ARGUMENT):
            return
        opening = text.rfind("[", max(0, at - _LONGEST_LIST), at)
        behind = option.end()
        if opening >= 0:
            items: list[str] = []
            item = _QUOTED_ITEM.match(text, opening + 1 + _blanks(text, opening + 1))
            while item is not None:
                items.append(item["item"])
                behind = max(behind, item.end())
                if len(items) > 1 and (items[-2] in LISTED or items[-1][:2] == "-p"):
                    kind = in_list(items, len(items) - 1)
                    if kind is not None:
                        found(*item.span("item"), kind)
                item = _QUOTED_ITEM.match(text, item.end())
        option = LISTED_OPTION.search(text, behind, end)


def _blanks(text: str, at: int) -> int:
    """Return the number of blanks and line ends at a position, at most 40."""
    piece = text[at : at + 40]
    return len(piece) - len(piece.lstrip())


YAML_OPTION: Final = re.compile(
    r"^(?P<indent>[ \t]{0,40})- [\"']?-(?:[uUpPabwk][\"']?[ \t]{0,8}\r?$|p[^\s\"'-])", re.MULTILINE
)
"""Matches in every YAML list of arguments that contains a secret."""
_YAML_ITEM: Final = re.compile(
    r"(?P<indent>[ \t]{0,40})- (?P<quote>[\"']?)(?P<item>[^\n]{0,512}?)(?P=quote)[ \t]{0,8}\r?(?:\n|\Z)"
)
_MOST_ITEMS: Final = 64


def search_blocks(
    text: str, start: int, end: int, found: Callable[[int, int, str], object], budget: Budget
) -> None:
    """Report the secrets in YAML lists of arguments, one item per line: `- mysql`, `- -phunter2`."""
    option = YAML_OPTION.search(text, start, end)
    while option is not None:
        line = _first_item(text, option.start(), option["indent"])
        items: list[str] = []
        item = _YAML_ITEM.match(text, line)
        while item is not None and item["indent"] == option["indent"] and len(items) < _MOST_ITEMS:
            items.append(item["item"])
            if item.start() >= start and len(items) > 1 and (items[-2] in LISTED or items[-1][:2] == "-p"):
                if budget.is_spent(item.start(), ARGUMENT):
                    return
                kind = in_list(items, len(items) - 1)
                if kind is not None:
                    found(*item.span("item"), kind)
            line = item.end()
            item = _YAML_ITEM.match(text, line)
        option = YAML_OPTION.search(text, max(line, option.end()), end)


def _first_item(text: str, line: int, indent: str) -> int:
    """Return where the first of the items before a line begins, at most `_MOST_BEFORE` of them."""
    for _ in range(_MOST_BEFORE):
        above = text.rfind("\n", max(0, line - _LONGEST_COMMAND), max(0, line - 1)) + 1
        if above >= line or not text.startswith(f"{indent}- ", above):
            break
        line = above
    return line
