# What package.sh and release.sh have in common. The same commit gives the same bytes, in whatever folder, by
# whatever user and on whatever day it is built, with the same version of Go.
# shellcheck shell=bash
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
go=${GO:-go}
version=${VERSION:-$(git -C "$root" describe --tags --always --dirty 2>/dev/null || echo devel)}
# The time of the commit stands for the time of the build. Outside a clone it has to be given.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$root" log -1 --format=%ct 2>/dev/null || true)}
[ -n "$SOURCE_DATE_EPOCH" ] || { echo "no clone here to take the time of the commit from: set SOURCE_DATE_EPOCH" >&2; exit 1; }
export SOURCE_DATE_EPOCH

# compile OS ARCH FILE [COMMAND]: a static binary, of p2pshare itself without COMMAND. Everything that a user's environment could change is set. The
# version is given with -X and not stamped by Go (-buildvcs=false): the stamp says whether the folder had
# changes at all, so that a clone, an export and a folder with a note in it would differ.
compile() {
  (cd "$root" && env -u GOEXPERIMENT GOFLAGS=-mod=readonly CGO_ENABLED=0 GOOS="$1" GOARCH="$2" GOAMD64=v1 GOARM64=v8.0 \
    "$go" build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$version" -o "$3" "./cmd/${4:-p2pshare}")
}

# papers FOLDER: what the program says of itself: man page and completions.
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

# freeze FOLDER: modes and times that do not depend on who builds when.
freeze() {
  find "$1" -type d -exec chmod 755 {} +
  find "$1" -type f -perm /111 -exec chmod 755 {} +
  find "$1" -type f ! -perm /111 -exec chmod 644 {} +
  find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
}
