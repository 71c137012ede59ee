/** What is left of a coordinator once it is closed: nothing, whatever had been opened and however far it had come. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server as NetServer } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { startCluster } from '../support/cluster.ts';
import { programOf } from '../support/program.ts';
import { MASTER, startSentinels } from '../support/sentinel.ts';
import { type Server, startServer } from '../support/server.ts';

/** A process of its own asks once, closes, and tells how long something kept it alive after that, in ms that it lived. */
const asking = (client: string, beforeClose: string): string => `
  import { Cluster, Redis } from 'ioredis';
  import { createClient } from 'redis';
  import { firstValueFrom } from 'rxjs';
  import { LockCoordinator } from './src/index.ts';
  import { lived } from './spec/support/lateness.ts';
  const locks = new LockCoordinator(${client}, { commandTimeout: 200 });
  await firstValueFrom(locks.inspect('closing')).catch(() => undefined);
  ${beforeClose}
  await locks.close();
  const closed = lived();
  process.on('exit', () => process.stdout.write(String(lived() - closed)));
`;

const lingers = async (client: string, beforeClose = ''): Promise<number> => {
  const { stdout } = await promisify(execFile)(process.execPath, [programOf(asking(client, beforeClose))]);
  return Number(stdout);
};

/** A waiter, so that what hears of grants is open too. */
const WAITING = `
  const lease = await locks.mutex('closing:' + process.pid).acquire();
  locks.mutex('closing:' + process.pid).subscribe({ error: () => undefined });
  await new Promise((resolve) => setTimeout(resolve, 300));
`;

const CLIENTS: Readonly<Record<string, (port: number) => string>> = {
  ioredis: (port) => `new Redis({ port: ${port}, lazyConnect: true })`,
  'node-redis': (port) => `createClient({ url: 'redis://127.0.0.1:${port}' })`,
};

describe('close()', () => {
  let server: Server;
  before(async () => {
    server = await startServer();
  });
  after(() => server.stop());

  for (const [kind, client] of Object.entries(CLIENTS)) {
    it(`leaves no timer where there is no server: ${kind}`, async () => {
      expect(await lingers(client(1))).to.be.below(500);
    });

    it(`leaves no socket where the server has stopped answering: ${kind}`, async () => {
      const pid = server.process?.pid;
      try {
        expect(await lingers(client(server.port), `${WAITING} process.kill(${pid}, 'SIGSTOP');`)).to.be.below(500);
      } finally {
        server.process?.kill('SIGCONT');
      }
    });

    it(`leaves nothing of a connection that is being made: ${kind}`, async () => {
      const silent = createServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      try {
        expect(await lingers(client(portOf(silent)))).to.be.below(500);
      } finally {
        silent.close();
      }
    });
  }
});

const portOf = (server: NetServer): number => {
  const address = server.address();
  return typeof address === 'object' && address ? address.port : 0;
};

describe('close() of a connection that opens', () => {
  for (const [kind, client] of Object.entries(CLIENTS)) {
    it(`leaves nothing unhandled, at whatever step it comes: ${kind}`, async () => {
      const server = await startServer();
      try {
        await closesEarly(client(server.port));
      } finally {
        await server.stop();
      }
    });
  }
});

describe('close() behind Sentinels', function () {
  this.timeout(300_000);

  it('leaves nothing unhandled, at whatever step of the opening it comes', async () => {
    const watched = await startSentinels();
    try {
      await closesEarly(
        `new Redis({ sentinels: ${JSON.stringify(watched.sentinels)}, name: '${MASTER}', lazyConnect: true })`,
      );
    } finally {
      await watched.stop();
    }
  });

  it('leaves nothing, also where they or the master do not answer, or have gone', async () => {
    const watched = await startSentinels();
    const client = `new Redis({ sentinels: ${JSON.stringify(watched.sentinels)}, name: '${MASTER}', lazyConnect: true })`;
    const pids = watched.watchers.map(({ process }) => process?.pid);
    const stop = (signal: string): string =>
      `for (const pid of ${JSON.stringify(pids)}) process.kill(pid, '${signal}');`;
    try {
      expect(await lingers(client, WAITING)).to.be.below(500);
      expect(await lingers(client, `${WAITING} ${stop('SIGSTOP')}`)).to.be.below(500);
      expect(await lingers(client), 'while the first is asked').to.be.below(500);
      for (const { process } of watched.watchers) process?.kill('SIGKILL');
      expect(await lingers(client), 'with none').to.be.below(500);
    } finally {
      await watched.stop();
    }
  });
});

/** A process of its own opens and closes again and again, a little later each time; what it leaves unhandled ends it. */
const closesEarly = async (client: string): Promise<void> => {
  const text = `
    import { Cluster, Redis } from 'ioredis';
    import { createClient } from 'redis';
    import { LockCoordinator } from './src/index.ts';
    for (let step = 0; step < 100; step += 1) {
      const locks = new LockCoordinator(${client});
      locks.mutex('early').subscribe({ error: () => undefined });
      const until = performance.now() + step / 4;
      while (performance.now() < until) await new Promise((resolve) => setImmediate(resolve));
      await locks.close();
    }
  `;
  await promisify(execFile)(process.execPath, [programOf(text)]);
};

describe('close() of a Cluster', function () {
  this.timeout(300_000);

  it('leaves nothing unhandled, at whatever step of the opening it comes', async () => {
    const shards = await startCluster();
    try {
      await closesEarly(
        `new Cluster([{ host: '127.0.0.1', port: ${shards.servers[0]?.port} }], { lazyConnect: true })`,
      );
    } finally {
      await shards.stop();
    }
  });

  it('leaves nothing, also where its nodes do not answer', async () => {
    const shards = await startCluster();
    const client = `new Cluster([{ host: '127.0.0.1', port: ${shards.servers[0]?.port} }], { lazyConnect: true })`;
    const pids = shards.servers.map(({ process }) => process?.pid);
    const stop = `for (const pid of ${JSON.stringify(pids)}) process.kill(pid, 'SIGSTOP');`;
    try {
      expect(await lingers(client, WAITING)).to.be.below(500);
      expect(await lingers(client, `${WAITING} ${stop}`)).to.be.below(500);
      expect(await lingers(client), 'while the slots are asked for').to.be.below(500);
    } finally {
      for (const { process } of shards.servers) process?.kill('SIGCONT');
      await shards.stop();
    }
  });
});
