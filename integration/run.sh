#!/usr/bin/env bash
# Runs the tests that make network namespaces, as root: the whole-program tests and the tests of their tools.
# run.sh TOOLS_FOLDER [FLAG OF GO TEST...]
# As another user it builds without root and uses sudo only for the run, so that root owns no build files.
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
  # Each password takes a second of a core, which would disturb tests that measure how rates are shared.
  private='^TestPrivate|^TestSoak$|^TestOutsiders|^TestScripts$/^private$'
  ./gotest.sh "$tools" ". ./netlab ./client ./wire" "$@" -skip "$private"
  ./gotest.sh "$tools" . "$@" -run "$private"
  ;;
esac
