import { expect } from 'chai';
import { Redis } from 'ioredis';
import { type Server, startServer } from '../support/server.ts';
import { builtCommand, endAll, onTerminal, type Run, reached, redisync, SOURCE, start } from './support/command.ts';

describe('redisync run', () => {
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
  const run = (...args: string[]): Promise<Run> => redisync(server.url, 'run', ...args);
  const keys = (name: string): Promise<string[]> => redis.keys(`*${name}*`);

  it('passes stdin, stdout, stderr and the exit code through, and tells the command what it holds', async () => {
    const script = 'read line; echo "$line $REDISYNC_NAME $REDISYNC_OWNER $REDISYNC_FENCE"; echo oops >&2; exit 3';
    const child = await run('through', '--identity', 'me', '--', 'sh', '-c', script);
    child.type('hello\n');
    expect(await child.ended).to.equal(3);
    expect(child.out).to.match(/^hello through me:[0-9a-f-]{36} \d{16}\n$/);
    expect(child.err).to.equal('oops\n');
    expect(await redis.exists('through')).to.equal(0);
  });

  it('runs from its sources as it does built', async () => {
    const child = start(process.execPath, [...SOURCE, 'run', 'sources', '--', 'sh', '-c', 'exit 4'], {
      REDIS_URL: server.url,
    });
    expect([await child.ended, child.out, child.err]).to.deep.equal([4, '', '']);
  });

  it('exits with 128 + the signal that ended the command', async () => {
    const child = await run('signal', '--', 'sh', '-c', 'kill -KILL $$');
    expect(await child.ended).to.equal(137);
  });

  it('exits with 127 for a command that is not found, 126 for one that cannot be run, and releases the lock', async () => {
    const [missing, unfit] = [await run('none', '--', 'no-such-command'), await run('none', '--', '/etc/passwd')];
    expect([await missing.ended, missing.err]).to.deep.equal([127, 'redisync: no-such-command: not found\n']);
    expect([await unfit.ended, unfit.err]).to.deep.equal([126, 'redisync: /etc/passwd: cannot be run\n']);
    for (const [file, code] of [
      ['', 127],
      ['/etc/passwd/x', 126],
      [`/${'x'.repeat(300)}`, 126],
    ] as const) {
      const other = await run('none', '--', file);
      expect([await other.ended, other.err.split('\n').length]).to.deep.equal([code, 2]);
    }
    expect(await redis.exists('none')).to.equal(0);
  });

  it('takes what follows -- as it is, options and another -- included', async () => {
    const child = await run('rest', '--', 'echo', '--try', '--', '-x');
    expect([await child.ended, child.out]).to.deep.equal([0, '--try -- -x\n']);
  });

  it('holds the lock until it is interrupted where there is no command', async () => {
    const child = await run('kept');
    await reached('it is held', async () => (await redis.exists('kept')) === 1);
    await reached('it says so', () => /^redisync: holding "kept" under fence \d{16}, until /.test(child.err));
    child.child.kill('SIGINT');
    expect([await child.ended, child.out, await redis.exists('kept')]).to.deep.equal([0, '', 0]);
  });

  it('exits with 79 when a lock that is held without a command is lost', async () => {
    const child = await run('kept:lost', '--ttl', '3s');
    await reached('it is held', async () => (await redis.exists('kept:lost')) === 1);
    await redis.set('kept:lost', 'a thief', 'PX', 60_000);
    expect(await child.ended).to.equal(79);
    expect(child.err).to.match(/the lease on "kept:lost" is lost/);
  });

  it('leaves the lock taken for --min-hold, so that a later run finds it busy', async () => {
    const first = await run('brief:job', '--try', '--min-hold', '10m', '--', 'echo', 'ran');
    expect([await first.ended, first.out]).to.deep.equal([0, 'ran\n']);
    const second = await run('brief:job', '--try', '--skip-ok', '--', 'echo', 'ran');
    expect([await second.ended, second.out]).to.deep.equal([0, '']);
    const looked = await redisync(server.url, 'inspect', 'brief:job');
    await looked.ended;
    expect(looked.out).to.match(/held over from \S+ \(exclusive\), who has released it, for (9m\d\d|10m00)s/);
    await redis.del('brief:job');
  });

  describe('when the lock is busy', () => {
    it('says on a terminal, or with --verbose, who holds the lock and how many are ahead', async () => {
      await busy('busy:seen');
      const words = /waiting for "busy:seen": held by somebody \((9m\d\d|10m00)s left\); (\d) ahead in the queue/;
      const piped = await run('busy:seen', '--verbose', '--', 'true');
      await reached('it says so', () => words.exec(piped.err)?.[2] === '0');
      const shown = await onTerminal(server.url, 'run', 'busy:seen', '--', 'true');
      await reached('it says so', () => words.exec(shown.out)?.[2] === '1');
      await redis.del('busy:seen');
      expect([await piped.ended, await shown.ended]).to.deep.equal([0, 0]);
    });

    const busy = async (name: string): Promise<unknown> => redis.set(name, 'somebody', 'PX', 600_000);

    it('exits with 75 at once with --try, and says who holds it', async () => {
      await busy('busy:try');
      const child = await run('busy:try', '--try', '--', 'echo', 'ran');
      expect([await child.ended, child.out]).to.deep.equal([75, '']);
      expect(child.err).to.match(
        /^redisync: "busy:try" is busy: held by somebody \((9m\d\d|10m00)s left\); 0 waiting; nothing was run\n$/,
      );
    });

    it('exits with 75 after --wait, and leaves the queue', async () => {
      await busy('busy:wait');
      const begun = performance.now();
      const child = await run('busy:wait', '--wait', '3s', '--', 'echo', 'ran');
      expect([await child.ended, child.out]).to.deep.equal([75, '']);
      expect(performance.now() - begun).to.be.above(3_000);
      expect(await redis.zcard('{busy:wait}~redisync:claims')).to.equal(0);
    });

    it('exits as --conflict-exit-code says, and with 0 with --skip-ok', async () => {
      await busy('busy:code');
      const [code, skip] = [
        await run('busy:code', '--try', '--conflict-exit-code', '9', '--', 'echo', 'ran'),
        await run('busy:code', '--try', '--skip-ok', '--', 'echo', 'ran'),
      ];
      expect([await code.ended, await skip.ended]).to.deep.equal([9, 0]);
      expect(code.out + skip.out).to.equal('');
    });

    it('waits for its turn, and tells its events as JSON', async () => {
      const first = await run('busy:turn', '--json', '--', 'cat');
      await first.told('started');
      const second = await run('busy:turn', '--json', '--', 'echo', 'second');
      await second.told('waiting');
      expect(second.out).to.equal('');
      first.child.stdin?.end();
      expect([await first.ended, await second.ended, second.out]).to.deep.equal([0, 0, 'second\n']);
      const types = second.events.map(({ type }) => type).filter((type) => type !== 'renewed');
      expect(types).to.deep.equal(['waiting', 'acquired', 'started', 'ended', 'released']);
      expect(first.events.map(({ type }) => type)).to.include('handedOver');
    });
  });

  it('holds several locks together, and none of them when one is busy', async () => {
    await redis.set('several:b', 'somebody', 'PX', 60_000);
    const busy = await run('several:c', 'several:b', 'several:a', '--try', '--', 'true');
    expect(await busy.ended).to.equal(75);
    expect(await redis.exists('several:a', 'several:c')).to.equal(0);
    await redis.del('several:b');
    const child = await run('several:c', 'several:a', '--json', '--', 'sh', '-c', 'echo "$REDISYNC_NAME"; read line');
    await child.told('started');
    expect(await redis.exists('several:a', 'several:c')).to.equal(2);
    child.type('\n');
    expect([await child.ended, child.out]).to.deep.equal([0, 'several:c\nseveral:a\n']);
    expect(await redis.exists('several:a', 'several:c')).to.equal(0);
  });

  it('shares a lock among as many permits as there are', async () => {
    const shared = ['pool', '--shared', '--limit', '3', '--json'];
    const two = await run(...shared, '--permits', '2', '--', 'cat');
    await two.told('started');
    const one = await run(...shared, '--', 'cat');
    await one.told('started');
    const more = await run(...shared, '--try', '--', 'true');
    expect(await more.ended).to.equal(75);
    for (const { child } of [one, two]) child.stdin?.end();
    expect([await one.ended, await two.ended]).to.deep.equal([0, 0]);
  });

  it('shares a lock with any number of others, and with none that is exclusive', async () => {
    const readers = [
      await run('book', '--shared', '--json', '--', 'cat'),
      await run('book', '--shared', '--json', '--', 'cat'),
    ];
    for (const reader of readers) await reader.told('started');
    const writer = await run('book', '--try', '--', 'true');
    expect(await writer.ended).to.equal(75);
    for (const { child } of readers) child.stdin?.end();
    for (const { ended } of readers) expect(await ended).to.equal(0);
  });

  it('keeps the lock until the last process of the group has ended', async () => {
    const script = 'exec 3<&0; (read line <&3; echo last) & echo first';
    const child = await run('group', '--json', '--', 'bash', '-c', script);
    await reached('the command has ended', () => child.out.includes('first'));
    const { pid = 0 } = await child.told('started');
    await reached('only its background process is left', () => !alive(pid));
    expect(await redis.exists('group')).to.equal(1);
    child.type('\n');
    expect([await child.ended, child.out]).to.deep.equal([0, 'first\nlast\n']);
    expect(await redis.exists('group')).to.equal(0);
  });

  it('is renewed for longer than its ttl, and leaves nothing in Redis but the clock', async () => {
    const child = await run('renewed', '--ttl', '3s', '--json', '--', 'sleep', '3.5');
    expect(await child.ended).to.equal(0);
    expect(child.events.map(({ type }) => type)).to.include('renewed');
    expect(await keys('renewed')).to.deep.equal([]);
  });

  for (const options of [[], ['--on-lost', 'kill', '--grace', '5s'], ['--on-lost', 'ignore', '--grace', '5s']]) {
    it(`takes a --max-hold that is long enough for what it needs: ${options.join(' ') || 'any default grace'}`, async () => {
      const child = await run('brief', '--max-hold', '5500ms', ...options, '--', 'true');
      expect([await child.ended, child.err]).to.deep.equal([0, '']);
    });
  }

  describe('exits with 64 and one line that says how to mend it', () => {
    const wrong: readonly (readonly [why: string, args: readonly string[], said: RegExp])[] = [
      ['no command for several names', ['run', 'x', 'y'], /run has no command: write it after --/],
      ['no command to lead with', ['elect', 'x'], /elect has no command to run: write it after --/],
      ['no name', ['run', '--', 'true'], /missing required argument 'name'; see redisync run --help/],
      ['an unknown option', ['run', 'x', '--tyr', '--', 'true'], /unknown option '--tyr' \(Did you mean --try\?\)/],
      ['an unknown command', ['rnu', 'x'], /unknown command 'rnu' \(Did you mean run\?\)/],
      ['a duration without unit', ['run', 'x', '--ttl', '3', '--', 'true'], /--ttl.*'3'.* such as 300ms, 30s or 2m/],
      ['a short ttl', ['run', 'x', '--ttl', '10ms', '--', 'true'], /--ttl.* from 1s to/],
      ['--try with --wait', ['run', 'x', '--try', '--wait', '1s', '--', 'true'], /cannot be used with/],
      ['a name twice', ['run', 'x', 'x', '--', 'true'], /a name was given twice/],
      ['an empty name', ['run', '', '--', 'true'], /name must be 1 to 1024 bytes long/],
      ['--limit alone', ['run', 'x', '--limit', '2', '--', 'true'], /--limit needs --shared/],
      [
        'too many permits',
        ['run', 'x', '--shared', '--limit', '2', '--permits', '3', '--', 'true'],
        /permits must be from 1 to 2/,
      ],
      ['a long grace', ['run', 'x', '--ttl', '3s', '--grace', '2s', '--', 'true'], /at most a third of --ttl, 1.0s/],
      [
        'a --max-hold that is too short for the grace',
        ['run', 'x', '--max-hold', '2500ms', '--grace', '1500ms', '--', 'true'],
        /--max-hold must be longer than 2.5s: lower --grace, or raise it$/m,
      ],
      [
        'a --max-hold that is too short for any grace',
        ['run', 'x', '--max-hold', '1s', '--', 'true'],
        /--max-hold must be longer than 1s: raise it$/m,
      ],
      [
        'a --max-hold that is too short for SIGKILL',
        ['run', 'x', '--max-hold', '1s', '--on-lost', 'kill', '--', 'true'],
        /--max-hold must be longer than 1s: raise it$/m,
      ],
      [
        'nothing behind --, as from an empty variable',
        ['run', 'x', '--'],
        /nothing stands behind --: write the command/,
      ],
      ['nothing behind -- of elect', ['elect', 'x', '--'], /nothing stands behind --: write the command/],
      ['a command for --listen', ['elect', '--listen', 'x', '--', 'true'], /--listen runs nothing: leave it out/],
      ['two patterns', ['ls', '--', 'x', '-y'], /too many arguments for 'ls'/],
      [
        'a URL that is none',
        ['ls', '--redis', 'user:secret@host'],
        /: write it as redis:\/\/HOST:PORT or rediss:\/\/HOST:PORT, with USER:PASSWORD@ before HOST to log in$/m,
      ],
      ['a URL with a wrong password', ['ls', '--redis', 'redis://u:100%secret@host'], /--redis is no Redis URL/],
      [
        'a URL without a database',
        ['ls', '--redis', 'redis://u:secret@host/shop'],
        /--redis names no database: write its/,
      ],
      ['a URL in the wrong place', ['run', 'x', '--ttl', 'redis://u:secret@host', '--', 'true'], /'redis:\/\/…@host'/],
      ['a URL for a command', ['redis://u:a/secret@host', 'ls'], /unknown command 'redis:\/\/…@host'/],
    ];
    let ends: (readonly [code: number | NodeJS.Signals, err: string])[];
    before(async () => {
      const attempt = async (args: readonly string[]) => {
        const child = await redisync(server.url, ...args);
        return [await child.ended, child.err] as const;
      };
      ends = await Promise.all(wrong.map(([, args]) => attempt(args)));
    });
    wrong.forEach(([why, , said], i) => {
      it(`for ${why}`, () => {
        const [code, err] = ends[i] ?? [];
        expect(code).to.equal(64);
        expect(err)
          .to.match(said)
          .and.match(/^redisync: [^\n]*\n$/)
          .and.not.contain('secret');
      });
    });
  });

  it('exits with 69 where there is no Redis, without a word of the password', async () => {
    const nowhere = await redisync('redis://user:secret@127.0.0.1:1/2', 'run', 'x', '--', 'true');
    expect(await nowhere.ended).to.equal(69);
    expect(nowhere.err).to.match(
      /^redisync: cannot use Redis at redis:\/\/127.0.0.1:1\/2: .*ECONNREFUSED.*; name another in --redis or REDIS_URL\n$/,
    );
    const refused = await redisync(server.url.replace('//', '//user:secret@'), 'run', 'x', '--', 'true');
    expect(await refused.ended).to.equal(69);
    expect(refused.err)
      .to.match(/WRONGPASS.*set user and password in its URL\n$/)
      .and.not.contain('secret');
  });

  it('exits with 69, and not as busy, where Redis goes away while it waits', async () => {
    const other = await startServer();
    const admin = new Redis(other.url);
    await admin.set('gone', 'somebody', 'PX', 60_000);
    admin.disconnect();
    const child = await redisync(other.url, 'run', 'gone', '--wait', '8s', '--json', '--', 'true');
    await child.told('waiting');
    await other.stop();
    expect(await child.ended).to.equal(69);
    expect(child.err).to.match(/Redis stopped answering during the wait .*: .*ECONNREFUSED/);
  });

  it('exits with 69 where there is no such database, and does not go on in another', async () => {
    const nowhere = await redisync(`${server.url}/99`, 'run', 'x', '--', 'echo', 'ran');
    expect([await nowhere.ended, nowhere.out]).to.deep.equal([69, '']);
    expect(nowhere.err).to.match(/\/99: ERR DB index is out of range; name another in/);
    const third = await redisync(`${server.url}/3`, 'run', 'x', '--', 'true');
    expect([await third.ended, third.err]).to.deep.equal([0, '']);
  });

  it('exits with 65 where the key is no lock', async () => {
    await redis.rpush('a:list', 'x');
    const child = await run('a:list', '--', 'true');
    expect([await child.ended, child.err.split('\n').length]).to.deep.equal([65, 2]);
  });

  it('exits with 65 where the clock of the server is at its end, and says what to do', async () => {
    const other = redis.duplicate({ db: 5 });
    await other.set('~redisync:clock', Number.MAX_SAFE_INTEGER);
    const child = await redisync(`${server.url}/5`, 'run', 'x', '--', 'true');
    expect(await child.ended).to.equal(65);
    expect(child.err).to.match(/^redisync: The clock that draws the fences of "x" .*; delete the key ~redisync:clock/);
    await other.flushdb();
    other.disconnect();
  });

  it('has help with an example for every command, and a version', async () => {
    const show = async (name: string): Promise<void> => {
      const child = await redisync(server.url, name, '--help');
      expect(await child.ended).to.equal(0);
      expect(child.out).to.match(new RegExp(`Usage: redisync ${name} [^]*\nExample:\n  redisync ${name} `));
    };
    await Promise.all(['run', 'elect', 'ls', 'inspect', 'watch', 'break', 'doctor'].map(show));
    const verb = await redisync(server.url, 'help', 'ls');
    expect([await verb.ended, verb.out.split('\n')[0]]).to.deep.equal([0, 'Usage: redisync ls [options] [pattern]']);
    const version = await redisync(server.url, '--version');
    expect([await version.ended, version.out]).to.deep.equal([0, `${process.env.npm_package_version ?? '0.1.0'}\n`]);
  });
});

const alive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};
