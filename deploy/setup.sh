#!/bin/sh
# Makes .venv with everything that `make` needs: a Python >= 3.12 that really runs, uv, the package with its extras.
# `make setup` calls this before most verbs, so a second call with nothing changed must cost next to nothing.
#
#   PYTHON      the interpreter to use (default: the first one found that runs and is new enough)
#   AEL_EXTRAS  extras to install (default: engine,dev)
set -eu

cd "$(dirname "$0")/.."
extras=${AEL_EXTRAS:-engine,dev}
stamp_file=.venv/.setup-stamp
python_file=.venv/.setup-python

say() { printf 'setup: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# What the environment was made from. The folder is part of it because scripts in .venv carry its absolute path.
stamp() {
    printf '%s\n' "$PWD" "$extras"
    cksum pyproject.toml deploy/setup.sh
}
# Whether the environment was made from the interpreter that PYTHON asks for; without PYTHON, any will do.
asked_for() {
    [ -z "${PYTHON:-}" ] || [ "$(cat "$python_file" 2>/dev/null)" = "$(command -v "$PYTHON")" ]
}
up_to_date() {
    [ -x .venv/bin/python ] && [ -x .venv/bin/ael ] && [ -f "$stamp_file" ] && asked_for \
        && [ "$(cat "$stamp_file")" = "$(stamp)" ]
}
up_to_date && exit 0

# Two verbs started at once must not both fill .venv. Without flock (macOS) the second one is on its own.
if command -v flock >/dev/null 2>&1; then
    exec 9>.venv.lock
    flock -n 9 || { say "waiting for another setup of this folder"; flock 9; }
    up_to_date && exit 0
fi

seen_old=''
seen_bare=''

# A command on PATH proves nothing: a pyenv shim exists for every version ever installed and fails when run, and
# Debian's python3 comes without the module that makes environments. So ask the interpreter itself.
usable() {
    version=$("$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null </dev/null) || return 1
    case $version in
        3.1[2-9].* | 3.[2-9][0-9].*) ;;
        *) case $seen_old in *" $version"*) ;; *) seen_old="$seen_old $version" ;; esac; return 1 ;;
    esac
    "$1" -c 'import ssl, sqlite3' 2>/dev/null </dev/null || return 1
    [ -n "$uv" ] || "$1" -c 'import venv, ensurepip' 2>/dev/null </dev/null || { seen_bare=$1; return 1; }
}

