#!/usr/bin/env bash
# package.sh NFPM FOLDER [ARCH...]: makes Debian packages, and the folder that a container image is built from.
source "$(dirname "$0")/lib.sh"
nfpm=$1 out=$(mkdir -p "$2" && cd "$2" && pwd)
shift 2
[ $# -gt 0 ] || set -- amd64 arm64
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Debian versions start with a digit and sort by their parts; builds that are not releases sort before the first release.
case $version in
  v[0-9]*) deb=${version#v} deb=${deb//-/+} ;;
  [0-9]*.*) deb=${version//-/+} ;;
  *) deb=0~$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)+${version//[^0-9A-Za-z.]/.} ;;
esac

papers "$work"
gzip -9n "$work/p2pshare.1" "$work/p2pshare-bench.1"
printf 'p2pshare (%s) unstable; urgency=medium\n\n  * https://github.com/p2pshare/p2pshare/releases\n\n -- The p2pshare project <p2pshare@users.noreply.github.com>  %s\n' \
  "$deb" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$work/changelog.gz"
cp -r "$root/packaging/systemd" "$root/packaging/deb" "$root/README.md" "$root/docs/SPEC.md" "$work/"
mkdir -p "$work/empty"
freeze "$work"
for arch in "$@"; do
  compile linux "$arch" "$work/p2pshare"
  compile linux "$arch" "$work/p2pshare-bench" p2pshare-bench
  freeze "$work"
  (cd "$work" && VERSION=$deb ARCH=$arch "$nfpm" package --config "$root/packaging/nfpm.yaml" --packager deb --target "$out/p2pshare_${deb}_$arch.deb" >/dev/null)
  echo "made $out/p2pshare_${deb}_$arch.deb"
done

# The image has the binary and the certificates that Debian trusts, without which https does not work. They come from the
# build machine, and are as old as the image.
roots=/etc/ssl/certs/ca-certificates.crt
[ -s "$roots" ] || { echo "no $roots on this machine: install ca-certificates" >&2; exit 1; }
mkdir -p "$out/container"
compile linux "$("$go" env GOHOSTARCH)" "$out/container/p2pshare"
install -m 644 "$roots" "$out/container/ca-certificates.crt"
install -m 644 "$root/packaging/Containerfile" "$out/container/Containerfile"
freeze "$out/container"
echo "made $out/container: podman build -t p2pshare $out/container"
