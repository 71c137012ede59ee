/** Ends the connections that ioredis opens by itself: to Sentinels, and to nodes that it asks for the slots. */
import type { Redis } from 'ioredis';

export class SideConnections {
  private readonly clients = new Set<Redis>();
  private ended = false;

  /** Tracks the clients that a method of ioredis makes, so that `end` closes them, without ioredis's grace of two seconds. */
  track(maker: unknown, method: string): void {
    if (typeof maker !== 'object' || maker === null) return;
    const make: unknown = Reflect.get(maker, method);
    if (typeof make !== 'function') return;
    Reflect.set(maker, method, (...args: unknown[]): unknown => {
      const client: Redis = make.apply(maker, args);
      Reflect.set(Reflect.get(client, 'connector'), 'disconnectTimeout', 0);
      client.on('error', () => undefined); // otherwise ioredis prints it; the command that fails reports it as well
      this.clients.add(client);
      client.once('end', () => this.clients.delete(client));
      if (this.ended) client.disconnect(); // it was made after the end
      return client;
    });
  }

  end(): void {
    this.ended = true;
    for (const client of this.clients) client.disconnect();
  }
}
