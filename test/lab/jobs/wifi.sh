# Machines with a radio each, in network namespaces of one kernel: its virtual radios hear each other. PROGRAM plays what happens to them.
modprobe mac80211_hwsim radios="$RADIOS" || exit 3
ip link set hwsim0 up
mkdir -p /etc/NetworkManager/conf.d
cat >/etc/NetworkManager/conf.d/lab.conf <<'CONF'
[main]
auth-polkit=false
plugins=keyfile
no-auto-default=*
[device]
wifi.scan-rand-mac-address=no
CONF
exec node "/host/$PROGRAM.mjs"
