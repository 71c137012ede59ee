/** The connections that ioredis opens by itself beside those that it was asked for: to Sentinels, and to ask for slots. */
import type { Redis } from 'ioredis';

export class SideConnections {
  private readonly clients = new Set<Redis>();
  private ended = false;

  /** Those that this method makes are ended with the client that they help, and without its two seconds of grace. */
  track(maker: unknown, method: string): void {
    if (typeof maker !== 'object' || maker === null) return;
    const make: unknown = Reflect.get(maker, method);
    if (typeof make !== 'function') return;
    Reflect.set(maker, method, (...args: unknown[]): unknown => {
      const client: Redis = make.apply(maker, args);
      Reflect.set(Reflect.get(client, 'connector'), 'disconnectTimeout', 0);
      client.on('error', () => undefined); // ioredis learns of it by the command that fails, and would print it else
      this.clients.add(client);
      client.once('end', () => this.clients.delete(client));
      if (this.ended) client.disconnect(); // it was about to be opened
      return client;
    });
  }

  end(): void {
    this.ended = true;
    for (const client of this.clients) client.disconnect();
  }
}
