# The kernel's virtual media pipeline through libcamera.
modprobe vimc || exit 5
/lib/systemd/systemd-udevd --daemon
udevadm trigger
udevadm settle -t 20
timeout 60 cam -c 1 -s width=1280,height=720 --capture=30 2>&1 | grep 'cam0-stream0' | sed 's/^/LIBCAMERA /'
