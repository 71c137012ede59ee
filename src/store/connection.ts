/** One connection of our own beside the caller's, on which every script call ends by its deadline: answered, refused, or of unknown outcome. */
import type { Cluster, Redis, RedisOptions } from 'ioredis';
import { AsyncSubject, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { type Clock, clockOf } from '../clock.ts';
import {
  CoordinatorClosedError,
  FenceExhaustedError,
  LockCorruptedError,
  OwnerConflictError,
  RedisRefusedError,
  RedisUnreachableError,
  type RedisyncError,
} from '../errors.ts';
import type { Script } from '../lua/scripts.ts';

export type Client = Redis | Cluster;
export type Reply = readonly unknown[];

/**
 * Our own settings: what ioredis would send again or later by itself could land behind a release.
 * Reconnecting never ends and is jittered, so that many processes do not come back at once.
 */
const SETTINGS = {
  lazyConnect: true,
  keyPrefix: '',
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: null,
  retryStrategy: (times: number): number => Math.min(1_000, 25 * 2 ** Math.min(times, 6)) * (0.5 + Math.random() / 2),
  reconnectOnError: (error: Error): boolean => error.message.startsWith('READONLY'),
} satisfies RedisOptions;

const isCluster = (client: Client): client is Cluster => client.isCluster;

/** A connection like the caller's, to the same place and with the same rights, that is not open yet. */
export const duplicate = (client: Client): Client => {
  const twin = isCluster(client)
    ? client.duplicate([], { lazyConnect: true, enableOfflineQueue: false, redisOptions: SETTINGS })
    : client.duplicate(SETTINGS);
  Reflect.deleteProperty(twin.options, 'commandTimeout');
  return twin;
};

const TRANSIENT = /^(?:LOADING|BUSY|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|NOREPLICAS|MOVED|ASK|UNBLOCKED|MISCONF)\b/;
const REFUSED = /^[A-Z]{2,} /; // every error reply of Redis opens with a word in capitals

/** What an error says, without what ioredis hangs on it: the command's arguments, AUTH's among them. */
const plain = (error: unknown): Error => {
  const { name, message } = error instanceof Error ? error : new Error(String(error));
  return Object.assign(new Error(message), { name });
};

/** One use of a script. */
export interface Command<T> {
  readonly script: Script;
  readonly keys: readonly string[];
  /** Made when it is sent, with the not-after if there is one. */
  readonly args: (notAfter: number) => readonly (string | number)[];
  /** What the reply says; undefined to send the command again, within the same deadline. */
  readonly read: (reply: Reply) => T | undefined;
  /** The name that errors tell. */
  readonly lock?: string;
  /** Server ms until which the script may take effect, if it is sent now and ends by this monotonic ms. */
  readonly notAfter?: (deadline: number) => number;
}

/** A command on its way: waiting for the connection, or sent and not answered. */
interface Call<T = unknown> {
  readonly command: Command<T>;
  readonly outcome: AsyncSubject<T>;
  readonly within: number;
  /** Monotonic ms by which it ends. */
  readonly deadline: number;
  sentAt?: number;
  notAfter?: number;
}

export class Connection {
  private readonly calls = new Set<Call>();
  private client: Client | undefined;
  private closed = false;
  private corked = false;
  private heardAt = 0;
  private alarm: Subscription | undefined;
  private nextLook = Number.POSITIVE_INFINITY;
  private complaint: Error | undefined;
  private readonly source: Client;
  private readonly scheduler: SchedulerLike;
  private readonly clock: Clock;
  private readonly lost: () => void;

  /** @param lost called when the connection has gone, and with it what was learnt of the server */
  constructor(source: Client, scheduler: SchedulerLike, lost: () => void) {
    this.source = source;
    this.scheduler = scheduler;
    this.clock = clockOf(scheduler);
    this.lost = lost;
  }

  /** The client itself, opened at first use. */
  open(): Client {
    if (this.client) return this.client;
    const client = duplicate(this.source);
    client.on('ready', () => {
      this.complaint = undefined;
      for (const call of this.calls) if (call.sentAt === undefined) this.send(client, call);
    });
    client.on('close', () => {
      this.lost();
      for (const call of this.calls) if (call.sentAt !== undefined) this.unknown(call, 'The connection closed');
    });
    client.on('error', (error: unknown) => this.complain(plain(error)));
    client.connect().catch(() => undefined); // told by 'error'; ioredis goes on trying
    this.client = client;
    return client;
  }

  /** Runs a command, now, whether or not anybody subscribes: the outcome can be had at any time. */
  run<T>(command: Command<T>, within: number): Observable<T> {
    const outcome = new AsyncSubject<T>();
    if (this.closed) {
      outcome.error(new CoordinatorClosedError(command.lock));
      return outcome;
    }
    const client = this.open();
    const deadline = this.clock.now() + within;
    const call: Call<T> = { command, outcome, within, deadline };
    this.calls.add(call as Call);
    if (deadline < this.nextLook) this.lookAt(deadline);
    if (client.status === 'ready') this.send(client, call as Call);
    return outcome;
  }

  close(): void {
    this.closed = true;
    this.alarm?.unsubscribe();
    for (const call of this.calls) this.fail(call, new CoordinatorClosedError(call.command.lock));
    this.client?.disconnect();
  }

  private send(client: Client, call: Call): void {
    const { script, keys, args, read, notAfter } = call.command;
    call.sentAt = this.clock.now();
    if (notAfter) call.notAfter = notAfter(call.deadline);
    const values = [keys.length, ...keys, ...args(call.notAfter ?? 0)] as const;
    const answered = (reply: unknown): void => {
      this.heardAt = this.clock.now();
      const value = read(reply as Reply); // also when its time is over: it may carry grants for others
      if (!this.calls.has(call)) return;
      if (value === undefined) {
        this.send(client, call);
        return;
      }
      this.calls.delete(call);
      call.outcome.next(value);
      call.outcome.complete();
    };
    const refused = (error: unknown): void => this.refuse(call, plain(error));
    this.together(client);
    client.evalsha(script.sha, ...values).then(answered, (error: Error) => {
      if (!error.message.startsWith('NOSCRIPT') || !this.calls.has(call)) return refused(error);
      client.eval(script.text, ...values).then(answered, refused);
    });
  }

  /** What is sent in one tick travels in one write. */
  private together(client: Client): void {
    if (isCluster(client) || this.corked) return;
    const { stream } = client;
    this.corked = true;
    stream.cork();
    process.nextTick(() => {
      this.corked = false;
      stream.uncork();
    });
  }

  private refuse(call: Call, error: Error): void {
    const { lock = '', args } = call.command;
    const { message } = error;
    if (/^WRONGTYPE|^REDISYNC_CORRUPTED/.test(message)) this.fail(call, new LockCorruptedError(lock, error));
    else if (message.startsWith('REDISYNC_EXHAUSTED')) this.fail(call, new FenceExhaustedError(lock));
    else if (message.startsWith('REDISYNC_OWNER')) this.fail(call, new OwnerConflictError(lock, String(args(0)[0])));
    else if (REFUSED.test(message))
      this.fail(call, new RedisRefusedError(call.command.lock, TRANSIENT.test(message), error));
    else this.unknown(call, 'The command failed', error);
  }

  /** A connection on which nothing was heard since the call was sent may be half-open: it is replaced. */
  private late(call: Call): void {
    const { within } = call;
    if (call.sentAt === undefined) {
      const message = `No connection within ${within} ms`;
      this.fail(call, new RedisUnreachableError(call.command.lock, message, undefined, this.complaint));
      return;
    }
    const stalled = this.heardAt < call.sentAt;
    this.unknown(call, `No answer within ${within} ms`);
    if (stalled && this.client?.status === 'ready' && !isCluster(this.client)) this.client.stream.destroy();
  }

  private complain(error: Error): void {
    this.complaint = error;
    if (!/^(?:WRONGPASS|NOAUTH|NOPERM)/.test(error.message)) return;
    for (const call of this.calls) {
      if (call.sentAt === undefined) this.fail(call, new RedisRefusedError(call.command.lock, false, error));
    }
  }

  private unknown(call: Call, message: string, cause?: Error): void {
    this.fail(call, new RedisUnreachableError(call.command.lock, message, call.notAfter, cause));
  }

  private fail(call: Call, error: RedisyncError): void {
    if (this.calls.delete(call)) call.outcome.error(error);
  }

  /** One timer ends every call that is due by then: most have been answered long before, and cost none. */
  private lookAt(time: number): void {
    this.alarm?.unsubscribe();
    this.nextLook = time;
    this.alarm = this.scheduler.schedule(() => {
      const now = this.clock.now();
      let next = Number.POSITIVE_INFINITY;
      for (const call of this.calls) {
        if (call.deadline <= now) this.late(call);
        else next = Math.min(next, call.deadline);
      }
      this.nextLook = next;
      if (next < Number.POSITIVE_INFINITY) this.lookAt(next);
    }, time - this.clock.now());
  }
}
