import { connect } from 'node:net';
import t from 'tap';
import { z } from 'zod';
import { Problem, TouchlineError } from '#contracts/errors.ts';
import { PROBLEM_JSON } from '#contracts/routes.ts';

import { closeHttpApp, createHttpApp, portOf } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';

const log = createLogger({ name: 'test', level: 'silent' });

async function appWithRoutes() {
  const app = await createHttpApp({
    log,
    bodyLimitBytes: 1000,
    document: { title: 'Test', version: '1.2.3' },
  });
  app.post(
    '/things/:id',
    {
      schema: {
        params: z.object({ id: z.string().regex(/^[a-z]+$/) }),
        querystring: z.object({ limit: z.coerce.number().int().max(5).default(3) }),
        body: z.object({ name: z.string().min(2), deep: z.object({ n: z.int() }).optional() }),
        response: { 200: z.object({ id: z.string(), name: z.string(), limit: z.number() }) },
      },
    },
    async (request) => ({
      id: request.params.id,
      name: request.body.name,
      limit: request.query.limit,
      secret: 'not in the schema',
    }),
  );
  app.get('/known', async () => {
    throw new TouchlineError('upload_in_progress', 'wait', { field: 'part', details: { since: 1 } });
  });
  app.get('/unknown', async () => {
    throw new Error('password=hunter2');
  });
  app.get('/bad-answer', { schema: { response: { 200: z.object({ n: z.int() }) } } }, async () => {
    return { n: 'no number' } as unknown as { n: number };
  });
  return app;
}

t.test('takes and gives what the schemas say', async (t) => {
  const app = await appWithRoutes();
  t.teardown(() => app.close());
  const response = await app.inject({
    method: 'POST',
    url: '/things/abc?limit=4',
    payload: { name: 'ball', extra: true },
  });
  t.equal(response.statusCode, 200);
  t.same(response.json(), { id: 'abc', name: 'ball', limit: 4 }, 'nothing beyond the schema leaks');

  const document = (await app.inject('/api/v1/openapi.json')).json();
  t.equal(document.info.version, '1.2.3');
  t.same(document.paths['/things/{id}'].post.requestBody.content['application/json'].schema.required, [
    'name',
  ]);
  t.notOk(document.paths['/api/v1/openapi.json'], 'the document does not describe itself');
});

t.test('every error is a problem document with a code of ours', async (t) => {
  const app = await appWithRoutes();
  t.teardown(() => app.close());
  const cases = [
    { send: { url: '/nowhere' }, status: 404, code: 'not_found' },
    { send: { url: '/%zz' }, status: 404, code: 'not_found' },
    { send: { url: '/known' }, status: 409, code: 'upload_in_progress', field: 'part' },
    { send: { url: '/unknown' }, status: 500, code: 'internal' },
    { send: { url: '/bad-answer' }, status: 500, code: 'internal' },
    {
      send: { method: 'POST', url: '/things/abc', payload: { name: 'x' } },
      status: 400,
      code: 'invalid_field',
      field: 'name',
    },
    {
      send: { method: 'POST', url: '/things/abc', payload: { name: 'xyz', deep: { n: 1.5 } } },
      status: 400,
      code: 'invalid_field',
      field: 'deep.n',
    },
    {
      send: { method: 'POST', url: '/things/ABC', payload: { name: 'xyz' } },
      status: 400,
      code: 'invalid_field',
      field: 'id',
    },
    {
      send: { method: 'POST', url: '/things/abc?limit=9', payload: { name: 'xyz' } },
      status: 400,
      code: 'invalid_field',
      field: 'limit',
    },
    {
      send: {
        method: 'POST',
        url: '/things/abc',
        payload: '{"name":',
        headers: { 'content-type': 'application/json' },
      },
      status: 400,
      code: 'invalid_json',
    },
    {
      send: {
        method: 'POST',
        url: '/things/abc',
        payload: '',
        headers: { 'content-type': 'application/json' },
      },
      status: 400,
      code: 'invalid_json',
    },
    {
      send: { method: 'POST', url: '/things/abc', payload: 'hi', headers: { 'content-type': 'text/csv' } },
      status: 415,
      code: 'unsupported_media_type',
    },
    {
      send: { method: 'POST', url: '/things/abc', payload: { name: 'x'.repeat(2000) } },
      status: 413,
      code: 'payload_too_large',
    },
  ] as const;
  for (const { send, status, code, ...rest } of cases) {
    const response = await app.inject({ ...send });
    const problem = Problem.parse(response.json());
    const name = `${'method' in send ? send.method : 'GET'} ${send.url} → ${code}`;
    t.equal(response.statusCode, status, name);
    t.ok(response.headers['content-type']?.toString().startsWith(PROBLEM_JSON), 'is problem+json');
    t.equal(problem.code, code);
    t.equal(problem.status, status);
    t.equal(problem.type, `urn:touchline:error:${code}`);
    if ('field' in rest) t.equal(problem.field, rest.field);
    t.notMatch(response.body, /hunter2/, 'no internals in the answer');
  }
});

t.test('closing ends within the grace time although a client never finishes its request', async (t) => {
  const app = await appWithRoutes();
  await app.listen({ host: '127.0.0.1', port: 0 });
  const socket = connect(portOf(app), '127.0.0.1');
  const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  socket.on('error', () => t.comment('reset by the server'));
  await new Promise<void>((resolve) => socket.on('connect', resolve));
  const began = new Promise<void>((resolve) => app.server.once('request', () => resolve()));
  socket.write(
    'POST /things/abc HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{',
  );
  await began;
  await closeHttpApp(app, 100);
  await ended;
  t.notOk(app.server.listening);
});
