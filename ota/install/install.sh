#!/bin/sh
# Installs the release that this script lies in on Raspberry Pi OS (or another Debian), as root:
#
#   tar -xzf touchline-1.0.0-linux-arm64.tar.gz -C /tmp/touchline && sudo /tmp/touchline/install/install.sh --config node.yml
#
# Later versions come by the updater. Run again it installs again: what is configured stays as it is. With DESTDIR set it only lays
# files below that folder, for building an image.
set -eu

usage() {
  cat <<'TEXT'
Usage: install.sh [--config FILE] [--key LINE] [--no-start]
  --config FILE   becomes /etc/touchline/node.yml
  --key LINE      a public key, ed25519:…, whose releases are trusted; may be repeated
  --no-start      the services start at the next boot
TEXT
}
say() { printf 'touchline: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

dest=${DESTDIR:-}
config='' keys='' start=yes
while [ $# -gt 0 ]; do
  case $1 in
    --config) config=${2:?--config needs a file} && shift 2 ;;
    --key) keys="$keys${2:?--key needs a line}
" && shift 2 ;;
    --no-start) start=no && shift ;;
    -h | --help) usage && exit 0 ;;
    *) usage >&2 && fail "there is no option $1" ;;
  esac
done

bundle=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
if [ ! -s "$bundle/release.json" ] || [ ! -x "$bundle/bin/node" ]; then
  fail "$bundle is no unpacked release: release.json or bin/node is missing. Unpack the whole bundle first."
fi
fact() { sed -n "s/^ *\"$1\": \"\\([^\"]*\\)\".*/\\1/p" "$bundle/release.json"; }
version=$(fact version) architecture=$(fact architecture)
[ -n "$version" ] || fail "$bundle/release.json names no version"
[ -z "$config" ] || [ -r "$config" ] || fail "$config cannot be read"
printf '%s' "$keys" | while read -r line; do
  case $line in ed25519:*) ;; *) fail "--key: $line is no line that ./touchline release keygen prints" ;; esac
done

if [ -z "$dest" ]; then
  [ "$(id -u)" = 0 ] || fail 'only root can install. Type the same with sudo.'
  case $(uname -m) in
    aarch64) own=arm64 ;;
    x86_64) own=amd64 ;;
    *) own=$(uname -m) ;;
  esac
  [ "$own" = "$architecture" ] || fail "this bundle is for $architecture, this machine is $own"
  command -v ffmpeg >/dev/null || fail 'ffmpeg is missing. Type: apt-get install -y ffmpeg'
fi

root=$dest/opt/touchline
etc=$dest/etc
lock=/run/touchline/updates.lock
[ ! -s "$root/trial" ] || fail 'an update is on trial. Wait until it has ended, then type the same again.'
# Whoever records holds it: the services are started again at the end.
[ -n "$dest" ] || [ "$start" = no ] || [ ! -e "$lock" ] || flock --nonblock "$lock" true ||
  fail 'this camera records, or is about to update. Stop the recording, then type the same again.'

say "installing $version in $root/releases/$version …"
mkdir -p "$root/releases" "$root/staging"
new=$root/releases/.new-$version
if [ "$bundle" != "$(readlink -f -- "$root/releases/$version" || true)" ]; then
  rm -rf "$new"
  mkdir "$new"
  cp -R -- "$bundle/." "$new/"
  [ "$(id -u)" != 0 ] || chown -R 0:0 "$new"
  chmod -R u=rwX,go=rX "$new"
  # Whole on the disk before it has its name.
  sync
  rm -rf "$root/releases/.old-$version"
  [ ! -e "$root/releases/$version" ] || mv "$root/releases/$version" "$root/releases/.old-$version"
  mv "$new" "$root/releases/$version"
  rm -rf "$root/releases/.old-$version"
fi
rm -f "$root/current.new"
ln -s "releases/$version" "$root/current.new"
mv -T "$root/current.new" "$root/current"
sync

lay() { install -D -m "$1" -- "$root/releases/$version/install/$2" "$3"; }
lay 0755 guard.sh "$dest/usr/local/lib/touchline/guard.sh"
lay 0644 sysusers.conf "$etc/sysusers.d/touchline.conf"
lay 0644 tmpfiles.conf "$etc/tmpfiles.d/touchline.conf"
lay 0644 polkit.rules "$etc/polkit-1/rules.d/50-touchline.rules"
lay 0644 node.example.yml "$etc/touchline/node.example.yml"
for unit in "$root/releases/$version"/install/units/*; do
  lay 0644 "units/${unit##*/}" "$etc/systemd/system/${unit##*/}"
done

# By links, as `systemctl enable` makes them, so that it works below DESTDIR too.
wants() {
  mkdir -p "$etc/systemd/system/$1.wants"
  ln -sf "/etc/systemd/system/$2" "$etc/systemd/system/$1.wants/$2"
}
wants multi-user.target touchline.target
wants touchline.target touchline-guard-check.timer
for unit in "$etc"/systemd/system/touchline-*.service; do
  case ${unit##*/} in
    touchline-guard*) ;;
    *) wants touchline.target "${unit##*/}" ;;
  esac
done

[ -z "$config" ] || install -m 0640 -- "$config" "$etc/touchline/node.yml"
[ -z "$keys" ] || printf '%s' "$keys" >"$etc/touchline/release-keys"

[ -z "$dest" ] || exit 0
systemd-sysusers /etc/sysusers.d/touchline.conf
systemd-tmpfiles --create /etc/tmpfiles.d/touchline.conf
# Its keys and PINs are for the services alone.
[ ! -e /etc/touchline/node.yml ] || chown root:touchline /etc/touchline/node.yml
systemctl daemon-reload
if [ ! -e /etc/touchline/node.yml ]; then
  say 'installed. Write /etc/touchline/node.yml (see node.example.yml beside it), then type: systemctl start touchline.target'
elif [ "$start" = yes ]; then
  systemctl restart touchline.target
  say "$version runs. Its log: journalctl -u 'touchline-*' -f"
else
  say "$version starts at the next boot"
fi
