#!/bin/sh
# Decides at boot which version of the node starts, and undoes an update that does not prove itself. It belongs to no release, so that a
# bad one cannot break it. `guard.sh boot` before the services start; `guard.sh check` now and then while a version is on trial.
# The trial is a file that the updater writes before it switches (ota/channel-releases/trial.ts).
set -eu

root=${TOUCHLINE_ROOT:-/opt/touchline}
lock=${TOUCHLINE_UPDATE_LOCK:-/run/touchline/updates.lock}
trial=$root/trial
# A power cut or two during a trial are bad luck; a version that has not proved itself after that is undone.
boots_max=2
# By the timer a quarter of an hour: far longer than a healthy updater needs.
checks_max=3

say() { printf 'touchline guard: %s\n' "$*"; }
value() { sed -n "s/^$1 //p" "$trial"; }
current() { basename "$(readlink "$root/current" 2>/dev/null || echo none)"; }
whole() { [ -n "$1" ] && [ -s "$root/releases/$1/release.json" ] && [ -x "$root/releases/$1/bin/node" ]; }

point_to() {
  rm -f "$root/current.guard"
  ln -s "releases/$1" "$root/current.guard"
  mv -T "$root/current.guard" "$root/current"
  sync "$root"
}

write_trial() {
  {
    printf 'new %s\nprevious %s\nboots %s\nchecks %s\nstarted 1\n' "$new" "$previous" "$boots" "$checks"
    [ -z "$failed" ] || printf 'failed %s\n' "$failed"
  } >"$trial.guard"
  sync "$trial.guard"
  mv "$trial.guard" "$trial"
  sync "$root"
}

read_trial() {
  [ -s "$trial" ] || return 1
  new=$(value new) previous=$(value previous) boots=$(value boots) checks=$(value checks) failed=$(value failed)
  : "${boots:=0}" "${checks:=0}"
  [ -n "$new" ] && [ -n "$previous" ]
}

# Remembers why before it goes back: the updater tells it, and does not try the version again.
undo() {
  failed=$1
  say "$new is undone: $failed; back to $previous"
  write_trial
  point_to "$previous"
}

boot() {
  if read_trial; then
    if [ -n "$failed" ]; then
      [ "$(current)" = "$previous" ] || point_to "$previous"
    elif [ "$(current)" = "$new" ]; then
      boots=$((boots + 1)) checks=0
      if ! whole "$new"; then
        undo 'it is not whole on the disk'
      elif [ "$boots" -gt "$boots_max" ]; then
        undo "it did not prove itself in $boots_max boots"
      else
        write_trial
      fi
    fi
  fi
  # The installer was cut off while it laid the version anew that was there.
  for old in "$root"/releases/.old-*; do
    each=${old##*/.old-}
    if whole ".old-$each" && ! whole "$each"; then
      rm -rf "$root/releases/$each"
      mv "$old" "$root/releases/$each"
    fi
  done
  whole "$(current)" && return 0
  say "$(current) is not whole on the disk; looking for another version"
  for each in $(find "$root/releases" -mindepth 1 -maxdepth 1 -type d ! -name '.*' -exec basename {} \; | sort -rV); do
    if whole "$each"; then
      say "starting $each"
      point_to "$each"
      return 0
    fi
  done
  say "no version is whole below $root/releases; unpack a bundle and run its install/install.sh"
  return 1
}

check() {
  read_trial || return 0
  [ -z "$failed" ] && [ "$(current)" = "$new" ] || return 0
  # Whoever records holds it: nothing is restarted under a recording. What somebody left who is gone holds nobody up, nor does the updater itself,
  # which this is about.
  if [ -e "$lock" ] && ! grep -q '"owner":"updater"' "$lock" && ! flock --nonblock "$lock" true; then
    say 'the update lock is held; looking again later'
    return 0
  fi
  checks=$((checks + 1))
  if [ "$checks" -le "$checks_max" ]; then
    write_trial
  else
    undo 'its updater did not confirm it'
    systemctl restart touchline.target
  fi
}

case ${1:-} in
  boot) boot ;;
  check) check ;;
  *)
    say 'type: guard.sh boot, or guard.sh check'
    exit 2
    ;;
esac
