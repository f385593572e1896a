#!/usr/bin/env bash
# Builds the packages and archives, and checks them as their users would: package.sh NFPM
# Needs root, or sudo, to install into a separate root. Nothing on this machine is changed. With COLD=1 the second of the
# two builds starts without Go's cache, which takes some minutes.
set -euo pipefail
nfpm=$(realpath "$1")
cd "$(dirname "$0")/.."
arch=$("${GO:-go}" env GOHOSTARCH)
sudo=()
[ "$(id -u)" -eq 0 ] || sudo=(sudo)
work=$(mktemp -d)
trap '"${sudo[@]}" rm -rf "$work"' EXIT
export VERSION=v9.8.7 SOURCE_DATE_EPOCH=1700000000

say() { echo "package: $*"; }
die() { echo "package: $*" >&2; exit 1; }
has() { grep -qE -- "$2" <<<"$1" || die "$3: want $2 in:"$'\n'"$1"; }
sources() { mkdir -p "$1" && git ls-files -z -co --exclude-standard | while IFS= read -rd '' f; do [ ! -e "$f" ] || printf '%s\0' "$f"; done | tar --null -T - -cf - | tar -xf - -C "$1"; }

say "building in two folders, for two users"
sources "$work/one"
sources "$work/two/in/a much longer place"
two="$work/two/in/a much longer place"
"$work/one/packaging/release.sh" "$work/dist1" "linux/$arch" windows/amd64 >/dev/null
"$work/one/packaging/package.sh" "$nfpm" "$work/dist1" "$arch" >/dev/null
(
  umask 077
  unset LC_ALL
  export TZ=Asia/Kathmandu LANG=de_DE.UTF-8 GOFLAGS=-modcacherw GOAMD64=v2 CGO_ENABLED=1
  [ -z "${COLD:-}" ] || export GOCACHE=$work/cache
  mkdir -p "$work/dist2"
  "$two/packaging/release.sh" "$work/dist2" "linux/$arch" windows/amd64 >/dev/null
  "$two/packaging/package.sh" "$nfpm" "$work/dist2" "$arch" >/dev/null
)
diff -r "$work/dist1" "$work/dist2" || die "the two builds differ"
(cd "$work/dist1" && sha256sum --quiet -c SHA256SUMS)
[ "$(wc -l <"$work/dist1/SHA256SUMS")" -eq 2 ] || die "SHA256SUMS: want two lines"

say "the archives"
list=$(tar -tvzf "$work/dist1/p2pshare-v9.8.7-linux-$arch.tar.gz")
for f in 'p2pshare$' 'p2pshare-bench$' p2pshare-bench.1 README.md LICENSE docs/SPEC.md p2pshare.1 completions/p2pshare.fish systemd/user/p2pshare.service; do
  has "$list" " 0/0 .* 2023-11-14 22:13 p2pshare-v9.8.7-linux-$arch/$f" archive
done
tar -xzf "$work/dist1/p2pshare-v9.8.7-linux-$arch.tar.gz" -C "$work"
has "$("$work/p2pshare-v9.8.7-linux-$arch/p2pshare" version)" '^p2pshare v9\.8\.7 ' version
has "$(strings -n 8 "$work/p2pshare-v9.8.7-linux-$arch/p2pshare" | grep -cF "$work" || true)" '^0$' "the folder it was built in"
unzip -q -d "$work" "$work/dist1/p2pshare-v9.8.7-windows-amd64.zip"
[ "$(head -c2 "$work/p2pshare-v9.8.7-windows-amd64/p2pshare.exe")" = MZ ] || die "the Windows archive contains no program"

