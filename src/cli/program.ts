/** The command line: what there is, and what becomes of errors. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { EXIT, exitCodeOf, Failure, sayingOf } from './exit.ts';
import { inOneLine } from './options.ts';
import { reportTo } from './report.ts';

const { version } = createRequire(import.meta.url)('redisync/package.json') as { version: string };

type Add = (program: Command, operands: readonly string[]) => void;

/** Each is loaded when it is wanted, since loading is most of what a short command takes. */
const COMMANDS: Readonly<Record<string, () => Promise<Add>>> = {
  run: async () => (await import('./run.ts')).addRun,
  elect: async () => (await import('./elect.ts')).addElect,
  ls: async () => (await import('./ls.ts')).addLs,
  inspect: async () => (await import('./inspect.ts')).addInspect,
  watch: async () => (await import('./watch.ts')).addWatch,
  break: async () => (await import('./break.ts')).addBreak,
  doctor: async () => (await import('./doctor.ts')).addDoctor,
};

/** The commands that run another. */
const RUNS: readonly string[] = ['run', 'elect'];

/** With the command that is named first, or all of them to tell about. */
const programOf = async (name: string, operands: readonly string[] | undefined): Promise<Command> => {
  const program = new Command('redisync')
    .description('Locks on Redis for shells and cron, and eyes on them.')
    .version(version)
    .addHelpText('after', '\nExample:\n  redisync run nightly --try -- ./backup.sh')
    .helpCommand(false)
    .exitOverride()
    .configureOutput(inOneLine('redisync'))
    .hook('preAction', (_, action) => {
      if (!operands || RUNS.includes(action.name())) return;
      throw new Failure(EXIT.usage, `${action.name()} runs no command: leave out -- and what follows`);
    });
  const wanted = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  for (const add of wanted) (await add?.())?.(program, operands ?? []);
  return program;
};

/** What is behind the first `--` is the command to run, whatever it looks like. */
export const run = async (argv: readonly string[]): Promise<void> => {
  const at = argv.indexOf('--');
  const own = at < 0 ? argv : argv.slice(0, at);
  try {
    const program = await programOf(own[0] ?? '', at < 0 ? undefined : argv.slice(at + 1));
    await program.parseAsync(own, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const saying = sayingOf(error);
    if (saying !== undefined) reportTo(own.includes('--json')).say(saying);
  }
};
