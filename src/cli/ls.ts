/** `redisync ls`: the names that are held or waited for. */
import type { Command } from 'commander';
import { firstValueFrom, map, mergeMap, type Observable, toArray } from 'rxjs';
import type { Inspection, LockCoordinator } from '../index.ts';
import { type Common, common } from './command-options.ts';
import { withLocks } from './connect.ts';
import { checked } from './exit.ts';
import { output } from './stdio.ts';
import { COLUMNS, linesOf } from './table.ts';
import { jsonLine } from './values.ts';

/** How many names are asked about at a time. */
const AT_ONCE = 16;

/** Inspects all names that match, in the order of their names. */
export const look = (locks: LockCoordinator, pattern: string | undefined): Observable<Inspection[]> =>
  checked(() => locks.list(pattern)).pipe(
    mergeMap((name) => locks.inspect(name), AT_ONCE),
    toArray(),
    map((found) => found.sort((a, b) => (a.name < b.name ? -1 : 1))),
  );

const ls = (pattern: string | undefined, options: Common): Promise<void> =>
  withLocks(options, {}, async (locks) => {
    const found = await firstValueFrom(look(locks, pattern));
    const rows = found.map((inspection) => ({ ...inspection, handOffs: undefined }));
    const lines = options.json
      ? found.map((inspection) => jsonLine(inspection))
      : linesOf(COLUMNS.slice(0, -1), rows, output().columns || undefined);
    for (const line of lines) output().write(`${line}\n`);
  });

export const addLs = (program: Command): void => {
  const command = program
    .command('ls')
    .summary('list the locks that are held or waited for')
    .description(
      'Lists the locks that are held or waited for, by name. A name that only a client of another kind holds is not ' +
        'among them, because its key looks like any other string. `redisync inspect NAME` shows it.',
    )
    .argument('[pattern]', 'a Redis glob such as "order:*"')
    .action(ls);
  common(command, 'one JSON object a line', 'redisync ls "order:*"');
};
