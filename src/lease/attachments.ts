/** The subscriptions of a session, nearly always one. */
import type { Attachment } from './attachment.ts';

const NONE: readonly Attachment[] = [];

export class Attachments {
  /** Made anew for each that comes or leaves: one that grows has room for sixteen more. */
  private all = NONE;
  private first: Attachment | undefined;

  get now(): readonly Attachment[] {
    return this.all;
  }

  has(one: Attachment): boolean {
    return this.all.includes(one);
  }

  add(one: Attachment): void {
    this.first ??= one;
    this.all = this.all.length === 0 ? [one] : [...this.all, one];
  }

  /** Whether it was there. */
  remove(one: Attachment): boolean {
    const { all } = this;
    this.all = all.length === 1 && all[0] === one ? NONE : all.filter((other) => other !== one);
    return this.all.length < all.length;
  }

  /** All, which from now on are not there any more: what they are told is the last. */
  take(): readonly Attachment[] {
    const { all } = this;
    this.all = NONE;
    return all;
  }

  /** Calls what is the user's own in the context of the first, also when that has left. */
  inContext<T>(call: () => T): T {
    return this.first ? this.first.runInAsyncScope(call) : call();
  }
}
