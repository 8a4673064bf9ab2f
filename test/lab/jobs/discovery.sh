# What announces and finds nodes, in a machine at ADDRESS on vec0 whose board has the id MACHINE_ID.
ip addr add "$ADDRESS/24" broadcast + dev vec0 && ip link set vec0 up || exit 3
echo "$MACHINE_ID" >/etc/machine-id
mkdir -p /mnt/state
exec node /host/discovery-node.mjs
