/** One call of a script: what is sent, by when it ends, and which error of ours it fails with after an error reply. */
import type { Subscriber } from 'rxjs';
import {
  FenceExhaustedError,
  LockCorruptedError,
  OwnerConflictError,
  RedisRefusedError,
  type RedisyncError,
} from '../errors.ts';
import type { Script } from '../lua/scripts.ts';
import type { Driver } from './driver.ts';

/** What is known of a server. It holds for one connection: a server that restarts breaks the connection, and is forgotten. */
export interface Server {
  readonly node: Driver | undefined;
  /** Monotonic ms of the last reply. */
  lastReplyAt: number;
  /** The clock offset: server ms minus our monotonic ms. It is taken when a reply arrives, so it is never too high, and a not-after never too late. */
  clockOffset: number | undefined;
  /** When the server started, in monotonic ms; never too early. */
  startedAt: number | undefined;
}

/** A reply, or an answer, of several values. */
export type Reply = readonly unknown[];

/** An answer that was read: its value for the caller; and the grants to waiters of this process that came with it, as owner, fence, owner, fence … */
export interface Read<T> {
  readonly value: T;
  readonly grants?: readonly unknown[] | undefined;
}

/** Called with the value of an answer before the call emits it. */
export type Hear<T> = (value: T, server: Server) => void;

/** Passes on the grants that came with the answer to a call about a lock. */
export type HandOn = (lock: string, grants: readonly unknown[]) => void;

/** What to call: a script, its arguments, and how its answer is read. */
export interface Command<T> {
  readonly script: Script;
  readonly keys: readonly string[];
  /** The key of the clock, if the script takes one: the server's, or that of the slot of `keys`. A batch names it once, before the keys of its calls. */
  readonly clock?: ((ofSlot: boolean) => string) | undefined;
  /** The arguments, made when the call is sent, because they contain the not-after. A script that runs a verb for each name takes the verb first. */
  readonly args: (notAfter: number) => readonly (string | number)[];
  /** Reads the answer; `now` is the server's time. Returns undefined to send the call again, within the same deadline. */
  readonly read: (answer: unknown, now: number) => Read<T> | undefined;
  /** The lock's name, for errors. */
  readonly lock?: string;
  /** Whether the script writes nothing. Then EVAL_RO (Redis 7) serves a user who may only read the keys. */
  readonly readOnly?: boolean;
  /** Whether the script does nothing after its not-after, which is the deadline in server time. */
  readonly bounded?: boolean;
  /** Whether it may wait for other calls of this iteration of the event loop, to travel with them. */
  readonly unhurried?: boolean;
  /** The order of calls that wait for the connection: the lowest is sent first. */
  readonly sequence?: number | undefined;
  /** The node to ask, if no key decides it. */
  readonly node?: Driver | undefined;
}

/** A call, from when it is made until its outcome: it waits for the connection, for its batch or to be sent again, or it is in flight. */
export interface Call<T = unknown> {
  readonly command: Command<T>;
  /** Called for a late answer too, after the call has failed at its deadline: it may bring grants for others. */
  readonly hear: Hear<T>;
  readonly outcome: Subscriber<T>;
  /** How long it may take, in ms. */
  readonly within: number;
  /** Its deadline, in monotonic ms. */
  deadline: number;
  /** When it was given to a node or its batch, in monotonic ms. Undefined while it waits for the connection or to be sent again. */
  sentAt: number | undefined;
  /** The not-after that was sent, in server ms. Undefined if the script takes none. */
  notAfter: number | undefined;
  /** The node to which it was sent. */
  node: Driver | undefined;
  /** Its index among the pending calls. */
  index: number | undefined;
}

const TRANSIENT = /^(?:LOADING|BUSY|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|NOREPLICAS|MOVED|ASK|UNBLOCKED|MISCONF)\b/;
const ERROR_REPLY = /^[A-Z_]{2,} /; // every error reply of Redis, and of the scripts, opens with a word in capitals

/**
 * A copy of an error without the command's arguments, which ioredis attaches, those of AUTH among them. If no node of a
 * Cluster could be asked, it is the error of the last node.
 */
export const plain = (error: unknown): Error => {
  const told = error instanceof Error ? error : new Error(String(error));
  const lastNodeError: unknown = Reflect.get(told, 'lastNodeError');
  const { name, message } = lastNodeError instanceof Error ? lastNodeError : told;
  return Object.assign(new Error(message), { name });
};

/** The error of ours with which a call fails after this error. Undefined if the outcome is unknown: the error is not a reply of Redis, or it came after a write. */
export const errorOf = ({ lock = '', args }: Command<unknown>, error: Error): RedisyncError | undefined => {
  const { message } = error;
  if (/^WRONGTYPE|^REDISYNC_CORRUPTED/.test(message)) return new LockCorruptedError(lock, error);
  if (message.startsWith('REDISYNC_EXHAUSTED')) return new FenceExhaustedError(lock);
  if (message.startsWith('REDISYNC_OWNER')) return new OwnerConflictError(lock, String(args(0)[1]));
  if (message.startsWith('REDISYNC_UNFINISHED')) return undefined;
  return ERROR_REPLY.test(message)
    ? new RedisRefusedError(lock || undefined, TRANSIENT.test(message), error)
    : undefined;
};
