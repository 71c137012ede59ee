/** `npm run model`: all searches, the long ones with `--long`, and a line for each. Ends with 1 if one is not as it must be. */
import { LONG, missing, SEARCHES, search } from './check.ts';

const lack = missing();
if (lack) {
  process.stderr.write(`${lack}\n`);
  process.exit(1);
}
for (const one of process.argv.includes('--long') ? [...SEARCHES, ...LONG] : SEARCHES) {
  const since = performance.now();
  const { error, states } = search(one);
  const good = one.broken === (error !== undefined);
  const seconds = ((performance.now() - since) / 1_000).toFixed(1);
  const what = error === undefined ? 'no error' : one.broken ? 'error found, as it must be' : `ERROR: ${error}`;
  process.stdout.write(
    `${good ? '✔' : '✘'} ${one.broken ? 'broken: ' : ''}${one.shows}\n  ${one.defines}: ${what} in ${states} states, ${seconds} s\n`,
  );
  if (!good) process.exitCode = 1;
}
