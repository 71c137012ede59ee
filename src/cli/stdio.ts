/**
 * Output without side effects on others. Touching `process.stdout` or `process.stderr` makes a pipe behind it non-blocking
 * for all processes that share it, and then other commands of the same script or the same `make` fail to write. So `run`
 * and `elect` never touch stdout, and replace stderr by another stream, because Node.js itself touches stderr whenever a
 * socket closes.
 */
import { write, writeSync } from 'node:fs';
import { Writable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { EXIT } from './exit.ts';

export const STDERR = 2;

/** ms until writing to a full pipe is tried again, if another process has made the pipe non-blocking. */
const FULL = 20;

const writeAll = async (text: Buffer): Promise<void> => {
  let rest = text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray((await promisify(write)(STDERR, rest)).bytesWritten);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return; // the reader has closed stderr; continue, for locks have to be released
      await pause(FULL);
    }
  }
};

/** Replaces `process.stderr` by a stream that another thread writes: a slow reader must not keep us from renewing. */
export const shareStderr = (): void => {
  const stderr = new Writable({ write: (text: Buffer, _, done) => void writeAll(text).then(() => done()) });
  Object.defineProperty(process, 'stderr', { configurable: true, value: Object.assign(stderr, { fd: STDERR }) });
};

/** Before we exit. */
export const writeErrorNow = (text: string): void => {
  try {
    writeSync(STDERR, text);
  } catch {
    // the reader has closed stderr
  }
};

let watched = false;

/** stdout, for verbs that run no command. If the reader closes it, that is no error, as in `redisync ls | head -1`. */
export const output = (): NodeJS.WriteStream => {
  const { stdout } = process;
  if (!watched) {
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit();
      writeErrorNow(`redisync: stdout cannot be written to: ${error.message}\n`);
      process.exit(EXIT.output);
    });
  }
  watched = true;
  return stdout;
};
