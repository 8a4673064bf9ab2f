# A whole camera node whose recording disk gets into trouble: /host/disk-node.mjs, with its disk behind a device mapper when DEVICE says so.
mkdir -p /mnt/recordings /mnt/state
modprobe -a dm-delay dm-flakey
dmsetup mknodes 2>/dev/null
export SECTORS=$(blockdev --getsz /dev/loop0) DISK=/dev/loop0
if [ "$DEVICE" = mapped ]; then
  dmsetup create disk --table "0 $SECTORS delay /dev/loop0 0 0" || exit 5
  dmsetup mknodes
  DISK=/dev/mapper/disk
fi
mount -o noatime $DISK /mnt/recordings && mount -o noatime /dev/loop1 /mnt/state || exit 3
node /host/disk-node.mjs
rc=$?
umount /mnt/recordings /mnt/state || exit 4
exit $rc
