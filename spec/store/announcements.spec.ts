/** Who is woken by the release of a lock of a quorum: once for each release, of few processes, and nobody who does not wait. */
import { assert } from 'chai';
import { Redis } from 'ioredis';
import { asyncScheduler } from 'rxjs';
import { Announcements } from '../../src/store/announcements.ts';
import { eventually } from '../support/eventually.ts';
import { type Server, startServer } from '../support/server.ts';

describe('announcements of releases', () => {
  let servers: Server[];
  let nodes: Redis[];
  let announcements: Announcements;
  let woken: string[];

  const listeners = async (): Promise<number[]> =>
    Promise.all(nodes.map(async (node) => ((await node.pubsub('CHANNELS', '*redisync:free:*')) as string[]).length));
  const heard = (count: number) =>
    eventually(`${count} channels are heard`, async () => (await listeners()).every((n) => n === count));
  /** As the release of a name on one node tells it, to so many. */
  const tell = (node: number, name: string, text = '1') => nodes[node]?.publish(`a_b:redisync:free:${name}`, text);
  /** They wait, and have asked once more since they are heard. */
  const waits = async (name: string, ...owners: string[]): Promise<void> => {
    for (const owner of owners) announcements.wait(name, owner, 0);
    const first = `${name} ${owners[0]}`;
    await eventually('it has asked again', () => woken.includes(first));
    woken.splice(woken.indexOf(first), 1);
  };
  /** Whatever was published before on the node has been heard when this resolves: it goes the same way. */
  const settled = async (): Promise<void> => {
    await waits('last', 'last');
    await heard(2);
    for (const node of [0, 1, 2]) await tell(node, 'last');
    await eventually('the last is woken', () => woken.at(-1) === 'last last');
    announcements.leave('last', 'last');
    await heard(1);
  };

  before(async () => {
    servers = await Promise.all([0, 1, 2].map(() => startServer()));
    nodes = servers.map(({ port }) => new Redis({ port, keyPrefix: 'a b:' }));
  });

  beforeEach(() => {
    woken = [];
    announcements = new Announcements(nodes, { commandTimeout: 2_000, scheduler: asyncScheduler });
    announcements.woken$.subscribe(({ name, owner }) => woken.push(`${name} ${owner}`));
  });

  afterEach(async () => {
    announcements.close();
    await heard(0);
  });

  after(async () => {
    for (const node of nodes) node.disconnect();
    await Promise.all(servers.map((server) => server.stop()));
  });

  it('opens no connection before something waits, and listens only while it does', async () => {
    const count = async (): Promise<number> =>
      String(await nodes[0]?.client('LIST'))
        .trim()
        .split('\n').length;
    const before = await count();
    announcements.leave('x', 'nobody');
    assert.equal(await count(), before);
    announcements.wait('x', 'me', 0);
    announcements.wait('x', 'you', 0);
    await heard(1);
    assert.equal(await count(), before + 1);
    announcements.leave('x', 'me');
    announcements.leave('x', 'me');
    assert.deepEqual(await listeners(), [1, 1, 1]);
    announcements.leave('x', 'you');
    await heard(0);
    announcements.close();
    await eventually('the connection is closed', async () => (await count()) === before);
    const late = new Announcements(nodes, { commandTimeout: 2_000, scheduler: asyncScheduler });
    late.close();
    late.wait('x', 'me', 0);
    for (let i = 0; i < 20; i += 1) assert.equal(await count(), before);
  });

  it('wakes the first who waits once releases are heard: one of before was told to nobody', async () => {
    for (const owner of ['first', 'second']) announcements.wait('x', owner, 0);
    await heard(1);
    await eventually('it is woken', () => woken.length > 0);
    await settled();
    assert.deepEqual(woken, ['x first', 'last last']);
  });

  it('wakes the first who waits, once for each release however many nodes tell of it', async () => {
    await waits('x', 'first', 'second');
    await heard(1);
    for (const node of [0, 1, 2]) await tell(node, 'x');
    await eventually('one is woken', () => woken.length > 0);
    await settled();
    announcements.leave('x', 'first');
    for (const node of [2, 0, 1]) await tell(node, 'x');
    await settled();
    assert.deepEqual(
      woken.filter((who) => !who.startsWith('last')),
      ['x first', 'x second'],
    );
  });

  it('goes on with the nodes that are there, and with one that comes back', async () => {
    await waits('x', 'me');
    await heard(1);
    const list = String(await nodes[0]?.client('LIST', 'TYPE', 'PUBSUB'));
    await nodes[0]?.client('KILL', 'ID', /id=(\d+)/.exec(list)?.[1] ?? '');
    await tell(1, 'x');
    await eventually('it is woken by another', () => woken.length === 1);
    await heard(1);
    await tell(1, 'x');
    await eventually('and again', () => woken.length === 2);
    await tell(0, 'x'); // of the same release, as far as anybody can tell
    await tell(0, 'x');
    await eventually('and by the one that is back', () => woken.length === 3);
  });

  it('takes what others publish there for no message', async () => {
    await waits('x', 'me');
    await heard(1);
    for (const noise of ['', '0', '-1', 'NaN', '{}', '[]', 'x']) await tell(0, 'x', noise);
    await settled();
    assert.deepEqual(woken, ['last last']);
  });

  it('wakes about three of many: each process draws whether it is one of them', async () => {
    await waits('x', 'me');
    await heard(1);
    const { random } = Math;
    try {
      Math.random = () => 0.5;
      for (const listeners of ['5', '7', '3', '1000']) {
        await tell(0, 'x', listeners);
        await settled();
      }
    } finally {
      Math.random = random;
    }
    assert.equal(woken.filter((who) => who === 'x me').length, 2);
  });
});
