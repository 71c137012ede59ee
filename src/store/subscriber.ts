/** Hears of grants: one subscriber connection, opened when something first waits, on a channel of the coordinator's own. */
import type { Redis } from 'ioredis';
import { Subject } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { type Client, duplicate } from './connection.ts';

/** Key of the lock, owner, token: what settle publishes. */
export type Message = readonly [key: string, owner: string, token: string];

export class Subscriber {
  /** Messages, and `undefined` each time the channel is heard again: messages may have been missed before. */
  readonly messages$ = new Subject<Message | undefined>();
  private readonly name: string;
  private readonly source: Client;
  private client: Client | undefined;
  private heard = false;
  private closed = false;

  constructor(source: Client, prefix: string) {
    this.source = source;
    this.name = `${prefix}redisync:${uuid()}`;
  }

  /** The channel for a waiter to be told on; `-` until it has been heard for the first time. */
  get channel(): string {
    return this.heard ? this.name : '-';
  }

  open(): void {
    if (this.client || this.closed) return;
    const client = duplicate(this.source);
    client.on('error', () => undefined); // ioredis goes on trying; the waiters' heartbeats do without messages
    client.on('message', (_channel: string, text: string) => this.messages$.next(JSON.parse(text)));
    client.on('ready', () => {
      (client as Redis).subscribe(this.name).then(
        () => {
          this.heard = true;
          this.messages$.next(undefined);
        },
        () => undefined,
      );
    });
    client.connect().catch(() => undefined);
    this.client = client;
  }

  close(): void {
    this.closed = true;
    this.messages$.complete();
    this.client?.disconnect();
  }
}
