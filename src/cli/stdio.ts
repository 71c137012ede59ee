/**
 * The output streams, which a command shares with others. Who touches `process.stdout` or `process.stderr` makes a pipe
 * behind it non-blocking for all of them, so that other commands of the same script or the same `make` fail to write.
 * `run` and `elect` therefore leave the one alone, and have another stream for the other, since node itself touches it
 * whenever a socket closes.
 */
import { write, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EXIT } from './exit.ts';

export const STDERR = 2;

/** ms until a pipe that is full, and that somebody else has made non-blocking, is tried again. */
const FULL = 20;

const writeAll = async (text: Buffer): Promise<void> => {
  let rest = text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray((await promisify(write)(STDERR, rest)).bytesWritten);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return; // it has gone; what we hold is still to be given back
      await pause(FULL);
    }
  }
};

/** From now on stderr is left as it is, and written to by another thread: a slow reader must not keep us from renewing. */
export const shareStderr = (): void => {
  const stderr = new Writable({ write: (text: Buffer, _, done) => void writeAll(text).then(() => done()) });
  Object.defineProperty(process, 'stderr', { configurable: true, value: Object.assign(stderr, { fd: STDERR }) });
};

/** Before we exit. */
export const writeErrorNow = (text: string): void => {
  try {
    writeSync(STDERR, text);
  } catch {
    // nobody is there to hear it
  }
};

let watched = false;

/** stdout, for those who run no command. A reader that has gone has what it wanted, as in `redisync ls | head -1`. */
export const output = (): NodeJS.WriteStream => {
  const { stdout } = process;
  if (!watched) {
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      writeErrorNow(`redisync: stdout: ${error.message}\n`);
      process.exit(EXIT.output);
    });
  }
  watched = true;
  return stdout;
};
