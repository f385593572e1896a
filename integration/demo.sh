#!/usr/bin/env bash
# Publishes a folder and fetches it by its magnet link as a second peer on this machine: demo.sh BINARY
# Uses only the loopback address, needs neither root nor internet, and leaves nothing behind.
set -euo pipefail
bin=$1
tmp=$(mktemp -d)
publisher=
finish() {
  code=$?
  if [ -n "$publisher" ]; then kill "$publisher" 2>/dev/null || true; wait "$publisher" 2>/dev/null || true; fi
  if [ "$code" -ne 0 ]; then sed 's/^/publisher: /' "$tmp"/publish.* 2>/dev/null >&2 || true; echo "demo: FAILED" >&2; fi
  rm -rf "$tmp"
}
trap finish EXIT
say() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n$ %s\n' "$*"; }

# No other machine is contacted: --peer gives each peer the address of the other.
export P2PSHARE_NO_DHT=true P2PSHARE_NO_LAN=true P2PSHARE_NO_UPNP=true P2PSHARE_LISTEN=127.0.0.1

port=
for try in $(seq 20000 20050); do
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$try") 2>/dev/null; then port=$try; break; fi
done
[ -n "$port" ] || { echo "no free port between 20000 and 20050" >&2; exit 1; }

cd "$tmp"
mkdir -p release/docs
head -c 8000000 /dev/urandom > release/app.tar.gz
head -c 300000 /dev/urandom > release/docs/manual.pdf
echo 'version 1.4' > release/README.txt
say 'ls -R release'
ls -R release

say "p2pshare publish --port $port ./release &"
"$bin" publish --home "$tmp/home-1" --port "$port" ./release >publish.out 2>publish.err &
publisher=$!
for _ in $(seq 300); do
  grep -q '^magnet:' publish.out && break
  kill -0 "$publisher" 2>/dev/null || { echo "publish ended early" >&2; exit 1; }
  sleep 0.1
done
magnet=$(grep -m1 '^magnet:' publish.out)
echo "$magnet"

say "p2pshare fetch --peer 127.0.0.1:$port -o downloads '$magnet'"
mkdir downloads
"$bin" fetch --home "$tmp/home-2" --peer "127.0.0.1:$port" -o downloads "$magnet" </dev/null

say 'diff -r release downloads/release && echo the same bytes'
diff -r release downloads/release
echo the same bytes
