/**
 * npm run soak -- --seconds N --seed S: prints a page, and exits 1 on any violation. The seed decides which faults are
 * made, and when; --sabotage breaks the locks, so that it has to fail.
 * npm run soak -- --cycles N: acquires and releases N times instead, and exits 1 if the heap grows.
 */
import { parseArgs } from 'node:util';
import { cycles } from './cycles.ts';
import { KEPT } from './heap.ts';
import { report } from './report.ts';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    sabotage: { type: 'boolean', default: false },
    cycles: { type: 'string' },
  },
});
const tell = (line: string): void => void process.stderr.write(`${line}\n`);

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code)); // which stops what was started
}

if (values.cycles === undefined) {
  const plan = { seconds: Number(values.seconds), seed: Number(values.seed), sabotage: values.sabotage };
  const outcome = await soak({ ...plan, tell });
  process.stdout.write(`${report(plan, outcome)}\n`);
  if (outcome.findings.length > 0) process.exitCode = 1;
} else {
  const count = Number(values.cycles);
  const { seconds, kept } = await cycles(count, tell);
  process.stdout.write(`${count} cycles in ${seconds.toFixed(0)} s, ${kept.toFixed(1)} bytes of each stay\n`);
  if (kept > KEPT) process.exitCode = 1;
}
