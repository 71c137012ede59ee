/** Checks that a failover comes to its end also where a server pauses in the middle of it, as on a busy machine. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from 'chai';
import { startSentinels } from './sentinel.ts';
import type { Server } from './server.ts';

const pause = async (servers: readonly Server[], ms: number): Promise<void> => {
  for (const { process } of servers) process?.kill('SIGSTOP');
  await sleep(ms);
  for (const { process } of servers) process?.kill('SIGCONT');
};

describe('a failover of ours', () => {
  it('is asked for again where the Sentinels have given it up, because no replica was promoted in time', async () => {
    const ground = await startSentinels();
    try {
      await ground.hurry();
      const before = await ground.master();
      const replicas = ground.servers.filter((_, i) => i !== before);
      const send = ground.sentinel.sendCommand.bind(ground.sentinel);
      let paused: Promise<void> | undefined;
      const begun = (): void => {
        paused ??= pause(replicas, 3_000); // longer than the failover-timeout
      };
      ground.sentinel.sendCommand = (command, stream) => {
        if (command.args.includes('FAILOVER')) command.promise.then(begun, () => undefined);
        return send(command, stream);
      };
      await ground.failover();
      assert.isDefined(paused);
      await paused;
      assert.notEqual(await ground.master(), before);
    } finally {
      await ground.stop();
    }
  });
});
