# A virtual HDMI source of 3840x2160 at 30 fps: what the kernel delivers; what libcamera does; then the product's node.
modprobe vivid n_devs=1 node_types=0x1 num_inputs=1 input_types=3 || exit 3
video=/dev/video0
index=$(v4l2-ctl -d $video --list-dv-timings | awk '/Index:/{i=$2} /Active width/{w=$3} /Active height/{h=$3}
  /Frame format/{f=$3} /Pixelclock/{gsub(/[(]/,"",$4); if (f=="progressive" && w==3840 && h==2160 && $4+0>29.9 && $4+0<30.1) {print i; exit}}')
v4l2-ctl -d $video --set-dv-bt-timings="index=$index" >/dev/null || exit 4
v4l2-ctl -d $video --set-fmt-video=pixelformat=NV12
v4l2-ctl -d $video --stream-mmap=8 --stream-count=150 --verbose 2>&1 | grep -E '^cap dqbuf' | sed 's/^/RAW /'
sh /product/test/lab/jobs/libcamera.sh
exec sh /product/test/lab/jobs/node.sh
