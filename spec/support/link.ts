/** One connection through the proxy: two ways, in each of which chunks keep their order. */
import type { Socket } from 'node:net';

export type Direction = 'request' | 'reply';

/** A chunk that was kept back. What comes behind it, on the same connection and way, waits for it. */
export interface Held {
  readonly bytes: Buffer;
  /** Lets it go on. The way to the server stays open for it even if the client has hung up since. */
  deliver(): void;
  /** Drops the chunk; what waits behind it is delivered. */
  drop(): void;
}

interface Rules {
  readonly delay: number;
  readonly jitter: number;
  readonly split: number;
  readonly silent: boolean;
  readonly frozen: boolean;
}

interface Hooks {
  readonly rules: () => Rules;
  /** Who wants this chunk kept back, if anybody does. */
  readonly trap: (direction: Direction, bytes: Buffer) => ((held: Held) => void) | undefined;
  readonly closed: () => void;
}

/** A chunk in flight. */
interface Parcel {
  readonly bytes: Buffer;
  /** ms of the monotonic clock at which it arrives. */
  readonly due: number;
  held: boolean;
}

/** Sooner than this a timer cannot be trusted to ring: the rest of a delay is spun, so that 0.1 ms is 0.1 ms. */
const TIMER = 2;

/** Chunks in one direction. */
class Way {
  private readonly parcels: Parcel[] = [];
  private waiting = false;
  private readonly to: Socket;
  private readonly rules: () => Rules;
  private readonly moved: () => void;

  constructor(to: Socket, rules: () => Rules, moved: () => void) {
    this.to = to;
    this.rules = rules;
    this.moved = moved;
  }

  get empty(): boolean {
    return this.parcels.length === 0;
  }

  push(bytes: Buffer, caught: ((held: Held) => void) | undefined): void {
    const { delay, jitter, split } = this.rules();
    const due = performance.now() + delay + jitter * Math.random();
    const parcel: Parcel = { bytes, due, held: caught !== undefined };
    if (split === 0 || parcel.held) this.parcels.push(parcel);
    else
      for (let at = 0; at < bytes.length; at += split)
        this.parcels.push({ ...parcel, bytes: bytes.subarray(at, at + split) });
    const go = (): void => {
      parcel.held = false;
      this.flow();
    };
    const drop = (): void => {
      const at = this.parcels.indexOf(parcel);
      if (at >= 0) this.parcels.splice(at, 1);
      this.flow();
    };
    caught?.({ bytes, deliver: go, drop });
    this.flow();
  }

  flow(): void {
    for (let [first] = this.parcels; first && !first.held && !this.rules().frozen; [first] = this.parcels) {
      const left = first.due - performance.now();
      if (left > 0) {
        this.later(left);
        return;
      }
      this.parcels.shift();
      if (!this.to.destroyed) this.to.write(first.bytes);
      if (this.rules().split > 0) {
        this.later(0); // pieces written in one run of the event loop would be read as one
        return;
      }
    }
    this.moved();
  }

  private later(ms: number): void {
    if (this.waiting) return;
    this.waiting = true;
    const again = (): void => {
      this.waiting = false;
      this.flow();
    };
    if (ms > TIMER) setTimeout(again, ms - TIMER);
    else setImmediate(again);
  }
}

export class Link {
  private readonly client: Socket;
  private readonly server: Socket;
  private readonly requests: Way;
  private readonly replies: Way;
  private leaving = false;

  constructor(client: Socket, server: Socket, { rules, trap, closed }: Hooks) {
    this.client = client;
    this.server = server;
    const moved = (): void => this.finish();
    this.requests = new Way(server, rules, moved);
    this.replies = new Way(client, rules, moved);
    const carry = (from: Socket, way: Way, direction: Direction): void => {
      from.setNoDelay(true);
      from.on('error', () => undefined); // told by 'close'
      from.on('data', (bytes: Buffer) => {
        if (!rules().silent) way.push(bytes, trap(direction, bytes));
      });
    };
    carry(client, this.requests, 'request');
    carry(server, this.replies, 'reply');
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('close', () => {
        this.leave();
        if (other.closed) closed();
      });
    }
  }

  /** Whether it is open to the client. Its way to the server can be open for longer. */
  get open(): boolean {
    return !this.client.destroyed;
  }

  flow(): void {
    this.requests.flow();
    this.replies.flow();
  }

  /** Closes the client's side; what is held back for the server can still be delivered. */
  end(): void {
    this.client.destroy();
  }

  destroy(): void {
    this.client.destroy();
    this.server.destroy();
  }

  /** One side has closed: the other is closed when what is in flight has arrived. */
  private leave(): void {
    this.leaving = true;
    this.finish();
  }

  private finish(): void {
    if (!this.leaving) return;
    if (this.client.destroyed && (this.requests.empty || this.server.destroyed)) this.server.destroySoon();
    if (this.server.destroyed && this.replies.empty) this.client.destroySoon();
  }
}
