/** `redisync elect`: runs a command while leading. */
import type { Command } from 'commander';
import {
  concatMap,
  defer,
  distinctUntilChanged,
  EMPTY,
  filter,
  finalize,
  firstValueFrom,
  ignoreElements,
  map,
  merge,
  type Observable,
  tap,
} from 'rxjs';
import type { Lease } from '../index.ts';
import {
  type Common,
  common,
  enough,
  lockOptions,
  type Supervised,
  supervised,
  supervision,
} from './command-options.ts';
import { withLocks } from './connect.ts';
import { checked, codeOfSignal, EXIT, Failure } from './exit.ts';
import { refresh } from './hold.ts';
import { reportTo } from './report.ts';
import { braced, ending$ } from './signals.ts';
import { output } from './stdio.ts';
import { type Outcome, type Supervision, supervise } from './supervise.ts';
import { jsonLine, milliseconds, printable } from './values.ts';

/** Runs the command once under a leadership; undefined if the leadership was lost before the command started. */
const serve = async (lease: Lease, terms: Supervision, wanted: () => boolean): Promise<Outcome | undefined> => {
  try {
    await refresh(lease, enough(terms)).catch(() => undefined);
    return wanted() && lease.remaining() > enough(terms) ? await supervise([lease], terms) : undefined;
  } finally {
    await lease.release();
  }
};

/** The exit code; undefined if the campaign goes on: we ended the command for a loss, and no signal asked for the end. */
const codeOf = (outcome: Outcome | undefined): number | undefined => {
  if (!outcome || (outcome.stopped && !outcome.interrupted)) return undefined;
  return outcome.lost !== undefined && !outcome.stopped ? EXIT.lost : outcome.code;
};

interface ElectFlags extends Supervised {
  readonly listen?: boolean;
  readonly minHold?: number;
}

/** A line for each leader, as it changes; an empty one for none. */
const listen = async (name: string, command: readonly string[], { json, ...where }: Common): Promise<number> => {
  if (command.length > 0) throw new Failure(EXIT.usage, '--listen runs nothing: leave it out, or the command');
  return withLocks(where, {}, (locks) => {
    const leaders$ = checked(() => locks.watch(name)).pipe(
      map(({ holders, fence }) => {
        const leader = holders.find(({ over }) => !over); // nobody leads by a lease that is held over
        return { name, leader: leader?.owner, fence: leader && fence };
      }),
      distinctUntilChanged((a, b) => a.leader === b.leader && a.fence === b.fence),
      tap(({ leader = '', fence = null }) => {
        const line = json ? jsonLine({ name, leader: leader || null, fence, at: Date.now() }) : printable(leader);
        output().write(`${line}\n`);
      }),
      ignoreElements(),
    );
    return firstValueFrom(merge(leaders$, ending$.pipe(map(codeOfSignal))));
  });
};

const elect = async (name: string, command: readonly string[], options: ElectFlags): Promise<number> => {
  if (command.length === 0) {
    throw new Failure(
      EXIT.usage,
      'elect has no command to run: write it after --, as in redisync elect NAME -- COMMAND, or use --listen',
    );
  }
  const report = reportTo(options.json ?? false);
  const terms = supervision(options, command, report);
  const { minHold } = options;
  return withLocks(options, { ...lockOptions(options), minHold }, async (locks) => {
    braced();
    locks.events$.subscribe(report.event);
    let leading = false;
    let asked: number | undefined; // the exit code of a signal that asked for the end, also while no command runs
    ending$.subscribe((name) => {
      asked ??= codeOfSignal(name);
    });
    const term = (lease: Lease): Observable<number | undefined> =>
      defer(() => {
        leading = true;
        return serve(lease, terms, () => asked === undefined);
      }).pipe(
        map((outcome) => codeOf(outcome) ?? asked),
        finalize(() => {
          leading = false;
        }),
      );
    const terms$ = checked(() => locks.leadership(name)).pipe(
      concatMap((lease) => (lease?.held ? term(lease) : EMPTY)),
    );
    const resigned$ = ending$.pipe(
      filter(() => !leading),
      map(codeOfSignal),
    );
    const over$ = merge(terms$, resigned$).pipe(filter((code) => code !== undefined));
    return firstValueFrom(over$);
  });
};

export const addElect = (program: Command, operands: readonly string[]): void => {
  const command = program
    .command('elect')
    .summary('run a command while leading')
    .description(
      'Campaigns for NAME, runs COMMAND while leading, ends it before the leadership is lost, and campaigns again. ' +
        'When COMMAND ends by itself, it resigns and exits with its code. See `redisync run --help`.',
    )
    .usage('[options] NAME [-- COMMAND [ARG…]]')
    .argument('<name>', 'what is campaigned for')
    .option('--min-hold <duration>', 'leave the leadership taken for at least this long', milliseconds('0s'))
    .option('--listen', 'run nothing: print who leads, at each change')
    .action(async (name: string, options: ElectFlags) => {
      process.exitCode = await (options.listen ? listen(name, operands, options) : elect(name, operands, options));
    });
  supervised(command, ['term', 'kill']);
  common(command, 'events on stderr, one JSON object a line', 'redisync elect scheduler -- node scheduler.js');
};
