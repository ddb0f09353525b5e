#!/bin/sh
# Gives a clean Debian 12 what the container tests need: Docker Engine with its daemon running, the Compose plugin, Go.
# Run as root. Changes nothing that already works, so a second call is quick.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
plugins=/usr/local/lib/docker/cli-plugins
go_version=1.26.8
say() { printf 'install-docker: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

[ "$(id -u)" = 0 ] || die "must run as root: it installs packages and starts a daemon"

apt_updated=
install_package() {
    [ -n "$apt_updated" ] || { apt-get update -qq; apt_updated=1; }
    say "installing $*"
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}

daemon_answers() { docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# A package's start script starts the daemon where there is an init system; elsewhere it is started here.
start_daemon() {
    daemon_answers && return 0
    command -v dockerd >/dev/null || return 1
    log=$(mktemp -d)/dockerd.log
    say "starting dockerd, log in $log"
    setsid dockerd >"$log" 2>&1 </dev/null &
    for _ in $(seq 60); do
        daemon_answers && return 0
        sleep 0.5
    done
    tail -n 20 "$log" >&2
    return 1
}

ensure_docker() {
    daemon_answers && return 0
    command -v dockerd >/dev/null && command -v docker >/dev/null || install_package docker.io iptables ca-certificates
    start_daemon || die "the Docker daemon does not start; its last lines are above"
}

# Go 1.21 or newer reads the version that a recipe needs from its go.mod, and fetches it if GOTOOLCHAIN allows.
go_is_usable() {
    command -v go >/dev/null && (cd "$root/deploy/images/loki" && go list -m >/dev/null 2>&1)
}

# Debian 12's own Go is too old for the recipes and for switching by itself, but it can fetch the toolchain, which is a
# module like any other and checked like one. Module files are stored without the right to execute.
fetch_go() {
    command -v go >/dev/null || install_package golang-go ca-certificates
    toolchain=golang.org/toolchain@v0.0.1-go$go_version.linux-$(dpkg --print-architecture)
    say "fetching Go $go_version"
    folder=$(cd "$(mktemp -d)" && go mod download -json "$toolchain" | sed -n 's|.*"Dir": "\(.*\)".*|\1|p')
    [ -n "$folder" ] || die "Go $go_version cannot be fetched: install it in /usr/local/go"
    cp -R "$folder" /usr/local/go
    chmod -R u+w /usr/local/go
    chmod +x /usr/local/go/bin/* /usr/local/go/pkg/tool/*/*
}

ensure_go() {
    PATH=/usr/local/go/bin:$PATH
    export PATH
    go_is_usable && return 0
    GOTOOLCHAIN=auto go_is_usable && { export GOTOOLCHAIN=auto; return 0; }
    [ ! -e /usr/local/go ] || die "/usr/local/go is older than the recipes need ($go_version): replace it"
    fetch_go
    hash -r
    go_is_usable || die "Go $go_version was fetched into /usr/local/go and does not run"
}

ensure_compose() {
    docker compose version >/dev/null 2>&1 && return 0
    ensure_go
    say "building the Compose plugin from its Go module (about half a minute)"
    mkdir -p "$plugins"
    version=$(sed -n 's|^.*github.com/docker/compose/v5 \(v[^ ]*\).*|\1|p' "$root/deploy/images/compose/go.mod")
    (cd "$root/deploy/images/compose" && CGO_ENABLED=0 go build -trimpath -buildvcs=false \
        -ldflags "-s -w -X github.com/docker/compose/v5/internal.Version=$version" \
        -o "$plugins/docker-compose" github.com/docker/compose/v5/cmd)
    docker compose version >/dev/null || die "the Compose plugin was built and Docker does not find it in $plugins"
}

ensure_docker
ensure_compose
ensure_go
say "Docker $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short), $(go version)"
