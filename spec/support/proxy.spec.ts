import { assert } from 'chai';
import { Redis } from 'ioredis';
import { eventually } from './eventually.ts';
import { TcpProxy } from './proxy.ts';
import { type Server, startServer } from './server.ts';

describe('The proxy of the fault specs', () => {
  let server: Server;
  let proxy: TcpProxy;
  let direct: Redis;
  let redis: Redis;
  const naming = (word: string) => (bytes: Buffer) => bytes.includes(word);

  before(async () => {
    server = await startServer();
    direct = new Redis(server.port);
  });
  after(async () => {
    direct.disconnect();
    await server.stop();
  });
  beforeEach(async () => {
    proxy = await TcpProxy.to(server.port);
    redis = new Redis(proxy.port, { retryStrategy: () => 10, maxRetriesPerRequest: null });
    redis.on('error', () => undefined);
    await redis.ping();
  });
  afterEach(async () => {
    redis.disconnect();
    await proxy.stop();
  });

  it('delays each way by what it is told, also by less than a timer can', async () => {
    for (const delay of [0.5, 5]) {
      proxy.delay = delay;
      const since = performance.now();
      for (let i = 0; i < 10; i += 1) await redis.ping();
      const trip = (performance.now() - since) / 10;
      assert.isAtLeast(trip, 2 * delay);
    }
  });

  it('splits frames at every byte, and each arrives by itself', async () => {
    proxy.split = 1;
    const seen: number[] = [];
    redis.stream.on('data', (bytes: Buffer) => seen.push(bytes.length));
    assert.equal(await redis.set('split', 'välue'), 'OK');
    assert.equal(await redis.get('split'), 'välue');
    assert.isAbove(seen.length, 10);
  });

  it('reorders between connections, and never within one', async () => {
    const others = Array.from({ length: 4 }, () => redis.duplicate());
    await Promise.all(others.map((other) => other.ping()));
    proxy.jitter = 20;
    for (let i = 0; i < 5; i += 1) {
      await Promise.all(others.flatMap((other, id) => [1, 2].map((n) => other.rpush('order', `${i} ${id} ${n}`))));
    }
    const arrived = await direct.lrange('order', 0, -1);
    for (const other of others) other.disconnect();
    assert.notDeepEqual(arrived, [...arrived].sort(), 'as they were sent');
    for (const [at, first] of arrived.entries()) {
      if (first.endsWith('1')) assert.isAbove(arrived.indexOf(first.replace(/1$/, '2')), at);
    }
  });

  it('lets what was sent later on another connection arrive before what it holds back', async () => {
    const other = redis.duplicate();
    await other.ping();
    const holding = proxy.hold(naming('earlier'));
    const first = redis.rpush('race', 'earlier');
    const held = await holding;
    await other.rpush('race', 'later');
    held.deliver();
    await first;
    other.disconnect();
    assert.deepEqual(await direct.lrange('race', 0, -1), ['later', 'earlier']);
  });

  it('cuts connections, which can be made again', async () => {
    const closed = new Promise((resolve) => redis.once('close', resolve));
    proxy.cut();
    await closed;
    assert.equal(await redis.ping(), 'PONG');
  });

  it('refuses connections while it is down', async () => {
    let closes = 0;
    redis.on('close', () => {
      closes += 1;
    });
    proxy.down();
    await eventually('several attempts are refused', () => closes > 3);
    assert.equal(proxy.connections, 0);
    proxy.up();
    assert.equal(await redis.ping(), 'PONG');
  });

  it('swallows what is sent over a half-open connection, and leaves it open', async () => {
    proxy.silent = true;
    const answer = redis.incr('half');
    await direct.ping();
    assert.equal(redis.status, 'ready');
    assert.equal(proxy.connections, 1);
    proxy.silent = false;
    proxy.cut();
    assert.equal(await answer, 1, 'as ioredis sends it on a new connection, for the first time that counts');
  });

  it('keeps everything while it is frozen, and delivers it in order when that ends', async () => {
    proxy.freeze();
    const coming = proxy.hold(naming('frozen'));
    const answers = Promise.all([redis.rpush('frozen', 'a'), redis.rpush('frozen', 'b')]);
    (await coming).deliver();
    assert.deepEqual(await direct.lrange('frozen', 0, -1), []);
    proxy.thaw();
    await answers;
    assert.deepEqual(await direct.lrange('frozen', 0, -1), ['a', 'b']);
  });

  it('delivers what was sent while it was frozen when that ends, also from a client that has hung up since', async () => {
    proxy.freeze();
    const coming = proxy.hold(naming('last words'));
    redis.set('last words', '1').catch(() => undefined);
    (await coming).deliver();
    redis.disconnect();
    await eventually('the client has gone', () => proxy.connections === 0);
    assert.isNull(await direct.get('last words'));
    proxy.thaw();
    await eventually('its words have arrived', async () => (await direct.get('last words')) === '1');
    await eventually(
      'so has its end',
      async () =>
        String(await direct.client('LIST'))
          .trim()
          .split('\n').length === 1,
    );
  });

  it('holds a request back, and all behind it, until it is delivered', async () => {
    const holding = proxy.hold(naming('late'));
    const first = redis.set('late', '1');
    const held = await holding;
    const second = redis.set('behind', '1');
    assert.include(held.bytes.toString(), 'late');
    assert.deepEqual(await direct.mget('late', 'behind'), [null, null]);
    held.deliver();
    assert.deepEqual(await Promise.all([first, second]), ['OK', 'OK']);
  });

  it('delivers a held request even after its client has hung up', async () => {
    const holding = proxy.hold(naming('ghost'));
    redis.set('ghost', '1').catch(() => undefined);
    const held = await holding;
    redis.disconnect();
    await eventually('the client has gone', () => proxy.connections === 0);
    held.deliver();
    await eventually('the request has arrived', async () => (await direct.get('ghost')) === '1');
  });

  it('holds a reply back', async () => {
    const holding = proxy.hold(naming('echo'), 'reply');
    const answer = redis.echo('echo');
    const held = await holding;
    assert.equal(held.bytes.toString(), '$4\r\necho\r\n');
    held.deliver();
    assert.equal(await answer, 'echo');
  });

  it('drops what it held, and lets through what waits behind it', async () => {
    const holding = proxy.hold(naming('dropped'));
    const first = redis.set('dropped', '1');
    const held = await holding;
    redis.incr('kept').catch(() => undefined);
    held.drop();
    assert.equal((await first) as unknown, 1, 'the answer to the next command, since the first never came');
    assert.deepEqual(await direct.mget('dropped', 'kept'), [null, '1']);
  });

  it('replays bytes on a connection of their own', async () => {
    const holding = proxy.hold(naming('again'));
    const answer = redis.incr('again');
    const held = await holding;
    held.deliver();
    assert.equal(await answer, 1);
    assert.equal((await proxy.replay(held.bytes)).toString(), ':2\r\n');
    assert.equal(await direct.get('again'), '2');
  });
});
