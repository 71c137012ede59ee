import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, type Run, reached, redisync, start } from './support/command.ts';

const O_NONBLOCK = 0o4000;

describe('stdout and stderr of redisync', () => {
  let server: Server;
  let redis: Redis;
  let command: string;
  before(async () => {
    const [started, built] = await Promise.all([startServer(), builtCommand()]);
    server = started;
    redis = new Redis(server.url);
    command = [process.execPath, ...built].join(' ');
  });
  after(async () => {
    endAll();
    redis.disconnect();
    await server.stop();
  });
  const shell = (script: string): Run => start('bash', ['-c', script], { REDIS_URL: server.url });

  it('stay blocking for all who share them, also while it waits', async () => {
    await redis.set('shared', 'somebody', 'PX', 60_000);
    const run = await redisync(server.url, 'run', 'shared', '--json', '--', 'true');
    await run.told('waiting');
    for (const fd of [1, 2]) {
      const info = readFileSync(`/proc/${run.pid}/fdinfo/${fd}`, 'utf8');
      const flags = Number.parseInt(/flags:\s*(\d+)/.exec(info)?.[1] ?? '', 8);
      expect(flags & O_NONBLOCK, `of ${fd}`).to.equal(0);
    }
    run.child.kill('SIGTERM');
    await run.ended;
  });

  it('lose no lock to a reader that is slow', async () => {
    const filling = "sh -c 'head -c 1000000 /dev/zero >&2'"; // more than a pipe takes, so that redisync has to wait as well
    const piped = `${command} run slow --ttl 3s --json -- ${filling} 2>&1 </dev/null | { read line <&3; cat; }`;
    const run = shell(`exec 3<&0; set -o pipefail; ${piped}`);
    await reached('it holds', async () => (await redis.exists('slow')) === 1);
    const first = await redis.pexpiretime('slow');
    await reached('it is renewed for long', async () => {
      const end = await redis.pexpiretime('slow');
      expect(end, 'held').to.be.above(0);
      return end > first + 4_000;
    });
    run.type('\n');
    expect(await run.ended).to.equal(0);
  });

  it('may be closed by a reader that has read enough', async () => {
    const run = shell(
      `{ ${command} ls; echo "code $?" >&2; } | true; { ${command} --help; echo "code $?" >&2; } | true`,
    );
    expect([await run.ended, run.err]).to.deep.equal([0, 'code 0\ncode 0\n']);
  });

  it('are no success when they cannot be written to', async () => {
    const run = shell(`${command} ls > /dev/full`);
    expect([await run.ended, run.err]).to.deep.equal([
      74,
      'redisync: stdout cannot be written to: ENOSPC: no space left on device, write\n',
    ]);
  });

  it('do not keep it from releasing the lock when nobody reads them', async () => {
    const run = await redisync(server.url, 'run', 'unheard', '--json', '--', 'cat');
    await run.told('started');
    run.child.stderr?.destroy();
    run.child.stdin?.end();
    expect(await run.ended).to.equal(0);
    expect(await redis.exists('unheard')).to.equal(0);
  });

  it('are told in JSON alone with --json, also what is wrong with the options', async () => {
    for (const args of [
      ['run', 'x', '--json', '--tyr', '--', 'true'],
      ['run', 'x', 'x', '--json', '--', 'true'],
      ['ls', '--json', 'a', 'b'],
    ]) {
      const run = await redisync(server.url, ...args);
      expect(await run.ended).to.equal(64);
      expect(JSON.parse(run.err)).to.have.keys('type', 'message', 'at');
    }
  });
});
