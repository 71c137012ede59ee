/** `redisync break`: ends the leases of others. */
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { firstValueFrom } from 'rxjs';
import type { Inspection, LockCoordinator } from '../index.ts';
import { type Common, common } from './command-options.ts';
import { withLocks } from './connect.ts';
import { checked, codeOfSignal, EXIT, Failure } from './exit.ts';
import { described } from './inspect.ts';
import { output } from './stdio.ts';
import { jsonLine, printable } from './values.ts';

interface BreakFlags extends Common {
  readonly yes?: boolean;
}

/** Anything but a clear yes is a no. */
const agreed = async (inspection: Inspection): Promise<boolean> => {
  if (!process.stdin.isTTY) {
    throw new Failure(EXIT.usage, 'break asks before it breaks a lock, and there is no terminal to ask on: add --yes');
  }
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  terminal.on('SIGINT', () => process.exit(codeOfSignal('SIGINT')));
  const question = `${described(inspection).join('\n')}\nBreak it? Its holder may still be working. [y/N] `;
  const closed = once(terminal, 'close').then(() => '');
  try {
    return /^y(es)?$/i.test(await Promise.race([terminal.question(question).catch(() => ''), closed]));
  } finally {
    terminal.close();
  }
};

const ownersOf = ({ holders }: Inspection): string => holders.map(({ owner }) => owner).join();

/** Breaks the lock if the user agrees, and returns what was done, for people. */
const breakLock = async (locks: LockCoordinator, name: string, yes: boolean): Promise<string> => {
  const inspect = (): Promise<Inspection> => firstValueFrom(checked(() => locks.inspect(name)));
  const before = await inspect();
  if (before.holders.length === 0) return 'free already';
  if (!yes && !(await agreed(before))) return 'left alone';
  if (!yes && ownersOf(await inspect()) !== ownersOf(before))
    return 'left alone, for its holders have changed meanwhile: look again';
  return (await firstValueFrom(locks.forceRelease(name))) ? 'broken' : 'free already';
};

const act = (name: string, { yes = false, json, ...where }: BreakFlags): Promise<void> =>
  withLocks(where, {}, async (locks) => {
    const done = await breakLock(locks, name, yes);
    output().write(json ? `${jsonLine({ name, broken: done === 'broken' })}\n` : `${printable(name)}: ${done}\n`);
    if (done.startsWith('left')) process.exitCode = 1;
  });

export const addBreak = (program: Command): void => {
  const command = program
    .command('break')
    .summary('break the leases on a lock, whoever holds it')
    .description(
      'Breaks every lease on NAME and lets the next waiters in. The holders learn of it at their next renewal. Until ' +
        'then they may still work, with a lower fence than that of the next holder. Exit code 1 if it was left alone.',
    )
    .argument('<name>', 'the lock')
    .option('-y, --yes', 'do not ask')
    .action(act);
  common(command, 'one JSON object', 'redisync break order:42');
};
