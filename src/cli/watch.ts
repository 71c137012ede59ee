/** `redisync watch`: the locks as they change, live on a terminal or as lines of JSON. */
import { type Command, Option } from 'commander';
import {
  defer,
  filter,
  finalize,
  firstValueFrom,
  fromEvent,
  ignoreElements,
  map,
  merge,
  NEVER,
  type Observable,
  tap,
} from 'rxjs';
import { type Common, common } from './command-options.ts';
import { withLocks } from './connect.ts';
import { codeOfSignal } from './exit.ts';
import { looks } from './looks.ts';
import { type Report, reportTo } from './report.ts';
import { Screen } from './screen.ts';
import { ending$ } from './signals.ts';
import { output } from './stdio.ts';
import { COLUMNS, type Row } from './table.ts';
import { jsonLine, milliseconds } from './values.ts';
import { View } from './watch-view.ts';

interface WatchFlags extends Common {
  readonly every: number;
  readonly sort: string;
  readonly reverse?: boolean;
}

type LookRepeatedly = (failed: (error: Error) => void) => Observable<Row[]>;

/** What is compared between two looks: everything but the times, which always change. */
const factsOf = ({ holders, waiting, fence }: Row): string =>
  JSON.stringify([holders.map(({ owner, mode }) => [owner, mode]), waiting.map(({ owner }) => owner), fence]);

/** The changes since the last look, one object for each name that came, changed or went. */
const asLines = (look: LookRepeatedly, report: Report): Observable<never> => {
  let before = new Map<string, Row>();
  const print = (row: Row): void => void output().write(`${jsonLine({ at: Date.now(), ...row })}\n`);
  return look((error) => report.say(error.message)).pipe(
    tap((rows) => {
      const now = new Map(rows.map((row) => [row.name, row]));
      for (const row of rows) {
        const known = before.get(row.name);
        if (!known || factsOf(known) !== factsOf(row)) print(row);
      }
      for (const [name, row] of before) if (!now.has(name)) print({ ...row, holders: [], waiting: [] });
      before = now;
    }),
    ignoreElements(),
  );
};

/** Emits the exit code when a key asks for the end. */
const onScreen = (look: LookRepeatedly, view: View): Observable<number> =>
  defer(() => {
    const { stdin } = process;
    const stdout = output();
    const screen = new Screen(stdin, stdout);
    let rows: readonly Row[] = [];
    let lastError: string | undefined;
    const draw = (): void => screen.draw(view.lines(rows, lastError, stdout.columns || 80, stdout.rows || 24));
    const seen$ = look((error) => {
      lastError = error.message;
      draw();
    }).pipe(
      tap((found) => {
        rows = found;
        lastError = undefined;
      }),
    );
    const pressed$ = stdin.isTTY ? fromEvent(stdin.setEncoding('utf8'), 'data') : NEVER;
    const code$ = pressed$.pipe(
      map((keys) => view.press(String(keys))),
      tap((command) => command === 'suspend' && screen.suspend()),
      map((command) => (command === 'quit' ? 0 : command === 'interrupt' ? codeOfSignal('SIGINT') : undefined)),
    );
    const redrawn$ = merge(seen$, fromEvent(stdout, 'resize')).pipe(map(() => undefined));
    screen.enter();
    return merge(code$, redrawn$).pipe(
      tap(draw),
      filter((code) => code !== undefined),
      finalize(() => {
        screen.leave();
        stdin.pause();
      }),
    );
  });

const watch = (
  pattern: string | undefined,
  { every, sort, reverse = false, json, ...where }: WatchFlags,
): Promise<number> =>
  withLocks(where, {}, (locks) => {
    const look: LookRepeatedly = (failed) => looks(locks, pattern, every, failed);
    const stdout = output();
    const view = new View(`redisync watch ${pattern ?? '*'}`, sort, reverse, stdout.isTTY && stdout.hasColors());
    const watched$ = json || !stdout.isTTY ? asLines(look, reportTo(json ?? false)) : onScreen(look, view);
    return firstValueFrom(merge(watched$, ending$.pipe(map(codeOfSignal))));
  });

export const addWatch = (program: Command): void => {
  const command = program
    .command('watch')
    .summary('watch the locks that are held or waited for')
    .description(
      'A live table on a terminal (s sorts, r reverses, / narrows, q quits); elsewhere, and with --json, a line for ' +
        'each change. Hand-offs are counted by looking, so at most one for each name and look is seen.',
    )
    .argument('[pattern]', 'a Redis glob such as "order:*"')
    .addOption(
      new Option('--every <duration>', 'how often to look').argParser(milliseconds('50ms')).default(1_000, '1s'),
    )
    .addOption(new Option('--sort <column>', 'by which column').choices(COLUMNS.map(({ key }) => key)).default('name'))
    .option('--reverse', 'in descending order')
    .action(async (pattern: string | undefined, options: WatchFlags) => {
      process.exitCode = await watch(pattern, options);
    });
  common(command, 'one JSON object a line', 'redisync watch "order:*" --sort waiting --reverse');
};
