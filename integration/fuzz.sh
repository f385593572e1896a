#!/usr/bin/env bash
# Runs every fuzz target of the module in turn: fuzz.sh TIME_EACH
set -euo pipefail
each=$1 go=${GO:-go} n=0
cd "$(dirname "$0")/.."
while IFS=: read -r file target; do
  dir=./$(dirname "$file")
  echo "fuzz: $dir $target for $each"
  "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "$dir"
  n=$((n + 1))
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/:func /:/')
[ "$n" -gt 0 ] || { echo "no fuzz target found" >&2; exit 1; }
echo "fuzz: $n targets passed"
