/** One use of a script on its way to a server: what is sent, by when it ends, and what an error reply makes of it. */
import type { AsyncSubject } from 'rxjs';
import {
  FenceExhaustedError,
  LockCorruptedError,
  OwnerConflictError,
  RedisRefusedError,
  type RedisyncError,
} from '../errors.ts';
import type { Script } from '../lua/scripts.ts';
import type { Driver } from './driver.ts';

/** What was learnt of a server, on the one connection to it: a server that restarts breaks it. */
export interface Server {
  readonly node: Driver | undefined;
  /** Monotonic ms of the last answer. */
  heardAt: number;
  /** Server ms less monotonic ms, never too high: from the arrival of the last answer, so that a not-after is early. */
  lead: number | undefined;
  /** When it started, never too early: monotonic ms. */
  born: number | undefined;
}

/** What Redis answers with more than one value. */
export type Reply = readonly unknown[];

/** What a reply says to who asked, and the grants to waiters of this process that it brings: owner, fence, owner, fence … */
export interface Read<T> {
  readonly value: T;
  readonly grants?: readonly unknown[] | undefined;
}

/** What who called does with what the reply says, and what it comes to. */
export type Hear<T> = (read: Read<T>, server: Server) => T;

/** One use of a script. */
export interface Command<T> {
  readonly script: Script;
  readonly keys: readonly string[];
  /** The key that goes once before those of all names, where the script takes one: of the server, or of the slot of `keys`. */
  readonly clock?: (ofSlot: boolean) => string;
  /** Made when it is sent, with the not-after if there is one: first the verb, where the script does one a name. */
  readonly args: (notAfter: number) => readonly (string | number)[];
  /** What the reply says, with the server's time; undefined to send the command again, within the same deadline. */
  readonly read: (reply: unknown, now: number) => Read<T> | undefined;
  /** The name that errors tell. */
  readonly lock?: string;
  /** Whether the script writes nothing. A user who may not write to its keys is then served by EVAL_RO (Redis 7). */
  readonly readOnly?: boolean;
  /** Whether the script refuses to act after its not-after, which is the deadline in server time. */
  readonly bounded?: boolean;
  /** Whether it can wait for what else this iteration of the event loop sends. */
  readonly unhurried?: boolean;
  /** Its turn among those that wait for the connection: the lowest is sent first. */
  readonly turn?: number | undefined;
  /** The node to ask, where no key tells. */
  readonly node?: Driver | undefined;
}

/** A command on its way: waiting for the connection, or sent and not answered. */
export interface Call<T = unknown> {
  readonly command: Command<T>;
  /** Called also when its time is over: the reply may bring grants for others. */
  readonly hear: Hear<T>;
  readonly outcome: AsyncSubject<T>;
  readonly within: number;
  /** Monotonic ms by which it ends. */
  deadline: number;
  sentAt: number | undefined;
  notAfter: number | undefined;
  node: Driver | undefined;
  /** Where it is among those that are pending. */
  place: number | undefined;
}

const TRANSIENT = /^(?:LOADING|BUSY|READONLY|CLUSTERDOWN|TRYAGAIN|MASTERDOWN|NOREPLICAS|MOVED|ASK|UNBLOCKED|MISCONF)\b/;
const REFUSED = /^[A-Z_]{2,} /; // every error reply of Redis, and of the scripts, opens with a word in capitals

/**
 * What an error says, without what ioredis hangs on it: the command's arguments, AUTH's among them. Where no node of a
 * Cluster could be asked, that is what the last of them said.
 */
export const plain = (error: unknown): Error => {
  const told = error instanceof Error ? error : new Error(String(error));
  const lastNodeError: unknown = Reflect.get(told, 'lastNodeError');
  const { name, message } = lastNodeError instanceof Error ? lastNodeError : told;
  return Object.assign(new Error(message), { name });
};

/** The error that an error reply stands for; undefined where it is none of Redis's own, or came when some was written: the outcome is unknown. */
export const refusalOf = ({ lock = '', args }: Command<unknown>, error: Error): RedisyncError | undefined => {
  const { message } = error;
  if (/^WRONGTYPE|^REDISYNC_CORRUPTED/.test(message)) return new LockCorruptedError(lock, error);
  if (message.startsWith('REDISYNC_EXHAUSTED')) return new FenceExhaustedError(lock);
  if (message.startsWith('REDISYNC_OWNER')) return new OwnerConflictError(lock, String(args(0)[1]));
  if (message.startsWith('REDISYNC_UNFINISHED')) return undefined;
  return REFUSED.test(message) ? new RedisRefusedError(lock || undefined, TRANSIENT.test(message), error) : undefined;
};
