/**
 * Wakes waiters for a lock of a quorum when it is released. The nodes keep no queue, so without this waiters would ask by
 * back-off alone.
 *
 * Each node that a release reaches publishes it on a channel for that name. A coordinator subscribes to the channel while
 * it has waiters for the name. One node's message is enough, and it is only a hint: a lost message costs a back-off, a
 * needless one an attempt. Attempts at the same moment would split the vote, so about three of all waiters are woken, one
 * after another: of each process only the first waiter, and of the processes some by chance, since the message says how
 * many of them listen.
 */
import { type SchedulerLike, Subject, type Subscription } from 'rxjs';
import { prefixOf } from './client.ts';
import { type Dialling, dial, type Line } from './dial.ts';
import type { Driver } from './driver.ts';
import type { Grant } from './store.ts';
import { releaseChannel } from './subscriber.ts';

/** How many waiters a release should wake, on average. One release in twenty then wakes none, and the back-off does. */
const WOKEN = 3;

/** A name that this coordinator waits for. */
interface Awaited {
  readonly owners: Set<string>;
  /** The nodes whose messages about this name arrive. Once they are a majority, no release can be missed. */
  readonly heard: Set<NodeListener>;
  /** The nodes that have announced the last release. A second message of the same node announces another release. */
  told: Set<NodeListener>;
  alarm: Subscription | undefined;
}

/** A subscriber connection to one node, opened when something first waits. */
class NodeListener {
  private readonly source: Driver;
  private readonly heard: (name: string, by: NodeListener, listeners: number) => void;
  private readonly listening: (name: string, by: NodeListener) => void;
  private readonly names = new Map<string, string>();
  private readonly dialling: Dialling;
  private line: Line<Driver> | undefined;

  /**
   * @param heard called with each message: the name, this listener, and how many processes listen
   * @param listening called when the subscription for a name is acknowledged
   */
  constructor(
    source: Driver,
    dialling: Dialling,
    heard: (name: string, by: NodeListener, listeners: number) => void,
    listening: (name: string, by: NodeListener) => void,
  ) {
    this.source = source;
    this.dialling = dialling;
    this.heard = heard;
    this.listening = listening;
  }

  listen(name: string): void {
    const channel = this.channel(name);
    this.names.set(channel, name);
    const line = this.open();
    if (line.client.status === 'ready') this.subscribe(line, [channel]); // else when it is ready
  }

  ignore(name: string): void {
    const channel = this.channel(name);
    this.names.delete(channel);
    const { client } = this.line ?? {};
    if (client?.status === 'ready') client.unsubscribe(channel).catch(() => undefined);
  }

  close(): void {
    this.line?.close();
  }

  private channel(name: string): string {
    return releaseChannel(prefixOf(this.source), name);
  }

  private subscribe({ client, settle }: Line<Driver>, channels: readonly string[]): void {
    settle(client.subscribe(...channels), () => {
      for (const channel of channels) this.listening(this.names.get(channel) ?? '', this);
    });
  }

  private open(): Line<Driver> {
    if (this.line) return this.line;
    const line = dial(this.source, this.dialling);
    const { client } = line;
    this.line = line;
    client.on('error', () => undefined); // ioredis connects again by itself; meanwhile waiters ask by back-off
    client.on('message', (channel: string, text: string) => {
      const name = this.names.get(channel);
      const listeners = Number(text);
      if (name !== undefined && listeners >= 1) this.heard(name, this, listeners);
    });
    client.on('ready', () => {
      if (this.names.size > 0) this.subscribe(line, [...this.names.keys()]);
    });
    return line;
  }
}

export class Announcements {
  /** The waiters that should ask now. */
  readonly woken$ = new Subject<Grant>();
  private readonly scheduler: SchedulerLike;
  private readonly nodeListeners: readonly NodeListener[];
  private readonly awaited = new Map<string, Awaited>();
  private took = 0;
  private closed = false;

  constructor(nodes: readonly Driver[], dialling: Dialling) {
    this.scheduler = dialling.scheduler;
    this.nodeListeners = nodes.map(
      (node) =>
        new NodeListener(
          node,
          dialling,
          (...told) => this.hear(...told),
          (...listened) => this.listen(...listened),
        ),
    );
  }

  /** @param took ms from the beginning of its last attempt to the majority's answer */
  wait(name: string, owner: string, took: number): void {
    if (this.closed) return;
    this.took = took;
    const known = this.awaited.get(name);
    if (known) {
      known.owners.add(owner);
      return;
    }
    this.awaited.set(name, { owners: new Set([owner]), heard: new Set(), told: new Set(), alarm: undefined });
    for (const node of this.nodeListeners) node.listen(name);
  }

  leave(name: string, owner: string): void {
    const known = this.awaited.get(name);
    if (!known?.owners.delete(owner) || known.owners.size > 0) return;
    known.alarm?.unsubscribe();
    this.awaited.delete(name);
    for (const node of this.nodeListeners) node.ignore(name);
  }

  close(): void {
    this.closed = true;
    for (const { alarm } of this.awaited.values()) alarm?.unsubscribe();
    this.awaited.clear();
    for (const node of this.nodeListeners) node.close();
    this.woken$.complete();
  }

  /** A node's messages arrive from now on. A release before that was not heard, so the first waiter asks again. */
  private listen(name: string, by: NodeListener): void {
    const known = this.awaited.get(name);
    if (!known || known.heard.has(by)) return;
    known.heard.add(by);
    if (known.heard.size === Math.floor(this.nodeListeners.length / 2) + 1) this.wake(name, known, WOKEN - 1);
  }

  private hear(name: string, by: NodeListener, listeners: number): void {
    const known = this.awaited.get(name);
    if (!known) return;
    const { told } = known;
    if (told.size > 0 && !told.has(by)) {
      told.add(by);
      return;
    }
    known.told = new Set([by]);
    if (Math.random() * listeners > WOKEN) return;
    this.wake(name, known, Math.min(WOKEN, listeners) - 1);
  }

  /** Wakes the first waiter, after a random time. @param others how many may be woken in other processes */
  private wake(name: string, known: Awaited, others: number): void {
    if (known.alarm) return; // it is about to ask already
    known.alarm = this.scheduler.schedule(
      () => {
        known.alarm = undefined;
        const [owner] = known.owners;
        if (owner !== undefined) this.woken$.next({ name, owner, fence: undefined });
      },
      2 * others * this.took * Math.random(), // spread so that each has the time of two attempts on average
    );
  }
}
