#!/usr/bin/env bash
# Runs the tests that make network namespaces, as root: the whole-program tests and those of their own
# tools. run.sh TOOLS_FOLDER [FLAG OF GO TEST...]
# As another user it builds here and asks sudo for the run alone, so that no file of the build is root's.
set -euo pipefail
cd "$(dirname "$0")"
go=${GO:-go} tools=$1
shift
bin=$(cd .. && pwd)/p2pshare
set -- -count=1 "$@"
if [ "$(id -u)" -eq 0 ]; then
  export P2PSHARE_BIN="$bin"
elif command -v sudo >/dev/null; then
  set -- -exec "sudo env P2PSHARE_TEST=all P2PSHARE_BIN=$bin P2PSHARE_INTEROP_OUT=${P2PSHARE_INTEROP_OUT:-} P2PSHARE_SOAK=${P2PSHARE_SOAK:-}" "$@"
else
  echo "the whole-program tests make network namespaces: run this as root, or install sudo" >&2
  exit 1
fi
case " $* " in
*" -run "*)
  CGO_ENABLED=1 P2PSHARE_TEST=all "$go" test -race "$@" . ./netlab ./client ./wire
  ;;
*)
  # Passwords cost a second of a core each: beside them, tests that watch how rates are shared see nothing.
  private='^TestPrivate|^TestSoak$|^TestOutsiders|^TestScripts$/^private$'
  ./gotest.sh "$tools" ". ./netlab ./client ./wire" "$@" -skip "$private"
  ./gotest.sh "$tools" . "$@" -run "$private"
  ;;
esac
