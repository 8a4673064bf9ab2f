/**
 * Run after `npm install` when the lint test asks for it: node tools/complete-lock-file.ts
 *
 * npm leaves optional packages out of package-lock.json that its registry does not hold for other platforms, and
 * `npm ci` then refuses the file. This adds them: the version is the one the parent pins, platform and libc are what
 * their names say. They carry no checksum, as no supported machine installs them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { completed } from './lock-file/completed.ts';

const file = new URL('../package-lock.json', import.meta.url);
const { lock, added } = completed(JSON.parse(readFileSync(file, 'utf8')));
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
console.error(`${added.length} packages added`);
