#!/usr/bin/env bash
# release.sh FOLDER [OS/ARCH...]: makes archives of the static binary for every system, and SHA256SUMS.
source "$(dirname "$0")/lib.sh"
out=$(mkdir -p "$1" && cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
papers "$work/papers"

archives=()
for target in "$@"; do
  os=${target%/*} arch=${target#*/}
  name=p2pshare-$version-$os-$arch
  dir=$work/$name
  mkdir -p "$dir/docs"
  cp "$root/LICENSE" "$root/README.md" "$dir/"
  cp "$root/docs/SPEC.md" "$dir/docs/"
  if [ "$os" = windows ]; then
    compile "$os" "$arch" "$dir/p2pshare.exe"
    freeze "$dir"
    (cd "$work" && find "$name" | sort | zip -q -X -9 -@ "$work/$name.zip")
    archive=$name.zip
  else
    compile "$os" "$arch" "$dir/p2pshare"
    cp -r "$work/papers/p2pshare.1" "$work/papers/completions" "$dir/"
    if [ "$os" = linux ]; then
      cp -r "$root/packaging/systemd" "$dir/"
      compile "$os" "$arch" "$dir/p2pshare-bench" p2pshare-bench
      cp "$work/papers/p2pshare-bench.1" "$dir/"
    fi
    freeze "$dir"
    tar -C "$work" --format=gnu --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" -cf - "$name" | gzip -9n >"$work/$name.tar.gz"
    archive=$name.tar.gz
  fi
  mv "$work/$archive" "$out/"
  archives+=("$archive")
  echo "made $out/$archive"
done
(cd "$out" && printf '%s\n' "${archives[@]}" | sort | xargs sha256sum >SHA256SUMS)
echo "made $out/SHA256SUMS, with $("$go" env GOVERSION)"
