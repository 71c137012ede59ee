/** The subscriptions of a session, nearly always one. */
import type { Attachment } from './attachment.ts';

export class Attachments {
  private all: Attachment[] = [];
  private first: Attachment | undefined;

  get size(): number {
    return this.all.length;
  }

  get now(): readonly Attachment[] {
    return [...this.all];
  }

  has(one: Attachment): boolean {
    return this.all.includes(one);
  }

  add(one: Attachment): void {
    this.first ??= one;
    this.all.push(one);
  }

  /** Whether it was there. */
  remove(one: Attachment): boolean {
    const place = this.all.indexOf(one);
    if (place >= 0) this.all.splice(place, 1);
    return place >= 0;
  }

  /** All, which from now on are not there any more: what they are told is the last. */
  take(): readonly Attachment[] {
    const { all } = this;
    this.all = [];
    return all;
  }

  /** Calls what is the user's own in the context of the first, also when that has left. */
  inContext<T>(call: () => T): T {
    return this.first ? this.first.runInAsyncScope(call) : call();
  }
}
