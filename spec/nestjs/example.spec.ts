/** The example application as it is run: two instances of it on one Redis. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Running, start } from '../examples/run.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

const jsonIn = (output: string): Record<string, unknown>[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line));

describe('the example application of NestJS', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  const instance = async (): Promise<{ readonly running: Running; readonly url: string }> => {
    const running = start('nestjs/main.ts', server.url);
    const line = await running.seen(/.*"listening".*/);
    return { running, url: String(jsonIn(line)[0]?.url) };
  };

  it('reports by its leader alone, tidies up one at a time, and pays an order once at a time', async () => {
    const [one, two] = await Promise.all([instance(), instance()]);
    const leads = /"report","pid":(\d+),"second":\d+/;
    const leader = await Promise.race([
      one.running.seen(leads).then(() => one),
      two.running.seen(leads).then(() => two),
    ]);
    const follower = leader === one ? two : one;
    const post = async ({ url }: { url: string }): Promise<number> =>
      (await fetch(`${url}/orders/7`, { method: 'POST' })).status;
    expect(await post(one)).to.equal(201);
    await redis.set('example:nestjs:order:7', 'somebody else', 'PX', 60_000);
    expect(await post(two)).to.equal(423);
    await redis.del('example:nestjs:order:7');
    expect(await (await fetch(`${one.url}/health`)).json()).to.nested.include({ 'details.redisync.status': 'up' });

    leader.running.kill('SIGTERM');
    const first = jsonIn((await leader.running.ended).output);
    await follower.running.seen(leads);
    follower.running.kill('SIGTERM');
    const second = jsonIn((await follower.running.ended).output);

    const fences = (lines: Record<string, unknown>[]): Set<unknown> =>
      new Set(lines.filter(({ what }) => what === 'report').map(({ fence }) => fence));
    expect([fences(first).size, fences(second).size]).to.deep.equal([1, 1]);
    expect(Math.max(...[...fences(first)].map(Number))).to.be.below(Math.min(...[...fences(second)].map(Number)));

    const tidied = [first, second].flatMap((lines) => lines.filter(({ what }) => what === 'tidy'));
    const moments = tidied.map(({ begins, ends }) => ({ at: Number(begins ?? ends), begins: begins !== undefined }));
    moments.sort((a, b) => a.at - b.at || Number(a.begins) - Number(b.begins));
    expect(moments.length).to.be.above(1);
    expect(moments.map(({ begins }) => begins)).to.deep.equal(moments.map((_, i) => i % 2 === 0));

    // what is held over lapses by itself
    await eventually('nothing is held', async () => (await redis.keys('example:nestjs:*')).length === 0);
  });
});
