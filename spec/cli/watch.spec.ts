import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator } from '../../src/index.ts';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, onTerminal, type Run, reached } from './support/command.ts';
import { givenBack, screenOf } from './support/screen.ts';

describe('redisync watch, on a terminal', () => {
  let server: Server;
  let redis: Redis;
  let locks: LockCoordinator;
  const held: Lease[] = [];
  before(async () => {
    [server] = await Promise.all([startServer(), builtCommand()]);
    redis = new Redis(server.url);
    locks = new LockCoordinator(redis, { identity: 'anna' });
    for (const name of ['apple', 'berry', 'cherry']) held.push(await locks.mutex(name).acquire());
  });
  after(async () => {
    endAll();
    await locks.close();
    redis.disconnect();
    await server.stop();
  });

  const watch = (...args: string[]): Promise<Run> => onTerminal(server.url, 'watch', '--every', '50ms', ...args);
  const names = (run: Run): string[] => (screenOf(run.out) ?? []).slice(2, -1).map((line) => line.split(' ')[0] ?? '');
  const shows = (run: Run, ...wanted: string[]): Promise<void> =>
    reached(`it shows ${wanted}: ${screenOf(run.out)}`, () => names(run).join() === wanted.join());

  it('shows a table that follows what happens, and gives the screen back', async () => {
    const run = await watch();
    await shows(run, 'apple', 'berry', 'cherry');
    const waiter = locks.mutex('berry').subscribe({ error: () => undefined });
    await reached('the waiter is shown', () => /^berry .* 1 +\d{16} /.test(screenOf(run.out)?.[3] ?? ''));
    const [state, head, row] = screenOf(run.out) ?? [];
    expect(state).to.equal('redisync watch * · 3 of 3 · by name');
    expect(head).to.match(/^NAME +MODE +HOLDER +REMAINING +WAITING +FENCE +HAND-OFFS\/S$/);
    expect(row).to.match(/^apple +exclusive +anna:\S+ +([12]?\d|30)s +0 +\d{16} +0\.0$/);
    await held[1]?.release();
    await reached(
      'the hand-off is counted',
      () =>
        /^berry .* 0 +\d{16} +[01]\.\d$/.test(screenOf(run.out)?.[3] ?? '') &&
        !/ 0\.0$/.test(screenOf(run.out)?.[3] ?? ''),
    );
    waiter.unsubscribe();
    await shows(run, 'apple', 'cherry');
    held[1] = await locks.mutex('berry').acquire();
    run.type('q');
    expect(await run.ended).to.equal(0);
    expect(screenOf(run.out)).to.equal(undefined);
    expect(givenBack(run.out)).to.equal(true);
    expect(run.out).to.contain('restored');
  });

  it('sorts, reverses and narrows by keys and by options', async () => {
    const waiter = locks.mutex('berry').subscribe({ error: () => undefined });
    const run = await watch('--sort', 'waiting', '--reverse');
    await shows(run, 'berry', 'cherry', 'apple');
    run.type('r');
    await shows(run, 'apple', 'cherry', 'berry');
    run.type('sss');
    await shows(run, 'apple', 'berry', 'cherry');
    run.type('/rry');
    await shows(run, 'berry', 'cherry');
    run.type('\x7f\x7f\r');
    run.type('r');
    await shows(run, 'cherry', 'berry');
    run.type('/\x1b');
    await shows(run, 'cherry', 'berry', 'apple');
    run.type('\x03');
    expect(await run.ended).to.equal(130);
    expect(run.out).to.contain('restored');
    waiter.unsubscribe();
  });

  it('gives the screen back on Ctrl-Z, and takes it again', async () => {
    const run = await watch();
    await shows(run, 'apple', 'berry', 'cherry');
    run.type('\x1a');
    await reached('it is stopped', () => run.out.includes('suspended'));
    expect(givenBack(run.out)).to.equal(true);
    run.type('\n');
    await shows(run, 'apple', 'berry', 'cherry');
    run.type('q');
    expect(await run.ended).to.equal(0);
    expect(run.out).to.contain('restored');
  });

  it('keeps to the size of the terminal, whatever a name is like', async () => {
    const extra = await Promise.all(
      Array.from({ length: 12 }, (_, i) => locks.mutex(`${i}-${'漢'.repeat(90)}`).acquire()),
    );
    const run = await watch();
    await reached('they are shown', () => (screenOf(run.out)?.[0] ?? '').includes('15 of 15 · by name · 6 below'));
    const screen = screenOf(run.out) ?? [];
    expect(screen).to.have.lengthOf(12);
    expect(screen[2]).to.match(/^0-漢+… /);
    run.type('q');
    await run.ended;
    await Promise.all(extra.map((lease) => lease.release()));
  });

  it('says when Redis is out of reach, and goes on when it is back', async () => {
    const run = await watch();
    await shows(run, 'apple', 'berry', 'cherry');
    const state = (): string => screenOf(run.out)?.[0] ?? '';
    server.process?.kill('SIGSTOP');
    await reached('the error is shown', () =>
      /^(Redis did not answer|There was no connection to Redis) within/.test(state()),
    );
    server.process?.kill('SIGCONT');
    await reached(`it goes on ${state()}`, () => state().startsWith('redisync watch'));
    run.type('\x1b[A');
    run.type('q');
    expect(await run.ended).to.equal(0);
  });
});
