# A whole camera node of the product: /host/node.mjs on the recording disk /dev/ubda and the disk of its state /dev/ubdb.
mkdir -p /mnt/recordings /mnt/state
mount -o noatime /dev/ubda /mnt/recordings && mount -o noatime /dev/ubdb /mnt/state || exit 3
[ -z "$MAKE_ROOM" ] || rm -f /mnt/recordings/ballast
node /host/node.mjs
rc=$?
umount /mnt/recordings /mnt/state || exit 4
exit $rc
