import t from 'tap';
import { NetworkConfig } from '#contracts/network.ts';
import { hashPin, isPin, newNetworkKey, newPin } from '#services/api/pin.ts';

t.test('keys of the Wi-Fi differ, are what WPA2 takes, and can be typed', async (t) => {
  const keys = Array.from({ length: 50 }, newNetworkKey);
  t.equal(new Set(keys).size, keys.length);
  for (const key of keys) {
    t.match(key, /^([a-z2-9]{4}-){3}[a-z2-9]{4}$/);
    t.notMatch(key, /[ilo01]/, 'nothing that looks like something else');
    t.equal(NetworkConfig.parse({ access_point: { key } }).access_point.key, key);
  }
});

t.test('a PIN is known by its hash, and another is not', async (t) => {
  const pin = newPin();
  t.match(pin, /^\d{8}$/);
  const hash = await hashPin(pin);
  t.equal(await isPin(pin, hash), true);
  t.equal(await isPin(pin === '00000000' ? '00000001' : '00000000', hash), false);
});
