# A whole camera node of the product: /host/node.mjs on the recording disk /dev/loop0 and the disk of its state /dev/loop1.
mkdir -p /mnt/recordings /mnt/state
mount -o noatime /dev/loop0 /mnt/recordings && mount -o noatime /dev/loop1 /mnt/state || exit 3
[ -z "$MAKE_ROOM" ] || rm -f /mnt/recordings/ballast
node /host/node.mjs
rc=$?
umount /mnt/recordings /mnt/state || exit 4
exit $rc
