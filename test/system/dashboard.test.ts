import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t from 'tap';
import { z } from 'zod';
import type { LightView, SessionView } from '#contracts/http-node.ts';
import { TouchlineManifest } from '#contracts/manifest.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { CameraReadiness } from '#contracts/session.ts';
import type { RecorderState, SyncState } from '#contracts/states.ts';
import { WireTime } from '#contracts/time.ts';
import { ROOT } from '../fixtures/quiet-shell.ts';
import { DESK, PHONE, startBrowser } from './browser.ts';
import { runningRig } from './running-rig.ts';
import { until } from './until.ts';

t.setTimeout(400_000);

const SCRIPT_MAX_BYTES = 24_000;

t.test('a match on the page of a phone, seen by a second browser at another camera', async (t) => {
  // On a busy machine previews give way to the recording; this is about the pages.
  const rig = await runningRig(t, {
    node(config) {
      config.preview = { ...config.preview, off_above_cpu_percent: 100 };
    },
  });
  const urlOf = (camera: string): string =>
    rig.place.nodes.find(({ cameraId }) => cameraId === camera)?.apiUrl ?? '';
  const browser = await startBrowser(t);
  const phone = await browser.open({ ...PHONE, colorScheme: 'light' }, urlOf('CAM_C'));
  const desk = await browser.open({ ...DESK, colorScheme: 'dark' }, urlOf('CAM_L'));
  const says = (page: Page, id: string, text: string | RegExp): Promise<void> =>
    page.getByTestId(id).filter({ hasText: text }).first().waitFor({ timeout: 30_000 });

  const recorders = async (): Promise<(RecorderState | null | undefined)[]> =>
    (await rig.master.rig()).nodes.map(({ status }) => status?.recorder);

  await t.test('its script is small enough for a phone on weak Wi-Fi', async (t) => {
    const page = join(ROOT, 'dist/ui/dashboard');
    const script =
      /src="\/(assets\/[^"]+\.js)"/.exec(readFileSync(join(page, 'index.html'), 'utf8'))?.[1] ?? '';
    const { size } = statSync(join(page, `${script}.gz`));
    t.ok(size > 1000 && size < SCRIPT_MAX_BYTES, `${size} bytes, compressed`);
  });

  await t.test('ready: the three questions are answered', async (t) => {
    await says(phone.page, 'headline', 'Ready');
    await says(phone.page, 'detail', 'All 3 cameras');
    await says(phone.page, 'problems', 'Nothing');
    await says(phone.page, 'lasts', /\d/);
    await phone.page.getByText('No recordings yet').waitFor();
    await pictures(phone.page, 3);
    await phone.accessible('ready, on a phone');
    await pictures(desk.page, 3);
    await desk.accessible('ready, on a desk');
    const wide = await phone.page.evaluate('document.documentElement.scrollWidth');
    t.equal(wide, 360, 'nothing sticks out sideways');
    t.same(await phone.page.evaluate(SMALL_TARGETS), [], 'every target is at least 48 px');
    await phone.picture('dashboard-phone-ready');
  });

  await t.test('before the match: Lock View and a self-test of all cameras', async (t) => {
    const { page } = phone;
    await page.getByRole('button', { name: 'Lock View: Take' }).tap();
    for (const each of [phone, desk])
      await says(each.page, 'prepare-lock-view', /3 pictures, taken at|Taken: /);
    await page.getByRole('button', { name: 'Self-test: Test' }).tap();
    await says(page, 'prepare-self-test', /Recording a clip: \d+ s left/);
    await until(
      'a self-test of all three',
      async () => ((await recorders()).every((recorder) => recorder?.self_test) ? true : undefined),
      120,
    );
    const failed = (await recorders()).flatMap((recorder) => recorder?.self_test?.findings ?? []);
    // A machine that is busy with other things finds it out; then each finding is told.
    for (const each of [phone, desk])
      await says(
        each.page,
        'prepare-self-test',
        failed.length === 0 ? 'All 3 cameras passed' : 'did not pass',
      );
    for (const finding of failed) await says(page, 'prepare-self-test', finding);
    t.ok(await page.getByRole('button', { name: 'Self-test: Test' }).isEnabled());
    await page.getByTestId('before-match').scrollIntoViewIfNeeded();
    await phone.picture('dashboard-phone-before-match', { fullPage: true });
  });

  await t.test('one thumb arms the rig; both pages count what is left', async (t) => {
    await phone.page.getByRole('button', { name: 'Arm', exact: true }).tap();
    for (const { page } of [phone, desk]) {
      await says(page, 'detail', 'All 3 cameras, armed');
      await says(page, 'armed-left', /^(30:00|29:\d\d) left$/);
    }
    t.ok(await phone.page.getByRole('button', { name: 'Self-test: Test' }).isDisabled());
    await phone.accessible('armed, on a phone');
    await desk.accessible('armed, on a desk');
    t.same(await phone.page.evaluate(SMALL_TARGETS), [], 'every target is at least 48 px');
    t.equal(await phone.page.evaluate('document.documentElement.scrollWidth'), 360);
    await desk.picture('dashboard-desk-armed', { fullPage: true });
    await phone.picture('dashboard-phone-armed', { fullPage: true });
  });

  await t.test('a start that warnings refuse asks for a second press, where the thumb is', async (t) => {
    const { page } = phone;
    const button = page.locator('.big');
    const place = await button.boundingBox();
    const cameras = [
      {
        camera_id: 'CAM_L',
        state: 'not_ready',
        reason: 'the clock may be off by 9.0 ms',
        gates: [{ gate: 'clock', level: 'soft', reason: 'the clock may be off by 9.0 ms' }],
      },
    ] satisfies CameraReadiness[];
    await page.route(`**${nodeRoutes.rigStart}`, (asked) =>
      asked.fulfill({
        status: 409,
        json: { code: 'gates_closed', message: 'refused', details: { cameras } },
      }),
    );
    await page.getByRole('button', { name: 'Start recording' }).tap();
    await says(page, 'told', 'Press again within 10 s to record anyway');
    await says(page, 'told', 'CAM_L the clock may be off by 9.0 ms');
    await page.getByRole('button', { name: /^Record anyway · \d+ s$/ }).waitFor();
    t.same(await button.boundingBox(), place, 'the button stays where it is');
    await phone.accessible('a start that was refused');
    await phone.picture('dashboard-phone-refused');
    await page.getByRole('button', { name: 'Start recording' }).waitFor();
    t.equal(await page.getByTestId('told').count(), 0, 'after 10 s it is a first press again');
    await page.unroute(`**${nodeRoutes.rigStart}`);
  });

  await t.test('one thumb starts the rig; both pages say so', async (t) => {
    await phone.page.getByLabel('Name of the match').fill('Grün-Weiß : Füchse');
    await phone.page.getByRole('button', { name: 'Start recording' }).tap();
    await Promise.all([says(phone.page, 'headline', 'Recording'), says(desk.page, 'headline', 'Recording')]);
    for (const { page } of [phone, desk]) {
      await says(page, 'detail', 'All 3 cameras');
      await page.getByText('Grun-Weiss_Fuchse').first().waitFor();
      // What was kept while it was armed is part of the film.
      await says(page, 'recorded', /^0:(0[3-9]|[1-5]\d)/);
    }
    t.equal((await rig.master.rig()).session?.session_id, 'Grun-Weiss_Fuchse');
    await pictures(phone.page, 3);
    await phone.accessible('recording, on a phone');
    await desk.accessible('recording, on a desk');
    await phone.picture('dashboard-phone');
    await desk.picture('dashboard-desk');
  });

  await t.test('what is over is folded, what cannot be done says why', async (t) => {
    const { page } = desk;
    const sound = page.getByRole('button', { name: 'Sound: On' });
    t.notOk(await sound.isVisible(), 'the match has begun');
    await page.getByRole('heading', { name: 'Before the match' }).click();
    t.ok(await sound.isDisabled());
    await says(page, 'prepare-sound', 'switched between recordings');
    await page.getByTestId('card-CAM_L').locator('summary').click();
    await page.getByTestId('card-CAM_L').getByText('Confidence').waitFor();
    await desk.accessible('recording, all unfolded');
    await desk.picture('dashboard-desk-unfolded', { fullPage: true });
    await page.getByRole('heading', { name: 'Before the match' }).click();
  });

  await t.test('before the PIN a warning does not hide that it records', async (t) => {
    for (const [name, where] of Object.entries({ phone: PHONE, desk: DESK })) {
      const gate = await browser.open(
        { ...where, colorScheme: name === 'phone' ? 'light' : 'dark' },
        urlOf('CAM_C'),
      );
      const answers = {
        [nodeRoutes.session]: { role: null, access: 'pin' } satisfies SessionView,
        [nodeRoutes.light]: { light: 'warning', recording: true } satisfies LightView,
      };
      for (const [route, json] of Object.entries(answers))
        await gate.page.route(`**${route}`, (asked) => asked.fulfill({ json }));
      await gate.page.reload();
      await says(gate.page, 'light', 'Recording');
      t.equal(await gate.page.getByTestId('light').textContent(), 'Recording, needs attention', name);
      await gate.accessible(`before the PIN, on a ${name}`);
      await gate.picture(`dashboard-${name}-gate`);
      await gate.page.context().close();
    }
  });

  await t.test('who may only look sees the states, and nothing to tap', async (t) => {
    const viewer = await browser.open({ ...DESK, colorScheme: 'light' }, urlOf('CAM_C'));
    await viewer.page.route(`**${nodeRoutes.session}`, (asked) =>
      asked.fulfill({ json: { role: 'viewer', access: 'pin' } satisfies SessionView }),
    );
    await viewer.page.reload();
    await says(viewer.page, 'headline', 'Recording');
    await viewer.page.getByRole('heading', { name: 'Before the match' }).click();
    await says(viewer.page, 'prepare-lock-view', /taken at|Taken: /);
    t.equal(await viewer.page.getByTestId('before-match').getByRole('button').count(), 0);
    t.ok(await viewer.page.getByRole('button', { name: 'Stop' }).isDisabled());
    await viewer.accessible('for a viewer');
    await viewer.page.context().close();
  });

  await t.test('a rig that does not know what time it is gets it from this device', async (t) => {
    const { page, accessible, picture } = await browser.open(
      { ...PHONE, colorScheme: 'dark' },
      urlOf('CAM_C'),
    );
    const view = await rig.master.rig();
    const unset = {
      ...view,
      session: null,
      nodes: view.nodes.map(({ status, ...node }) => ({
        ...node,
        status: status && {
          ...status,
          recorder: status.recorder && { ...status.recorder, state: 'idle', recording: null },
          sync: status.sync && { ...status.sync, chrony: FOLLOWS_NOTHING, local_time: UNSET },
        },
      })),
    };
    await page.route(`**${nodeRoutes.events}`, (asked) =>
      asked.fulfill({
        contentType: 'text/event-stream',
        body: `retry: 100\nevent: rig\ndata: ${JSON.stringify(unset)}\n\n`,
      }),
    );
    let told: unknown;
    await page.route(`**${nodeRoutes.setTime}`, (asked) => {
      told = asked.request().postDataJSON();
      return asked.fulfill({ json: { step_ms: 1 } });
    });
    await page.reload();
    await says(page, 'set-clock', /CAM_C believes .*1970/);
    await accessible('a clock that nobody has set');
    await page.getByTestId('set-clock').scrollIntoViewIfNeeded();
    await picture('dashboard-phone-clock');
    // This stream ends after each word, and without one no button works: it is enabled for moments.
    const button = page.getByRole('button', { name: 'Set the clock from this device' });
    await until('the clock is set', async () => {
      await button.dispatchEvent('click');
      return told;
    });
    const { time } = WithTime.parse(told);
    t.ok(Math.abs(Date.parse(time) - Date.now()) < 60_000, `it was told that it is ${time}`);
    await page.context().close();
  });

  await t.test('a camera that falls silent is named on both, and is back afterwards', async (t) => {
    for (const service of ['broker', 'sync-agent', 'recorder', 'housekeeper', 'api'])
      rig.kill(`CAM_R ${service}`);
    for (const { page } of [phone, desk]) await says(page, 'problems', /CAM_R/);
    await phone.accessible('with a camera missing');
    await phone.picture('dashboard-phone-degraded');
    for (const { page } of [phone, desk]) {
      await says(page, 'detail', 'All 3 cameras');
      await says(page, 'headline', 'Recording');
    }
    t.pass('and it records again');
  });

  await t.test('a page whose camera is gone says so, and lives again with it', async (t) => {
    rig.kill('CAM_L api');
    await says(desk.page, 'connection', 'Lost');
    await desk.page.getByTestId('lost').waitFor();
    t.ok(await desk.page.getByRole('button', { name: 'Stop' }).isDisabled(), 'no button pretends to work');
    await desk.picture('dashboard-desk-lost');
    await says(desk.page, 'connection', 'Live');
    await says(desk.page, 'headline', 'Recording');
  });

  await t.test('a stop has to be meant', async (t) => {
    await phone.page.getByRole('button', { name: 'Stop' }).tap();
    await phone.page.getByRole('button', { name: 'Tap again to stop' }).waitFor();
    t.equal((await rig.master.rig()).session?.state, 'recording', 'one tap stops nothing');
    await phone.page.getByRole('button', { name: 'Tap again to stop' }).tap();
    await Promise.all([says(phone.page, 'headline', 'Ready'), says(desk.page, 'headline', 'Ready')]);
    t.equal((await rig.master.rig()).session?.state, 'stopped');
  });

  await t.test('what the cameras kept before the start is in the files', async (t) => {
    for (const { cameraId, storage } of rig.place.nodes) {
      const folder = join(storage, 'manifests');
      const first = await until(`the manifest of ${cameraId}`, async () =>
        readdirSync(folder, { recursive: true, encoding: 'utf8' })
          .filter((name) => name.endsWith('.json'))
          .map((name) => TouchlineManifest.parse(JSON.parse(readFileSync(join(folder, name), 'utf8'))))
          .find(({ touchline }) => touchline.part === 1),
      );
      // One of them was finished by recovery: when its film begins is known of every file.
      const { start_at, first_frame, lock_view } = first.touchline;
      const keptMs = Date.parse(start_at) - Date.parse(first_frame.master ?? first_frame.local);
      t.ok(keptMs > 1000, `${keptMs} ms of ${cameraId}`);
      t.ok(lock_view, 'with the picture of where it looked');
    }
  });

  await t.test('what was recorded plays on the page, also that of another camera', async (t) => {
    for (const camera of ['CAM_C', 'CAM_L']) {
      await phone.page
        .getByRole('button', { name: `▶ ${camera}`, exact: true })
        .first()
        .click();
      const player = phone.page.locator('video');
      await player.waitFor();
      await until(`${camera} plays`, async () =>
        (await player.evaluate((video) => Number(Reflect.get(video, 'currentTime')))) > 1 ? true : undefined,
      );
      if (camera === 'CAM_C') await phone.accessible('playing a recording');
      await phone.picture(`dashboard-phone-playing-${camera}`);
      await phone.page.getByRole('button', { name: 'Close' }).click();
      t.pass(`${camera} plays`);
    }
    await phone.page.getByText('Home', { exact: true }).first().waitFor({ timeout: 150_000 });
    await phone.picture('dashboard-phone-afterwards', { fullPage: true });
  });

  await t.test('what is home is deleted from all cameras, when that is meant', async (t) => {
    await desk.page.getByRole('button', { name: 'Delete what is home' }).click();
    await desk.page.getByRole('button', { name: 'Close' }).click();
    t.equal(await desk.page.getByText('Home', { exact: true }).count(), 1, 'asking deletes nothing');

    await phone.page.getByRole('button', { name: 'Delete what is home' }).tap();
    await phone.page.getByText('What is only on the cameras stays').waitFor();
    await phone.accessible('about to delete');
    await phone.picture('dashboard-phone-delete');
    await phone.page.getByRole('button', { name: /^Delete .* from the cameras$/ }).tap();
    await phone.page.getByText(/ deleted, .* freed$/).waitFor();
    for (const { page } of [phone, desk]) await page.getByText('No recordings yet').waitFor();
    await phone.page.getByText(/ deleted, .* freed$/).scrollIntoViewIfNeeded();
    await phone.accessible('after deleting');
    await phone.picture('dashboard-phone-deleted');
    for (const { cameraId, storage } of rig.place.nodes)
      t.same(readdirSync(join(storage, 'recordings')), [], `nothing is left on ${cameraId}`);
  });
});

