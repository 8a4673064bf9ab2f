# Two disks that were flashed for two cameras, in one machine that runs from the second: what its containers are told. Their first program is the
# product's own; folders and mounts are those of a node.
modprobe vfat 2>/dev/null
for disk in loop0 loop1; do partx --add /dev/$disk || exit 3; done
# What grows there at the first start of balenaOS.
mkfs.ext4 -q -F /dev/loop1p2 && mkdir -p /data /run/touchline && mount /dev/loop1p2 /data || exit 3
groupadd --gid 1000 node && useradd --uid 1000 --gid node --no-create-home node || exit 3
install -d -o node -g node -m 2775 /data/sockets && mount --bind /data/sockets /run/touchline || exit 3

container="sh /product/services/start.sh"
told='for last; do :; done; echo "CONTAINER $0 $(id -un) $(sed -n "s/^camera_id: *//p" "$last" 2>/dev/null)"'
unprivileged() { setpriv --reuid="$1" --regid=node --clear-groups --bounding-set=-all --inh-caps=-all $container node '' '' sh -c "$told" "$2"; }
privileged() { $container node '' '' sh -c "$told" "$1"; }
first_boot() {
  unprivileged node waits &
  unprivileged root waits-as-root &
  privileged brings &
  privileged brings-too &
  wait
}
first_boot
ls -l /run/touchline/node.yml | sed 's/^/FILE /'
# As in the next boot, with the disk flashed anew for no camera at all.
mount /dev/loop1p1 /mnt && rm /mnt/touchline/node.yml && umount /mnt && rm /run/touchline/configured-in-boot
privileged emptied
rm /run/touchline/configured-in-boot
# A disk that cannot be read: the last that is known goes on.
echo 'camera_id: CAM_C' >/run/touchline/node.yml
dd if=/dev/zero of=/dev/loop1p1 bs=512 count=1 conv=notrunc status=none
privileged unreadable
true
