/** `redisync doctor`: what on the servers can lose a lock, in plain words. */
import type { Command } from 'commander';
import { lastValueFrom, toArray } from 'rxjs';
import type { Finding } from '../index.ts';
import { type Common, common, replication } from './command-options.ts';
import { withLocks } from './connect.ts';
import { output } from './stdio.ts';
import { integer, jsonLine, printable } from './values.ts';

interface DoctorFlags extends Common {
  readonly replicas?: number;
}

const RANK: readonly Finding['severity'][] = ['error', 'warning', 'info'];

const sentence = ({ severity, node, seen, advice }: Finding): string =>
  printable(`${severity}: ${node ? `${node}: ` : ''}${seen}. ${advice}.`).replaceAll('..', '.');

const doctor = async (options: DoctorFlags): Promise<void> => {
  const findings = await withLocks(
    options,
    replication(options),
    (locks) => lastValueFrom(locks.diagnose().pipe(toArray())),
    true,
  );
  findings.sort((a, b) => RANK.indexOf(a.severity) - RANK.indexOf(b.severity));
  const lines = findings.map(options.json ? (finding) => jsonLine(finding) : sentence);
  if (lines.length === 0 && !options.json) lines.push('nothing found: locks are as safe here as the docs say');
  for (const line of lines) output().write(`${line}\n`);
  if (findings.some(({ severity }) => severity === 'error')) process.exitCode = 1;
};

export const addDoctor = (program: Command): void => {
  const command = program
    .command('doctor')
    .summary('look for what can lose locks')
    .description(
      'Looks at the servers for what can lose a lock or let two hold it: rights, eviction, replicas, clocks, versions. ' +
        'It takes a lock named redisync:diagnose for a moment. Exit code 1 if there are errors.',
    )
    .option('--replicas <n>', 'check that this many replicas can confirm', integer(1, 100))
    .action(doctor);
  common(command, 'one JSON object a line', 'redisync doctor --redis redis://db.example:6379');
};
