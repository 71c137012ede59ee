/** From URLs to a coordinator, with proof that Redis is there before anything is promised. */
import { Redis } from 'ioredis';
import { LockCoordinator, type Options } from '../index.ts';
import { checked, EXIT, Failure } from './exit.ts';

export interface Where {
  readonly redis?: readonly string[];
}

const LOCAL = 'redis://127.0.0.1:6379';

/** The URL without user, password and query. */
const shown = (url: URL): string => `${url.protocol}//${url.host}${url.pathname}`;

/** Neither the message nor the error may repeat what was given: a password may be in it. */
const parse = (source: string, text: string): URL => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && /^rediss?:$/.test(url.protocol) && url.host !== '') return url;
  throw new Failure(
    EXIT.usage,
    `${source} is no Redis URL: write it as redis://HOST:PORT or rediss://USER:PASSWORD@HOST:PORT`,
  );
};

const open = (source: string, text: string): { redis: Redis; at: string } => {
  const url = parse(source, text);
  try {
    const redis = new Redis(text, {
      lazyConnect: true,
      enableReadyCheck: false, // it needs the right to INFO
      retryStrategy: () => null,
      connectTimeout: 5_000,
      disconnectTimeout: 0, // else a failed connection keeps the process alive for 2 s
      commandTimeout: 5_000,
    });
    return { redis, at: shown(url) };
  } catch {
    throw new Failure(EXIT.usage, `${source} is no Redis URL: percent-encode what is special in user and password`);
  }
};

/** One answered command; a refused one is an answer too, unless it is about who we are. */
const reach = async ({ redis, at }: { redis: Redis; at: string }): Promise<void> => {
  let complaint: Error | undefined;
  redis.on('error', (error: Error) => {
    complaint = error;
  });
  try {
    await redis.connect();
    await redis.ping();
  } catch (error) {
    const { message } = complaint ?? (error as Error);
    if (message.startsWith('NOPERM')) return;
    const refused = /^(WRONGPASS|NOAUTH)/.test(message);
    const remedy = refused ? 'set user and password in its URL' : 'name another in --redis or REDIS_URL';
    throw new Failure(EXIT.noRedis, `no Redis at ${at}: ${message.replace(/\.$/, '')}; ${remedy}`);
  } finally {
    redis.disconnect();
  }
};

/** Makes a coordinator for as long as `use` takes, and leaves nothing of it. */
export const withLocks = async <T>(
  { redis: given }: Where,
  options: Options,
  use: (locks: LockCoordinator) => Promise<T>,
): Promise<T> => {
  const [first = process.env.REDIS_URL || LOCAL] = given ?? [];
  const server = open(given ? '--redis' : 'REDIS_URL', first);
  const locks = checked(() => new LockCoordinator(server.redis, options));
  await reach(server);
  try {
    return await use(locks);
  } finally {
    await locks.close();
  }
};
