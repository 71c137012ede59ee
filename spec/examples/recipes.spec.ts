/** Every example runs to its end, and shows what it says. */
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { eventually } from '../support/eventually.ts';
import { patience } from '../support/lateness.ts';
import { type Server, startServer } from '../support/server.ts';
import { run, start } from './run.ts';

const ELSEWHERE = ['testing.ts']; // runs without Redis, and has a spec of its own

describe('the examples', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;
  const ran = new Set<string>();

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  afterEach('nobody holds or waits for anything', async () => {
    expect(await redis.keys('*}~redisync*')).to.deep.equal([]);
  });

  const outcome = async (file: string): Promise<string[]> => {
    ran.add(file);
    const { code, output } = await run(file, server.url);
    expect(code, output).to.equal(0);
    return output.trim().split('\n');
  };

  it('cron-singleton: two machines never do the job of one tick twice', async () => {
    const machines = await Promise.all([outcome('cron-singleton.ts'), outcome('cron-singleton.ts')]);
    const done = machines.flat().filter((line) => line.endsWith('done here'));
    expect(done).to.have.length.of.at.least(4);
    expect(new Set(done).size).to.equal(done.length);
    expect(machines.flat().filter((line) => line.includes('not done'))).to.deep.equal([]);
  });

  it("ordered-queue: every customer's orders are served once and in order", async () => {
    const lines = await outcome('ordered-queue.ts');
    expect(lines).to.have.length(15);
    for (const customer of ['ann', 'ben', 'cem']) {
      const served = lines.filter((line) => line.startsWith(customer));
      expect(served).to.deep.equal([1, 2, 3, 4, 5].map((order) => `${customer} ${order}`));
    }
  });

  it('leadership: a leader that is killed is followed within its ttl, and one that resigns at once', async () => {
    ran.add('leadership.ts');
    const first = start('leadership.ts', server.url);
    await first.seen(/task 0 with fence \d+/);
    const second = start('leadership.ts', server.url);
    await second.seen(/following/);
    first.kill('SIGKILL');
    await first.ended;
    const killed = performance.now();
    await second.seen(/leading/);
    expect(performance.now() - killed, 'a heartbeat would be after 3.3 s').to.be.below(patience(3_000));
    const task = await second.seen(/task 0 with fence \d+/);
    expect(task > (await first.seen(/task 0 with fence \d+/))).to.equal(true);
    second.kill('SIGTERM');
    expect((await second.ended).code).to.equal(0);
    expect(await redis.exists('example:scheduler')).to.equal(0);
  });

  it('api-pool: no more permits are in use than there are', async () => {
    const lines = await outcome('api-pool.ts');
    expect(lines).to.have.length(13);
    expect(lines.at(-1)).to.equal('most permits in use at once: 3 of 3');
  });

  it('cache-stampede: one computes, the others have the result', async () => {
    expect(await outcome('cache-stampede.ts')).to.deep.equal(['20 answers, computed 1 time(s)']);
  });

  it('search: a superseded search leaves the queue', async () => {
    const lines = await outcome('search.ts');
    const of = (verb: string): string[] =>
      lines.filter((line) => line.startsWith(verb)).map((line) => line.replace(/^.*for |^drops /, ''));
    expect(of('asks')).to.deep.equal([...of('drops'), '"lock"']);
    expect(lines.slice(-2)).to.deep.equal(['results for "lock"', 'left behind: 0']);
  });

  it('read-write: the writer becomes a reader before any other writer comes in', async () => {
    expect(await outcome('read-write.ts')).to.deep.equal([
      'the writer made version 2, alone',
      'ann reads version 2',
      'ben reads version 2',
      'the writer looks it over, as a reader: shared',
      'version 2 is good',
      'another writer made version 3',
      'cem reads version 3',
    ]);
  });

  it('saga: a step that fails has the others undone, and an old fence writes nothing', async () => {
    expect(await outcome('saga.ts')).to.deep.equal([
      'bought; in stock 8, in the account 4',
      'not bought: CHECK constraint failed: amount >= 0; in stock 8, in the account 4',
      'refused: fence 1 is too low; in stock 8, in the account 4',
    ]);
  });

  it('printers: every job gets a printer', async () => {
    const lines = await outcome('printers.ts');
    expect(lines.map((line) => line.replace(/[12]$/, '?')).sort()).to.deep.equal([
      'form on ?',
      'letter on ?',
      'map on ?',
      'poster on ?',
      'ticket on ?',
    ]);
    expect(new Set(lines.map((line) => line.slice(-1))).size).to.equal(2);
  });

  it('shared-lease: one lease serves all subscribers, and lingers', async () => {
    expect(await outcome('shared-lease.ts')).to.deep.equal([
      'acquired',
      'ann: true',
      'ben: true',
      'cem: true',
      'dot: true',
      'released',
      'acquired',
      'eve: true',
      'released',
    ]);
  });

  it('promises: waits end by time and by signal, and the lease with its block', async () => {
    expect(await outcome('promises.ts')).to.deep.equal([
      'built under a lease',
      'LOCK_TIMEOUT, held by ourselves: true',
      'AbortError',
      'free again, and then given back: true',
    ]);
  });

  it('http-if-match: what comes late is refused', async () => {
    expect(await outcome('http-if-match.ts')).to.deep.equal([
      'under the lock: 204',
      'under the lock: 204',
      "with what was read before the other's write: 412",
      'with a lower fence: 409',
      'draft, edited, edited',
    ]);
  });

  it('fenced-redis: what comes late is refused', async () => {
    expect(await outcome('fenced-redis.ts')).to.deep.equal(['late: fence N is too low', 'written by the next']);
  });

  it('fastify: serves an order at a time, answers 409 when busy, and answers what is under way when it is closed', async () => {
    expect(await outcome('fastify.ts')).to.deep.equal([
      'side by side, and one after another: [ 200, 200, 200 ]',
      'busy: 409',
      'begun before it closes: 200',
    ]);
  });

  describe('http-service', () => {
    const begin = async (url: string) => {
      ran.add('http-service.ts');
      const service = start('http-service.ts', url);
      const port = /\d+$/.exec(await service.seen(/"port":\d+/))?.[0];
      const post = async (path: string): Promise<number> =>
        (await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST' })).status;
      return { service, post };
    };

    it('serves an order at a time, and answers 409 when it is busy', async () => {
      const { service, post } = await begin(server.url);
      expect(await Promise.all([post('/orders/1'), post('/orders/1'), post('/orders/2')])).to.deep.equal([
        200, 200, 200,
      ]);
      await redis.set('example:/orders/3', 'somebody else', 'PX', 5_000);
      expect(await post('/orders/3')).to.equal(409);
      service.kill('SIGTERM');
      expect((await service.ended).code).to.equal(0);
    });

    it('serves to the end what is under way when it is stopped, and answers 503 to who waits', async () => {
      const { service, post } = await begin(server.url);
      await redis.set('example:/orders/5', 'somebody else', 'PX', 5_000);
      const answers = [post('/orders/4'), post('/orders/5')];
      let served = false;
      answers[0]?.then(() => {
        served = true;
      });
      await eventually('one is, or was, served', async () => served || (await redis.exists('example:/orders/4')) === 1);
      service.kill('SIGTERM');
      expect(await Promise.all(answers)).to.deep.equal([200, 503]);
      expect((await service.ended).code).to.equal(0);
      expect(await redis.exists('example:/orders/4')).to.equal(0);
    });

    it('answers 503 when Redis is out of reach', async () => {
      const { service, post } = await begin('redis://127.0.0.1:1');
      expect(await post('/orders/1')).to.equal(503);
      service.kill('SIGTERM');
      expect((await service.ended).code).to.equal(0);
    });
  });

  for (const [file, prefix] of [
    ['express.ts', 'express:'],
    ['koa.ts', 'koa:'],
  ] as const) {
    it(`${file}: serves an order at a time, answers when busy, and releases its locks when it is stopped`, async () => {
      ran.add(file);
      const service = start(file, server.url);
      const port = /\d+$/.exec(await service.seen(/"port":\d+/))?.[0];
      const post = async (path: string): Promise<number> =>
        (await fetch(`http://127.0.0.1:${port}${path}`, { method: 'POST' })).status;
      expect(await Promise.all(['1', '1', '2'].map((id) => post(`/orders/${id}`)))).to.deep.equal([200, 200, 200]);
      await redis.set(`example:${prefix}${file === 'express.ts' ? '3' : '/orders/3'}`, 'somebody else', 'PX', 5_000);
      expect(await post('/orders/3')).to.equal(409);
      const last = post('/orders/4');
      service.kill('SIGTERM');
      const { code } = await service.ended;
      await last.catch(() => undefined);
      expect(code).to.equal(0);
    });
  }

  it('node-redis: one order after another, without ioredis', async () => {
    const lines = await outcome('node-redis.ts');
    expect(lines).to.have.length(6);
    for (const i of [0, 2, 4]) expect(lines[i]?.replace('begins', 'ends')).to.equal(lines[i + 1]);
  });

  it('bullmq: the jobs of a customer never run side by side', async () => {
    const lines = await outcome('bullmq.ts');
    for (const customer of ['ann', 'ben']) {
      const own = lines.filter((line) => line.startsWith(customer));
      expect(own).to.have.length(6);
      for (const i of [0, 2, 4]) expect(own[i]?.replace('begins', 'ends')).to.equal(own[i + 1]);
    }
  });

  it('transfer: another process goes on with the same fence', async () => {
    expect((await outcome('transfer.ts')).sort()).to.deep.equal([
      'meanwhile the lock is busy',
      'the web process answers, and holds nothing',
      'the worker goes on with the same fence',
    ]);
  });

  it('logger: every event is a line of JSON', async () => {
    const lines = await outcome('logger.ts');
    const entries = lines.map((line) => JSON.parse(line));
    expect(entries.pop()).to.include({ level: 30, msg: 'waits', waits: 3 });
    const types = entries.map(({ type }) => type);
    for (const type of ['acquired', 'waiting', 'released', 'handedOver']) expect(types).to.include(type);
  });

  it('telemetry: six leases are six spans, and one time series', async () => {
    const output = (await outcome('telemetry.ts')).join('\n');
    expect(output.match(/name: 'redisync\.hold',/g)).to.have.lengthOf(6);
    expect(output).to.match(/name: 'redisync\.grants'.*?template': 'order:\{id\}' \}.*?value: 6\n/s);
  });

  describe('all of them', () => {
    it('are run', () => {
      const files = readdirSync(new URL('../../examples', import.meta.url)).filter((name) => name.endsWith('.ts'));
      expect([...ran, ...ELSEWHERE.filter((name) => files.includes(name))].sort()).to.deep.equal(files.sort());
    });
  });
});
