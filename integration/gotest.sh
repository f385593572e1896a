#!/usr/bin/env bash
# Runs go test -race and prints what it prints: gotest.sh TOOLS_FOLDER 'PACKAGES' [FLAG OF GO TEST...]
# A test that fails beside nine others on a busy machine is run once more, alone, and a NOTICE tells so: what fails
# twice has failed, and a data race has at once.
set -euo pipefail
tools=$1 packages=$2
shift 2
again=$(mktemp)
trap 'rm -f "$again"' EXIT
code=0
CGO_ENABLED=1 "$tools/gotestsum" --format standard-quiet --hide-summary skipped --packages "$packages" --rerun-fails=1 \
  --rerun-fails-max-failures 4 --rerun-fails-abort-on-data-race --rerun-fails-run-root-test --rerun-fails-report "$again" \
  -- -race "$@" || code=$?
if [ -s "$again" ]; then
  sed 's/^/NOTICE: run again: /' "$again"
fi
exit "$code"
