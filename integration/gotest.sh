#!/usr/bin/env bash
# Runs go test -race and prints its output: gotest.sh TOOLS_FOLDER 'PACKAGES' [FLAG OF GO TEST...]
# Failed tests are not run again.
set -euo pipefail
tools=$1 packages=$2
shift 2
CGO_ENABLED=1 P2PSHARE_TEST=all "$tools/gotestsum" --format standard-quiet --hide-summary skipped --packages "$packages" -- -race "$@"
