# One machine: in a network namespace of its own already, and in one of mounts. Its bus, its udev and its NetworkManager see its
# radio alone. RADIO becomes wlan0. What is given runs there.
# Its bus is where the others can reach it too; the rest of /run is its own.
mkdir -p "/run/machines/$NAME" && mount --bind "/run/machines/$NAME" /mnt || exit 3
mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /tmp || exit 3
mkdir -p /run/dbus /run/lock /run/udev /run/NetworkManager /run/touchline
mount --move /mnt /run/dbus || exit 3
mount -t tmpfs tmpfs /var/lib/NetworkManager || exit 3
echo "$MACHINE_ID" >/run/machine-id
mount --bind /run/machine-id /etc/machine-id || exit 3
ip link set lo up
ip link set "$RADIO" down && ip link set "$RADIO" name wlan0 || exit 4
dbus-daemon --system --fork || exit 5
/lib/systemd/systemd-udevd --daemon && udevadm trigger --subsystem-match=net --action=add && udevadm settle -t 20 || exit 6
NetworkManager --no-daemon >"/host/$NAME.nm.log" 2>&1 &
exec "$@"
