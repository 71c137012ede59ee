/**
 * The main job, `npm run demo`: worker processes make the transfers of a file between a few accounts in Redis, first without
 * locks, then under locks, and one of them is killed half-way. Exit code 1 if the sums do not match.
 */
import { randomUUID } from 'node:crypto';
import { Redis } from 'ioredis';
import { LockCoordinator } from 'redisync';
import { anyServer } from '../../spec/support/server.ts';
import { Bank } from './bank.ts';
import { Crew } from './crew.ts';
import { TTL } from './job.ts';
import { number, say, sayLast, table } from './progress.ts';
import { enlist, type Outcome, run, WORKERS } from './run.ts';
import { ACCOUNTS, transfers } from './transfers.ts';

const LIMIT = 58_000;
const began = performance.now();
const total = transfers().length;

/** Why the run proves nothing, or the opposite of what it should. */
const faults = (without: Outcome, locked: Outcome): string[] =>
  [
    without.lost === 0 && 'Without locks no update was lost: the demo proves nothing.',
    (without.done !== total || locked.done !== total) && 'Not all transfers were made.',
    locked.lost > 0 && 'With locks an update was lost.',
    (locked.before !== locked.after || locked.wrong > 0) && 'With locks the sums do not match.',
    !locked.recovery && 'No worker was killed.',
  ].filter((fault) => fault !== false);

const report = (without: Outcome, locked: Outcome): string => {
  const row = (title: string, value: (outcome: Outcome) => string): string[] => [title, value(without), value(locked)];
  const { recovery } = locked;
  const held = recovery?.held.map((name) => name.slice(name.lastIndexOf(':') + 1)).join(', ');
  return [
    table([
      ['', 'without locks', 'with locks'],
      row('transfers made', ({ done }) => number(done)),
      row('money before', ({ before }) => number(before)),
      row('money after', ({ after }) => number(after)),
      row('accounts with a wrong balance', ({ wrong }) => `${wrong} of ${ACCOUNTS.length}`),
      row('lost updates', ({ lost }) => number(lost)),
      row('transfers/s', ({ perSecond }) => number(perSecond)),
    ]),
    '',
    `hand-offs             ${number(locked.handOffs)}`,
    `refused by the fence  ${number(locked.refused)}`,
    `locks recovered       after ${number(recovery?.after ?? 0)} ms (ttl ${number(TTL)} ms): ${held}, of ${recovery?.label}, killed`,
    `highest fence         ${locked.highest}`,
  ].join('\n');
};

const server = await anyServer();
const prefix = `redisync-demo:${randomUUID()}:`;
const redis = new Redis(server.url, { lazyConnect: true, connectTimeout: 3_000, retryStrategy: () => null });
let complaint = '';
redis.on('error', (error: Error) => {
  complaint = `Redis does not answer: ${error.message}`;
});
const bank = new Bank(redis, prefix);
const crew = new Crew(server.url);
const locks = new LockCoordinator(redis.duplicate({ keyPrefix: prefix })); // with the prefix the clock is this run's own, too

/** Resolves when no process and no key of this run is left. */
const stop = async (): Promise<void> => {
  setTimeout(() => process.exit(), 30_000).unref();
  await crew.stop();
  await redis.quit().catch(() => undefined); // what the run sends from here on is refused, so it writes nothing that stays
  const last = redis.duplicate().on('error', () => undefined); // where no server answered, nothing is left
  if (!server.process) await new Bank(last, prefix).clear().catch(() => undefined);
  last.disconnect();
  await locks.close();
  await server.stop();
};

/** What ends the run early. */
class Ended extends Error {
  readonly code: number;

  constructor(why: string, code: number) {
    super(why);
    this.code = code;
  }
}

let alarm: NodeJS.Timeout | undefined;
const ended = new Promise<never>((_, reject) => {
  process.once('SIGINT', () => reject(new Ended('Interrupted.', 130)));
  process.once('SIGTERM', () => reject(new Ended('Terminated.', 143)));
  alarm = setTimeout(() => reject(new Ended(`Not done within ${number(LIMIT)} ms.`, 1)), LIMIT);
});

const job = async (): Promise<void> => {
  await redis.connect();
  say(`${number(total)} transfers between ${ACCOUNTS.length} accounts by ${WORKERS} processes`);
  const stage = { ...(await enlist(crew, prefix)), bank, locks };
  const without = await run(stage, false);
  const locked = await run(stage, true);
  say(`\n${report(without, locked)}`);
  const wrong = faults(without, locked);
  for (const fault of wrong) say(`\n${fault}`);
  if (wrong.length > 0) process.exitCode = 1;
  else say(`\nSums match. ${((performance.now() - began) / 1_000).toFixed(1)} s`);
};

try {
  await Promise.race([job(), ended]);
} catch (error) {
  sayLast(`\n${complaint || (error instanceof Error ? error.message : String(error))}`);
  process.exitCode = error instanceof Ended ? error.code : 1;
} finally {
  clearTimeout(alarm);
  await stop();
}
