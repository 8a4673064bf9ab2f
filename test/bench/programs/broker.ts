import { once } from 'node:events';
import { aedesBroker } from '#ports/broker/aedes-broker.ts';

/** The node's broker as a process: `broker.ts FOLDER` keeps its messages there. Says `{port}`; ends with stdin. */
const [folder = ''] = process.argv.slice(2);
const broker = aedesBroker({ host: '127.0.0.1', port: 0, persistencePath: folder });
await broker.start(new AbortController().signal);
process.stdout.write(`${JSON.stringify({ port: broker.port() })}\n`);
process.stdin.resume();
await once(process.stdin, 'end');
await broker.stop();
