#!/usr/bin/env bash
# Builds a torrent of DIR with each creator, three times in turn; prints wall, user, system seconds and peak memory.
# usage: create.sh DIR [P2PSHARE_BINARY]      needs mktorrent, transmission-cli, python3-libtorrent, time
set -u
dir=$(realpath "$1"); bin=${2:-p2pshare}; tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT
here=$(dirname "$(realpath "$0")")
t() { local n=$1; shift; rm -f "$tmp"/*.torrent; /usr/bin/time -f "$n wall=%e user=%U sys=%S rss=%MkB" "$@" >/dev/null 2>"$tmp/err"; tail -1 "$tmp/err"; }
find "$dir" -type f -exec cat {} + >/dev/null
for i in 1 2 3; do
  t mktorrent-v1 mktorrent -l 20 -t "$(nproc)" -o "$tmp/a.torrent" "$dir"
  t transmission-v1 transmission-create -s 1024 -o "$tmp/b.torrent" "$dir"
  t libtorrent-v1 /usr/bin/python3 "$here/lt_create.py" "$dir" "$tmp/c.torrent" v1
  t libtorrent-hybrid /usr/bin/python3 "$here/lt_create.py" "$dir" "$tmp/d.torrent" hybrid
  for f in v1 hybrid; do t "p2pshare-$f" env P2PSHARE_HOME="$tmp/home-$f" "$bin" publish --no-seed --format $f --piece-length 1MiB -o "$tmp/$f.torrent" "$dir"; done
done
