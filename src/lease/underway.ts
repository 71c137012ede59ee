/** What of an owner may still take effect, in whatever order: no renewal is believed for longer than any of it gives. */
import type { Clock } from '../clock.ts';

interface Sent {
  readonly turn: number;
  readonly ttl: number;
  /** Monotonic ms from which on the server refuses it. */
  readonly until: number;
}

export class Underway {
  private all: readonly Sent[] = [];
  private turns = 0;
  /** The latest that was answered. */
  private answered = 0;
  private readonly clock: Clock;

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** One that gives `ttl` ms has `within` ms to take effect. */
  add(ttl: number, within: number): Sent {
    this.turns += 1;
    const sent = { turn: this.turns, ttl, until: this.clock.now() + within + 1 };
    this.keep([sent]);
    return sent;
  }

  /** What is no renewal of its own may take effect too; but it is none to go on with. */
  reckon(ttl: number, within: number): void {
    this.keep([{ turn: 0, ttl, until: this.clock.now() + within + 1 }]);
  }

  /** What another leaves to it. */
  inherit({ all }: Underway): void {
    this.keep(all.map((sent) => ({ ...sent, turn: 0 })));
  }

  private keep(more: readonly Sent[]): void {
    const now = this.clock.now();
    this.all = [...this.all.filter(({ until }) => until > now), ...more];
  }

  /** It was answered. Tells the ttl to go on with, which is that of the latest; undefined where a later one was answered. */
  settle(sent: Sent): number | undefined {
    this.all = this.all.filter((other) => other !== sent);
    if (sent.turn < this.answered) return undefined;
    this.answered = sent.turn;
    return Math.min(sent.ttl, ...this.all.filter(({ turn }) => turn > sent.turn).map(({ ttl }) => ttl));
  }

  /** Of the ms that another gives, as many as count. */
  least(ttl: number): number {
    if (this.all.length === 0) return ttl;
    const now = this.clock.now();
    this.all = this.all.filter(({ until }) => until > now);
    return Math.min(ttl, ...this.all.map((other) => other.ttl));
  }
}
