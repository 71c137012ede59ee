/** How the command ends: its exit codes, and what it says on an error. */
import { constants } from 'node:os';
import { CommanderError } from 'commander';
import {
  FenceExhaustedError,
  LockCorruptedError,
  LockLostError,
  LockTimeoutError,
  NotReplicatedError,
  OwnerConflictError,
  RedisRefusedError,
  RedisUnreachableError,
} from '../index.ts';

/** The first ones are those of sysexits.h; 79 is the first number that it leaves free. */
export const EXIT = {
  usage: 64,
  data: 65,
  noRedis: 69,
  bug: 70,
  output: 74,
  busy: 75,
  lost: 79,
  notRunnable: 126,
  notFound: 127,
};

/** An end of redisync's own: what to say in one line, and the exit code. */
export class Failure extends Error {
  readonly exitCode: number;

  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** What a shell reports of a process that a signal ended. */
export const codeOfSignal = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

/** Runs what checks arguments: its RangeError or TypeError is the caller's mistake, not ours. */
export const checked = <T>(make: () => T): T => {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) throw new Failure(EXIT.usage, error.message);
    throw error;
  }
};

/** What is in Redis has to be mended by a hand. */
const DATA = [LockCorruptedError, FenceExhaustedError, OwnerConflictError];
const NO_REDIS = [RedisUnreachableError, RedisRefusedError, NotReplicatedError];

export const exitCodeOf = (error: unknown): number => {
  if (error instanceof Failure) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.usage;
  if (error instanceof LockTimeoutError) return EXIT.busy;
  if (error instanceof LockLostError) return EXIT.lost;
  if (DATA.some((kind) => error instanceof kind)) return EXIT.data;
  return NO_REDIS.some((kind) => error instanceof kind) ? EXIT.noRedis : EXIT.bug;
};

/** The parser's words in one line. Undefined after help or a version, which it has shown. */
const sayingOfParser = ({ code, message }: CommanderError, help: string): string | undefined => {
  if (/^commander\.(help|version)/.test(code)) return undefined;
  const words = message
    .replace(/^error: /, '')
    .trim()
    .replace(/\.$/, '');
  return `${words.replace(/\s*\n\s*/g, ' ')}; see ${help} --help`;
};

/**
 * One line for people; never a stack.
 *
 * @param help the command whose help tells more
 */
export const sayingOf = (error: unknown, help: string): string | undefined => {
  if (error instanceof CommanderError) return sayingOfParser(error, help);
  const message = error instanceof Error ? error.message : String(error);
  return exitCodeOf(error) === EXIT.bug ? `a bug in redisync: ${message}; please report it` : message;
};
