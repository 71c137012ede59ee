/** How many calls of Redis the scripts make where nobody waits: counted by the server. */
import { expect } from 'chai';
import { lease, renew } from '../../src/lua/scripts.ts';
import { keysOf } from '../../src/store/keys.ts';
import { LATER, Stage, specOf } from '../support/scenes.ts';

const NAMES = 16;

describe('what a script asks of Redis where nobody waits', () => {
  let stage: Stage;

  before(async () => {
    stage = await Stage.open();
  });
  after(() => stage.close());

  const names = Array.from({ length: NAMES }, (_, i) => keysOf('', `name ${i}`));
  /** The calls of one script call, by command. */
  const counted = async (script: typeof lease, keys: readonly string[], args: readonly (string | number)[]) => {
    await stage.redis.config('RESETSTAT');
    const reply = (await stage.redis.evalsha(script.sha, keys.length, ...keys, ...args)) as unknown[];
    const info = await stage.redis.info('commandstats');
    const all = [...info.matchAll(/^cmdstat_([a-z]+):calls=(\d+)/gm)].map(([, name = '', calls]) => [
      name,
      Number(calls),
    ]);
    const { evalsha, config, info: _, ...calls } = Object.fromEntries(all) as Record<string, number>;
    return { calls, reply };
  };

  it('is two calls to take a lock, two to renew it and three to give it up, and a clock that is read and written once', async () => {
    await stage.set('free');
    const all = [stage.clock, ...names.flat()];
    const taken = await counted(
      lease,
      all,
      names.flatMap(() => ['acquire', 'a', specOf('x'), LATER, '1', '']),
    );
    expect(taken.calls).to.deep.equal({ time: 1, get: 1, zcard: NAMES, set: NAMES + 1 });
    const fences = taken.reply.slice(1).map(String);
    expect(new Set(fences).size).to.equal(NAMES);
    const locks = names.map(([lock]) => lock);
    const renewed = await counted(
      renew,
      locks,
      fences.flatMap((fence) => ['renew', 'a', fence, 600_000, LATER]),
    );
    expect(renewed.calls).to.deep.equal({ time: 1, get: NAMES, pexpire: NAMES });
    const left = await counted(
      lease,
      all,
      fences.flatMap((fence) => ['release', 'a', fence, '-', LATER]),
    );
    expect(left.calls).to.deep.equal({ time: 1, get: NAMES, zcard: NAMES, del: NAMES });
    expect(await stage.redis.keys('*')).to.deep.equal([stage.clock]);
  });
});
