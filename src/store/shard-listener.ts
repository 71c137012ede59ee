/**
 * Receives the messages about grants in a Cluster, by sharded pub/sub: one channel for each slot in which something waits,
 * whose name hashes to that slot, so that a message stays on its shard; and one connection to each master of such a slot.
 * A server without sharded pub/sub (before 7.0) has one ordinary channel for all slots, which the Cluster carries to every
 * node.
 */

import type { Cluster, Redis } from 'ioredis';
import { Subject, type Subscription } from 'rxjs';
import { v4 as uuid } from 'uuid';
import { addressOf, masterIn } from './client.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import { tagOf } from './keys.ts';
import { slotOf } from './slot.ts';
import { channelName, type Listener, type Message, MISSING, messageIn, refusedBy, unheard } from './subscriber.ts';

/** Stands for all slots, where messages are not sharded. */
const ANY = -1;

/** The subscription for one slot, on one node. */
interface Post {
  readonly address: string;
  readonly channel: string;
  heard: boolean;
  /** The owners that ask again once the subscription is acknowledged. */
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

  /** Subscribes for the owner's slot, on its master. Once the slot has moved, that node says so: see `lineTo`. */
  open(key: string, owner: string, named: string): void {
    const cluster = this.cluster();
    const node = cluster && masterIn(cluster, key);
    if (!node || this.closed) return;
    const slot = this.slotFor(key);
    let post = this.posts.get(slot);
    if (!post) {
      post = { address: addressOf(node), channel: channelFor(this.prefix, slot), heard: false, waiting: new Map() };
      this.posts.set(slot, post);
      const line = this.lineTo(node);
      if (line.client.status === 'ready') this.listen(line, slot, post);
    }
    const { address, channel, heard } = post;
    if (heard) this.lines.get(address)?.check((client) => subscribing(client, slot, channel));
    if (!heard) post.waiting.set(`${key} ${owner}`, [key, owner, '']);
    else if (named !== this.channel(key)) {
      this.dialling.scheduler.schedule(() => this.messages$.next([key, owner, ''])); // after the answer to its request was handled
    }
  }

  /** Nothing to do: a Cluster itself tells where its slots are. */
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
    const address = addressOf(node);
    const known = this.lines.get(address);
    if (known) return known;
    const line = dial(node, this.dialling);
    const { client } = line;
    this.lines.set(address, line);
    const hear = (_channel: string, text: string): void => {
      const message = messageIn(text);
      if (message) this.messages$.next(message);
    };
    const forget = (): void => this.forget(address, line);
    client.on('message', hear);
    client.on('smessage', hear);
    // A node ends the subscriptions for a slot that leaves it, by a `sunsubscribe` that was not asked for; ioredis tells this
    // as 'moved', before 6.0 as an error of a connection that is ready.
    client.on('moved', forget);
    client.on('error', () => client.status === 'ready' && forget()); // else 'close' follows
    client.on('close', forget);
    client.on('ready', () => {
      for (const [slot, post] of this.posts) if (post.address === address) this.listen(line, slot, post);
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
        if (slot !== ANY && MISSING.test(error.message)) this.sharded = false;
        else this.refusal = refusedBy(error);
        this.forget(post.address, line);
      },
    );
  }

  /** Drops the subscriptions on a node. Messages may be missed, and slots may be elsewhere now, so all waiters ask again and come by `open`. */
  private forget(address: string, line: Line<Redis>): void {
    if (this.lines.get(address) !== line) return; // it was told before
    this.lines.delete(address);
    line.close();
    for (const [slot, post] of this.posts) if (post.address === address) this.posts.delete(slot);
    if (this.closed) return;
    this.again?.unsubscribe();
    this.again = this.dialling.scheduler.schedule(() => this.messages$.next(undefined), 50 + 200 * Math.random());
  }
}

/** Subscribes again: that is answered, and changes nothing. */
const subscribing = (client: Redis, slot: number, channel: string): Promise<unknown> =>
  slot === ANY ? client.subscribe(channel) : client.ssubscribe(channel);

/** A channel whose name hashes to the slot. It begins with the prefix, for which rights on channels are given, if such a name exists. */
const channelFor = (prefix: string, slot: number): string => {
  if (slot === ANY) return channelName(prefix);
  const tag = `{${tagOf(slot)}}`;
  const name = channelName(prefix, tag);
  return slotOf(name) === slot ? name : `${tag}${name.replace(tag, '')}`;
};
