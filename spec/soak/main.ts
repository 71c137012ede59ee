/**
 * npm run soak -- --seconds N --seed S: prints a page, and exits 1 on any violation. The seed decides which faults are
 * made, and when; --sabotage breaks the locks, so that it has to fail.
 */
import { parseArgs } from 'node:util';
import { report } from './report.ts';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
    sabotage: { type: 'boolean', default: false },
  },
});
const plan = { seconds: Number(values.seconds), seed: Number(values.seed), sabotage: values.sabotage };
const outcome = await soak({ ...plan, tell: (line) => process.stderr.write(`${line}\n`) });
process.stdout.write(`${report(plan, outcome)}\n`);
process.exitCode = outcome.findings.length > 0 ? 1 : 0;
