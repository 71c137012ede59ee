import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, onTerminal, type Run, reached, redisync } from './support/command.ts';

describe('redisync ls, inspect, watch and break', () => {
  let server: Server;
  let redis: Redis;
  before(async () => {
    [server] = await Promise.all([startServer(), builtCommand()]);
    redis = new Redis(server.url);
  });
  after(async () => {
    endAll();
    redis.disconnect();
    await server.stop();
  });

  const holding = async (name: string, ...options: string[]): Promise<Run> => {
    const run = await redisync(server.url, 'run', name, '--identity', 'anna', '--json', ...options, '--', 'cat');
    await run.told('started');
    return run;
  };
  const waiting = async (name: string): Promise<Run> => {
    const run = await redisync(server.url, 'run', name, '--identity', 'berta', '--json', '--', 'true');
    await run.told('waiting');
    return run;
  };
  const free = async (...runs: Run[]): Promise<void> => {
    for (const { child } of runs) child.stdin?.end();
    for (const { ended } of runs) expect(await ended).to.equal(0);
  };
  const output = async (...args: string[]): Promise<string> => {
    const run = await redisync(server.url, ...args);
    expect([await run.ended, run.err]).to.deep.equal([0, '']);
    return run.out;
  };

  it('list what is held or waited for as a table, or as JSON with all there is', async () => {
    const [one, pool] = [
      await holding('ls:one'),
      await holding('ls:pool', '--shared', '--limit', '3', '--permits', '2'),
    ];
    const next = await waiting('ls:one');
    const [head = '', ...rows] = (await output('ls', 'ls:*')).split('\n');
    expect(head).to.match(/^NAME +MODE +HOLDER +REMAINING +WAITING +FENCE$/);
    expect(rows).to.have.lengthOf(3);
    expect(rows[0]).to.match(/^ls:one +exclusive +anna:[0-9a-f-]{36} +([12]?\d|30)s +1 +\d{16}$/);
    expect(rows[1]).to.match(/^ls:pool +shared, of 3 +anna:[0-9a-f-]{36} +([12]?\d|30)s +0 +\d{16}$/);
    const lines = (await output('ls', '--json', 'ls:p*')).trim().split('\n');
    expect(lines).to.have.lengthOf(1);
    expect(JSON.parse(lines[0] ?? '')).to.nested.include({
      name: 'ls:pool',
      'holders[0].permits': 2,
      'holders[0].limit': 3,
    });
    await free(one, next, pool);
    expect(await output('ls', 'ls:*')).to.equal(`${head.replace(/ {2,}/g, '  ')}\n`);
  });

  it('tell everything about one name, held, free or held by a client of another kind', async () => {
    const one = await holding('inspected');
    const next = await waiting('inspected');
    expect(await output('inspect', 'inspected')).to.match(
      /^inspected: held, 1 waiting, last fence \d{16}\n {2}held by anna:\S+ \(exclusive\), \S+s left unless renewed\n {2}1\. waiting berta:\S+ \(exclusive\), for \S+s\n$/,
    );
    await free(one, next);
    expect(await output('inspect', 'inspected')).to.equal('inspected: free, 0 waiting\n');
    await redis.set('inspected:2', 'a stranger', 'PX', 600_000);
    expect(JSON.parse(await output('inspect', 'inspected:2', '--json'))).to.nested.include({
      'holders[0].owner': 'a stranger',
    });
  });

  it('tell of different limits for one name', async () => {
    const three = await holding('limits', '--shared', '--limit', '3');
    const four = await holding('limits', '--shared', '--limit', '4', '--permits', '2');
    expect(await output('ls', 'limits')).to.match(/\nlimits +shared, of 3 or 4 /);
    expect(await output('inspect', 'limits'))
      .to.match(/\n {2}its users name different limits, 3 and 4: give all the same, for each counts by its own\n/)
      .and.match(/\(shared, 1 of 3 permits\)/)
      .and.match(/\(shared, 2 of 4 permits\)/);
    await free(three, four);
  });

  it('show names that would steer a terminal as escapes', async () => {
    await redis.set('evil\x1b[2J\n', 'x\x9b31m', 'PX', 600_000);
    const json = await output('inspect', 'evil\x1b[2J\n', '--json');
    expect(json).to.contain('x\\u009b31m');
    expect(JSON.parse(json)).to.nested.include({ 'holders[0].owner': 'x\x9b31m' });
    expect(await output('inspect', 'evil\x1b[2J\n'))
      .to.contain('evil\\u001b[2J\\u000a: held')
      .and.contain('x\\u009b31m');
  });

  it('take what follows -- for a name, whatever it looks like', async () => {
    expect(await output('inspect', '--', '--json')).to.equal('--json: free, 0 waiting\n');
  });

  it('break a lock only when told to, and let the next waiter in', async () => {
    const one = await holding('broken', '--on-lost', 'kill', '--ttl', '9s');
    const refused = await redisync(server.url, 'break', 'broken');
    expect(await refused.ended).to.equal(64);
    expect(refused.err).to.match(/add --yes\n$/);
    const next = await waiting('broken');
    expect(await output('break', 'broken', '--yes')).to.equal('broken: broken\n');
    expect(await next.ended).to.equal(0);
    expect(await one.ended).to.equal(79);
    expect(JSON.parse(await output('break', 'broken', '--yes', '--json'))).to.deep.equal({
      name: 'broken',
      broken: false,
    });
  });

  it('ask on a terminal before they break', async () => {
    const one = await holding('asked');
    for (const answer of ['n\n', '\n', '\x04']) {
      const run = await onTerminal(server.url, 'break', 'asked');
      await reached('it asks', () => run.out.includes('[y/N]'));
      run.type(answer);
      expect(await run.ended).to.equal(1);
      expect(run.out).to.contain('held by anna:').and.contain('asked: left alone');
    }
    const run = await onTerminal(server.url, 'break', 'asked');
    await reached('it asks', () => run.out.includes('[y/N]'));
    run.type('y\n');
    expect(await run.ended).to.equal(0);
    expect(run.out).to.contain('asked: broken').and.contain('restored');
    one.child.kill('SIGKILL');
  });

  it('tell each change as a line of JSON', async () => {
    const watch = await redisync(server.url, 'watch', 'told:*', '--json', '--every', '50ms');
    const lines = (): { name: string; holders: unknown[]; waiting: unknown[] }[] =>
      watch.out
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line));
    const one = await holding('told:1');
    await reached('it is seen to be held', () => lines().length === 1);
    const next = await waiting('told:1');
    await reached('it is seen to be waited for', () => lines().length === 2);
    await free(one, next);
    await reached('it is seen to be free', () => lines().at(-1)?.holders.length === 0);
    watch.child.kill('SIGTERM');
    expect(await watch.ended).to.equal(143);
    expect(lines()[0]).to.nested.include({ name: 'told:1', 'waiting.length': 0 });
    expect(lines()[1]).to.nested.include({ name: 'told:1', 'waiting.length': 1 });
  });
});
