#!/usr/bin/env bash
# Installs one pinned Go tool: tool.sh FOLDER MODULE@VERSION STAMP. The stamp's name contains the version, so that
# another pin installs again.
set -euo pipefail
folder=$1 module=$2 stamp=$3
mkdir -p "$folder"
name=$(basename "${module%@*}")
rm -f "$folder/$name"-*
if ! GOBIN=$folder GOFLAGS=-mod=mod "${GO:-go}" install "$module"; then
  echo "could not install $module from Go's module proxy ($("${GO:-go}" env GOPROXY))" >&2
  echo "if the proxy is unreachable, copy the binary $name to $folder and run: touch $stamp" >&2
  exit 1
fi
touch "$stamp"
