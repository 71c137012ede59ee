/** Opens a connection of our own like the caller's. An attempt to open it that takes too long is ended, and another begins. */
import { type SchedulerLike, Subscription } from 'rxjs';
import { clockOf } from '../clock.ts';
import { type Client, isCluster } from './client.ts';
import { type Duplicate, duplicateRedis } from './ioredis.ts';
import { duplicateCluster } from './ioredis-cluster.ts';
import { NodeRedisDriver } from './node-redis.ts';
import { OpeningTimeout, retryStrategy } from './opening-timeout.ts';

/** ms from one check of a connection to the next. */
const CHECK_EVERY = 1_000;

/** How connections are opened. */
export interface Dialling {
  /** ms that a command may take. How long an opening may take follows from it: see OpeningTimeout. */
  readonly commandTimeout: number;
  readonly scheduler: SchedulerLike;
}

/** A connection of our own, which is opened again whenever it ends, until it is closed. */
export interface Line<C extends Client> {
  readonly client: C;
  /** Waits for the answer to the command that prepares the connection, such as SUBSCRIBE. Without an answer in time the connection is replaced. */
  settle(answer: Promise<unknown>, done: () => void, refused?: (error: Error) => void): void;
  /** Asks something, at most once a second, on a connection that only listens. Without an answer in time the connection is replaced. */
  check(ask: (client: C) => Promise<unknown>): void;
  /** Replaces the connection by a new one. */
  renew(): void;
  close(): void;
}

export const dial = <C extends Client>(source: C, dialling: Dialling): Line<C> => {
  const opening = new OpeningTimeout(dialling.commandTimeout);
  const timers = new Subscription();
  const after = (ms: number, work: () => void): Subscription => {
    const timer = dialling.scheduler.schedule(work, ms);
    timers.add(timer);
    return timer;
  };
  const { client: own, end } = duplicate(source, opening);
  const connect = (): void => {
    own.connect().catch(() => undefined); // told by 'error'
  };
  bound(own, opening, after);
  if (isCluster(own)) own.on('+node', (node: Client) => bound(node, opening, after));
  own.on('end', () => after(retryStrategy(1), connect)); // the client has given up: it connects again only if it is asked to
  connect();
  const settle: Line<C>['settle'] = (answer, done, refused = () => undefined) => {
    const timer = after(opening.ms, () => {
      opening.fail();
      anew(own);
    });
    answer.finally(() => timer.unsubscribe()).then(done, refused);
  };
  const client = own as C; // each kind is duplicated into its own
  const clock = clockOf(dialling.scheduler);
  let checked = Number.NEGATIVE_INFINITY;
  return {
    client,
    settle,
    check: (ask) => {
      if (own.status !== 'ready' || clock.now() < checked + CHECK_EVERY) return;
      checked = clock.now();
      settle(ask(client), () => undefined);
    },
    renew: () => anew(own),
    close: () => {
      timers.unsubscribe();
      own.disconnect();
      end();
    },
  };
};

const duplicate = (source: Client, opening: OpeningTimeout): Duplicate<Client> => {
  if (isCluster(source)) return duplicateCluster(source, opening);
  return source instanceof NodeRedisDriver
    ? { client: source.duplicate(), end: () => undefined }
    : duplicateRedis(source, opening);
};

/** Ends every attempt to open the connection that takes longer than the opening timeout, however far it has come. */
const bound = (
  client: Client,
  opening: OpeningTimeout,
  after: (ms: number, work: () => void) => Subscription,
): void => {
  let timer: Subscription | undefined;
  const stop = (): void => timer?.unsubscribe();
  const start = (): void => {
    stop();
    timer = after(opening.ms, () => {
      opening.fail();
      start(); // there may be no socket yet to destroy, as while Sentinels are asked: then look again later
      anew(client);
    });
  };
  client.on('connecting', start);
  client.on('close', stop);
  client.on('end', stop);
  client.on('ready', () => {
    stop();
    opening.succeed();
  });
};

/** Ends the attempt to connect; another follows. */
const anew = (client: Client): void => {
  if (!isCluster(client)) {
    client.stream?.destroy();
    return;
  }
  const named = client.nodes().length > 0;
  client.disconnect(true);
  if (!named) client.connect().catch(() => undefined); // it may still be resolving the names of its nodes, which disconnect() does not end
};
