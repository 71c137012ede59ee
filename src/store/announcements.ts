/**
 * Wakes who waits for a lock of a quorum when it is released: the nodes keep no queue, so else only the back-off would.
 *
 * Every node that the release reaches tells of it, on a channel of the name that is subscribed to for as long as
 * somebody waits; one word of any of them is enough. It is only a hint: a lost one costs a back-off, and one too many an
 * attempt. Attempts at once would split the vote, so of all who wait about three are woken, one after another: within a
 * process the first, and of the processes those that draw it, for a message says how many hear it.
 */
import { type SchedulerLike, Subject, type Subscription } from 'rxjs';
import { type Dialling, dial, type Line } from './dial.ts';
import type { Driver } from './driver.ts';
import type { Grant } from './store.ts';
import { releaseChannel } from './subscriber.ts';

/** How many are to be woken by a release: one in twenty then wakes nobody, and the back-off does. */
const WOKEN = 3;

/** A name that is waited for. */
interface Awaited {
  readonly owners: Set<string>;
  /** Where releases are heard: by a majority of the nodes, none can be missed. */
  readonly heard: Set<Ear>;
  /** Which nodes have told of the last release: one that tells again tells of another. */
  told: Set<Ear>;
  alarm: Subscription | undefined;
}

/** One node's connection, opened when something first waits. */
class Ear {
  private readonly source: Driver;
  private readonly heard: (name: string, by: Ear, listeners: number) => void;
  private readonly listening: (name: string, by: Ear) => void;
  private readonly names = new Map<string, string>();
  private readonly dialling: Dialling;
  private line: Line<Driver> | undefined;

  /**
   * @param heard is told of a release: by so many listeners
   * @param listening is told that releases of this name are heard from now on
   */
  constructor(
    source: Driver,
    dialling: Dialling,
    heard: (name: string, by: Ear, listeners: number) => void,
    listening: (name: string, by: Ear) => void,
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
    return releaseChannel(this.source.options.keyPrefix ?? '', name);
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
    client.on('error', () => undefined); // ioredis goes on trying; the back-off does without messages
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
  /** Who should ask now. */
  readonly woken$ = new Subject<Grant>();
  private readonly scheduler: SchedulerLike;
  private readonly ears: readonly Ear[];
  private readonly awaited = new Map<string, Awaited>();
  private took = 0;
  private closed = false;

  constructor(nodes: readonly Driver[], dialling: Dialling) {
    this.scheduler = dialling.scheduler;
    this.ears = nodes.map(
      (node) =>
        new Ear(
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
    for (const ear of this.ears) ear.listen(name);
  }

  leave(name: string, owner: string): void {
    const known = this.awaited.get(name);
    if (!known?.owners.delete(owner) || known.owners.size > 0) return;
    known.alarm?.unsubscribe();
    this.awaited.delete(name);
    for (const ear of this.ears) ear.ignore(name);
  }

  close(): void {
    this.closed = true;
    for (const { alarm } of this.awaited.values()) alarm?.unsubscribe();
    this.awaited.clear();
    for (const ear of this.ears) ear.close();
    this.woken$.complete();
  }

  /** What was released between the attempt that was denied and now was told to nobody, so the first asks again. */
  private listen(name: string, by: Ear): void {
    const known = this.awaited.get(name);
    if (!known || known.heard.has(by)) return;
    known.heard.add(by);
    if (known.heard.size === Math.floor(this.ears.length / 2) + 1) this.wake(name, known, WOKEN - 1);
  }

  private hear(name: string, by: Ear, listeners: number): void {
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

  /** As many others may be woken in other processes. */
  private wake(name: string, known: Awaited, others: number): void {
    if (known.alarm) return; // it is about to ask anyway
    known.alarm = this.scheduler.schedule(
      () => {
        known.alarm = undefined;
        const [owner] = known.owners;
        if (owner !== undefined) this.woken$.next({ name, owner, fence: undefined });
      },
      2 * others * this.took * Math.random(), // as if each had the time of two attempts to itself
    );
  }
}
