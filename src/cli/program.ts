/** The command line: what there is, and what becomes of errors. */
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { addBreak } from './break.ts';
import { addDoctor } from './doctor.ts';
import { addElect } from './elect.ts';
import { EXIT, exitCodeOf, Failure, sayingOf } from './exit.ts';
import { addInspect } from './inspect.ts';
import { addLs } from './ls.ts';
import { inOneLine } from './options.ts';
import { reportTo } from './report.ts';
import { addRun } from './run.ts';
import { addWatch } from './watch.ts';

const { version } = createRequire(import.meta.url)('redisync/package.json') as { version: string };

/** The commands that run another. */
const RUNS: readonly string[] = ['run', 'elect'];

const programOf = (operands: readonly string[] | undefined): Command => {
  const program = new Command('redisync')
    .description('Locks on Redis for shells and cron, and eyes on them.')
    .version(version)
    .addHelpText('after', '\nExample:\n  redisync run nightly --try -- ./backup.sh')
    .helpCommand(false)
    .exitOverride()
    .configureOutput(inOneLine('redisync'))
    .hook('preAction', (_, action) => {
      const runs = RUNS.includes(action.name());
      if (operands && !runs)
        throw new Failure(EXIT.usage, `${action.name()} runs no command: leave out -- and what follows`);
    });
  addRun(program, operands ?? []);
  addElect(program, operands ?? []);
  addLs(program);
  addInspect(program);
  addWatch(program);
  addBreak(program);
  addDoctor(program);
  return program;
};

/** What is behind the first `--` is the command to run, whatever it looks like. */
export const run = async (argv: readonly string[]): Promise<void> => {
  const at = argv.indexOf('--');
  const own = at < 0 ? argv : argv.slice(0, at);
  try {
    await programOf(at < 0 ? undefined : argv.slice(at + 1)).parseAsync(own, { from: 'user' });
  } catch (error) {
    process.exitCode = exitCodeOf(error);
    const saying = sayingOf(error);
    if (saying !== undefined) reportTo(own.includes('--json')).say(saying);
  }
};
