/** Receives the messages about grants: on one subscriber connection, opened when something first waits, and one channel of the coordinator. */

import { type Observable, Subject } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { RedisRefusedError } from '../errors.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import type { Driver } from './driver.ts';

/** What the scripts publish on a grant: the lock's key, the owner, the fence. With a fence of '': this owner should ask, because something has changed, or a message was missed. */
export type Message = readonly [key: string, owner: string, fence: string];

const FENCE = /^[0-9]{0,16}$/;

/** Reads a message. Returns undefined if it is not one of ours: anybody with rights on the channel can publish there. */
export const messageIn = (text: string): Message | undefined => {
  try {
    const parts: unknown = JSON.parse(text);
    if (!Array.isArray(parts) || parts.length !== 3) return undefined;
    const [key, owner, fence]: unknown[] = parts;
    if (typeof key !== 'string' || typeof owner !== 'string' || typeof fence !== 'string') return undefined;
    return FENCE.test(fence) && Number.isSafeInteger(Number(fence)) ? [key, owner, fence] : undefined;
  } catch {
    return undefined;
  }
};

/**
 * What receives messages about grants. The first letter of a channel says how to publish on it: `p` PUBLISH, `s` SPUBLISH,
 * `c` PUBLISH in a Cluster before 7.0, where the server cannot count who listens; `-`: its coordinator does not listen yet.
 */
export interface Listener {
  /** Emits messages, and `undefined` when some may have been missed; waiters then ask again. */
  readonly messages$: Observable<Message | undefined>;
  /** The channel for this coordinator's waiters for a key. It is unique also before it is subscribed to, because the scripts recognise the coordinator by it. */
  channel(key: string): string;
  /**
   * Listens for messages to an owner that waits for the lock at this key. `named` is the channel in its last request. If
   * that is not the channel that is subscribed to by now, a grant made in between was announced to nobody, and the owner
   * should ask again. This also checks whether the connection still answers: without it each hand-off would cost a heartbeat.
   */
  open(key: string, owner: string, named: string): void;
  /** The error with which Redis refuses the subscription. */
  readonly refusal: Error | undefined;
  /** Replaces the connection: its server is not a master any more, and grants are published by another server. */
  move(): void;
  close(): void;
}

const ours = (prefix: string): string => `${prefix.replace(/\s/g, '_')}redisync:`;

/** The placeholder for a channel until it is subscribed to. It is short, because it stays in the specs of owners that never wait. */
export const unheard = (name: string): string => `-${name.slice(-12)}`;

/** The name of a coordinator's channel. It is part of a spec (see lua/include/claims), so it contains no white space. */
export const channelName = (prefix: string, tag = ''): string => `${ours(prefix)}${tag}${uuid()}`;

/** The channel on which a release of the name is published by a node of a quorum, which keeps no queue. */
export const releaseChannel = (prefix: string, name: string): string => `${ours(prefix)}free:${name}`;

/** A command that the user may not run, or nobody may: the server is too old for it, or its configuration renames it. */
export const MISSING = /NOPERM|unknown command/;

/** The error if Redis refused the subscription; undefined if the connection ended, after which it is tried again. */
export const refusedBy = (error: Error): Error | undefined =>
  /^NOPERM/.test(error.message) ? new RedisRefusedError(undefined, false, error) : undefined;

/** A channel that is never subscribed to. UNSUBSCRIBE from it is answered and changes nothing; unlike PING, the user has the right to it. */
const NOT_OURS = 'redisync:none';

export class Subscriber implements Listener {
  readonly messages$ = new Subject<Message | undefined>();
  private readonly name: string;
  private readonly source: Driver;
  private readonly dialling: Dialling;
  private line: Line<Driver> | undefined;
  refusal: Error | undefined;
  private heard = false;
  private closed = false;

  constructor(source: Driver, prefix: string, dialling: Dialling) {
    this.source = source;
    this.dialling = dialling;
    this.name = channelName(prefix);
  }

  channel(): string {
    return this.heard ? `p${this.name}` : unheard(this.name);
  }

  /** Subscribes, at the first wait. Once that is acknowledged, all waiters ask again: a grant may have been missed before. */
  open(): void {
    if (this.heard) this.line?.check((client) => client.unsubscribe(NOT_OURS));
    if (this.line || this.closed) return;
    const line = dial(this.source, this.dialling);
    const { client } = line;
    client.on('error', () => undefined); // ioredis connects again by itself; meanwhile waiters ask by heartbeats
    client.on('message', (_channel: string, text: string) => {
      const message = messageIn(text);
      if (message) this.messages$.next(message);
    });
    client.on('ready', () => {
      const heard = (): void => {
        this.heard = true;
        this.refusal = undefined;
        this.messages$.next(undefined);
      };
      line.settle(client.subscribe(this.name), heard, (error) => {
        this.refusal = refusedBy(error);
      });
    });
    this.line = line;
  }

  move(): void {
    const { client } = this.line ?? {};
    if (client?.status === 'ready') client.stream?.destroy(); // and is opened again
  }

  close(): void {
    this.closed = true;
    this.messages$.complete();
    this.line?.close();
  }
}
