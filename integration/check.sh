#!/usr/bin/env bash
# Runs all checks that do not run the program: check.sh TOOLS_FOLDER
set -euo pipefail
tools=$1 go=${GO:-go}
cd "$(dirname "$0")/.."

echo "check: gofmt"
bad=$(git ls-files -co --exclude-standard '*.go' | while read -r f; do [ ! -e "$f" ] || echo "$f"; done | xargs -r gofmt -l)
[ -z "$bad" ] || { printf 'gofmt would change:\n%s\n' "$bad" >&2; exit 1; }

echo "check: go vet"
"$go" vet ./...
(cd internal/goutp && "$go" vet ./...)
GOOS=windows "$go" build ./... || { echo "does not build for Windows" >&2; exit 1; }
GOOS=darwin "$go" build ./... || { echo "does not build for macOS" >&2; exit 1; }

echo "check: staticcheck"
"$tools/staticcheck" ./...
(cd internal/goutp && "$tools/staticcheck" ./...)

echo "check: house rules"
"$go" test ./integration/house

echo "check: govulncheck"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
code=0
"$tools/govulncheck" ./... >"$out" 2>&1 || code=$?
if [ "$code" -eq 0 ]; then
  tail -n 1 "$out"
elif grep -qE '^govulncheck: fetching vulnerabilities' "$out"; then
  echo "NOTICE: govulncheck did NOT run, because it cannot reach its database from this machine. The modules were not"
  echo "NOTICE: checked for known vulnerabilities. Run make check where vuln.go.dev is reachable before a release."
else
  cat "$out" >&2
  exit "$code"
fi
echo "check: done"
