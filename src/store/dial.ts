/** Opens a connection of our own like the caller's, and sees to it that it opens: what takes too long is ended, and tried anew. */
import { type SchedulerLike, Subscription } from 'rxjs';
import { clockOf } from '../clock.ts';
import { type Client, isCluster } from './client.ts';
import { type Twin, twinOf } from './ioredis.ts';
import { clusterTwinOf } from './ioredis-cluster.ts';
import { NodeRedisDriver } from './node-redis.ts';
import { Patience, retryStrategy } from './patience.ts';

/** ms that a command has where nothing else is said. */
export const COMMAND_TIMEOUT = 2_000;

/** ms from one check of a connection to the next. */
const CHECK_EVERY = 1_000;

/** How connections are opened. */
export interface Dialling {
  /** ms that a command has; from it derives how long an opening may take. */
  readonly commandTimeout: number;
  readonly scheduler: SchedulerLike;
}

/** A connection of our own, which is made anew whenever it ends, until it is closed. */
export interface Line<C extends Client> {
  readonly client: C;
  /** Waits for the answer to a command by which the connection is opened for its use; without one, the connection ends. */
  settle(answer: Promise<unknown>, done: () => void, refused?: (error: Error) => void): void;
  /** Asks something, at most once a second, on a connection that is only listened on: without an answer it ends, for another. */
  check(ask: (client: C) => Promise<unknown>): void;
  /** Ends the connection, for another: this one is of no use. */
  renew(): void;
  close(): void;
}

export const dial = <C extends Client>(source: C, dialling: Dialling): Line<C> => {
  const patience = new Patience(dialling.commandTimeout);
  const timers = new Subscription();
  const after = (ms: number, work: () => void): Subscription => {
    const timer = dialling.scheduler.schedule(work, ms);
    timers.add(timer);
    return timer;
  };
  const { twin, end } = twinLike(source, patience);
  const connect = (): void => {
    twin.connect().catch(() => undefined); // told by 'error'
  };
  bound(twin, patience, after);
  if (isCluster(twin)) twin.on('+node', (node: Client) => bound(node, patience, after));
  twin.on('end', () => after(retryStrategy(1), connect)); // it does not try again by itself, as its own retries have no end
  connect();
  const settle: Line<C>['settle'] = (answer, done, refused = () => undefined) => {
    const timer = after(patience.ms, () => {
      patience.fail();
      anew(twin);
    });
    answer.finally(() => timer.unsubscribe()).then(done, refused);
  };
  const client = twin as C; // each kind is duplicated into its own
  const clock = clockOf(dialling.scheduler);
  let checked = Number.NEGATIVE_INFINITY;
  return {
    client,
    settle,
    check: (ask) => {
      if (twin.status !== 'ready' || clock.now() < checked + CHECK_EVERY) return;
      checked = clock.now();
      settle(ask(client), () => undefined);
    },
    renew: () => anew(twin),
    close: () => {
      timers.unsubscribe();
      twin.disconnect();
      end();
    },
  };
};

const twinLike = (source: Client, patience: Patience): Twin<Client> => {
  if (isCluster(source)) return clusterTwinOf(source, patience);
  return source instanceof NodeRedisDriver
    ? { twin: source.duplicate(), end: () => undefined }
    : twinOf(source, patience);
};

/** Ends every attempt to open it that takes longer than one's patience, however far it has come. */
const bound = (client: Client, patience: Patience, after: (ms: number, work: () => void) => Subscription): void => {
  let timer: Subscription | undefined;
  const stop = (): void => timer?.unsubscribe();
  const start = (): void => {
    stop();
    timer = after(patience.ms, () => {
      patience.fail();
      start(); // where there is no socket yet that could be ended, as while Sentinels are asked
      anew(client);
    });
  };
  client.on('connecting', start);
  client.on('close', stop);
  client.on('end', stop);
  client.on('ready', () => {
    stop();
    patience.succeed();
  });
};

/** Ends the attempt; another follows. */
const anew = (client: Client): void => {
  if (!isCluster(client)) {
    client.stream?.destroy();
    return;
  }
  const named = client.nodes().length > 0;
  client.disconnect(true);
  if (!named) client.connect().catch(() => undefined); // it waits for the names of its nodes to be resolved, and would on
};
