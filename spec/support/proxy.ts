/**
 * A TCP proxy that does to a connection what networks do: delays, split frames, cuts, silence, and bytes that come late.
 *
 * It knows bytes and not commands: what a client writes at once usually comes as one chunk, and a chunk is what is held.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket, connect as socketTo } from 'node:net';
import { type Direction, type Held, Link } from './link.ts';

export type { Direction, Held } from './link.ts';

/** Which chunks to hold back, and what to call then. */
interface Trap {
  readonly direction: Direction;
  readonly matches: (bytes: Buffer) => boolean;
  readonly caught: (held: Held) => void;
}

export class TcpProxy {
  /** ms that each chunk takes each way, fractions too: half of the round trip. Of what is sent from now on. */
  delay = 0;
  /** Up to so many ms more for each chunk, by chance: what comes on one connection overtakes what came on another. */
  jitter = 0;
  /** The most bytes that arrive together; 0 for as they come. 1 splits every frame at every byte. */
  split = 0;
  /** Half-open: connections stay, new ones are accepted, and whatever is sent either way is lost. They end by `cut`. */
  silent = false;
  private frozen = false;
  private readonly links = new Set<Link>();
  private readonly muted = new WeakSet<Link>();
  private readonly traps = new Set<Trap>();
  private readonly server: Server;
  private target: { readonly host: string; readonly port: number };
  private refusing = false;

  private constructor(server: Server, target: number) {
    this.server = server;
    this.target = { host: '127.0.0.1', port: target };
    server.on('connection', (client: Socket) => this.join(client));
  }

  /** A proxy on a free port of this machine, before the server on that port. */
  static async to(target: number): Promise<TcpProxy> {
    const server = createServer();
    const proxy = new TcpProxy(server, target);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  /** How many connections are open to clients. */
  get connections(): number {
    return [...this.links].filter(({ open }) => open).length;
  }

  /** New connections go to the server on that port; those that there are stay, as behind a name that leads elsewhere. */
  lead(port: number): void {
    this.target = { host: '127.0.0.1', port };
  }

  /** Half-open, as `silent`, are the connections that there are; new ones are not. */
  mute(): void {
    for (const link of this.links) this.muted.add(link);
  }

  /** Half-open is the connection that was made last. */
  muteLast(): void {
    const last = [...this.links].at(-1);
    if (last) this.muted.add(last);
  }

  /** Cuts every connection, as a client sees it; what is in flight to the server still arrives. New ones are accepted. */
  cut(): void {
    for (const link of this.links) link.end();
  }

  /** Cuts every connection and refuses new ones: each is reset as soon as it is made. */
  down(): void {
    this.refusing = true;
    this.cut();
  }

  up(): void {
    this.refusing = false;
  }

  /** Nothing arrives anywhere, and nothing is lost, until `thaw`. */
  freeze(): void {
    this.frozen = true;
  }

  thaw(): void {
    this.frozen = false;
    for (const link of this.links) link.flow();
  }

  /** Keeps back the next chunk that matches; resolves with it when it has come. */
  hold(matches: (bytes: Buffer) => boolean, direction: Direction = 'request'): Promise<Held> {
    return new Promise((resolve) => {
      const trap: Trap = {
        direction,
        matches,
        caught: (held) => {
          this.traps.delete(trap);
          resolve(held);
        },
      };
      this.traps.add(trap);
    });
  }

  /** Sends bytes to the server on a connection of their own, as a packet does that was thought lost; resolves with the first reply. */
  async replay(bytes: Buffer): Promise<Buffer> {
    const socket = socketTo(this.target);
    try {
      socket.write(bytes);
      const [reply] = await once(socket, 'data');
      return reply as Buffer;
    } finally {
      socket.destroy();
    }
  }

  /** Ends all connections and listens no more. */
  async stop(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    for (const link of this.links) link.destroy();
    await closed;
  }

  private join(client: Socket): void {
    if (this.refusing) {
      client.resetAndDestroy();
      return;
    }
    const link: Link = new Link(client, socketTo(this.target), {
      rules: () => ({
        delay: this.delay,
        jitter: this.jitter,
        split: this.split,
        silent: this.silent || this.muted.has(link),
        frozen: this.frozen,
      }),
      trap: (direction, bytes) => [...this.traps].find((it) => it.direction === direction && it.matches(bytes))?.caught,
      closed: () => this.links.delete(link),
    });
    this.links.add(link);
  }
}
