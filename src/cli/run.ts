/** `redisync run`: holds locks while a command runs. */
import { isatty } from 'node:tty';
import { type Command, Option } from 'commander';
import { firstValueFrom, map, race } from 'rxjs';
import {
  type Lease,
  type Lock,
  type LockCoordinator,
  LockTimeoutError,
  RedisUnreachableError,
  RedisyncError,
} from '../index.ts';
import { common, enough, lockOptions, type Supervised, supervised, supervision } from './command-options.ts';
import { withLocks } from './connect.ts';
import { checked, EXIT, Failure } from './exit.ts';
import { busyWith, holdAll, sayWaits } from './hold.ts';
import { lossOf, timeLeft } from './loss.ts';
import { reportTo } from './report.ts';
import { STDERR } from './share-stderr.ts';
import { braced, ending$ } from './signals.ts';
import { type Supervision, supervise } from './supervise.ts';
import { integer, milliseconds } from './values.ts';

interface RunFlags extends Supervised {
  readonly try?: boolean;
  readonly wait?: number;
  readonly shared?: boolean;
  readonly limit?: number;
  readonly permits?: number;
  readonly conflictExitCode: number;
  readonly skipOk?: boolean;
  readonly minHold?: number;
  readonly verbose?: boolean;
}

const lockOf = (locks: LockCoordinator, name: string, { shared, limit, permits = 1 }: RunFlags): Lock => {
  if (limit !== undefined) return locks.semaphore(name, limit, { permits });
  return shared ? locks.readWriteLock(name).read : locks.mutex(name);
};

const check = (names: readonly string[], options: RunFlags, { command, grace, margin, maxHold }: Supervision): void => {
  const { shared, limit, permits } = options;
  const longer = Math.floor(grace + margin); // whole ms are all that can be asked for
  const remedy = grace > 0 ? 'lower --grace, or raise it' : 'raise it';
  const wrong =
    (command.length === 0 &&
      names.length > 1 &&
      'run has no command: write it after --, as in redisync run NAME… -- COMMAND; without one it takes a single name') ||
    (limit !== undefined && !shared && '--limit needs --shared') ||
    (permits !== undefined &&
      limit === undefined &&
      '--permits needs --limit, which says how many permits there are') ||
    (new Set(names).size < names.length && 'a name was given twice: give each name once') ||
    (maxHold <= longer && `--max-hold must be longer than ${longer / 1_000}s: ${remedy}`);
  if (wrong) throw new Failure(EXIT.usage, wrong);
};

const hold = async (
  locks: LockCoordinator,
  made: readonly Lock[],
  options: RunFlags,
  terms: Supervision,
): Promise<Lease[] | number> => {
  try {
    return await holdAll(made, options.try ? 0 : options.wait, enough(terms));
  } catch (error) {
    if (!(error instanceof LockTimeoutError)) throw error;
    if (error.cause instanceof RedisyncError) throw error.cause; // it failed, which is not the same as busy
    if (error.cause)
      throw new RedisUnreachableError(error.lock, 'Redis stopped answering during the wait', undefined, error.cause);
    terms.report.say(await busyWith(locks, error.lock ?? ''));
    return options.skipOk ? 0 : options.conflictExitCode;
  }
};

const run = async (names: readonly string[], command: readonly string[], options: RunFlags): Promise<number> => {
  const report = reportTo(options.json ?? false);
  const terms = supervision(options, command, report);
  check(names, options, terms);
  const { maxHold, minHold } = options;
  return withLocks(options, { ...lockOptions(options), maxHold, minHold }, async (locks) => {
    braced();
    locks.events$.subscribe(report.event);
    if (!options.json && (options.verbose ?? isatty(STDERR))) sayWaits(locks, report.say);
    const made = checked(() => names.map((name) => lockOf(locks, name, options)));
    const leases = await hold(locks, made, options, terms);
    if (typeof leases === 'number') return leases;
    return command.length > 0 ? finish(leases, terms) : keep(leases, terms);
  });
};

/** Waits for the last process of the command's group before it releases the locks: until then their work may go on. */
const finish = async (leases: readonly Lease[], terms: Supervision): Promise<number> => {
  const { code, lost, stopped } = await supervise(leases, terms);
  const released = await Promise.all(leases.map((lease) => lease.release()));
  const say = (message: string): void => terms.report.say(message);
  if (lost !== undefined && terms.onLost !== 'ignore') {
    if (!stopped) say(`${lost}; the command has ended by itself with ${code}`);
    return EXIT.lost;
  }
  if (lost === undefined && released.includes(false))
    say('Redis did not confirm the release: the lock lapses by itself, within its ttl');
  return code;
};

/** Without a command: until a signal asks for the end, which is no failure, or the lock is lost. */
const keep = async (leases: readonly Lease[], { report, maxHold }: Supervision): Promise<number> => {
  for (const { name, fence } of leases)
    report.say(`holding ${JSON.stringify(name)} under fence ${fence}, until interrupted`);
  const lost$ = lossOf(leases, timeLeft(leases, maxHold), 0, () => undefined);
  const lost = await firstValueFrom(race(lost$, ending$.pipe(map(() => undefined))));
  await Promise.all(leases.map((lease) => lease.release()));
  if (lost === undefined) return 0;
  report.say(lost);
  return EXIT.lost;
};

export const addRun = (program: Command, operands: readonly string[]): void => {
  const command = program
    .command('run')
    .summary('hold locks while a command runs')
    .description(
      'Holds the locks while COMMAND runs, with our stdin, stdout and stderr, in a process group of its own. ' +
        'It finds REDISYNC_NAME, REDISYNC_OWNER and REDISYNC_FENCE in its environment. ' +
        'Without COMMAND it holds the one NAME until it is interrupted.\n\n' +
        'Exit code: that of COMMAND, 128 + its signal, 126 or 127 if it cannot be run; 75 if the lock is busy, ' +
        '79 if it was lost, 69 without Redis, 64 for wrong usage.',
    )
    .usage('[options] NAME… [-- COMMAND [ARG…]]')
    .argument('<name...>', 'the locks, held together')
    .addOption(new Option('--try', 'one attempt: do not wait').conflicts('wait'))
    .option('--wait <duration>', 'wait no longer than this (default: as long as it takes)', milliseconds('0s'))
    .option('--max-hold <duration>', 'stop the command when it has held the lock this long', milliseconds('1s'))
    .option('--min-hold <duration>', 'leave the lock taken for at least this long', milliseconds('0s'))
    .option('--shared', 'hold it beside other shared holders, and no exclusive one')
    .option('--limit <n>', 'with --shared: so many permits in all', integer(1, 2_147_483_647))
    .option('--permits <n>', 'with --limit: take so many of them (default: 1)', integer(1, 2_147_483_647))
    .addOption(
      new Option('--conflict-exit-code <n>', 'the exit code when busy').argParser(integer(0, 255)).default(EXIT.busy),
    )
    .option('--skip-ok', 'exit with 0 when busy')
    .option('--verbose', 'say who holds the lock and how many are ahead, as it does on a terminal')
    .action(async (names: string[], options: RunFlags) => {
      process.exitCode = await run(names, operands, options);
    });
  supervised(command, ['term', 'kill', 'ignore']);
  common(
    command,
    'events on stderr, one JSON object a line',
    'redisync run backup --try --skip-ok -- pg_dump -f db.sql shop',
  );
};
