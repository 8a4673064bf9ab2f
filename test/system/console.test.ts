import { setTimeout as sleep } from 'node:timers/promises';
import type { Page } from 'playwright-core';
import t from 'tap';
import { fromWireTime } from '#contracts/time.ts';
import { DESK, type OpenPage, PHONE, startBrowser } from './browser.ts';
import { type RunningRig, runningRig } from './running-rig.ts';
import { until } from './until.ts';

t.setTimeout(400_000);

/** Long enough for a panorama that can be cancelled in the middle. */
const MATCH_SEC = 8;

t.test('a match in the console: from nothing to a calibrated panorama', async (t) => {
  const rig = await runningRig(t);
  const browser = await startBrowser(t);
  const { url } = rig.place.central;
  const desk = await browser.open({ ...DESK, colorScheme: 'light' }, `${url}/`);
  const second = await browser.open({ ...DESK, colorScheme: 'dark' }, `${url}/#/jobs`);
  const phone = await browser.open({ ...PHONE, colorScheme: 'light' }, `${url}/`);

  await t.test('nothing is there yet, and the page says how it gets there', async () => {
    await desk.page.getByText('No session yet').waitFor();
    await desk.accessible('no session');
  });

  await t.test('a session comes home, live on every open page', async (t) => {
    await record(rig, 'Final');
    for (const { page } of [desk, phone]) {
      const card = page.getByTestId('session').first();
      await card.filter({ hasText: 'Final' }).waitFor({ timeout: 60_000 });
      await card.and(page.locator('[data-state="done"]')).waitFor({ timeout: 180_000 });
      await pictureLoaded(page, '.session-picture img');
    }
    t.ok(
      (await second.page.getByTestId('job').count()) >= 4,
      'the second page saw the jobs: three proxies and a panorama',
    );
    await second.accessible('jobs');
    await second.picture('console-jobs');
    await desk.accessible('sessions');
    await desk.picture('console-sessions');
    await phone.accessible('sessions, on a phone');
    await phone.picture('console-phone-sessions');
  });

  await t.test('three recordings play in step', async (t) => {
    await desk.page.getByRole('link', { name: /Final/ }).first().click();
    // On a busy machine a camera may begin seconds after the others: a moment that all of them show.
    await desk.page.getByRole('slider', { name: 'Moment of the session' }).fill('4');
    for (const camera of CAMERAS)
      await desk.page
        .getByTestId(`tile-${camera}`)
        .and(desk.page.locator('[data-state="ready"]'))
        .waitFor({ timeout: 30_000 });
    await desk.page.getByTestId('play').click();
    await until('all play in step', async () => {
      const offsets = await Promise.all(CAMERAS.map((camera) => offsetMs(desk.page, camera)));
      // A frame is 33 ms: within it the eye sees no difference.
      return offsets.every((offset) => offset !== undefined && Math.abs(offset) <= 34) ? true : undefined;
    });
    await desk.page.getByRole('button', { name: 'Pause' }).click();
    const before = await standing(desk.page);
    await desk.page.getByRole('button', { name: 'One frame on' }).click();
    await until('one frame on', async () => {
      const now = await positions(desk.page);
      const steps = now.map((at, index) => at - (before[index] ?? Number.NaN));
      return steps.every((step) => Math.abs(step - 1 / 30) < 0.005) ? true : undefined;
    });
    t.pass('each of the three went one frame on');
    const facts = desk.page.getByTestId('recordings');
    await facts.getByRole('rowheader', { name: 'Clock, 95 % within' }).waitFor();
    t.equal(await facts.getByText(/^±\d+(\.\d+)? ms$/).count(), CAMERAS.length, 'of each camera');
    for (const nothing of ['Clock was set', 'Sound', 'Lock View', 'Wanted instead'])
      t.equal(
        await facts.getByRole('rowheader', { name: nothing }).count(),
        0,
        `nothing to tell: ${nothing}`,
      );
    await desk.accessible('a session');
    await desk.picture('console-session', { fullPage: true });
  });

  await t.test('the panorama is calibrated, with the figures that say so; it zooms and pans', async (t) => {
    const panel = desk.page.getByTestId('calibration');
    await panel.getByText('Calibrated', { exact: true }).waitFor();
    t.match((await panel.textContent()) ?? '', /control points, \d/);
    await desk.page.getByRole('link', { name: 'Panorama' }).click();
    await desk.page
      .getByTestId('panorama')
      .and(desk.page.locator('[data-state="ready"]'))
      .waitFor({ timeout: 30_000 });
    await desk.page.getByRole('button', { name: 'Zoom in' }).click();
    await until('zoomed', async () =>
      Number.parseFloat((await desk.page.locator('.panorama-scale').textContent()) ?? '') > 1
        ? true
        : undefined,
    );
    await desk.picture('console-panorama-zoomed');
    await desk.page.getByRole('button', { name: 'Whole width' }).click();
    await desk.accessible('the panorama');
    await desk.picture('console-panorama');
    await phone.page.goto(`${url}/${new URL(desk.page.url()).hash}`);
    await phone.page.getByTestId('calibration').waitFor();
    await phone.accessible('the panorama, on a phone');
    t.equal(
      await phone.page.evaluate('document.documentElement.scrollWidth'),
      360,
      'nothing sticks out sideways',
    );
    await phone.picture('console-phone-panorama');
  });

  await t.test('a panorama is made again with other settings, cancelled, and resumed', async (t) => {
    const [top] = [second.page.getByTestId('job').first()];
    await makeAgain(desk, 'none');
    await top.filter({ hasText: 'not calibrated' }).waitFor();
    await second.page.getByRole('button', { name: /^Cancel: Panorama/ }).click();
    const sure = second.page.getByRole('button', { name: /^Really cancel: Panorama/ });
    await until('the job is cancelled', async () => {
      if (await sure.isVisible()) await sure.click();
      return (await top.getAttribute('data-state')) === 'cancelled' ? true : undefined;
    });
    await desk.page.getByTestId('calibration').getByText('Calibrated', { exact: true }).waitFor();
    t.pass('the panorama of before is still there');
    await top.getByRole('button', { name: /^Try again/ }).click();
    await desk.page
      .getByTestId('calibration')
      .getByText('Not calibrated', { exact: true })
      .waitFor({ timeout: 120_000 });
    t.pass('repeated, it says what it is');
  });

  await t.test('central is killed: the pages say so, and live again with it', async (t) => {
    rig.kill('central server');
    for (const { page } of [desk, second]) {
      await page.getByTestId('connection').filter({ hasText: 'Lost' }).waitFor({ timeout: 20_000 });
      await page.getByTestId('lost').waitFor();
    }
    await desk.accessible('lost');
    for (const { page } of [desk, second])
      await page.getByTestId('connection').filter({ hasText: 'Live' }).waitFor({ timeout: 60_000 });
    await record(rig, 'Afterwards');
    await desk.page.getByRole('link', { name: 'Sessions' }).click();
    await desk.page.getByTestId('session').filter({ hasText: 'Afterwards' }).waitFor({ timeout: 60_000 });
    t.pass('a page that was open all the time shows the next session');
    await desk.page.getByRole('link', { name: 'Devices' }).click();
    await until('all devices are there', async () =>
      (await desk.page.getByTestId('device').count()) === 3 ? true : undefined,
    );
    await desk.accessible('devices');
    await desk.picture('console-devices');
  });
});

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;