/** The clock of a computer without a battery for it. */
const UNSET = '1970-01-01T00:05:00.000000Z';
const WithTime = z.object({ time: WireTime });
const FOLLOWS_NOTHING = {
  state: 'running',
  reference: null,
  stratum: 0,
  offset_ms: null,
  bound_ms: null,
  frequency_ppm: null,
  last_update: null,
  reason: null,
} satisfies SyncState['chrony'];

/** Buttons, links and inputs that are smaller than 48 px, links within text aside. */
const SMALL_TARGETS = `[...document.querySelectorAll('button, input, select, summary')]
  .map((each) => [each.textContent || each.name, each.getBoundingClientRect()])
  .filter(([, { width, height }]) => width < 48 || height < 48)
  .map(([name, { width, height }]) => name + ': ' + width + 'x' + height)`;

/** Until so many cameras show a picture. */
async function pictures(page: Page, count: number): Promise<void> {
  await page.getByRole('heading', { name: 'What they see' }).scrollIntoViewIfNeeded();
  await until(`${count} pictures`, async () => {
    const shown = await page
      .locator('.strip img')
      .evaluateAll(
        (images) => images.filter((image) => Number(Reflect.get(image, 'naturalWidth')) > 0).length,
      );
    return shown === count ? true : undefined;
  });
  await page.evaluate('scrollTo(0, 0)');
}
