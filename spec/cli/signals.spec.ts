import { expect } from 'chai';
import { Redis } from 'ioredis';
import { ending$ } from '../../src/cli/signals.ts';
import { type Server, startServer } from '../support/server.ts';
import {
  builtCommand,
  endAll,
  onTerminal,
  onTerminalWith,
  type Run,
  reached,
  redisync,
  statesIn,
} from './support/command.ts';

/** Says that it is ready, then does what its traps say, for as long as stdin is open. It forks nothing, so that a signal meets it whole. */
const trapping = (...traps: readonly string[]): string[] => {
  const script = [...traps, 'echo ready', 'while :; do read line; done'].join('\n');
  return ['--', 'sh', '-c', script];
};

/** Who has started a process is not run for a while, as on a busy machine. */
const SLOW = `
  import childProcess from 'node:child_process';
  import { syncBuiltinESMExports } from 'node:module';
  const { spawn } = childProcess;
  childProcess.spawn = (...args) => {
    const child = spawn(...args);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500);
    return child;
  };
  syncBuiltinESMExports();
`;

describe('redisync run, on a signal', () => {
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

  const ready = async (name: string, ...traps: readonly string[]): Promise<Run> => {
    const run = await redisync(server.url, 'run', name, '--json', ...trapping(...traps));
    await reached('the command is ready', () => run.out.includes('ready'));
    return run;
  };
  const signalled = (run: Run): unknown[] =>
    run.events.flatMap(({ type, signal }) => (type === 'signalled' ? [signal] : []));

  it('passes it on to the whole group, and exits with the code of the command', async () => {
    const inner = '(trap "echo inner; exit" USR1; echo inside; while :; do read line <&3; done) &';
    const run = await ready('passes', 'exec 3<&0', inner, 'trap "echo outer; wait; exit 9" USR1');
    await reached('the inner one is ready', () => run.out.includes('inside'));
    run.child.kill('SIGUSR1');
    expect(await run.ended).to.equal(9);
    expect(run.out.split('\n').sort()).to.deep.equal(['', 'inner', 'inside', 'outer', 'ready']);
    expect(await redis.exists('passes')).to.equal(0);
  });

  it('exits with 128 + its number if it ended the command', async () => {
    const run = await ready('ends');
    run.child.kill('SIGTERM');
    expect(await run.ended).to.equal(143);
  });

  it('escalates from SIGINT to SIGTERM to SIGKILL with each further one', async () => {
    const run = await ready('escalates', 'trap "echo INT" INT', 'trap "echo TERM" TERM');
    run.child.kill('SIGINT');
    await reached('the command has heard the first', () => run.out.includes('INT'));
    await reached('the second is not taken for an echo', async () => {
      run.child.kill('SIGINT');
      return run.out.includes('TERM');
    });
    await reached('the third is not either', () => {
      run.child.kill('SIGINT');
      return signalled(run).length > 2;
    });
    expect(await run.ended).to.equal(137);
    expect(signalled(run)).to.deep.equal(['SIGINT', 'SIGTERM', 'SIGKILL']);
  });

  it('takes one that comes twice at once, as under npx, for one', async () => {
    const heard: string[] = [];
    const subscription = ending$.subscribe((name) => heard.push(name));
    process.emit('SIGHUP', 'SIGHUP');
    process.emit('SIGHUP', 'SIGHUP');
    expect(heard).to.deep.equal(['SIGHUP']);
    await reached('a later one is another', () => process.emit('SIGHUP', 'SIGHUP') && heard.length > 1);
    subscription.unsubscribe();
    expect(process.listenerCount('SIGHUP')).to.equal(0);
  });

  /** Stops redisync and its group by Ctrl-Z once the command is ready, and lets them go on. */
  const suspended = async (name: string, environment: NodeJS.ProcessEnv = {}): Promise<void> => {
    const script = 'echo "pid $$"; read line; echo "read:$line"; exit 3';
    const run = await onTerminalWith({ REDIS_URL: server.url, ...environment }, 'run', name, '--', 'sh', '-c', script);
    await reached('the command is ready', () => /pid \d+/.test(run.out));
    const group = Number(/pid (\d+)/.exec(run.out)?.[1]);
    const states = (): string =>
      statesIn(group)
        .map(([state]) => state)
        .join();
    run.type('\x1a');
    await reached('the shell goes on', () => run.out.includes('suspended'));
    await reached('the group is stopped', () => states() === 'T');
    run.type('\n');
    await reached('the group goes on', () => /[^T]/.test(states()));
    run.type('on\n');
    expect(await run.ended).to.equal(3);
    expect(run.out).to.contain('read:on').and.contain('restored');
  };

  it('stops the group with itself on Ctrl-Z in a terminal, and goes on with it', () => suspended('stops'));

  it('stops the group on Ctrl-Z also while it starts the command', async () => {
    await suspended('stops:early', { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(SLOW)}` });
  });

  it('leaves the queue, and nothing behind', async () => {
    const holder = await ready('queue');
    const waiter = await redisync(server.url, 'run', 'queue', '--json', '--', 'echo', 'ran');
    await waiter.told('waiting');
    waiter.child.kill('SIGTERM');
    expect([await waiter.ended, waiter.out]).to.deep.equal([143, '']);
    expect(waiter.err).to.contain('SIGTERM came during the wait: nothing was run');
    expect(await redis.exists('{queue}~redisync:claims', '{queue}~redisync:specs')).to.equal(0);
    holder.child.kill('SIGTERM');
    expect(await holder.ended).to.equal(143);
  });

  it('leaves the queue on Ctrl-C in a terminal', async () => {
    const holder = await ready('terminal:queue');
    const waiter = await onTerminal(server.url, 'run', 'terminal:queue', '--json', '--', 'echo', 'ran');
    await reached('it waits', () => waiter.out.includes('"type":"waiting"'));
    waiter.type('\x03');
    expect(await waiter.ended).to.equal(130);
    expect(waiter.out).to.contain('restored').and.not.contain('ran\r\n');
    expect(await redis.exists('{terminal:queue}~redisync:claims')).to.equal(0);
    holder.child.kill('SIGTERM');
    await holder.ended;
  });

  it('passes Ctrl-C in a terminal on once, and what is typed to the command', async () => {
    const script =
      'trap "echo got-int; exit 6" INT; echo ready; while read line; do echo "line:$line"; done; while :; do read line; done';
    const run = await onTerminal(server.url, 'run', 'terminal:run', '--', 'sh', '-c', script);
    await reached('it is ready', () => run.out.includes('ready'));
    run.type('hello\n');
    await reached('it reads', () => run.out.includes('line:hello'));
    run.type('\x03');
    expect(await run.ended).to.equal(6);
    expect(run.out.match(/got-int/g)).to.have.lengthOf(1);
    expect(run.out).to.contain('restored');
    expect(await redis.exists('terminal:run')).to.equal(0);
  });
});
