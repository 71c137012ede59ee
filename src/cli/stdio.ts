/** What is written to stdout, and to stderr before we exit. `run` and `elect` never touch stdout: see share-stderr. */
import { writeSync } from 'node:fs';
import { EXIT } from './exit.ts';
import { STDERR } from './share-stderr.ts';

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
