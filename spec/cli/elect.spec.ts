import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, type Run, reached, redisync } from './support/command.ts';

describe('redisync elect', () => {
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

  /** A candidate whose command says each time that it leads, until it reads a line. Its lease does not lapse meanwhile. */
  const candidate = (name: string, ...more: string[]): Promise<Run> =>
    redisync(
      server.url,
      'elect',
      name,
      '--ttl',
      '10m',
      ...more,
      '--json',
      '--',
      'sh',
      '-c',
      'echo "lead $REDISYNC_FENCE"; read line; exit 5',
    );
  const terms = (run: Run): number => run.out.split('\n').length - 1;

  it('runs the command while leading, and another leads as soon as its leader has ended', async () => {
    const first = await candidate('office');
    await reached('the first leads', () => terms(first) === 1);
    const second = await candidate('office');
    await second.told('waiting');
    expect(terms(second)).to.equal(0);
    first.type('\n');
    expect(await first.ended).to.equal(5);
    await reached('the second leads', () => terms(second) === 1);
    second.child.kill('SIGTERM');
    expect(await second.ended).to.equal(143);
    expect(await redis.exists('office')).to.equal(0);
  });

  it('ends the command when the leadership is lost, and campaigns again', async () => {
    const run = await candidate('deposed', '--ttl', '3s');
    await reached('it leads', () => terms(run) === 1);
    await redis.set('deposed', 'a usurper', 'PX', 700);
    await run.told('signalled');
    await reached('it leads again', () => terms(run) === 2);
    const [before = '', after = ''] = run.out.split('\n');
    expect(after > before, 'a higher fence').to.equal(true);
    run.type('\n');
    expect(await run.ended).to.equal(5);
  });

  it('ends on a signal also when the command has ended already, for a loss', async () => {
    const run = await redisync(server.url, 'elect', 'late', '--ttl', '3s', '--json', '--', 'cat');
    await run.told('started');
    server.process?.kill('SIGSTOP');
    try {
      await run.told('ended');
      run.child.kill('SIGTERM');
      await run.told('released');
    } finally {
      server.process?.kill('SIGCONT');
    }
    expect(await run.ended).to.equal(143);
  });

  it('with --min-hold passes the leadership on no sooner, and prints in the meantime that nobody leads', async () => {
    const listener = await redisync(server.url, 'elect', '--listen', 'flapping');
    await reached('nobody leads', () => listener.out === '\n');
    const first = await candidate('flapping', '--min-hold', '5s');
    await reached('the first leads', () => terms(first) === 1);
    const [owner] = (await redis.get('flapping'))?.split(' ') ?? [];
    await reached('its leading is seen', () => listener.out === `\n${owner}\n`);
    first.type('\n');
    expect(await first.ended).to.equal(5);
    await reached('nobody leads again', () => listener.out === `\n${owner}\n\n`);
    const second = await candidate('flapping', '--min-hold', '5s');
    await reached('the second leads', () => terms(second) === 1);
    second.type('\n');
    expect(await second.ended).to.equal(5);
    const [from = 0, to = 0] = [first, second].map(({ events }) =>
      Number(events.find(({ type }) => type === 'acquired')?.fence),
    );
    expect(to - from).to.be.at.least(5_000_000); // a fence is the time of its grant, in µs by the clock of Redis
    listener.child.kill('SIGINT');
    await listener.ended;
  });

  it('prints who leads, and when nobody does', async () => {
    const listener = await redisync(server.url, 'elect', '--listen', 'heard');
    await reached('nobody leads', () => listener.out === '\n');
    const run = await candidate('heard');
    await reached('one leads', () => /^\n\S+:\d+:[0-9a-f-]{36}\n$/.test(listener.out));
    run.type('\n');
    expect(await run.ended).to.equal(5);
    await reached('nobody leads any more', () => listener.out.endsWith('\n\n'));
    const json = await redisync(server.url, 'elect', '--listen', 'heard', '--json');
    await reached('it is told', () => json.out.endsWith('\n'));
    expect(JSON.parse(json.out)).to.include({ name: 'heard', leader: null });
    for (const { child, ended } of [listener, json]) {
      child.kill('SIGINT');
      expect(await ended).to.equal(130);
    }
  });

  it('leaves the queue on a signal while it follows', async () => {
    await redis.set('following', 'somebody', 'PX', 60_000);
    const run = await candidate('following');
    await run.told('waiting');
    run.child.kill('SIGINT');
    expect([await run.ended, run.out]).to.deep.equal([130, '']);
    expect(await redis.exists('{following}~redisync:claims')).to.equal(0);
  });
});
