/** A real Redis for specs, demo and bench: from REDIS_URL, or a process of our own on a free port, stopped by its own id. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server as NetServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Redis } from 'ioredis';

export interface Server {
  readonly url: string;
  readonly port: number;
  /** The process, unless the server was given by REDIS_URL. */
  readonly process: ChildProcess | undefined;
  readonly directory: string | undefined;
  stop(): Promise<void>;
}

const find = (...names: string[]): string | undefined =>
  (process.env.PATH ?? '')
    .split(delimiter)
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((path) => existsSync(path));

const install = (): void => {
  if (process.getuid?.() !== 0 || !find('apt-get')) return;
  process.stderr.write('redis-server is missing: installing it by apt-get …\n');
  const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } } as const;
  execFileSync('apt-get', ['update'], quiet);
  execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], quiet);
};

/** The server's binary, installed first where that is possible. */
export const binary = (): string => {
  if (!find('redis-server', 'valkey-server')) install();
  const path = find('redis-server', 'valkey-server');
  if (path) return path;
  throw new Error(
    'No redis-server or valkey-server on the PATH. Install one (Debian, Ubuntu: apt-get install redis-server; ' +
      'macOS: brew install redis) or name a running server in REDIS_URL.',
  );
};

/**
 * A port that nobody listens on, below those from which systems take the ports of outgoing connections: while a server
 * that is started anew is down, none of them takes its port.
 */
export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const port = randomInt(10_000, 32_000);
    createServer()
      .on('error', () => resolve(freePort()))
      .listen(port, '127.0.0.1', function (this: NetServer) {
        this.close(() => resolve(port));
      });
  });

/** Resolves when the server answers PING; rejects when its process ends first. */
const answering = async (port: number, child: ChildProcess): Promise<void> => {
  const redis = new Redis({ port, host: '127.0.0.1', lazyConnect: true, retryStrategy: () => 20 });
  redis.on('error', () => undefined);
  try {
    await Promise.race([
      redis.ping(),
      new Promise((_, reject) => child.once('exit', (code) => reject(new Error(`redis-server ended with ${code}`)))),
    ]);
    const told = await redis.info('server'); // on a port that was taken, another server answers
    if (!told.includes(`process_id:${child.pid}`)) throw new Error(`Port ${port} is another server's`);
  } finally {
    redis.disconnect();
  }
};

/** Another process may take a free port before the server does: then another port is as good. */
export const onFreePort = async <T>(start: (port: number) => Promise<T>, tries = 5): Promise<T> => {
  const port = await freePort();
  try {
    return await start(port);
  } catch (error) {
    if (tries === 1) throw error;
    return onFreePort(start, tries - 1);
  }
};

/** Starts the binary, which is to listen on this port, in this directory, which goes when it stops. */
export const launch = async (port: number, directory: string, args: readonly string[]): Promise<Server> => {
  const child = spawn(binary(), args, { stdio: 'ignore', cwd: directory }); // whatever it saves, not in the checkout
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    if (child.exitCode === null && child.signalCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      kill();
      await ended;
    }
    rmSync(directory, { recursive: true, force: true });
  };
  try {
    await answering(port, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { url: `redis://127.0.0.1:${port}`, port, process: child, directory, stop };
};

const startOn = (port: number, args: readonly string[]): Promise<Server> => {
  const directory = mkdtempSync(join(tmpdir(), 'redisync-'));
  const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', directory];
  return launch(port, directory, [...where, '--save', '', '--loglevel', 'warning', ...args]);
};

/**
 * A server of our own, with nothing in it and nothing saved.
 * @param args more of the server's command line, such as `['--appendonly', 'yes']`
 * @param port where it must be; default: any free one
 */
export const startServer = (args: readonly string[] = [], port?: number): Promise<Server> =>
  port === undefined ? onFreePort((free) => startOn(free, args)) : startOn(port, args);

/** The server that REDIS_URL names, or one of our own. */
export const anyServer = async (): Promise<Server> => {
  const url = process.env.REDIS_URL;
  if (!url) return startServer();
  return {
    url,
    port: Number(new URL(url).port || 6379),
    process: undefined,
    directory: undefined,
    stop: async () => undefined,
  };
};
