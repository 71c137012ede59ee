/** What ioredis opens by itself ends with what it helps: also what it opens after that, which it takes for a connection that failed. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { SideConnections } from '../../src/store/side-connections.ts';

describe('a connection that ioredis opens by itself', () => {
  const opening = () => {
    const sides = new SideConnections();
    const maker = { open: () => new Redis({ port: 1, lazyConnect: true, retryStrategy: () => 10_000 }) };
    sides.track(maker, 'open');
    return { sides, maker };
  };
  const fails = async (client: Redis): Promise<void> => {
    const error = await client.ping().catch((reason: unknown) => reason);
    assert.match(String(error), /Connection is closed/);
  };

  it('is ended with the client that it helps', async () => {
    const { sides, maker } = opening();
    const client = maker.open();
    sides.end();
    await fails(client);
  });

  it('is ended as soon as it is made where that client has ended', async () => {
    const { sides, maker } = opening();
    sides.end();
    await fails(maker.open());
  });
});
