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
  /** Which nodes have told of the last release: one that tells again tells of another. */
  told: Set<Ear>;
  alarm: Subscription | undefined;
}

/** One node's connection, opened when something first waits. */
class Ear {
  private readonly source: Driver;
  private readonly heard: (name: string, by: Ear, listeners: number) => void;
  private readonly names = new Map<string, string>();
  private readonly dialling: Dialling;
  private line: Line<Driver> | undefined;

  constructor(source: Driver, dialling: Dialling, heard: (name: string, by: Ear, listeners: number) => void) {
    this.source = source;
    this.dialling = dialling;
    this.heard = heard;
  }

  listen(name: string): void {
    const channel = this.channel(name);
    this.names.set(channel, name);
    const client = this.open();
    if (client.status === 'ready') client.subscribe(channel).catch(() => undefined); // else when it is ready
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

  private open(): Driver {
    if (this.line) return this.line.client;
    this.line = dial(this.source, this.dialling);
    const { client } = this.line;
    client.on('error', () => undefined); // ioredis goes on trying; the back-off does without messages
    client.on('message', (channel: string, text: string) => {
      const name = this.names.get(channel);
      const listeners = Number(text);
      if (name !== undefined && listeners >= 1) this.heard(name, this, listeners);
    });
    client.on('ready', () => {
      if (this.names.size > 0) client.subscribe(...this.names.keys()).catch(() => undefined);
    });
    return client;
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
    this.ears = nodes.map((node) => new Ear(node, dialling, (...told) => this.hear(...told)));
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
    this.awaited.set(name, { owners: new Set([owner]), told: new Set(), alarm: undefined });
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

  private hear(name: string, by: Ear, listeners: number): void {
    const known = this.awaited.get(name);
    if (!known) return;
    const { told } = known;
    if (told.size > 0 && !told.has(by)) {
      told.add(by);
      return;
    }
    known.told = new Set([by]);
    if (known.alarm) return; // it is about to ask anyway
    if (Math.random() * listeners > WOKEN) return;
    const others = Math.min(WOKEN, listeners) - 1;
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
