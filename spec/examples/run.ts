/** Runs an example as its user does: a process of its own, told by REDIS_URL where Redis is. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export interface Ended {
  readonly code: number | null;
  /** What it wrote, to stdout and stderr together. */
  readonly output: string;
}

/** A signal to send once what it wrote matches. */
interface Interruption {
  readonly at: RegExp;
  readonly signal: NodeJS.Signals;
}

/** @param file below examples/ */
export const run = async (
  file: string,
  url: string,
  env: Readonly<Record<string, string>> = {},
  interruption?: Interruption,
): Promise<Ended> => {
  const path = fileURLToPath(new URL(`../../examples/${file}`, import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', path], {
    env: { ...process.env, ...env, REDIS_URL: url },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const kill = (): boolean => child.kill('SIGKILL');
  process.once('exit', kill);
  let output = '';
  let interrupted = false;
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (interrupted || !interruption?.at.test(output)) return;
      interrupted = true;
      child.kill(interruption.signal);
    });
  }
  const [code] = await once(child, 'close');
  process.off('exit', kill);
  return { code, output };
};