async function record(rig: RunningRig, session_id: string): Promise<void> {
  const { start_at, session_uid } = await rig.master.start({ session_id });
  await sleep(fromWireTime(start_at) / 1000 - Date.now() + MATCH_SEC * 1000);
  await rig.master.stop({ session_uid });
}

async function makeAgain({ page }: OpenPage, calibration: string): Promise<void> {
  await page.getByTestId('make').click();
  await page.getByLabel('Calibration').selectOption(calibration);
  await page.getByRole('button', { name: 'Make it' }).click();
}

/** What the page says that a picture is ahead of the common clock. */
async function offsetMs(page: Page, camera: string): Promise<number | undefined> {
  const text = (await page.getByTestId(`offset-${camera}`).textContent()) ?? '';
  const [, sign, figure] = /([+\u2212-]?)\s*([\d.]+)\s*ms/.exec(text) ?? [];
  return figure === undefined ? undefined : Number(figure) * (sign === '' || sign === '+' ? 1 : -1);
}

/** Where the videos are once they stand: two looks in a row say the same. */
async function standing(page: Page): Promise<number[]> {
  let last: number[] = [];
  return until('the videos stand', async () => {
    const now = await positions(page);
    const same = now.length === CAMERAS.length && now.every((at, index) => at === last[index]);
    last = now;
    await page.waitForTimeout(200);
    return same ? now : undefined;
  });
}

/** Seconds each video is at. */
function positions(page: Page): Promise<number[]> {
  return page
    .locator('figure.tile video')
    .evaluateAll((videos) => videos.map((video) => Number(Reflect.get(video, 'currentTime'))));
}

async function pictureLoaded(page: Page, selector: string): Promise<void> {
  await until(`picture ${selector}`, async () =>
    (await page
      .locator(selector)
      .first()
      .evaluate((image) => Number(Reflect.get(image, 'naturalWidth')))) > 0
      ? true
      : undefined,
  );
}
