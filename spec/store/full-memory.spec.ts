/** A server whose memory is full refuses whatever would store more, before anything is written, and nothing else. */
import { assert } from 'chai';
import { codeOf, LATER, LONG, SCENES, Stage, specOf, type Verb } from '../support/scenes.ts';

const ACQUIRES: Readonly<Record<string, readonly [Verb, ...(string | number)[]]>> = {
  exclusive: ['acquire', 'd', specOf('x'), LATER, '1', ''],
  shared: ['acquire', 'd', specOf('s', 1, 9), LATER, '1', ''],
  'coming back': ['acquire', 'd', specOf('x'), LATER, '1', 1e14],
};
const NEVER: Readonly<Record<string, readonly [Verb, ...(string | number)[]]>> = {
  renew: ['renew', 'a', 0, LONG, LATER],
  'renew, shorter': ['renew', 'a', 0, LONG / 2, LATER],
  'renew, shared': ['share', 'a', 0, specOf('s'), LATER],
  release: ['release', 'a', 0, '-', LATER],
  'release by the coordinator of who waits': ['release', 'a', 0, 'pown', LATER],
  'release of a waiter': ['release', 'c', 0, '-', LATER],
  'release, keeping': ['release', 'a', 0, '-', LATER, LONG],
  break: ['release', '', 0, '-', LATER],
};

describe('a full memory', () => {
  let stage: Stage;

  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage.close());

  /** What a name answers whose waiters are of the channel, and what is in Redis before and after. */
  const tried = async (scene: string, call: readonly [Verb, ...(string | number)[]]) => {
    await stage.set(scene);
    const [lock, , specs] = stage.keys;
    for (const [owner, text] of Object.entries(await stage.redis.hgetall(specs))) {
      if (call.includes('pown')) await stage.redis.hset(specs, owner, text.replace(' - ', ' pown '));
    }
    const fence = (await stage.redis.get(lock))?.split(' ')[1];
    const known = call[0] === 'release' && call[1] === 'a' && fence ? call.with(2, fence) : call;
    const before = await stage.snapshot();
    await stage.redis.config('SET', 'maxmemory', 1, 'maxmemory-policy', 'noeviction');
    const reply = await stage.call(...(known as typeof call));
    await stage.redis.config('SET', 'maxmemory', 0);
    return { reply, before, after: await stage.snapshot() };
  };

  for (const [what, call] of Object.entries(ACQUIRES)) {
    it(`refuses acquire, ${what}, with nothing written`, async () => {
      for (const scene of SCENES) {
        const { reply, before, after } = await tried(scene, call);
        assert.equal(codeOf(reply), 'OOM', scene);
        assert.deepEqual(after, before, scene);
      }
    });
  }

  for (const [what, call] of Object.entries(NEVER)) {
    it(`refuses no ${what}`, async () => {
      for (const scene of SCENES) {
        const { reply } = await tried(scene, call);
        assert.isUndefined(codeOf(reply), `${scene}: ${reply}`);
      }
    });
  }
});
