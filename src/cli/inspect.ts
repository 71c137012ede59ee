/** `redisync inspect`: everything about one name. */
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import type { Inspection } from '../index.ts';
import { type Common, common } from './command-options.ts';
import { withLocks } from './connect.ts';
import { checked } from './exit.ts';
import { output } from './stdio.ts';
import { limitsOf } from './table.ts';
import { jsonLine, printable, spoken } from './values.ts';

const kind = ({ mode, permits, limit }: Inspection['holders'][number] | Inspection['waiting'][number]): string =>
  mode === 'exclusive' ? mode : `shared, ${permits}${limit === undefined ? '' : ` of ${limit}`} permits`;

/** Warns of different limits: each request is checked against its own limit, so with two limits neither is kept. */
const disagreement = (inspection: Inspection): string[] => {
  const limits = limitsOf(inspection);
  return limits.length > 1
    ? [`  its users name different limits, ${limits.join(' and ')}: give all the same, for each counts by its own`]
    : [];
};

/** For people: holders, then waiters in the order of the queue. */
export const described = (inspection: Inspection): string[] => {
  const { name, holders, waiting, fence } = inspection;
  const held = `${printable(name)}: ${holders.length > 0 ? 'held' : 'free'}`;
  return [
    `${held}, ${waiting.length} waiting${fence === undefined ? '' : `, last fence ${fence}`}`,
    ...disagreement(inspection),
    ...holders.map((holder) => {
      const who = `${printable(holder.owner)} (${kind(holder)})`;
      if (holder.over) return `  held over from ${who}, who has released it, for ${spoken(holder.remaining)}`;
      const left = `${spoken(holder.remaining)} left unless renewed`;
      return `  held by ${who}, ${holder.remaining < 0 ? 'without an expiry, so it is no lock: delete the key if nothing uses it' : left}`;
    }),
    ...waiting.map(
      (waiter, i) => `  ${i + 1}. waiting ${printable(waiter.owner)} (${kind(waiter)}), for ${spoken(waiter.waited)}`,
    ),
  ];
};

const inspect = (name: string, options: Common): Promise<void> =>
  withLocks(options, {}, async (locks) => {
    const inspection = await firstValueFrom(checked(() => locks.inspect(name)));
    const lines = options.json ? [jsonLine(inspection)] : described(inspection);
    for (const line of lines) output().write(`${line}\n`);
  });

export const addInspect = (program: Command): void => {
  const command = program
    .command('inspect')
    .summary('show who holds a lock and who waits for it')
    .argument('<name>', 'the lock')
    .action(inspect);
  common(command, 'one JSON object', 'redisync inspect order:42');
};