newest_first() {  # the folders among the arguments, by version number
    for folder in "$@"; do
        if [ -d "$folder" ]; then printf '%s\n' "$folder"; fi
    done | { sort -rV 2>/dev/null || sort -r; }
}

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        usable "$PYTHON" && { command -v "$PYTHON"; return; }
        return 1
    fi
    for name in python3.14 python3.13 python3.12 python3; do
        found=$(command -v "$name" 2>/dev/null) || continue
        case $found in "$PWD"/.venv/*) continue ;; esac  # activated, and about to be replaced
        usable "$found" && { echo "$found"; return; }
    done
    IFS='
'
    pyenv=${PYENV_ROOT:-$HOME/.pyenv}
    managed=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}
    for folder in \
        $(newest_first "$pyenv"/versions/3.*) $(newest_first "$managed"/cpython-3.*) \
        /usr /usr/local /opt/homebrew /opt/local; do
        for name in python3.14 python3.13 python3.12 python3; do
            [ -x "$folder/bin/$name" ] && usable "$folder/bin/$name" && { echo "$folder/bin/$name"; return; }
        done
    done
    return 1
}

advise() {
    [ -z "${PYTHON:-}" ] || die "PYTHON=$PYTHON is not a Python >= 3.12 that runs${seen_old:+ (it is$seen_old)}"
    say "no Python >= 3.12 that runs was found${seen_old:+ (only:$seen_old)}."
    if [ -n "$seen_bare" ]; then
        say "$seen_bare is new enough but cannot make environments; on Debian and Ubuntu: apt install python3-venv"
    fi
    cat >&2 <<'HINT'
  Debian 13, Ubuntu 24.04 or later:  sudo apt install python3 python3-venv
  Debian 12, Ubuntu 22.04:           pyenv install 3.13      or   uv python install 3.13
  Fedora:                            sudo dnf install python3.13
  macOS:                             brew install python@3.13
  One that is somewhere else:        make setup PYTHON=/path/to/python3.13
HINT
    exit 1
}

# Runs a command with its output kept back, a ticking line on a terminal, and the output shown only if it fails.
quietly() {
    label=$1; shift
    log=.venv/.setup-log
    started=$(date +%s)
    "$@" >"$log" 2>&1 </dev/null &
    job=$!
    trap 'kill "$job" 2>/dev/null; exit 130' INT TERM
    while [ -t 2 ] && kill -0 "$job" 2>/dev/null; do
        printf '\rsetup: %s ... %s s' "$label" "$(($(date +%s) - started))" >&2
        sleep 0.5
    done
    status=0; wait "$job" || status=$?
    trap - INT TERM
    if [ -t 2 ]; then printf '\r\033[K' >&2; fi
    if [ "$status" = 0 ]; then
        say "$label: $(($(date +%s) - started)) s"
    else
        tail -n 30 "$log" >&2
        say "$label: failed"
    fi
    return "$status"
}

uv=''
for candidate in "$(command -v uv 2>/dev/null || true)" .venv/bin/uv; do
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then uv=$candidate; break; fi
done

# An environment that still works is kept: a new dependency then takes a second, not a rebuild.
reuse=no
if [ -x .venv/bin/python ] && usable .venv/bin/python; then
    if asked_for && [ "$(sed -n 1p "$stamp_file" 2>/dev/null)" = "$PWD" ]; then reuse=yes; fi
fi
if [ "$reuse" = no ]; then
    case $uv in .venv/*) uv='' ;; esac
    # The search runs in a subshell, so on failure it is repeated here for what it saw on the way.
    python=$(find_python) || { seen_old=''; find_python >/dev/null 2>&1 || true; advise; }
    say "Python $("$python" -c 'import platform; print(platform.python_version())') at $python"
    rm -rf .venv
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --python "$python" .venv
    else
        "$python" -m venv .venv
    fi
    printf '%s\n' "$python" >"$python_file"
fi
rm -f "$stamp_file"
if [ -z "$uv" ]; then
    quietly "fetching uv" .venv/bin/python -m pip install --quiet --disable-pip-version-check uv \
        || die "pip could not fetch uv; is the package index reachable?"
    uv=.venv/bin/uv
fi

# uv does not read pip's settings; hand over the ones a closed network sets: pip's variables, else its files.
find_pip() {  # an interpreter that has pip; uv makes environments without it
    for candidate in .venv/bin/python "$(cat "$python_file" 2>/dev/null)" python3; do
        if "$candidate" -m pip --version >/dev/null 2>&1 </dev/null; then echo "$candidate"; return; fi
    done
}
# From `pip config list`, because `pip config get` reads the user's file alone; a list of values comes on one line.
pip_setting() {
    printf '%s\n' "$pip_settings" | sed -n "s/^global\.$1='\(.*\)'\$/\1/p" | sed 's/\\n/ /g' | xargs
}
pip=$(find_pip)
pip_settings=$([ -z "$pip" ] || "$pip" -m pip config list 2>/dev/null </dev/null || true)
index=${UV_DEFAULT_INDEX:-${UV_INDEX_URL:-${PIP_INDEX_URL:-$(pip_setting index-url)}}}
[ -z "$index" ] || export UV_DEFAULT_INDEX="$index"
certificates=${SSL_CERT_FILE:-${PIP_CERT:-$(pip_setting cert)}}
[ -z "$certificates" ] || export SSL_CERT_FILE="$certificates"
links=${UV_FIND_LINKS:-$(echo "${PIP_FIND_LINKS:-$(pip_setting find-links)}" | xargs | tr ' ' ',')}
[ -z "$links" ] || export UV_FIND_LINKS="$links"

quietly "installing ael-otel[$extras]" "$uv" pip install --python .venv/bin/python -e ".[$extras]" \
    || die "the packages above could not be installed"
stamp >"$stamp_file"
