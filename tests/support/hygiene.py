"""Forbidden text in tracked files: package hosts, paths of one machine, secrets, lock files with addresses, bulk.

The patterns are assembled from parts, so that this file does not itself contain what it searches for.
"""

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

LARGEST_FILE = 1024 * 1024  # bytes

# A line with this mark contains a value that was made up for a test or an example.
MADE_UP = "hygiene: made up"

LOCK_FILE = re.compile(r"(^|[-.])lock$|[-.]lock\.(json|ya?ml)$|^requirements.*\.txt$|^npm-shrinkwrap\.json$")

PATTERNS: Mapping[str, re.Pattern[str]] = {
    "package host": re.compile(
        r"\b("
        r"pypi\.|registry\.npmjs\.|static\.crates\.|index\.crates\.|proxy\.golang\.|deb\.debian\.|repo1?\.maven\."
        r")(org|io|apache)\b"
        r"|\bfiles\.python" + r"hosted\b"
    ),
    "package index setting": re.compile(
        r"(?i)(--(extra-)?index-url|\bindex-url\s*=|\b(UV|PIP)_[A-Z_]*INDEX[A-Z_]*=|\bGOPROXY=|\bregistry=|_proxy=)"
        r"\s*[\"']?https?:" + r"//"
    ),
    "path of one machine": re.compile(
        r"(?<![\w./$}\]-])/(root|work|workspace|builds|(home|Users)/(?!(user|alice|bob|you|nonroot)\b)\w+)/[\w.]"
        r"|\b[A-Z]:\\+Users\\"
    ),
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----"),
    "access key": re.compile(
        r"\b(AKIA[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_\w{22,}|xox[abprs]-[0-9A-Za-z-]{10,}"
        r"|glsa_\w{32,}|glpat-[\w-]{20,}|sk-(ant-|proj-)?[\w-]{24,}|AIza[\w-]{35})"
    ),
    "signed token": re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}"),
    "password in an address": re.compile(
        r"\b[a-z][a-z0-9+]*://[^\s/:@\"'<>{}$]+:(?!(pass(word)?|secret)@)[^\s/:@\"'<>{}$.]{3,}@[\w.-]+"
    ),
    "password": re.compile(
        r"(?i)\b(password|passwd|secret|api_?key|token)\b[\"']?\s*[:=]\s*[\"'][^\s\"'$<{%]{12,}[\"']"
    ),
}


def tracked(repo: Path) -> list[Path]:
    """Return the existing files that git tracks in a work tree."""
    done = subprocess.run(["git", "-C", str(repo), "ls-files", "-z"], capture_output=True, check=True)
    return [path for name in done.stdout.decode().split("\0") if name and (path := repo / name).is_file()]


def hosts_of_this_machine(environ: Mapping[str, str]) -> set[str]:
    """Return the hosts from which this machine fetches packages: they differ by machine, so they cannot be listed."""
    addresses = [
        value
        for name, value in environ.items()
        if re.search(r"(?i)(^|_)(https?|all)_proxy$|index|registry|goproxy|mirror", name)
    ]
    for place in (
        "~/.pip/pip.conf",
        "~/.config/pip/pip.conf",
        "/etc/pip.conf",
        "~/.config/uv/uv.toml",
        "~/.npmrc",
    ):
        try:
            addresses.append(Path(place).expanduser().read_text("utf-8", errors="replace"))
        except OSError:
            continue
    found = re.findall(r"https?://[^\s\"',|]+", "\n".join(addresses))
    hosts = {urlsplit(address).hostname or "" for address in found}
    return {host for host in hosts if "." in host and not host.startswith("127.")}


def findings(repo: Path, files: Iterable[Path], environ: Mapping[str, str] = os.environ) -> list[str]:
    """Return each forbidden text as `file:line: kind`; never the text itself, which may be a secret."""
    patterns = dict(PATTERNS)
    if hosts := hosts_of_this_machine(environ):
        patterns["package host of this machine"] = re.compile("|".join(map(re.escape, sorted(hosts))))
    home = environ.get("HOME", "")
    if home.count("/") > 1:
        patterns["home folder of this machine"] = re.compile(re.escape(home) + r"\b")
    return [problem for path in files for problem in _in_file(path, path.relative_to(repo), patterns)]


def _in_file(path: Path, name: Path, patterns: Mapping[str, re.Pattern[str]]) -> Iterator[str]:
    data = path.read_bytes()
    if len(data) > LARGEST_FILE:
        yield f"{name}:1: {len(data)} bytes; {LARGEST_FILE} at most"
    if b"\0" in data:
        return
    text = data.decode("utf-8", errors="replace")
    if LOCK_FILE.search(name.name) and re.search(r"https?:/" + "/", text):
        yield f"{name}:1: lock file with addresses"
    for number, line in enumerate(text.splitlines(), 1):
        if MADE_UP in line:
            continue
        for what, pattern in patterns.items():
            if pattern.search(line):
                yield f"{name}:{number}: {what}"
