# Shared by package.sh and release.sh. With the same version of Go the same commit gives the same bytes, in any folder,
# for any user and on any day.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
go=${GO:-go}
version=${VERSION:-$(git -C "$root" describe --tags --always --dirty 2>/dev/null || echo devel)}
# The time of the commit is used as the time of the build. Outside a clone it has to be given.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || true)}
[ -n "$SOURCE_DATE_EPOCH" ] || { echo "this is not a clone, so the time of the commit is unknown: set SOURCE_DATE_EPOCH" >&2; exit 1; }
export SOURCE_DATE_EPOCH

# compile OS ARCH FILE [COMMAND]: builds a static binary, by default of p2pshare. Everything that a user's environment
# could change is set. The version is passed with -X instead of stamped by Go (-buildvcs=false): the stamp says whether the
# folder had any changes, so that a clone, an export and a folder with an extra file would differ.
compile() {
  (cd "$root" && env -u GOEXPERIMENT GOFLAGS=-mod=readonly CGO_ENABLED=0 GOOS="$1" GOARCH="$2" GOAMD64=v1 GOARM64=v8.0 \
    "$go" build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$3" "./cmd/${4:-p2pshare}")
}

# papers FOLDER: writes what the programs print: man pages and completions.
papers() {
  local native=$1/.native shell
  mkdir -p "$1/completions"
  compile "$("$go" env GOHOSTOS)" "$("$go" env GOHOSTARCH)" "$native"
  "$native" man >"$1/p2pshare.1"
  for shell in bash zsh fish; do "$native" completion "$shell" >"$1/completions/p2pshare.$shell"; done
  compile "$("$go" env GOHOSTOS)" "$("$go" env GOHOSTARCH)" "$native" p2pshare-bench
  "$native" man >"$1/p2pshare-bench.1"
  rm "$native"
}

# freeze FOLDER: sets modes and times that do not depend on who builds it, and when.
freeze() {
  find "$1" -type d -exec chmod 755 {} +
  find "$1" -type f -perm /111 -exec chmod 755 {} +
  find "$1" -type f ! -perm /111 -exec chmod 644 {} +
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}
