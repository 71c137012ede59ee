/** Hears of grants: one subscriber connection, opened when something first waits, on a channel of the coordinator's own. */

import { type Observable, Subject } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { RedisRefusedError } from '../errors.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import type { Driver } from './driver.ts';

/** Key of the lock, owner, token: what settle publishes. Without a token: that owner may have missed one. */
export type Message = readonly [key: string, owner: string, token?: string];

const TOKEN = /^[0-9]{1,16}$/;

/** What a text on the channel says; undefined where it is none of ours: anybody with rights on the channel can publish there. */
export const messageIn = (text: string): Message | undefined => {
  try {
    const parts: unknown = JSON.parse(text);
    if (!Array.isArray(parts) || parts.length !== 3) return undefined;
    const [key, owner, token]: unknown[] = parts;
    if (typeof key !== 'string' || typeof owner !== 'string' || typeof token !== 'string') return undefined;
    return TOKEN.test(token) && Number.isSafeInteger(Number(token)) ? [key, owner, token] : undefined;
  } catch {
    return undefined;
  }
};

/**
 * What hears of grants. A channel's first letter says how it is told: `p` PUBLISH, whose count of listeners is
 * meaningful, `s` SPUBLISH, whose count is too, `c` PUBLISH in a Cluster, where it is not; `-` is one that is not heard yet.
 */
export interface Listener {
  /** Messages, and `undefined` when any may have been missed. */
  readonly messages$: Observable<Message | undefined>;
  /** The channel for the waiters of a lock's key. It is nobody else's, also before it is heard: by it the scripts tell whose waiters are whose. */
  channel(key: string): string;
  /**
   * Listens for the owner, who waits for the lock of this key. Its request named a channel: where that is not the one that
   * is heard by now, a grant of the meantime was told to nobody, so it is to ask again. A connection that may have gone deaf
   * is checked on this occasion: it would cost every hand-off a heartbeat.
   */
  open(key: string, owner: string, named: string): void;
  /** Why nothing is heard, where Redis refuses that. */
  readonly refusal: Error | undefined;
  /** Its server is no master any more: what is granted is told elsewhere. */
  move(): void;
  close(): void;
}

const ours = (prefix: string): string => `${prefix.replace(/\s/g, '_')}redisync:`;

/** What stands for a channel until it is heard: short, as it stays in the specs of those who never wait. */
export const unheard = (name: string): string => `-${name.slice(-12)}`;

/** The name of a channel of one coordinator; a spec of the scripts holds it, so there is no white space in it. */
export const channelName = (prefix: string, tag = ''): string => `${ours(prefix)}${tag}${uuid()}`;

/** The channel on which a release of the name is told where no queue is kept. */
export const releaseChannel = (prefix: string, name: string): string => `${ours(prefix)}free:${name}`;

/** What was refused to the user; undefined for an end of the connection, after which it is tried again. */
export const refusedBy = (error: Error): Error | undefined =>
  /^NOPERM/.test(error.message) ? new RedisRefusedError(undefined, false, error) : undefined;

/** A channel that is never listened to: to leave it is answered, and changes nothing. The right to that is there, unlike that to PING. */
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

  /** Once it is heard, whoever waits asks again, and so does whose request was on its way by then. */
  open(): void {
    if (this.heard) this.line?.check((client) => client.unsubscribe(NOT_OURS));
    if (this.line || this.closed) return;
    const line = dial(this.source, this.dialling);
    const { client } = line;
    client.on('error', () => undefined); // ioredis goes on trying; the waiters' heartbeats do without messages
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
    if (client?.status === 'ready') client.stream?.destroy(); // and is made anew
  }

  close(): void {
    this.closed = true;
    this.messages$.complete();
    this.line?.close();
  }
}
