import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import axe from 'axe-core';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { Test } from 'tap';
import { launchChromium } from '../fixtures/chromium.ts';
import { ROOT } from '../fixtures/quiet-shell.ts';

/** Where the pictures of a run lie; `node tools/pictures.ts` takes those of the README from there. */
export const PICTURES = join(ROOT, 'dist/pictures');

export const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true } as const;
export const DESK = { viewport: { width: 1440, height: 900 } } as const;

export interface OpenPage {
  readonly page: Page;
  /** No serious finding of axe, the highest contrast level included. */
  accessible(what: string): Promise<void>;
  picture(name: string, options?: { fullPage?: boolean }): Promise<void>;
}

const RUN_AXE = `axe.run(document, {
  runOnly: ['wcag2a', 'wcag2aa', 'wcag2aaa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
}).then(({ violations }) => violations
  .filter(({ impact }) => impact === 'serious' || impact === 'critical')
  .map(({ id, nodes }) => id + ': ' + nodes.map(({ target }) => target.join(' ')).join(', ')))`;

/** A browser for pages of the product; what a page throws fails the test. */
export async function startBrowser(t: Test): Promise<{
  open(options: BrowserContextOptions, url: string): Promise<OpenPage>;
}> {
  const browser = await launchChromium();
  t.teardown(() => browser.close());
  mkdirSync(PICTURES, { recursive: true });
  return {
    async open(options, url) {
      const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
      const page = await context.newPage();
      page.on('pageerror', (error) => t.fail(`the page threw: ${error.message}`));
      await page.goto(url);
      return {
        page,
        async accessible(what) {
          // By the debugger, not by a script element: the page's policy allows none but its own.
          await page.evaluate(axe.source);
          const found = await page.evaluate(RUN_AXE);
          t.same(found, [], `axe finds nothing serious: ${what}`);
        },
        async picture(name, { fullPage = false } = {}) {
          await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage });
        },
      };
    },
  };
}
