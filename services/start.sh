#!/bin/sh
# First program in every container of a camera node: start.sh USER "CAPABILITIES" "DEVICES" PROGRAM...
# A container that may reach hardware starts as root with all rights; the service keeps only those that its line in the Dockerfile names, and cannot get
# them back. Started as anybody else, or as root without rights, it only starts the service.
set -eu
user=$1 capabilities=$2 devices=$3
shift 3

# What root's services write, the others of the group may change: they share the recordings and the sockets.
umask 0002
if [ "$(id -u)" != 0 ] || grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status; then exec "$@"; fi

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
