import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import t from 'tap';
import { ERRORS } from '#contracts/errors.ts';

const PROTOCOLS_PAGE = 'docs/protocols.md';
const SCHEMA_FOLDER = 'docs/schemas';

const check = () => spawnSync(process.execPath, ['tools/docs/main.ts', '--check'], { encoding: 'utf8' });

t.test('the generated documents are those of the contracts', (t) => {
  const { status, stdout, stderr } = check();
  t.equal(stdout, '', 'out of date: run `node tools/docs/main.ts` and commit what it writes');
  t.equal(stderr, '');
  t.equal(status, 0);
  t.end();
});

t.test('every error code of the documents is in the table, and the other way round', (t) => {
  const page = readFileSync(PROTOCOLS_PAGE, 'utf8');
  const section = page.slice(page.indexOf('## Error codes'), page.indexOf('## Files and configuration'));
  const documented = [...section.matchAll(/^\| `([a-z0-9_]+)` \| (\d+) \| (\w+) \|/gm)];
  t.same(documented.map(([, code]) => code).sort(), Object.keys(ERRORS).sort());
  for (const [, code = '', status, blame] of documented) {
    const known = ERRORS[code as keyof typeof ERRORS];
    t.same([status, blame], [String(known.status), known.blame], code);
  }
  const { properties } = JSON.parse(readFileSync(`${SCHEMA_FOLDER}/error.json`, 'utf8'));
  t.same([...properties.code.enum].sort(), Object.keys(ERRORS).sort(), 'and in the schema');
  t.end();
});

t.test('the schemas are JSON Schemas that say no', (t) => {
  const ajv = formats.default(new Ajv2020({ strict: false }));
  const validators = new Map(
    readdirSync(SCHEMA_FOLDER).map((file) => {
      const schema = JSON.parse(readFileSync(`${SCHEMA_FOLDER}/${file}`, 'utf8'));
      return [file.replace('.json', ''), ajv.compile(schema)] as const;
    }),
  );
  for (const [name, validate] of validators) t.notOk(validate('neither'), `${name} refuses a string`);
  const offload = validators.get('command-housekeeper-offload');
  t.ok(offload?.({ id: 'a' }), 'a command with what it needs is taken');
  t.notOk(offload?.({ id: 'a b' }), 'and one with an id that cannot be is not');
  t.end();
});
