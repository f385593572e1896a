#!/usr/bin/env bash
# Prints the output of failed tests, from the log of a run of make test: failures.sh LOG
# At most 60 lines of each, the first and the last ones, so that the end of a run is enough to understand it. If something
# other than a test failed, it prints the end of the log.
set -euo pipefail
awk '
  function flush(  i) {
    if (!open) return
    while (n > 0 && line[n] ~ /^[[:space:]]*$/) n--
    for (i = 1; i <= n; i++) {
      if (n > 60 && i == 21) {
        print "    [" n - 60 " lines left out]"
        i += n - 60
      }
      print substr(line[i], 1, 1000)
    }
    print ""
    open = n = 0
  }
  /^DONE [0-9]+ tests?/ { flush(); failed = 0; next }
  /^=== (Failed|Errors)$/ { flush(); failed = 1; any = 1; if ($2 == "Failed") next }
  failed && /^=== (FAIL: |Errors$)/ {
    flush()
    if (++tests > 20) { left++; next }
    open = 1
  }
  open { line[++n] = $0 }
  { last[NR % 60] = $0 }
  END {
    flush()
    if (left) print "[" left " more failed]"
    if (any) exit
    for (i = NR > 60 ? NR - 59 : 1; i <= NR; i++) print substr(last[i % 60], 1, 1000)
  }
' "$1"
