#!/usr/bin/env bash
# Installs the clients and tools that the tests and benchmarks use, from Debian packages. Does nothing if all are
# installed. With the argument interop it includes the clients that only make interop uses. If some cannot be installed,
# it prints their names and fails: a test is never skipped.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ]; }

missing=()
need() { have "$1" || missing+=("$2"); } # command, package
need aria2c aria2
need transmission-daemon transmission-daemon
need transmission-remote transmission-cli
need mktorrent mktorrent
need nginx nginx-light
need ip iproute2
need tc iproute2
need zsh zsh
need fish fish
need script bsdutils
need gcc gcc
need tcpdump tcpdump
need age age
need mkfs.btrfs btrfs-progs
need curl curl
need ps procps
need systemd-analyze systemd
need nft nftables
need lintian lintian
need zip zip
need unzip unzip
need strings binutils
[ -s /etc/ssl/certs/ca-certificates.crt ] || missing+=(ca-certificates)
[ -x /usr/bin/time ] || missing+=(time)
/usr/bin/python3 -c 'import libtorrent' >/dev/null 2>&1 || missing+=(python3-libtorrent)
# Clients of the full matrix, which start too slowly for every test run.
if [ "${1-}" = interop ]; then
  need qbittorrent-nox qbittorrent-nox
  need deluged deluged
  need deluge-console deluge-console
  need rtorrent rtorrent
  need node nodejs
  need npm npm
fi
# The race detector links against the C library.
[ -e /usr/include/stdlib.h ] || missing+=(libc6-dev)

# WebTorrent comes from npm, without its native parts.
webtorrent() {
  [ "${1-}" = interop ] || return 0
  local here to
  here=$(cd "$(dirname "$0")" && pwd) to=$(cd "$(dirname "$0")/.." && pwd)/.tools/webtorrent
  mkdir -p "$to"
  cp -r "$here/client/webtorrent/." "$to/"
  [ -d "$to/node_modules/webtorrent" ] && cmp -s "$to/package.json" "$to/installed" && return 0
  (cd "$to" && npm install --omit=optional --ignore-scripts --no-audit --no-fund) || {
    echo "could not install WebTorrent from npm's registry ($(npm config get registry))" >&2
    exit 1
  }
  cp "$to/package.json" "$to/installed"
}

if [ ${#missing[@]} -eq 0 ]; then
  webtorrent "$@"
  exit 0
fi
mapfile -t missing < <(printf '%s\n' "${missing[@]}" | sort -u)

if ! have apt-get; then
  echo "the tests need these Debian packages: ${missing[*]}" >&2
  echo "this machine has no apt-get: install them manually, then run make again" >&2
  exit 1
fi
sudo=()
if [ "$(id -u)" -ne 0 ]; then
  if ! have sudo; then
    echo "the tests need the Debian packages ${missing[*]}; as root: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  sudo=(sudo)
fi

# The packages of nginx and Transmission start a service when they are installed. The tests start
# their own, in namespaces; a service on this machine would be an unwanted side effect.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
  "${sudo[@]}" chmod 755 "$policy"
  made_policy=1
fi
cleanup() { [ -z "$made_policy" ] || "${sudo[@]}" rm -f "$policy"; }
trap cleanup EXIT

apt() { "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o Dpkg::Options::=--force-confold "$@" </dev/null; }
echo "installing for the tests: ${missing[*]}"
if ! apt install --no-install-recommends "${missing[@]}"; then
  # The package lists may be missing or old: fetch them and try again.
  apt update
  apt install --no-install-recommends "${missing[@]}"
fi
webtorrent "$@"
