/** The command line: what there is, and what becomes of errors. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { EXIT, exitCodeOf, Failure, sayingOf } from './exit.ts';
import { reportTo } from './report.ts';
import { RUNS } from './share-stderr.ts';
import { output, writeErrorNow } from './stdio.ts';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

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

/** With the command that is named first, or all of them to tell about. */
const programOf = async (name: string, operands: readonly string[]): Promise<Command> => {
  const program = new Command('redisync')
    .description('Locks on Redis for shells and cron, and commands that show and break them.')
    .version(version)
    .addHelpText('after', '\nExample:\n  redisync run nightly --try -- ./backup.sh')
    .helpCommand('help [command]', 'tell more about a command')
    .exitOverride()
    .configureOutput({ writeOut: (text) => void output().write(text), outputError: () => undefined });
  const wanted = Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  for (const add of wanted) (await add?.())?.(program, operands);
  return program;
};

/** What is behind the first `--` is the command to run, whatever it looks like. To others `--` means what it means everywhere. */
const split = (argv: readonly string[]): [own: readonly string[], operands: readonly string[]] => {
  const at = RUNS.includes(argv[0] ?? '') ? argv.indexOf('--') : -1;
  return at < 0 ? [argv, []] : [argv.slice(0, at), argv.slice(at + 1)];
};

export const run = async (argv: readonly string[]): Promise<void> => {
  const [own, operands] = split(argv);
  const [name = ''] = own;
  const json = own.includes('--json');
  process.stderr.on('error', () => undefined); // the terminal has gone
  process.on('uncaughtException', (error) => {
    reportTo(json, writeErrorNow).say(`a bug in redisync: ${error.message}; please report it`);
    process.exit(EXIT.bug); // the guard ends what runs
  });
  try {
    if (own.length < argv.length && operands.length === 0) {
      // such as an empty variable of a script: to hold the lock until interrupted is not what was meant
      throw new Failure(EXIT.usage, 'nothing stands behind --: write the command there, or leave -- out');
    }
    const program = await programOf(name, operands);
    await program.parseAsync(own, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const saying = sayingOf(error, Object.hasOwn(COMMANDS, name) ? `redisync ${name}` : 'redisync');
    if (saying !== undefined) reportTo(json).say(saying);
  }
};
