/** A fenced write over HTTP: If-Match refuses a write that is based on an old version, the fence a write under a lease that has ended. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { Redis } from 'ioredis';
import { LockCoordinator, whileHeld } from 'redisync';
import { lastValueFrom } from 'rxjs';

/** A document as a service keeps it: with a version, and the highest fence that has written it. */
const document = { body: 'draft', version: 1, fence: 0 };
const server = createServer(async (request, response) => {
  const etag = (): string => `"${document.version}"`;
  if (request.method !== 'PUT') return response.setHeader('ETag', etag()).end(document.body);
  const body = await text(request);
  const fence = Number(request.headers['fencing-token']);
  if (!(fence >= document.fence)) return response.writeHead(409).end();
  if (request.headers['if-match'] !== etag()) return response.writeHead(412).end();
  Object.assign(document, { body, fence, version: document.version + 1 });
  return response.writeHead(204).end();
}).listen(0, '127.0.0.1');
await once(server, 'listening');
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

const [redis = new Redis(), ...more] = (process.env.REDIS_URL ?? 'redis://127.0.0.1:6379')
  .split(',')
  .map((url) => new Redis(url));
const locks = new LockCoordinator(more.length > 0 ? [redis, ...more] : redis, { ttl: 5_000 }); // one Redis, or a quorum

const put = async (body: string, etag: string, fence: number, signal?: AbortSignal): Promise<number> => {
  const headers = { 'If-Match': etag, 'Fencing-Token': String(fence) };
  return (await fetch(url, { method: 'PUT', body, headers, ...(signal && { signal }) })).status;
};
const edit = locks.mutex('example:document').pipe(
  whileHeld(async ({ fence, signal }) => {
    const read = await fetch(url, { signal });
    const etag = read.headers.get('ETag') ?? '';
    console.log(`under the lock: ${await put(`${await read.text()}, edited`, etag, fence, signal)}`);
    return { etag, fence };
  }),
);

const first = await lastValueFrom(edit);
const second = await lastValueFrom(edit);
console.log(`with what was read before the other's write: ${await put('late', first.etag, second.fence)}`);
console.log(`with a lower fence: ${await put('late', '"3"', first.fence)}`);
console.log(await (await fetch(url)).text());
server.close();
await locks.close();
for (const each of [redis, ...more]) each.disconnect();
