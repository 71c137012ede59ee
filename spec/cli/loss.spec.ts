import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { patience } from '../support/lateness.ts';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, hasEnded, type Run, reached, redisync } from './support/command.ts';

/** No stop of a busy machine is a loss before the one that is made, and SIGKILL is sent most of a second before the lease ends. */
const TTL = 9_000;
const TTL_SET = ['--ttl', '9s', '--json'];

describe('redisync run, when the lock is lost', () => {
  let server: Server;
  let redis: Redis;
  let folder: string;
  before(async () => {
    [server] = await Promise.all([startServer(), builtCommand()]);
    redis = new Redis(server.url);
    folder = mkdtempSync(join(tmpdir(), 'redisync-cli-'));
  });
  after(async () => {
    endAll();
    redis.disconnect();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A command whose processes write down, every few ms, that they are still there. */
  const working = async (name: string, options: readonly string[], ...traps: readonly string[]): Promise<Run> => {
    const log = join(folder, name);
    const script = [...traps, 'echo ready', `while :; do date +%s%3N >> ${log}; sleep 0.02; done`].join('\n');
    const run = await redisync(
      server.url,
      'run',
      name,
      ...TTL_SET,
      ...options,
      '--',
      'sh',
      '-c',
      `(${script}) & ${script}`,
    );
    await reached('the command is ready', () => run.out.includes('ready'));
    return run;
  };
  const lastWork = (name: string): number => Number(readFileSync(join(folder, name), 'utf8').trim().split('\n').at(-1));

  /** Wall-clock ms at which the lease ends in Redis at the latest, as far as its events tell. */
  const endOf = ({ events }: Run): number => {
    const fresh = events.filter(({ type }) => type === 'acquired' || type === 'renewed');
    return (fresh.at(-1)?.at ?? 0) + TTL;
  };

  it('has ended its group before the lease ends, when Redis stops answering, although the group ignores SIGTERM', async () => {
    const run = await working('stalled', [], 'trap "" TERM');
    server.process?.kill('SIGSTOP');
    try {
      expect(await run.ended).to.equal(79);
      expect(lastWork('stalled')).to.be.below(endOf(run) + patience(0));
      const signals = run.events.flatMap(({ type, signal }) => (type === 'signalled' ? [signal] : []));
      expect(signals).to.deep.equal(['SIGTERM', 'SIGKILL']);
      expect(run.err).to.match(
        /the lease on \\"stalled\\" could not be renewed, and ends in [0-3].\ds; SIGTERM now, SIGKILL in (3.0|[0-2].\d)s/,
      );
    } finally {
      server.process?.kill('SIGCONT');
    }
  });

  it('gives the command the time of --grace to end by itself', async () => {
    const run = await working('graceful', ['--grace', '3s'], 'trap "echo tidy; exit 0" TERM');
    await redis.del('graceful');
    expect(await run.ended).to.equal(79);
    expect(run.out).to.contain('tidy');
    expect(run.events.filter(({ signal }) => signal === 'SIGKILL')).to.deep.equal([]);
  });

  it('sends no SIGTERM with --on-lost kill', async () => {
    const run = await working('killed', ['--on-lost', 'kill'], 'trap "echo tidy; exit 0" TERM');
    await redis.set('killed', 'a thief', 'PX', 60_000);
    expect(await run.ended).to.equal(79);
    expect(run.out).to.not.contain('tidy');
    expect(run.err).to.contain('is lost: taken; SIGKILL now');
    expect(await redis.get('killed')).to.equal('a thief');
  });

  it('lets the command go on with --on-lost ignore, and exits with its code', async () => {
    const run = await redisync(
      server.url,
      'run',
      'ignored',
      ...TTL_SET,
      '--on-lost',
      'ignore',
      '--',
      'sh',
      '-c',
      'read line; exit 7',
    );
    await run.told('started');
    await redis.del('ignored');
    await run.told('lost');
    run.type('\n');
    expect(await run.ended).to.equal(7);
    expect(run.err).to.contain('the command goes on without it');
  });

  it('holds the other locks until the process group has ended', async () => {
    const script = '(trap "sleep 0.7; exit" TERM; echo ready; while :; do sleep 0.02; done) & wait'; // the inner one lingers
    const run = await redisync(server.url, 'run', 'both:1', 'both:2', ...TTL_SET, '--', 'sh', '-c', script);
    const { pid = 0 } = await run.told('started');
    await reached('the command is ready', () => run.out.includes('ready'));
    await redis.del('both:1');
    await run.told('signalled');
    let held = 1;
    await reached('the group is gone', async () => {
      const before = await redis.exists('both:2'); // before a look at which the group was still there
      if (await hasEnded(pid)) return true;
      held = Math.min(held, before);
      return false;
    });
    expect(await run.ended).to.equal(79);
    expect(held).to.equal(1);
    expect(await redis.exists('both:2')).to.equal(0);
  });

  it('exits with 79 also if the command ended before the loss was noticed', async () => {
    const run = await redisync(server.url, 'run', 'unnoticed', '--', 'sh', '-c', 'echo ready; read line; exit 0');
    await reached('the command is ready', () => run.out.includes('ready'));
    await redis.del('unnoticed');
    run.type('\n');
    expect(await run.ended).to.equal(79);
    expect(run.err).to.match(/is lost: \w+; the command has ended by itself with 0\n$/);
  });

  it('ends the command in time for --max-hold', async () => {
    const began = Date.now();
    const run = await working('held', ['--max-hold', '4s', '--grace', '1s'], 'trap "" TERM');
    expect(await run.ended).to.equal(79);
    const acquired = run.events.find(({ type }) => type === 'acquired')?.at ?? 0;
    const signals = run.events.filter(({ type }) => type === 'signalled');
    expect(signals.map(({ signal }) => signal)).to.deep.equal(['SIGTERM', 'SIGKILL']);
    expect(Number(signals[0]?.at) - began).to.be.at.least(2_100 - 5); // less grace and margin, by two clocks
    expect(lastWork('held') - acquired).to.be.below(patience(4_000));
    expect(run.err).to.contain('--max-hold is over in');
  });

  it('lowers the grace that it gives by itself for a short --max-hold', async () => {
    const run = await redisync(server.url, 'run', 'brief', '--ttl', '3s', '--max-hold', '2s', '--', 'cat');
    expect(await run.ended).to.equal(79);
    expect(run.err).to.match(/--max-hold is over in 0.\ds; SIGTERM now, SIGKILL in 0.[0-6]s/); // a third of 2s less the margin
  });

  for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
    it(`has ended its group before the lock is free, when redisync itself is hit by a ${signal}`, async () => {
      const name = `guarded:${signal}`;
      const run = await working(name, [], 'trap "" TERM');
      const { pid = 0 } = await run.told('started');
      run.child.kill(signal);
      const end = await redis.pexpiretime(name);
      await reached('the group is gone', () => hasEnded(pid));
      expect(lastWork(name)).to.be.below(end + patience(0));
      run.child.kill('SIGKILL');
    });
  }

  it('has ended its group in time also when a guard was killed before it', async () => {
    const run = await working('unguarded', [], 'trap "" TERM');
    const { pid = 0 } = await run.told('started');
    process.kill(guardOf(run.pid), 'SIGKILL');
    try {
      await reached('another takes over', () => run.err.includes('another has taken over'));
      run.child.kill('SIGKILL');
      const end = await redis.pexpiretime('unguarded');
      await reached('the group is gone', () => hasEnded(pid));
      expect(lastWork('unguarded')).to.be.below(end + patience(0));
    } finally {
      if (!(await hasEnded(pid))) process.kill(-pid, 'SIGKILL');
    }
  });
});

const guardOf = (parent: number): number => {
  const processes = execFileSync('ps', ['-eo', 'pid=,ppid=,args='], { encoding: 'utf8' }).split('\n');
  const guard = processes
    .map((line) => line.trim().split(/\s+/))
    .find(([, ppid, ...args]) => Number(ppid) === parent && args.some((arg) => /guard\.[jt]s$/.test(arg)));
  return Number(guard?.[0]);
};
