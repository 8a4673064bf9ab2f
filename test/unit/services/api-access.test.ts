import t, { type Test } from 'tap';
import { Problem } from '#contracts/errors.ts';
import type { RigView } from '#contracts/http-node.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes, RIG_KEY_HEADER } from '#contracts/routes.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { readText } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { createHttpApp } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';
import { servePage } from '#runtime/pages.ts';
import { guardAccess } from '#services/api/access.ts';
import { hashPin, isPin, newPin, newRigKey } from '#services/api/pin.ts';
import { trafficLight } from '#services/api/status.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const PIN = '12345678';
const VIEWER_PIN = '87654321';
const RIG_KEY = newRigKey();
const hashes = { pin_hash: await hashPin(PIN), viewer_pin_hash: await hashPin(VIEWER_PIN) };

async function guarded(
  t: Test,
  access: 'loopback' | 'trusted-lan' | 'pin' = 'pin',
  kept: { state?: ReturnType<typeof memoryDisk>; api?: Record<string, unknown> } = {},
) {
  const clock = manualClock();
  const state = kept.state ?? memoryDisk(1e6);
  const config = NodeConfig.parse({
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    camera: { source: 'test-pattern' },
    access,
    api: { ...(access === 'pin' ? { ...hashes, rig_key: RIG_KEY } : {}), ...kept.api },
  });
  const app = await createHttpApp({
    log,
    hosts: { loopbackOnly: access === 'loopback', names: config.api.names },
  });
  await guardAccess(app, { config, clock, state, log, light: () => ({ light: 'ok', recording: false }) });
  await servePage(app, 'dashboard', [t.testdir({ 'index.html': 'page', assets: { 'a.js': 'script' } })]);
  app.get('/read', async () => 'secret');
  app.post('/change', async () => 'changed');
  app.get('/local', { config: { access: 'local' } }, async () => 'healthy');
  t.teardown(() => app.close());
  const enter = (pin: string, from: { address?: string; cookie?: string } = {}) =>
    app.inject({
      method: 'POST',
      url: nodeRoutes.session,
      payload: { pin },
      remoteAddress: from.address ?? '127.0.0.1',
      headers: from.cookie === undefined ? {} : { cookie: from.cookie },
    });
  return { app, clock, state, enter };
}

const codeOf = (answer: { json(): unknown }): string => Problem.parse(answer.json()).code;
type Answer = Awaited<ReturnType<Awaited<ReturnType<typeof guarded>>['enter']>>;
const cookiesOf = ({ headers }: Answer): string[] => [headers['set-cookie'] ?? []].flat();
const pairOf = (cookie = ''): string => cookie.split(';')[0] ?? '';
/** The session. */
const cookieOf = (answer: Answer): string => pairOf(cookiesOf(answer)[0]);
/** That the browser was let in. */
const knownOf = (answer: Answer): string => pairOf(cookiesOf(answer)[1]);

t.test('without a session: the page, the light, the way in, and nothing else', async (t) => {
  const { app } = await guarded(t);
  const lan = '192.168.1.20';
  for (const url of ['/', '/assets/a.js', nodeRoutes.light, nodeRoutes.session])
    t.equal((await app.inject({ url, remoteAddress: lan })).statusCode, 200, url);
  t.same((await app.inject({ url: nodeRoutes.session })).json(), { role: null, access: 'pin' });
  for (const send of [
    { url: '/read' },
    { method: 'POST', url: '/change' },
    { url: '/nowhere' },
    { url: '/local', remoteAddress: lan },
  ] as const) {
    const answer = await app.inject({ ...send });
    t.equal(answer.statusCode, 401, send.url);
    t.equal(codeOf(answer), 'session_required');
  }
  t.equal((await app.inject('/local')).statusCode, 200, 'what only programs on this machine ask');
});

