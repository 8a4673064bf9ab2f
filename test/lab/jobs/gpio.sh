# Disks in memory and the kernel's GPIO simulator, then somebody who uses the product's node with them (/host/gpio-node.mjs).
modprobe gpio-sim && modprobe test_power || exit 3
echo discharging >/sys/module/test_power/parameters/battery_status
echo 80 >/sys/module/test_power/parameters/battery_capacity
for folder in /mnt/recordings /mnt/state; do mkdir -p $folder && mount -t tmpfs tmpfs $folder || exit 3; done
mkdir /mnt/state/touchline
# The first time a guest reads a program takes longer than the recorder waits for it.
ffmpeg -version >/dev/null || exit 3
exec node /host/gpio-node.mjs
