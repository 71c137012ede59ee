/** Options that several commands share. */
import { hostname } from 'node:os';
import { type Command, Option } from 'commander';
import type { Options } from '../index.ts';
import type { Where } from './connect.ts';
import { EXIT, Failure } from './exit.ts';
import type { Report } from './report.ts';
import type { Supervision } from './supervise.ts';
import { integer, milliseconds, spoken } from './values.ts';

export interface Common extends Where {
  readonly json?: boolean;
}

const collect = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

/** @param json what `--json` does */
export const common = (command: Command, json: string, example: string): Command =>
  command
    .option('--json', json)
    .option('--redis <url>', 'the URL of Redis (default: REDIS_URL, else redis://127.0.0.1:6379)', collect)
    .addOption(
      new Option('--quorum', 'several --redis are independent servers, of which a majority grants').conflicts(
        'cluster',
      ),
    )
    .option('--cluster', '--redis is a node of a Cluster')
    .addHelpText('after', `\nExample:\n  ${example}`);

export interface Supervised extends Common {
  readonly ttl: number;
  readonly onLost: Supervision['onLost'];
  readonly grace?: number;
  /** Of `run` alone. */
  readonly maxHold?: number;
  readonly identity: string;
  readonly replicas?: number;
}

export const supervised = (command: Command, whenLost: readonly string[]): Command =>
  command
    .option('--replicas <n>', 'grant the lock only once this many replicas have it', integer(1, 100))
    .addOption(
      new Option('--ttl <duration>', 'how long the lock stays taken if this machine dies')
        .argParser(milliseconds('1s'))
        .default(30_000, '30s'),
    )
    .addOption(
      new Option('--on-lost <what>', 'what to do to the command before the lock is lost')
        .choices(whenLost)
        .default('term'),
    )
    .option(
      '--grace <duration>',
      'time between SIGTERM and SIGKILL, at most a third of the ttl (default: 5s, less if the ttl or --max-hold is short)',
      milliseconds('0s'),
    )
    .addOption(
      new Option('--identity <label>', 'a label of the holder, shown to people').default(
        `${hostname()}:${process.pid}`,
        'HOST:PID',
      ),
    );

const DEFAULT_GRACE = 5_000;

/**
 * SIGKILL is sent a tenth of the ttl, but at most a second, before a lease ends. Of a `--max-hold` less that, two thirds are
 * left to the command before SIGTERM, unless `--grace` says otherwise.
 */
export const supervision = (options: Supervised, command: readonly string[], report: Report): Supervision => {
  const { ttl, onLost, maxHold = Number.POSITIVE_INFINITY } = options;
  const most = Math.floor(ttl / 3);
  const margin = onLost === 'ignore' ? 0 : Math.min(1_000, ttl / 10);
  const ofHold = Math.max(0, Math.floor((maxHold - margin) / 3));
  const { grace = Math.min(DEFAULT_GRACE, most, ofHold) } = options;
  if (grace > most) {
    throw new Failure(
      EXIT.usage,
      `--grace must be at most a third of --ttl, ${spoken(most)}: lower it, or raise --ttl`,
    );
  }
  return { command, onLost, grace: onLost === 'term' ? grace : 0, margin, maxHold, report };
};

/** How long replicas may take to confirm, in ms: within one command's time. */
const CONFIRMATION = 300;

export const replication = ({ replicas }: { readonly replicas?: number }): Options =>
  replicas === undefined ? {} : { replicas: { count: replicas, timeout: CONFIRMATION } };

/** What the locks are made with. A command to Redis that hangs is given up in time for another before the lease ends. */
export const lockOptions = (options: Supervised): Options => ({
  ...replication(options),
  ttl: options.ttl,
  identity: options.identity,
  commandTimeout: Math.min(2_000, Math.floor(options.ttl / 3)),
});

/** ms that must be left of a lease when the command starts. */
export const enough = ({ grace, margin }: Supervision): number => 2 * (grace + margin);
