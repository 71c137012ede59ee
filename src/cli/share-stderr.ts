/**
 * Shares stderr with other programs, without side effects on them. Touching `process.stderr` makes a pipe behind it
 * non-blocking for all processes that share it, and then other commands of the same script or the same `make` fail to
 * write. So `run` and `elect` replace it by another stream, because Node.js itself touches stderr whenever a socket closes,
 * and Node.js 24 when node:util is loaded. This file therefore loads nothing that loads node:util, and main.ts loads it
 * before all else.
 */
import { write } from 'node:fs';
import { Writable } from 'node:stream';

export const STDERR = 2;

/** The commands that run another. */
export const RUNS: readonly string[] = ['run', 'elect'];

/** ms until writing to a full pipe is tried again, if another process has made the pipe non-blocking. */
const FULL = 20;

/** Writes what fits, and resolves with how many bytes that were. */
const writeSome = (text: Buffer): Promise<number> =>
  new Promise((resolve, reject) => {
    write(STDERR, text, (error, written) => (error ? reject(error) : resolve(written)));
  });

const writeAll = async (text: Buffer): Promise<void> => {
  let rest = text;
  while (rest.length > 0) {
    try {
      rest = rest.subarray(await writeSome(rest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return; // the reader has closed stderr; continue, for locks have to be released
      await new Promise((resolve) => setTimeout(resolve, FULL));
    }
  }
};

/** Replaces `process.stderr` by a stream that another thread writes: a slow reader must not keep us from renewing. */
export const shareStderr = (): void => {
  const stderr = new Writable({ write: (text: Buffer, _, done) => void writeAll(text).then(() => done()) });
  Object.defineProperty(process, 'stderr', { configurable: true, value: Object.assign(stderr, { fd: STDERR }) });
};
