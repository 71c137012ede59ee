/** `npm run model`: all searches, the long ones with `--long`, and a line for each. Ends with 1 if one is not as it must be. */
import { missing, search } from './check.ts';
import { LONG, SEARCHES } from './searches.ts';

const lack = missing();
if (lack) {
  process.stderr.write(`${lack}\n`);
  process.exit(1);
}
for (const one of process.argv.includes('--long') ? [...SEARCHES, ...LONG] : SEARCHES) {
  const since = performance.now();
  const { error, states } = search(one);
  const good = (one.finds !== undefined) === (error !== undefined);
  const seconds = ((performance.now() - since) / 1_000).toFixed(1);
  const what = error === undefined ? 'no error' : one.finds ? 'error found, as it must be' : `ERROR: ${error}`;
  process.stdout.write(
    `${good ? '✔' : '✘'} ${one.finds ? `${one.finds}: ` : ''}${one.shows}\n  ${one.model} ${one.defines}: ${what} in ${states} states, ${seconds} s\n`,
  );
  if (!good) process.exitCode = 1;
}
