/** What a pause of this process costs: nothing that Redis has answered meanwhile. And a connection that ends: nothing that was not sent. */
import { Worker } from 'node:worker_threads';
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { type Lease, LockCoordinator } from '../../src/index.ts';
import { type Server, startServer } from '../support/server.ts';

/** Looks, while the thread that made it is blocked, until Redis has the key. */
const WATCHER = `
  const { connect } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  const { port, key, seen } = workerData;
  const socket = connect(port, '127.0.0.1');
  const ask = () => socket.write('EXISTS ' + key + '\\r\\n');
  socket.once('connect', () => { parentPort.postMessage('ready'); ask(); });
  socket.on('data', (reply) => {
    if (!String(reply).startsWith(':1')) return setTimeout(ask, 5);
    Atomics.store(seen, 0, 1);
    Atomics.notify(seen, 0);
    socket.destroy();
  });
`;

describe('an attempt', () => {
  let server: Server;

  before(async () => {
    server = await startServer();
  });

  after(() => server.stop());

  const BUSY = 1_000;
  const ATTEMPTS: Readonly<Record<string, (locks: LockCoordinator) => Promise<Lease | null>>> = {
    commandTimeout: (locks) => locks.mutex('busy', { commandTimeout: BUSY }).tryAcquire(),
    'its timeout': (locks) => locks.mutex('busy').acquire({ timeout: BUSY }),
  };

  for (const [bound, attempt] of Object.entries(ATTEMPTS))
    it(`that Redis has answered is granted, although the process was busy for longer than ${bound}`, async () => {
      const redis = new Redis(server.url);
      const locks = new LockCoordinator(redis);
      const seen = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(WATCHER, { eval: true, workerData: { port: server.port, key: 'busy', seen } });
      try {
        await new Promise((resolve) => worker.once('message', resolve));
        await locks.mutex('warm').acquire();
        const asked = attempt(locks);
        await new Promise((resolve) => process.nextTick(() => process.nextTick(resolve))); // it is written by now
        assert.notEqual(Atomics.wait(seen, 0, 0, 10_000), 'timed-out'); // answered, and not read
        Atomics.wait(seen, 0, 1, BUSY); // for as long as it may take
        const lease = await asked;
        assert.isTrue(lease?.held);
        await lease?.release();
      } finally {
        await worker.terminate();
        await locks.close();
        redis.disconnect();
      }
    });

  it('that is made when the connection has just ended is sent on the next one', async () => {
    const made: Redis[] = [];
    class Watched extends Redis {
      override duplicate(...args: Parameters<Redis['duplicate']>): Redis {
        const client = super.duplicate(...args);
        made.push(client);
        return client;
      }
    }
    const redis = new Watched(server.url);
    const locks = new LockCoordinator(redis);
    try {
      await locks.mutex('warm').acquire();
      const [connection] = made;
      connection?.stream.destroy();
      assert.equal(connection?.status, 'ready'); // for 'close' has not been emitted yet
      assert.isTrue((await locks.mutex('between').tryAcquire())?.held);
    } finally {
      await locks.close();
      redis.disconnect();
    }
  });
});
