/** `redisync inspect`: everything about one name. */
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import type { Inspection } from '../index.ts';
import { withLocks } from './connect.ts';
import { checked } from './exit.ts';
import { type Common, common } from './options.ts';
import { output } from './stdio.ts';
import { jsonLine, printable, spoken } from './values.ts';

const kind = (mode: string, permits: number): string => (mode === 'shared' ? `shared, ${permits} permits` : mode);

/** For people: holders, then waiters in the order of the queue. */
export const described = ({ name, holders, waiting, fence }: Inspection): string[] => [
  `${printable(name)}: ${holders.length > 0 ? 'held' : 'free'}, ${waiting.length} waiting, last token ${fence ?? 'unknown'}`,
  ...holders.map(({ owner, mode, permits, remaining, over }) => {
    if (over)
      return `  held over from ${printable(owner)} (${kind(mode, permits)}), who has released it, for ${spoken(remaining)}`;
    const time = remaining < 0 ? 'without an expiry: no lock' : `${spoken(remaining)} left unless renewed`;
    return `  held by ${printable(owner)} (${kind(mode, permits)}), ${time}`;
  }),
  ...waiting.map(
    ({ owner, mode, permits, waited }, i) =>
      `  ${i + 1}. waiting ${printable(owner)} (${kind(mode, permits)}), for ${spoken(waited)}`,
  ),
];

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
