# A camera node of the product that keeps time: at ADDRESS on vec0, with a wall clock that is AHEAD_SEC off.
ip addr add "$ADDRESS/24" broadcast + dev vec0 && ip link set vec0 up || exit 3
[ "$AHEAD_SEC" = 0 ] || date -s "@$(($(date +%s) + AHEAD_SEC))" >/dev/null || exit 4
mkdir -p /mnt/recordings /mnt/state
exec node /host/clock-node.mjs
