import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { builtPages } from '../../cli/bundles.ts';
import { waitUntilReady } from '../../cli/demo/once.ts';
import { makePlace } from '../../cli/demo/place.ts';
import { type DemoSystem, demoSystem } from '../../cli/demo/system.ts';
import { launchChromium } from '../fixtures/chromium.ts';
import { quietShell } from '../fixtures/quiet-shell.ts';
import { environment } from './measuring/environment.ts';
import { ratios, spread } from './measuring/figures.ts';
import { inTempFolder } from './measuring/folder.ts';

export const about =
  'First useful paint of the dashboard on a slow phone, and how soon other browsers see a change, against a page without a framework';

/** Chromium's own figure for a mid-range phone against a desktop processor. */
const CPU_SLOWDOWN = 4;
const ROUNDS = 5;
const NEED_BYTES = 500e6;

export async function run({ rounds = ROUNDS, log }: { rounds?: number; log: (line: string) => void }) {
  const before = environment();
  return inTempFolder(NEED_BYTES, async (folder) => {
    const shell = quietShell(log);
    await builtPages(shell);
    const place = await makePlace({ out: folder, sources: new Map() });
    const system = demoSystem(shell, place, undefined, log);
    const browser = await launchChromium();
    const plain = await plainPage(place.nodes[1]?.apiUrl ?? '');
    try {
      system.start();
      await waitUntilReady(system, AbortSignal.timeout(120_000));
      const paint = await paints(browser, system, plain.url, rounds, log);
      const seen = await changes(browser, system, plain.url, rounds, log);
      return { environment: before, cpu_slowdown: CPU_SLOWDOWN, ...paint, ...seen };
    } finally {
      await browser.close();
      plain.close();
      await system.stop();
    }
  });
}

/** From the navigation to the first word about the rig. */
async function paints(
  browser: Browser,
  system: DemoSystem,
  plainUrl: string,
  rounds: number,
  log: (line: string) => void,
) {
  const urls = { dashboard: system.place.nodes[1]?.apiUrl ?? '', plain: plainUrl };
  const ms: Record<keyof typeof urls, number[]> = { dashboard: [], plain: [] };
  for (let round = 1; round <= rounds; round++) {
    log(`first useful paint, round ${round} …`);
    for (const name of ['dashboard', 'plain'] as const) {
      const { page, close } = await watchedPage(browser);
      const session = await page.context().newCDPSession(page);
      await session.send('Emulation.setCPUThrottlingRate', { rate: CPU_SLOWDOWN });
      await page.goto(urls[name]);
      await page.getByText('Ready', { exact: true }).first().waitFor();
      ms[name].push(await page.evaluate<number>('seen.find(([word]) => word === "Ready")[1]'));
      await close();
    }
  }
  return {
    first_useful_paint_ms: spread(ms.dashboard),
    first_useful_paint_plain_ms: spread(ms.plain),
    ratio_first_useful_paint: ratios(ms.dashboard, ms.plain),
  };
}

/** From the rig's answer to a start until a page at another node shows it; the peer asks once a second. */
async function changes(
  browser: Browser,
  system: DemoSystem,
  plainUrl: string,
  rounds: number,
  log: (line: string) => void,
) {
  const live = await watchedPage(browser);
  const polling = await watchedPage(browser);
  await live.page.goto(system.place.nodes[0]?.apiUrl ?? '');
  await polling.page.goto(plainUrl);
  const ms = { live: [] as number[], polling: [] as number[] };
  for (let round = 1; round <= rounds; round++) {
    log(`a change seen by other browsers, round ${round} …`);
    for (const { page } of [live, polling]) {
      await page.getByText('Ready', { exact: true }).first().waitFor();
      await page.evaluate('void (seen.length = 0)');
    }
    const { session_uid } = await system.master.start({});
    const changedMs = await changedAt(system);
    for (const [name, { page }] of [
      ['live', live],
      ['polling', polling],
    ] as const) {
      await page.getByText('Recording', { exact: true }).first().waitFor();
      const shownMs = await page.evaluate<number>(
        'performance.timeOrigin + seen.find(([word]) => word === "Recording")[1]',
      );
      ms[name].push(Math.max(0, shownMs - changedMs));
    }
    await system.master.stop({ session_uid });
  }
  await live.close();
  await polling.close();
  return {
    change_seen_ms: spread(ms.live),
    change_seen_by_polling_ms: spread(ms.polling),
    ratio_change_seen: ratios(ms.live, ms.polling),
  };
}

/** When, by the clock of this machine, the master first answers that a camera records. */
async function changedAt(system: DemoSystem): Promise<number> {
  for (;;) {
    const { nodes } = await system.master.rig();
    if (nodes.some(({ status }) => status?.recorder?.recording)) return Date.now();
  }
}

/** A page that notes when each word of its headline was there, in milliseconds after the navigation. */
async function watchedPage(browser: Browser): Promise<{ page: Page; close: () => Promise<void> }> {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.addInitScript(`
    globalThis.seen = [];
    new MutationObserver(() => {
      const word = document.querySelector('[data-testid=headline]')?.textContent;
      if (word && seen.at(-1)?.[0] !== word) seen.push([word, performance.now()]);
    }).observe(document, { subtree: true, childList: true, characterData: true });
  `);
  return { page, close: () => context.close() };
}

/** The peer: the same answer to the first question, by a page of a few lines that asks the same node. */
async function plainPage(apiUrl: string): Promise<{ url: string; close(): void }> {
  const html = `<!doctype html><meta charset="utf-8"><title>peer</title><h1 data-testid="headline"></h1><script>
    const read = async () => {
      const { nodes } = await (await fetch('/rig')).json();
      const all = (test) => nodes.every(({ status }) => test(status?.recorder));
      const any = (test) => nodes.some(({ status }) => test(status?.recorder));
      document.querySelector('h1').textContent =
        any((recorder) => recorder?.recording) ? 'Recording' : all((recorder) => recorder?.state === 'idle') ? 'Ready' : 'Between';
    };
    read(); setInterval(read, 1000);
  </script>`;
  const server = createServer((request, response) => {
    if (request.url === '/') response.setHeader('content-type', 'text/html').end(html);
    else
      fetch(`${apiUrl}/api/v1/rig`).then(
        async (answer) => response.end(await answer.text()),
        () => response.writeHead(502).end(),
      );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, close: () => server.close() };
}