t.test('a viewer looks, an operator changes, and a session that was closed is over', async (t) => {
  const { app, clock, enter } = await guarded(t);
  for (const [pin, role, change] of [
    [VIEWER_PIN, 'viewer', 403],
    [PIN, 'operator', 200],
  ] as const) {
    const opened = await enter(pin);
    t.same(opened.json(), { role, access: 'pin' });
    t.match(cookiesOf(opened), [
      /^touchline_CAM_C=[\w-]{43}; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Strict$/,
      /^touchline_CAM_C_known=[\w-]{43}; Max-Age=\d+; Path=\/api\/v1\/session; HttpOnly; SameSite=Strict$/,
    ]);
    const asKnown = await app.inject({ url: '/read', headers: { cookie: knownOf(opened) } });
    t.equal(asKnown.statusCode, 401, 'to be known is no session');
    t.notMatch(opened.body, cookieOf(opened).split('=')[1] ?? 'none', 'the token is in the cookie alone');
    const headers = { cookie: cookieOf(opened) };
    t.equal((await app.inject({ url: '/read', headers })).statusCode, 200);
    const changed = await app.inject({ method: 'POST', url: '/change', headers });
    t.equal(changed.statusCode, change);
    if (change === 403) t.equal(codeOf(changed), 'operator_required');
    t.same((await app.inject({ url: nodeRoutes.session, headers })).json(), { role, access: 'pin' });
    const closed = await app.inject({ method: 'DELETE', url: nodeRoutes.session, headers });
    t.same(closed.json(), { role: null, access: 'pin' });
    t.equal(
      (await app.inject({ url: '/read', headers })).statusCode,
      401,
      'closed here, not only in the browser',
    );
  }
  const headers = { cookie: cookieOf(await enter(PIN)) };
  await clock.advance(17 * 3600_000);
  t.equal((await app.inject({ url: '/read', headers })).statusCode, 401, 'a session ends by itself');
  t.equal(
    (await app.inject({ url: `/read?token=${cookieOf(await enter(PIN)).split('=')[1]}` })).statusCode,
    401,
  );
});

t.test('the other nodes of the rig may look', async (t) => {
  const { app } = await guarded(t);
  const ask = (key: string, method: 'GET' | 'POST' = 'GET') =>
    app.inject({ method, url: method === 'GET' ? '/read' : '/change', headers: { [RIG_KEY_HEADER]: key } });
  t.equal((await ask(RIG_KEY)).statusCode, 200);
  t.equal((await ask(RIG_KEY, 'POST')).statusCode, 403);
  t.equal((await ask(newRigKey())).statusCode, 401);
  t.equal((await ask('')).statusCode, 401);
  const { app: keyless } = await guarded(t, 'pin', { api: {} });
  t.equal(
    (await keyless.inject({ url: '/read', headers: { [RIG_KEY_HEADER]: 'undefined' } })).statusCode,
    401,
  );
});

t.test('wrong PINs cost more and more time, also after a restart; the right one ends it', async (t) => {
  const state = memoryDisk(1e6);
  const { clock, enter } = await guarded(t, 'pin', { state });
  const malformed = await enter('1234');
  t.equal(codeOf(malformed), 'invalid_field', 'what cannot be a PIN is not counted');
  for (let n = 0; n < 3; n++) t.equal(codeOf(await enter('00000000')), 'pin_wrong');
  const waits: number[] = [];
  for (let n = 0; n < 9; n++) {
    const refused = await enter(PIN);
    t.equal(refused.statusCode, 429, 'even the right one waits');
    const wait = Number(refused.headers['retry-after']);
    waits.push(wait);
    await clock.advance(wait * 1000);
    t.equal(codeOf(await enter('00000000')), 'pin_wrong');
  }
  t.same(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);

  const again = await guarded(t, 'pin', { state });
  const refused = await again.enter(PIN);
  t.equal(refused.statusCode, 429, 'a restart does not help');
  t.equal(Problem.parse(refused.json()).details?.retry_after_sec, 60);
  await again.clock.advance(60_000);
  t.equal((await again.enter(PIN)).statusCode, 200);
  t.equal((await again.enter('00000000')).statusCode, 401, 'and mistyping is free again');
});

t.test('the PIN of viewers does not take the brake off the PIN of operators', async (t) => {
  const { clock, enter } = await guarded(t);
  const guess = async (from: object = {}): Promise<number> => (await enter('00000000', from)).statusCode;
  for (let n = 0; n < 2; n++) t.equal(await guess(), 401);
  t.equal((await enter(VIEWER_PIN)).statusCode, 200, 'a viewer is let in as long as nobody has to wait');
  t.equal(await guess(), 401);
  const waits: string[] = [];
  let cookie = '';
  for (let n = 0; n < 5; n++) {
    const refused = await enter(VIEWER_PIN);
    t.equal(refused.statusCode, 429);
    waits.push(String(refused.headers['retry-after']));
    await clock.advance(Number(refused.headers['retry-after']) * 1000);
    const opened = await enter(VIEWER_PIN);
    t.equal(opened.statusCode, 200);
    cookie = knownOf(opened);
    t.equal(await guess(), 401);
  }
  t.same(waits, ['1', '2', '4', '8', '16'], 'as if no viewer had come in between');

  // Known as a viewer, one enters as a viewer without waiting; the operators' PIN is not even looked at.
  for (let n = 0; n < 5; n++) {
    const opened = await enter(VIEWER_PIN, { cookie });
    t.equal(opened.statusCode, 200);
    t.equal(knownOf(opened), cookie);
    const operator = await enter(PIN, { cookie });
    t.equal(codeOf(operator), 'rate_limited');
    if (n === 0) t.equal(operator.headers['retry-after'], '32');
    await clock.advance(5000);
  }
});

