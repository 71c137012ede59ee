/** The main job, on fewer transfers: its exit code is its verdict. */
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { run, start } from './run.ts';

const TRANSFERS = 500;

describe('the demo', function () {
  this.timeout(300_000);
  let server: Server;
  let redis: Redis;

  before(async () => {
    server = await startServer();
    redis = new Redis(server.url);
    await redis.set('somebody', 'else');
  });

  after(async () => {
    redis.disconnect();
    await server.stop();
  });

  it('loses money without locks and none with them, and recovers what a killed worker held', async () => {
    const { code, output } = await run('demo/main.ts', server.url, { DEMO_TRANSFERS: `${TRANSFERS}` });
    expect(code, output).to.equal(0);
    expect(output).to.match(/lost updates +[1-9]\d* +0\n/);
    expect(output).to.match(/locks recovered +after [\d,]+ ms .* worker 4, killed/);
    expect(output).to.include('Sums match.');
  });

  it('leaves a server that it was given as it was', async () => {
    expect(await redis.keys('*')).to.deep.equal(['somebody']);
  });

  for (const [when, line] of [
    ['before its first transfer', /transfers between/],
    ['half-way', / [1-9]\d* of .* transfers/],
  ] as const) {
    it(`leaves nothing behind when it is interrupted ${when}`, async () => {
      const demo = start('demo/main.ts', server.url);
      await demo.seen(line);
      demo.kill('SIGINT');
      const { code, output } = await demo.ended;
      expect(code, output).to.equal(130);
      expect(output).to.match(/\nInterrupted\.\n$/);
      expect(await redis.keys('*')).to.deep.equal(['somebody']);
      const others = (await redis.client('LIST')) as string;
      expect(others.trim().split('\n')).to.have.length(1);
    });
  }

  it('says so and ends when the server does not answer', async () => {
    const { code, output } = await run('demo/main.ts', 'redis://127.0.0.1:1');
    expect(code).to.equal(1);
    expect(output).to.match(/^\nRedis does not answer: [^\n]*\n$/);
  });
});
