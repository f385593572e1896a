#!/usr/bin/env bash
# Runs the tests that make network namespaces, as root: the whole-program tests and those of their own
# tools. run.sh [FLAG OF GO TEST...]
# As another user it builds here and asks sudo for the run alone, so that no file of the build is root's.
set -euo pipefail
cd "$(dirname "$0")"
go=${GO:-go}
bin=$(cd .. && pwd)/p2pshare
# The programs wait for each other most of the time: more tests at once than cores.
set -- -race -count=1 "$@"
run() {
  if [ "$(id -u)" -eq 0 ]; then
    env CGO_ENABLED=1 P2PSHARE_BIN="$bin" "$go" test "$@"
    return
  fi
  command -v sudo >/dev/null || { echo "the whole-program tests make network namespaces: run this as root, or install sudo" >&2; exit 1; }
  env CGO_ENABLED=1 "$go" test -exec "sudo env P2PSHARE_BIN=$bin P2PSHARE_INTEROP_OUT=${P2PSHARE_INTEROP_OUT:-}" "$@"
}
case " $* " in
*" -run "*)
  run "$@" . ./netlab ./client ./wire
  ;;
*)
  # Passwords cost a second of a core each: beside them, tests that watch how rates are shared see nothing.
  private='^TestPrivate|^TestOutsiders|^TestScripts$/^private$'
  run "$@" -skip "$private" . ./netlab ./client ./wire
  run "$@" -run "$private" .
  ;;
esac