t.test('who was let in before is not locked out by others who guess', async (t) => {
  const state = memoryDisk(1e6);
  const { clock, enter } = await guarded(t, 'pin', { state });
  const operator = { address: '192.168.1.2', cookie: knownOf(await enter(PIN, { address: '192.168.1.2' })) };
  const viewer = {
    address: '192.168.1.3',
    cookie: knownOf(await enter(VIEWER_PIN, { address: '192.168.1.3' })),
  };
  const guesser = { address: '192.168.1.66' };
  let stranger = 0;
  for (let n = 0; n < 12; n++) {
    // At each end of its pause, without mercy.
    const answer = await enter('00000000', guesser);
    t.equal(answer.statusCode, 401);
    const refused = await enter('00000000', guesser);
    t.equal((await enter(PIN, operator)).statusCode, 200, 'the operator');
    t.equal((await enter(VIEWER_PIN, viewer)).statusCode, 200, 'the viewer');
    t.equal((await enter(PIN, { ...operator, address: guesser.address })).statusCode, 200, 'at any address');
    if (refused.statusCode === 429) {
      stranger = Number((await enter('00000000', { address: '192.168.1.77' })).headers['retry-after']);
      await clock.advance(Number(refused.headers['retry-after']) * 1000);
    }
  }
  t.equal(stranger, 10, 'a stranger waits a little');
  await enter('00000000', guesser);
  await clock.advance(10_000);
  t.equal((await enter('00000000', guesser)).headers['retry-after'], '50', 'the guesser much longer');
  t.equal((await enter(PIN, { address: '192.168.1.77' })).statusCode, 200, 'so the stranger gets in');

  const again = await guarded(t, 'pin', { state });
  await again.enter('00000000', guesser);
  t.equal((await again.enter(PIN, operator)).statusCode, 200, 'known after a restart too');
  const kept = (await readText(state, 'pin-attempts.json')) ?? '';
  for (const { cookie } of [operator, viewer])
    t.notOk(kept.includes(cookie.split('=')[1] ?? ''), 'as a hash');

  // Its own mistakes are braked like everybody's.
  for (let n = 0; n < 3; n++) t.equal((await again.enter('00000000', operator)).statusCode, 401);
  t.equal((await again.enter(PIN, operator)).headers['retry-after'], '1');
  t.equal((await again.enter(PIN, { ...operator, cookie: `${operator.cookie}x` })).statusCode, 200);
});

t.test('many at once are one attempt after another', async (t) => {
  const { enter } = await guarded(t);
  const answers = await Promise.all(Array.from({ length: 20 }, () => enter('00000000')));
  t.equal(answers.filter((each) => each.statusCode === 401).length, 3);
  t.equal(answers.filter((each) => each.statusCode === 429).length, 17);
});

