import t from 'tap';
import { TouchlineError } from '#contracts/errors.ts';
import type { Role } from '#contracts/http-node.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { readText } from '#ports/disk/disk.ts';
import { type MemoryDisk, memoryDisk } from '#ports/disk/memory-disk.ts';
import { createLogger } from '#runtime/logger.ts';
import { createAttempts } from '#services/api/attempts.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const FILE = 'pin-attempts.json';

function counting(state: MemoryDisk = memoryDisk(1e6)) {
  const clock = manualClock();
  const attempts = createAttempts({ state, clock, log });
  return {
    clock,
    state,
    right: async (role: Role, address = '10.0.0.1', token?: string): Promise<string> =>
      (await attempts.begin({ address, token })).succeeded(role),
    /** A wrong PIN; undefined when it was looked at, otherwise the seconds to wait. */
    wrong: async (address = '10.0.0.1', token?: string): Promise<unknown> => {
      try {
        await attempts.begin({ address, token });
        return undefined;
      } catch (error) {
        if (!(error instanceof TouchlineError) || error.code !== 'rate_limited') throw error;
        return error.details?.retry_after_sec;
      }
    },
    kept: async () => JSON.parse((await readText(state, FILE)) ?? 'null'),
  };
}

t.test('so many browsers and addresses are remembered, and no more', async (t) => {
  const on = counting();
  const operator = await on.right('operator');
  const first = await on.right('viewer', '10.0.1.1');
  for (let n = 0; n < 99; n++) await on.right('viewer', `10.0.2.${n}`);
  t.equal(await on.right('viewer', '10.0.1.1', first), first);
  await on.right('viewer', '10.0.3.1');
  t.equal(await on.right('viewer', '10.0.1.1', first), first, 'who comes again is kept longer');
  for (let n = 0; n < 250; n++) {
    await on.wrong(`10.1.0.${n}`);
    await on.clock.advance(10_000);
  }
  const { browsers, addresses } = await on.kept();
  t.equal(browsers.length, 101);
  t.equal(addresses.length, 200);
  t.equal(await on.right('operator', '10.0.1.1', operator), operator, 'viewers do not push operators out');
});

t.test('from ever new addresses guessing is no quicker than one in ten seconds', async (t) => {
  const on = counting();
  let looked = 0;
  for (let sec = 0; sec < 600; sec++) {
    for (let n = 0; n < 3; n++) if ((await on.wrong(`10.${sec % 250}.${n}.1`)) === undefined) looked++;
    await on.clock.advance(1000);
  }
  t.ok(looked >= 60 && looked <= 68, `${looked} in ten minutes`);
});

t.test('a viewer who became an operator is known as one', async (t) => {
  const on = counting();
  const token = await on.right('viewer');
  t.equal(await on.right('operator', '10.0.0.1', token), token);
  t.equal(await on.right('viewer', '10.0.0.1', token), token);
  t.match((await on.kept()).browsers, [{ role: 'operator', wrong: 0 }]);
});

t.test('a state that cannot be read, is damaged, or cannot be written', async (t) => {
  const gone = memoryDisk(1e6);
  gone.setPresent(false);
  const one = counting(gone);
  await t.rejects(one.right('operator'), { code: 'disk_missing' });
  gone.setPresent(true);
  await t.resolves(one.right('operator'), 'read again when it is there');

  for (const damage of ['', '{"wro', '{"wrong":-1}', 'null']) {
    const damaged = memoryDisk(1e6);
    await damaged.replace(FILE, damage);
    const two = counting(damaged);
    t.equal(await two.wrong(), 60, `damaged: ${damage}`);
    t.match(await two.kept(), { wrong: 7, browsers: [] }, 'written anew');
    await two.clock.advance(60_000);
    await t.resolves(two.right('operator'));
  }

  const full = counting(memoryDisk(0));
  await t.resolves(full.right('operator'), 'a full disk locks nobody out');
  for (let n = 0; n < 3; n++) t.equal(await full.wrong(), undefined);
  t.equal(await full.wrong(), 1, 'and is counted all the same');

  const former = memoryDisk(1e6);
  await former.replace(FILE, '{"wrong":4}');
  t.equal(await counting(former).wrong(), 2, 'what an earlier version kept');
});
