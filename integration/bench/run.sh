#!/usr/bin/env bash
# Measures the figures of docs/benchmarks.md, with payloads of SCALE times 2 GB: run.sh BINARY SCALE [RUNS [FOLDER]]
# p2pshare-bench measures what it can, and writes tables, every run and plots to FOLDER; scripts measure the rest.
# Payloads and downloads are in memory (/dev/shm), so that no disk distorts the comparison; if there is too little memory,
# TMPDIR is used and the report says so.
set -euo pipefail
bin=$(realpath "$1") bench=$(realpath "$1")-bench scale=${2:-0.25} runs=${3:-3} out=${4:-dist/bench}
mkdir -p "$out"
out=$(realpath "$out")
here=$(dirname "$(realpath "$0")")
need=$(awk -v s="$scale" 'BEGIN { printf "%d", 2.1 * s * 3 * 1048576 + 300000 }') # KiB: source, copy, room for the swarm
base=/dev/shm
room=$(df --output=avail "$base" 2>/dev/null | tail -n 1 || echo 0)
if [ "${room:-0}" -lt "$need" ]; then
  base=${TMPDIR:-/tmp}
  echo "NOTICE: /dev/shm is too small for this scale: measuring on $base, including its disk"
fi
work=$(mktemp -d "$base/p2pshare-payload-XXXXXX")
trap 'rm -rf "$work"' EXIT
python=/usr/bin/python3

echo "# machine: $(nproc) cores, $(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo | head -n 1), $(uname -sr)"
echo "# p2pshare: $("$bin" version | head -n 1)"

mb() { awk -v s="$scale" -v n="$1" 'BEGIN { printf "%dMB", s * n + 1 }'; }
measure() { # NAME FLAG...
  local name=$1
  shift
  echo; echo "## p2pshare-bench $name $*"
  "$bench" "$name" --program "$bin" --runs "$runs" --report "$out/$name.json" "$@" | tee "$out/$name.md"
}
measure build --size "$(mb 2000)"
if [ "$(id -u)" -ne 0 ]; then
  echo "NOTICE: transfers were not measured: network namespaces need root"
  exit 1
fi
measure link --size "$(mb 2000)"
measure swarm --svg "$out/swarm.svg"
measure webseed --size "$(mb 1000)" --svg "$out/webseed.svg"
measure reuse --size "$(mb 1000)"

"$python" "$here/make_release.py" "$work/release" "$scale"
echo "# payload: $(du -sm --apparent-size "$work/release" | cut -f1) MiB in $(find "$work/release" -type f | wc -l) files"

echo; echo "## time to the first bytes on a LAN (first_byte.py)"
"$python" "$here/first_byte.py" --p2pshare "$bin" --runs 20

echo; echo "## what a daemon adds to a transfer (daemon_transfer.py)"
"$python" "$here/daemon_transfer.py" "$work/release" --p2pshare "$bin" --runs 5

echo; echo "## an idle daemon with a thousand shares (daemon_idle.py)"
"$python" "$here/daemon_idle.py" --p2pshare "$bin"

echo; echo "## the next release (reuse.py)"
"$python" "$here/reuse.py" --p2pshare "$bin" --size "$(awk -v s="$scale" 'BEGIN { printf "%d", 1000 * s }')" --work "$work/reuse"

echo; echo "## a share of 100,000 small files (many_files.py)"
"$python" "$here/many_files.py" --p2pshare "$bin"
