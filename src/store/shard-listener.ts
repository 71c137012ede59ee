/**
 * Hears of grants in a Cluster by sharded pub/sub: a channel in the slot of the lock's keys, so that a message stays on
 * the shard that sends it. One connection to each master on which something waits, one channel a slot. A server without
 * it (before 7.0) has one channel for all, heard on any node, which the Cluster carries to every node.
 */

import type { Cluster, Redis } from 'ioredis';
import { Subject, type Subscription } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { masterIn, placeOf } from './client.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import { tagOf } from './keys.ts';
import { slotOf } from './slot.ts';
import { channelName, type Listener, type Message, messageIn, refusedBy, unheard } from './subscriber.ts';

/** The slot that stands for all where messages are not sharded. */
const ANY = -1;

/** A slot that is listened to, on one node. */
interface Post {
  readonly place: string;
  readonly channel: string;
  heard: boolean;
  /** Who waits for it to be heard, and asks again then. */
  readonly waiting: Map<string, Message>;
}

export class ShardListener implements Listener {
  readonly messages$ = new Subject<Message | undefined>();
  private readonly cluster: () => Cluster | undefined;
  private readonly prefix: string;
  private readonly dialling: Dialling;
  private readonly unheard = unheard(uuid());
  private readonly posts = new Map<number, Post>();
  private readonly lines = new Map<string, Line<Redis>>();
  refusal: Error | undefined;
  private sharded = true;
  private again: Subscription | undefined;
  private closed = false;

  constructor(cluster: () => Cluster | undefined, prefix: string, dialling: Dialling) {
    this.cluster = cluster;
    this.prefix = prefix;
    this.dialling = dialling;
  }

  channel(key: string): string {
    const post = this.posts.get(this.slotFor(key));
    return post?.heard ? `${this.sharded ? 's' : 'c'}${post.channel}` : this.unheard;
  }

  /** Also where the slot has moved since: asking again comes by here. */
  open(key: string, owner: string, named: string): void {
    const cluster = this.cluster();
    const node = cluster && masterIn(cluster, key);
    if (!node || this.closed) return;
    const slot = this.slotFor(key);
    let post = this.posts.get(slot);
    if (!post || (this.sharded && post.place !== placeOf(node))) {
      post = { place: placeOf(node), channel: channelFor(this.prefix, slot), heard: false, waiting: new Map() };
      this.posts.set(slot, post);
      const line = this.lineTo(node);
      if (line.client.status === 'ready') this.listen(line, slot, post);
    }
    const { place, channel, heard } = post;
    if (heard) this.lines.get(place)?.check((client) => subscribing(client, slot, channel));
    if (!heard) post.waiting.set(`${key} ${owner}`, [key, owner]);
    else if (named !== this.channel(key)) {
      this.dialling.scheduler.schedule(() => this.messages$.next([key, owner])); // once it has its answer
    }
  }

  /** A Cluster tells by itself where its slots are. */
  move(): void {}

  close(): void {
    this.closed = true;
    this.again?.unsubscribe();
    this.messages$.complete();
    for (const line of this.lines.values()) line.close();
  }

  private slotFor(key: string): number {
    return this.sharded ? slotOf(key) : ANY;
  }

  private lineTo(node: Redis): Line<Redis> {
    const place = placeOf(node);
    const known = this.lines.get(place);
    if (known) return known;
    const line = dial(node, this.dialling);
    const { client } = line;
    this.lines.set(place, line);
    const hear = (_channel: string, text: string): void => {
      const message = messageIn(text);
      if (message) this.messages$.next(message);
    };
    client.on('error', () => undefined); // told by 'close'; the waiters' heartbeats do without messages
    client.on('message', hear);
    client.on('smessage', hear);
    client.on('moved', () => this.forget(place));
    client.on('close', () => this.forget(place));
    client.on('ready', () => {
      for (const [slot, post] of this.posts) if (post.place === place) this.listen(line, slot, post);
    });
    return line;
  }

  private listen(line: Line<Redis>, slot: number, post: Post): void {
    const { channel, waiting } = post;
    line.settle(
      subscribing(line.client, slot, channel),
      () => {
        this.refusal = undefined;
        post.heard = true;
        for (const message of waiting.values()) this.messages$.next(message);
        waiting.clear();
      },
      (error) => {
        if (slot !== ANY && /^(?:ERR unknown command|NOPERM)/.test(error.message)) this.sharded = false;
        else this.refusal = refusedBy(error);
        this.forget(post.place);
      },
    );
  }

  /** What was heard there may be missed, and a slot may be elsewhere now: those who wait ask again, and come by `open`. */
  private forget(place: string): void {
    const line = this.lines.get(place);
    this.lines.delete(place);
    line?.close();
    for (const [slot, post] of this.posts) if (post.place === place) this.posts.delete(slot);
    if (this.closed || !line) return;
    this.again?.unsubscribe();
    this.again = this.dialling.scheduler.schedule(() => this.messages$.next(undefined), 50 + 200 * Math.random());
  }
}

/** Once more it is answered, and changes nothing. */
const subscribing = (client: Redis, slot: number, channel: string): Promise<unknown> =>
  slot === ANY ? client.subscribe(channel) : client.ssubscribe(channel);

/** Behind the prefix, by which rights on channels are given, where the slot can be met there. */
const channelFor = (prefix: string, slot: number): string => {
  if (slot === ANY) return channelName(prefix);
  const tag = `{${tagOf(slot)}}`;
  const name = channelName(prefix, tag);
  return slotOf(name) === slot ? name : `${tag}${name.replace(tag, '')}`;
};
