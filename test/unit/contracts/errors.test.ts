import t from 'tap';
import { z } from 'zod';
import { CommandReply } from '#contracts/commands.ts';
import {
  ERRORS,
  type ErrorCode,
  fromWireError,
  Problem,
  parseOrThrow,
  TouchlineError,
  toProblem,
  WireError,
} from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';

t.test('the table says whose turn it is, and what to do', async (t) => {
  for (const [code, entry] of Object.entries(ERRORS)) {
    t.match(code, /^[a-z][a-z0-9_]*$/, code);
    t.ok(entry.status >= 400 && entry.status < 600, `${code}: an error status`);
    t.match(entry.meaning, /^[A-Z].*\.$/, `${code}: a sentence of what happened`);
    t.match(entry.remedy, /^[A-Z].*\.$/, `${code}: a sentence of what to do`);
    if (entry.blame !== 'caller') continue;
    t.ok(
      entry.status < 500,
      `${code}: what the caller did wrong is a 4xx, or a node would repeat it for ever`,
    );
  }
});

t.test('an error keeps its field, details and cause on all its ways', async (t) => {
  const cause = new Error('the kernel said so');
  const error = new TouchlineError('disk_full', 'cannot write a.mp4', {
    field: 'storage.path',
    details: { free_bytes: 0 },
    cause,
  });
  t.equal(error.cause, cause);
  t.equal(error.status, 507);
  t.equal(error.remedy, ERRORS.disk_full.remedy);
  const wire = {
    code: 'disk_full',
    message: 'cannot write a.mp4',
    field: 'storage.path',
    details: { free_bytes: 0 },
  };
  t.same(error.toWire(), wire);
  t.same(fromWireError(WireError.parse(JSON.parse(JSON.stringify(error.toWire())))).toWire(), wire);
  t.same(toProblem(error), {
    type: 'urn:touchline:error:disk_full',
    title: ERRORS.disk_full.meaning,
    status: 507,
    detail: 'cannot write a.mp4',
    ...wire,
  });
  t.same(Problem.parse(toProblem(error)), toProblem(error), 'the problem fits its schema');
  t.same(Object.keys(new TouchlineError('internal', 'x').toWire()), ['code', 'message'], 'and nothing empty');
  t.notOk('cause' in new TouchlineError('internal', 'x'), 'no cause where there is none');
});

t.test('codes that are not in the table are refused', async (t) => {
  t.notOk(WireError.safeParse({ code: 'made_up', message: 'x' }).success);
  const reply = { v: 1, id: 'a', ok: false, error: { code: 'made_up', message: 'x' } };
  t.notOk(CommandReply.safeParse(reply).success);
  const code: ErrorCode = 'conflict';
  t.ok(CommandReply.safeParse({ ...reply, error: { code, message: 'x' } }).success);
  t.ok(CommandReply.safeParse({ v: 1, id: 'a', ok: true, result: null }).success);
});

t.test('parseOrThrow names the first wrong field and lists all', async (t) => {
  const schema = z.object({ a: z.object({ b: z.array(z.int()) }), c: z.string() });
  t.same(parseOrThrow(schema, { a: { b: [1] }, c: 'x', extra: 1 }, 'invalid_field', 'it'), {
    a: { b: [1] },
    c: 'x',
  });
  const thrown = (value: unknown): TouchlineError => {
    try {
      parseOrThrow(schema, value, 'invalid_manifest', 'the manifest');
    } catch (error) {
      if (error instanceof TouchlineError) return error;
      throw error;
    }
    throw new Error('nothing was thrown');
  };
  const nested = thrown({ a: { b: [1, 'two'] } });
  t.equal(nested.code, 'invalid_manifest');
  t.equal(nested.field, 'a.b.1');
  t.match(nested.message, /^the manifest: a\.b\.1: .*number/);
  t.match(nested.details, { issues: [{ field: 'a.b.1' }, { field: 'c' }] });
  const whole = thrown('not an object');
  t.equal(whole.field, undefined, 'the whole value has no field');
  t.match(whole.message, /^the manifest: Invalid input: .*object/);
  t.throws(
    () => parseOrThrow(NodeConfig, { version: 1, spelled: 'wrong' }, 'configuration_invalid', 'x'),
    { code: 'configuration_invalid' },
    'unknown keys of a strict schema',
  );
});
