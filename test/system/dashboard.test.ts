import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import t from 'tap';
import { ROOT } from '../fixtures/quiet-shell.ts';
import { DESK, PHONE, startBrowser } from './browser.ts';
import { runningRig } from './running-rig.ts';
import { until } from './until.ts';

t.setTimeout(240_000);

const SCRIPT_MAX_BYTES = 100_000;

t.test('a match on the page of a phone, seen by a second browser at another camera', async (t) => {
  const rig = await runningRig(t);
  const urlOf = (camera: string): string =>
    rig.place.nodes.find(({ cameraId }) => cameraId === camera)?.apiUrl ?? '';
  const browser = await startBrowser(t);
  const phone = await browser.open({ ...PHONE, colorScheme: 'light' }, urlOf('CAM_C'));
  const desk = await browser.open({ ...DESK, colorScheme: 'dark' }, urlOf('CAM_L'));
  const says = (page: Page, id: string, text: string | RegExp): Promise<void> =>
    page.getByTestId(id).filter({ hasText: text }).first().waitFor({ timeout: 30_000 });

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

  await t.test('one thumb starts the rig; both pages say so', async (t) => {
    await phone.page.getByLabel('Name of the match').fill('Grün-Weiß : Füchse');
    await phone.page.getByRole('button', { name: 'Start recording' }).tap();
    await Promise.all([says(phone.page, 'headline', 'Recording'), says(desk.page, 'headline', 'Recording')]);
    for (const { page } of [phone, desk]) {
      await says(page, 'detail', 'All 3 cameras');
      await page.getByText('Grun-Weiss_Fuchse').first().waitFor();
      await says(page, 'recorded', /^0:0[3-9]/);
    }
    t.equal((await rig.master.rig()).session?.session_id, 'Grun-Weiss_Fuchse');
    await pictures(phone.page, 3);
    await phone.accessible('recording, on a phone');
    await desk.accessible('recording, on a desk');
    await phone.picture('dashboard-phone');
    await desk.picture('dashboard-desk');
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
    await phone.page.getByText('Home', { exact: true }).first().waitFor({ timeout: 60_000 });
    await phone.picture('dashboard-phone-afterwards', { fullPage: true });
  });
});

/** Buttons, links and inputs that are smaller than 48 px, links within text aside. */
const SMALL_TARGETS = `[...document.querySelectorAll('button, input, select')]
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