say "the Debian package"
deb=$work/dist1/p2pshare_9.8.7_$arch.deb
has "$(dpkg-deb -I "$deb")" 'Version: 9\.8\.7$' control
list=$(dpkg-deb -c "$deb")
for f in usr/bin/p2pshare usr/bin/p2pshare-bench usr/share/man/man1/p2pshare{,-bench}.1.gz usr/share/bash-completion/completions/p2pshare \
  usr/share/zsh/vendor-completions/_p2pshare usr/share/fish/vendor_completions.d/p2pshare.fish usr/share/doc/p2pshare/copyright \
  lib/systemd/system/p2pshare.{service,socket} usr/lib/systemd/user/p2pshare.{service,socket} usr/lib/sysusers.d/p2pshare.conf; do
  has "$list" " root/root .* \./$f\$" contents
done
lintian --allow-root --fail-on error,warning "$deb" || die "lintian complains"

say "installing into a separate root, and removing"
fresh=$work/root
mkdir -p "$fresh"/{bin,etc,run,tmp,var/lib/dpkg/{info,updates}}
touch "$fresh/var/lib/dpkg/status" "$fresh/etc/passwd" "$fresh/etc/group"
for f in /bin/sh $(ldd /bin/sh | grep -oE '/[^ ]+'); do
  mkdir -p "$fresh$(dirname "$f")"
  cp -L "$f" "$fresh$f"
done
dpkg() { "${sudo[@]}" env PATH="$PATH:/usr/sbin:/sbin" dpkg --root="$fresh" --log="$work/dpkg.log" "$@" >"$work/out" 2>&1 || die "dpkg $*: $(cat "$work/out")"; }
dpkg -i "$deb"
has "$("${sudo[@]}" chroot "$fresh" /usr/bin/p2pshare version)" '^p2pshare v9\.8\.7 ' "in its root"
"${sudo[@]}" systemd-sysusers --root="$fresh" p2pshare.conf 2>/dev/null
has "$(cat "$fresh/etc/passwd")" '^p2pshare:.*:/var/lib/p2pshare:' "the service's user"
"${sudo[@]}" systemd-tmpfiles --root="$fresh" --create p2pshare.conf
has "$("${sudo[@]}" stat -c %a "$fresh/var/lib/p2pshare")" '^700$' "the mode of its home"
dpkg -i "$deb" # an upgrade
dpkg -P p2pshare
left=$("${sudo[@]}" find "$fresh" -name '*p2pshare*' ! -path '*/var/lib/*' | head)
[ -z "$left" ] || die "still there after a purge: $left"
"${sudo[@]}" test -d "$fresh/var/lib/p2pshare" || die "a purge removed shared files"

say "the units"
dpkg-deb -x "$deb" "$work/units"
mkdir -m 700 "$work/run"
for kind in system user; do
  dir=$work/units/lib/systemd/system scope=()
  [ $kind = system ] || { dir=$work/units/usr/lib/systemd/user scope=(--user); }
  sed -i "s|/usr/bin/p2pshare|$work/units/usr/bin/p2pshare|" "$dir/p2pshare.service"
  out=$(XDG_RUNTIME_DIR=$work/run systemd-analyze verify "${scope[@]}" --man=no "$dir/p2pshare.service" "$dir/p2pshare.socket" 2>&1) || die "$kind: $out"
  [ -z "$out" ] || die "$kind: $out"
done
# systemd rates up to 2.0 of 10 as OK; an ordinary service has 9.6.
out=$(systemd-analyze security --offline=yes --threshold=20 "$work/units/lib/systemd/system/p2pshare.service" 2>&1) || die "the service is allowed too much: $out"

say "the container's files"
image=$work/image
grep -qx 'FROM scratch' "$work/dist1/container/Containerfile" || die "the image is not built from scratch"
grep '^COPY ' "$work/dist1/container/Containerfile" | while read -r _ from to; do
  mkdir -p "$image$(dirname "$to")"
  cp "$work/dist1/container/$from" "$image$to"
done
mkdir -p "$image/data/release"
echo hello >"$image/data/release/a"
has "$("${sudo[@]}" chroot "$image" /p2pshare publish /data/release --no-seed --home /data/home --alone --quiet)" '^magnet:' "in the image"
has "$(grep -c 'BEGIN CERTIFICATE' "$image/etc/ssl/certs/ca-certificates.crt")" '^[0-9]{2,}$' certificates
say done
