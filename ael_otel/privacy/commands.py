"""Secrets in the arguments of well-known commands: `curl -u ada:hunter2`, `mysql -phunter2`, `redis-cli -a hunter2`."""

import re
from collections.abc import Callable, Sequence
from typing import Final

from ael_otel.privacy import markers

_CLIENT: Final = (
    r"(?P<curl>curl|lftp)|(?P<http>https?|xh|httpie)|(?P<mysql>mysql(?:dump|admin|import|show|sh)?|mariadb(?:-dump|-admin)?|mycli|7za?|rar)"
    r"|(?P<login>docker|podman|helm|nerdctl|buildah|skopeo|oras|crane|az|oc|cf|ibmcloud|ibmcloud|argocd|flyctl)"
    r"|(?P<auth>redis-cli|valkey-cli|keydb-cli|redis-benchmark)|(?P<pass>sshpass|mongo(?:sh|dump|restore|export|import)?|cqlsh|beeline|hdbsql)"
    r"|(?P<ldap>ldap(?:search|modify|add|delete|passwd|whoami))|(?P<smb>smbclient|rpcclient|net)"
    r"|(?P<upper>sqlcmd|bcp|tsql|osql|mosquitto_(?:pub|sub)|zip|unzip|ipmitool)|(?P<openssl>openssl)|(?P<htpasswd>htpasswd)"
)
_COMMAND: Final = re.compile(rf"(?:(?<![\w.-])|(?<=\\n))(?:{_CLIENT})(?=[ \t])")
_ARGUMENTS: Final = re.compile(
    r"(?:\\\"[^\"\n]*+\"|\"[^\"\n]*+\"|'[^'\n]*+'|\\\r?\n|[^\n|;&\"']|[|;&\"'](?=\S)){0,2048}"
)
_HINT: Final = re.compile(" -(?:[uUpPabwkc]|-user|-proxy-user|-cookie|-auth|-pass)")
_LONGEST_COMMAND: Final = 2048
_LONGEST_NAME: Final = 16


def _separate(names: str) -> "re.Pattern[str]":
    """Return a pattern for an option and its value, which a blank or `=` may stand between."""
    return re.compile(
        rf"(?<=\s)(?:{names})[ \t=]{{0,4}}(?:\\?[\"'](?P<q>[^\"'\n]++)|(?P<s>[^\s\"'\\-][^\s\"'\\]*+))"
    )


_OPTIONS: Final = {
    "curl": (
        re.compile(r"(?<=\s)(?:-u|-U|--user|--proxy-user)[ \t=]{0,4}\\?[\"']?[^\s:,\"']{0,128}[:,](?P<s>[^\s\"'\\]++)"),
        re.compile(
            r"(?<=\s)(?:-b|--cookie)[ \t=]{0,4}(?:\\?[\"'](?P<q>[^\"'\n\\]*=[^\"'\n\\]*+)"
            r"|(?P<s>[^\s\"'=]{1,128}=[^\s\"'\\]++))"),
    ),
    "http": (re.compile(r"(?<=\s)(?:-a|--auth)[ \t=]{0,4}[\"']?[^\s:\"']{0,128}:(?P<s>[^\s\"'\\]++)"),),
    "mysql": (re.compile(r"(?<=\s)-p(?:\\?[\"'](?P<q>[^\"'\n]++)|(?P<s>[^\s\"'\\-][^\s\"'\\]*+))"),),
    "login": (_separate("-p"),),
    "auth": (_separate("-a|--pass"),),
    "pass": (_separate("-p"),),
    "ldap": (_separate("-w"),),
    "upper": (_separate("-P"),),
    "smb": (re.compile(r"(?<=\s)(?:-U|--user)[ \t=]{0,4}[\"']?[^\s%\"']{1,128}%(?P<s>[^\s\"'\\]++)"),),
    "openssl": (re.compile(r"\bpass:(?P<s>[^\s\"'\\]++)"),),
    "htpasswd": (
        re.compile(
            r"(?<=\s)-[a-zA-Z]{0,4}b[a-zA-Z]{0,4}[ \t]{1,4}\S{1,256}[ \t]{1,4}\S{1,128}[ \t]{1,4}"
            r"[\"']?(?P<s>[^\s\"'\\]++)"
        ),
    ),
}  # fmt: skip
_HOLE: Final = re.compile(
    r"\$\{?[A-Za-z_][\w.:-]*\}?|\$\(.*|<[^<>]*>?|[*.xX#_-]+|\{\{?[^{}]*\}?\}?|\[[A-Z_]+\]|(?i:password|passwd|pass|secret|token)"
)

LISTED: Final = frozenset({"-u", "-U", "-p", "-P", "-a", "-b", "-w", "--user", "--proxy-user", "--cookie"})
"""Options that a list of arguments can have their value behind."""


def search(text: str, start: int, end: int, found: Callable[[int, int, str], object]) -> None:
    """Report the secrets in the arguments of commands whose options stand in a part of a text."""
    hint = _HINT.search(text, start, end)
    searched = start
    while hint is not None:
        at = hint.start()
        behind = at + 1
        # What was searched for a command once is not searched again for the next option of the line.
        first = max(_line_of(text, at), searched - _LONGEST_NAME)
        command = _COMMAND.search(text, first, at + 1)
        searched = at
        if command is not None:
            arguments = _ARGUMENTS.match(text, command.end())
            behind = max(behind, command.end() if arguments is None else arguments.end())
            # One line can hold several commands, and an option then belongs to any of them.
            clients = {each.lastgroup for each in _COMMAND.finditer(text, command.start(), behind)}
            if "login" not in text[command.end() : behind]:
                clients.discard("login")
            searched = behind
            for client in clients:
                _options(text, command.end(), behind, client or "", found)
        hint = _HINT.search(text, behind, end)


def _line_of(text: str, at: int) -> int:
    """Return where the line of a place begins, or the first of the lines that a backslash joins to it."""
    low = max(0, at - _LONGEST_COMMAND)
    line = text.rfind("\n", low, at) + 1 or low
    while line > low and text[line - 2 : line - 1] == "\\":
        line = text.rfind("\n", low, line - 1) + 1 or low
    return line


def _options(text: str, start: int, stop: int, client: str, found: Callable[[int, int, str], object]) -> None:
    for pattern in _OPTIONS[client]:
        for option in pattern.finditer(text, start, stop):
            group = "s" if option["s"] is not None else "q"
            value = option[group]
            held = (
                (value or "").partition("=")[2]
                if client == "curl" and pattern is _OPTIONS["curl"][-1]
                else value
            )
            # Of a cookie only what stands behind its name can be a placeholder.
            if held and len(held) >= 3 and not _HOLE.fullmatch(held):
                found(*option.span(group), markers.TOKEN if held != value else markers.PASSWORD)


def in_list(items: Sequence[object], place: int) -> str | None:
    """Return the kind of the argument at a place of a command that is given as a list, None if it is no secret."""
    first, before, value = items[0], items[place - 1], items[place]
    if not (isinstance(first, str) and isinstance(before, str) and isinstance(value, str)):
        return None
    line = f"{first.rpartition('/')[2]} {'login ' if 'login' in items else ''}{before} {value}"
    hits: list[str] = []
    search(line, 0, len(line), lambda _start, _end, kind: hits.append(kind))
    return hits[0] if hits else None
