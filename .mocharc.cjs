/** How mocha runs the specs: files side by side, those that take long first, so that none of them is left for the end. */
const { readdirSync } = require('node:fs');

const FIRST = ['soak/', 'package', 'faults/', 'model/', 'cli/', 'topologies/', 'store/', 'examples/'];

const rank = (file) => (FIRST.findIndex((start) => file.startsWith(start)) + FIRST.length + 1) % (FIRST.length + 1);

/** What was named instead: `npx mocha spec/backoff.spec.ts`. */
const named = process.argv.some((argument) => argument.endsWith('.spec.ts'));

const files = readdirSync(`${__dirname}/spec`, { recursive: true })
  .filter((file) => file.endsWith('.spec.ts'))
  .sort((a, b) => rank(a) - rank(b))
  .map((file) => `spec/${file}`);

module.exports = {
  exit: true,
  'node-option': ['import=tsx'],
  parallel: true,
  jobs: 3,
  ...(named ? {} : { require: ['spec/support/prepare.ts'], spec: files }),
  timeout: 20_000,
};
