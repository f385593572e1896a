#!/usr/bin/env bash
# Runs every fuzz target of the module in turn, and prints how often each was executed: fuzz.sh TIME_EACH
set -euo pipefail
each=$1 go=${GO:-go} n=0
cd "$(dirname "$0")/.."
out=$(mktemp) all=$(mktemp)
trap 'rm -f "$out" "$all"' EXIT
while IFS=: read -r file target; do
  dir=./$(dirname "$file")
  echo "fuzz: $dir $target for $each"
  # Without a limit, minimizing inputs would take most of a short time.
  "$go" test -run '^$' -fuzz "^$target\$" -fuzztime "$each" -fuzzminimizetime 20x "$dir" | tee "$out"
  printf '%12s  %s %s\n' "$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$out" | tail -n 1)" "$dir" "$target" >>"$all"
  n=$((n + 1))
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/:func /:/')
[ "$n" -gt 0 ] || { echo "no fuzz target found" >&2; exit 1; }
echo 'fuzz: executions of each target'
cat "$all"
awk -v n="$n" '{ sum += $1 } END { printf "fuzz: %d targets passed, %d executions\n", n, sum }' "$all"
