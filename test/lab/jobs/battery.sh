# Batteries of three kinds: a gauge on an I2C bus, one that the kernel knows, one on a serial line; the product's health service reads each.
modprobe i2c-stub chip_addr=0x36 || exit 3
modprobe test_power || exit 3
exec node /host/battery.mjs