t.test('a page of another site may change nothing, in no mode', async (t) => {
  for (const access of ['loopback', 'trusted-lan', 'pin'] as const) {
    const { app, enter } = await guarded(t, access);
    const cookie = cookieOf(await enter(PIN));
    const change = (headers: Record<string, string>) =>
      app.inject({ method: 'POST', url: '/change', headers: { host: 'localhost:8080', cookie, ...headers } });
    t.equal((await change({})).statusCode, 200, 'curl');
    t.equal(
      (await change({ origin: 'http://localhost:8080', 'sec-fetch-site': 'same-origin' })).statusCode,
      200,
      'our page',
    );
    for (const headers of [
      { origin: 'http://evil.example' },
      { origin: 'http://localhost:9090' },
      { origin: 'null' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const answer = await change(headers as Record<string, string>);
      t.equal(answer.statusCode, 403, `${access}: ${JSON.stringify(headers)}`);
      t.equal(codeOf(answer), 'origin_refused');
    }
  }
});

t.test('on loopback only names of this machine are answered, and no session is needed', async (t) => {
  const { app, enter } = await guarded(t, 'loopback');
  const as = (host: string) => app.inject({ url: '/read', headers: { host } });
  for (const host of ['localhost', 'localhost:8080', '127.0.0.1:8080', '[::1]:8080'])
    t.equal((await as(host)).statusCode, 200, host);
  for (const host of [
    'evil.example',
    'evil.example:8080',
    '192.168.1.5',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    'x y',
  ]) {
    const answer = await as(host);
    t.equal(answer.statusCode, 421, host);
    t.equal(codeOf(answer), 'host_refused');
  }
  t.same((await app.inject(nodeRoutes.session)).json(), { role: 'operator', access: 'loopback' });
  t.same((await enter(PIN)).json(), { role: 'operator', access: 'loopback' });
});

t.test(
  'on a network only names that no stranger can own are answered, and those that are configured',
  async (t) => {
    const names = ['rig.club.example', 'club'];
    for (const access of ['trusted-lan', 'pin'] as const) {
      const { app } = await guarded(t, access, { api: { names } });
      const as = (host: string) => app.inject({ url: nodeRoutes.light, headers: { host } });
      for (const host of [
        ...['192.168.1.5', '192.168.1.5:8080', '[fd00::5]:8080', '127.0.0.1', 'localhost:8080'],
        ...[
          'camera-left.local',
          'camera-left.lan',
          'rig.home.arpa',
          'Camera-Left.local.:8080',
          'camera-left',
          'rig.club.example',
          'RIG.club.example:8080',
        ],
      ])
        t.equal((await as(host)).statusCode, 200, `${access}: ${host}`);
      for (const host of [
        ...['evil.example', 'evil.example:8080', 'rig.club.example.evil.example', '192.168.1.5.evil.example'],
        ...['local.evil.example', 'other.club.example', 'x.localhost.example', 'x y'],
      ]) {
        const answer = await as(host);
        t.equal(answer.statusCode, 421, `${access}: ${host}`);
        t.equal(codeOf(answer), 'host_refused');
      }
      const change = await app.inject({
        method: 'POST',
        url: nodeRoutes.session,
        payload: { pin: PIN },
        headers: { host: 'evil.example', origin: 'http://evil.example' },
      });
      t.equal(change.statusCode, 421, 'its page would be the same site otherwise');
      const program = await app.inject({
        method: 'POST',
        url: nodeRoutes.session,
        payload: { pin: PIN },
        headers: { host: 'camera.club.example' },
      });
      t.not(program.statusCode, 421, 'a program has no origin, and uses the name its owner gave');
    }
    const { app: loopback } = await guarded(t, 'loopback', { api: { names } });
    t.equal(
      (await loopback.inject({ url: '/read', headers: { host: 'rig.club.example' } })).statusCode,
      200,
      'a proxy',
    );
    t.equal(
      (await loopback.inject({ url: '/read', headers: { host: 'camera-left.local' } })).statusCode,
      421,
    );
  },
);

t.test('PINs: eight digits, hashed with a salt of their own', async (t) => {
  t.match(newPin(), /^\d{8}$/);
  const again = await hashPin(PIN);
  t.not(again, hashes.pin_hash);
  t.ok(await isPin(PIN, again));
  t.notOk(await isPin('12345679', again));
  await t.rejects(isPin(PIN, '$2b$10$nonsense'), { code: 'configuration_invalid' });
});

t.test('the traffic light is the worst of the rig', async (t) => {
  const rig = (...levels: (string | null)[]): RigView =>
    ({
      rig: 'test',
      session: null,
      disagreements: [],
      nodes: levels.map((level) => ({
        camera_id: 'CAM_C',
        position: null,
        available: level !== null,
        status: level === null ? null : { level, recorder: { state: 'recording' } },
      })),
    }) as unknown as RigView;
  t.same(trafficLight(rig('ok', 'ok')), { light: 'recording', recording: true });
  t.same(trafficLight(rig('ok', 'warning')), { light: 'warning', recording: true });
  t.same(trafficLight(rig('fault', 'warning')), { light: 'fault', recording: true });
  t.same(trafficLight(rig('ok', null)), { light: 'warning', recording: true });
  t.same(trafficLight(rig(null)), { light: 'warning', recording: false });
  t.same(trafficLight({ ...rig('ok'), disagreements: ['two masters'] }), {
    light: 'warning',
    recording: true,
  });
});
