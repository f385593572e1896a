#!/usr/bin/env bash
# Runs go test -race and prints what it prints: gotest.sh TOOLS_FOLDER 'PACKAGES' [FLAG OF GO TEST...]
# A test that fails has failed: it is not run again.
set -euo pipefail
tools=$1 packages=$2
shift 2
CGO_ENABLED=1 P2PSHARE_TEST=all "$tools/gotestsum" --format standard-quiet --hide-summary skipped --packages "$packages" -- -race "$@"
