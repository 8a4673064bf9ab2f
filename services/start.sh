#!/bin/sh
# First program in every container of a camera node: start.sh USER "CAPABILITIES" "DEVICES" PROGRAM...
# A container that may reach hardware starts as root with all rights; the service keeps only those that its line in the Dockerfile names, and cannot get
# them back. Started as anybody else, or as root without rights, it only starts the service.
#
# What the node was flashed with, touchline/node.yml on the boot partition, is the configuration of all services: the first container with all
# rights brings it after each boot to where all have it, and the others wait for that.
set -eu
user=$1 capabilities=$2 devices=$3
shift 3

shared=${TOUCHLINE_RUNTIME_DIR:-/run/touchline}
config=$shared/node.yml
mark=$shared/configured-in-boot
boot=$(cat /proc/sys/kernel/random/boot_id)
partition_label=resin-boot
wait_sec=30

say() { printf 'touchline start: %s\n' "$*" >&2; }
configured() { [ "$(cat "$mark" 2>/dev/null)" = "$boot" ]; }

# The disk that a partition, by its numbers, lies on.
disk_of() { readlink -f "/sys/dev/block/$1/.."; }

# On the disk that this runs from: another one of the machine may have been flashed, too.
boot_partition() {
  own=$(disk_of "$(findmnt --noheadings --output MAJ:MIN --target "$shared" | tr -d ' ')")
  for each in $(blkid --match-token "LABEL=$partition_label" --output device); do
    numbers=$(lsblk --noheadings --nodeps --output MAJ:MIN "$each" | tr -d ' ')
    if [ "$(disk_of "$numbers")" = "$own" ]; then
      echo "$each"
      return
    fi
  done
}

# What was brought before stays until something else is there to be brought.
bring_config() {
  from=$(boot_partition)
  if [ -z "$from" ]; then
    say "no $partition_label on the disk that this runs from: the configuration is in variables"
  else
    folder=$(mktemp -d) || return 1
    # Like the host, which has it too: one disk is either read-only or not.
    mount -t vfat "$from" "$folder" 2>/dev/null || mount -t vfat -o ro "$from" "$folder" || return 1
    copy_config "$folder/touchline/node.yml" && copied=yes || copied=no
    umount "$folder" && rmdir "$folder"
    [ "$copied" = yes ] || return 1
  fi
  echo "$boot" >"$mark.new" && mv "$mark.new" "$mark"
}

copy_config() {
  if [ -f "$1" ]; then
    install -m 0640 -g node "$1" "$config.new" && mv "$config.new" "$config"
  else
    rm -f "$config"
  fi
}

# libcamera takes no device that udev does not know. The image has no rules, so that nothing else comes of it: the network is the host's.
know_devices() {
  [ -x /lib/systemd/systemd-udevd ] || return 0
  /lib/systemd/systemd-udevd --daemon
  udevadm trigger --subsystem-match=media --subsystem-match=video4linux --subsystem-match=dma_heap
  udevadm settle --timeout=10
  udevadm control --exit
}

with_rights() { [ "$(id -u)" = 0 ] && ! grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status; }

# What root's services write, the others of the group may change: they share the recordings and the sockets.
umask 0002

if [ -d "$shared" ]; then
  if with_rights; then
    # One at a time, and a service starts also without it: it says what it misses.
    (flock 9 && { configured || bring_config; }) 9>"$shared/configuring.lock" || say 'the configuration on the boot partition cannot be read'
  else
    waited=0
    until configured || [ "$waited" -ge $((wait_sec * 10)) ]; do
      sleep 0.1
      waited=$((waited + 1))
    done
    configured || say "nobody brought the configuration in $wait_sec s"
  fi
  [ ! -f "$config" ] || set -- "$@" --config "$config"
fi

with_rights || exec "$@"

know_devices || say 'udev does not tell of the cameras: those on the ribbon are not found'

# The folder of the Supervisor's lock, which the engine makes for root alone; the Supervisor itself gives it this mode later.
[ ! -d /tmp/balena ] || chmod 1777 /tmp/balena

# SYS_ADMIN is nearly everything: only where the configuration asks for the one reading that needs it.
if [ "$capabilities" = sys_admin ] && [ "${TOUCHLINE_SENSORS__DISK_CONDITION:-none}" != nvme ]; then capabilities=; fi

# Unquoted, so that patterns become what is there. These nodes are the container's own: those of the host keep their owner.
for device in $devices; do
  if [ -c "$device" ] || [ -b "$device" ]; then chown "$user" "$device"; fi
done

set -- --no-new-privs "$@"
if [ "$user" = root ]; then set -- --regid=node "$@"; else set -- --reuid="$user" --regid=node "$@"; fi
kept=-all
for capability in $capabilities; do kept="$kept,+$capability"; done
# Root has what the bounding set leaves it; an ordinary user needs the ambient set too.
[ "$user" = root ] || set -- --ambient-caps="$kept" "$@"
exec setpriv --clear-groups --bounding-set="$kept" --inh-caps="$kept" "$@"
