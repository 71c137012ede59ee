/** Measures redisync, its peers and the limit in one run. `npm run bench -- --help` lists the options. */
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import { startServer } from '../spec/support/server.ts';
import { Crew } from './crew/crew.ts';
import { load, machine } from './machine.ts';
import type { Scenario } from './measure/stage.ts';
import { printed, type Report } from './measure/table.ts';
import { document } from './report/document.ts';
import { LATEST, PUBLISHED, publish, type Results, read, write } from './results.ts';
import { cluster } from './scenarios/cluster.ts';
import { contended, work } from './scenarios/contended.ts';
import { growth } from './scenarios/growth.ts';
import { distance, handOffs } from './scenarios/hand-off.ts';
import { held } from './scenarios/held.ts';
import { quorum } from './scenarios/quorum.ts';
import { start } from './scenarios/start.ts';
import { uncontended } from './scenarios/uncontended.ts';

const scenarios: readonly Scenario[] = [
  uncontended,
  contended,
  work,
  handOffs,
  held,
  start,
  growth,
  distance,
  quorum,
  cluster,
];

/** What is played where it has to be quick, unless others are named. */
const few: readonly Scenario[] = [uncontended, contended, work, handOffs, start];

const HELP = `npm run bench -- [options]

  --quick        under a minute, to see whether all is well: ${few.map(({ name }) => name).join(', ')};
                 few contenders, and rough numbers
  --only NAME    one scenario, may be given several times: ${scenarios.map(({ name }) => name).join(', ')}
  --build PATH   another build of redisync than dist, such as /tmp/before/index.js
  --publish      keep the results in ${PUBLISHED} and write docs/performance.md from them
  --report       measure nothing, and write docs/performance.md from ${PUBLISHED}

Results are always in ${LATEST}. A full run takes some twenty minutes, and wants a machine that does nothing else.`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    build: { type: 'string' },
    publish: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** Nothing that is refused is run in part. */
const refuse = (why: string): never => {
  process.stderr.write(`${why}\n`);
  process.exit(64);
};

const measure = async (chosen: readonly Scenario[]): Promise<Results> => {
  const began = performance.now();
  const seconds = (): string => `${((performance.now() - began) / 1e3).toFixed(0).padStart(4)} s`;
  const before = load();
  if (before > 0.5) process.stderr.write(`The load is ${before.toFixed(1)}: numbers of a busy machine say little.\n`);
  const server = await startServer();
  const admin = new Redis(server.port);
  const crew = new Crew();
  const reports: Record<string, Report> = {};
  try {
    for (const scenario of chosen) {
      const say = (what: string): void => void process.stderr.write(`${seconds()}  ${scenario.name}: ${what}\n`);
      say('begins');
      const report = await scenario.run({ crew, server, admin, quick: values.quick, say });
      reports[scenario.name] = report;
      for (const table of report.tables) process.stdout.write(`${printed(table)}\n`);
    }
  } finally {
    crew.stop();
    admin.disconnect();
    await server.stop();
  }
  process.stderr.write(`${seconds()}  done\n`);
  return { at: new Date().toISOString(), quick: values.quick, machine: machine(), load: before, reports };
};

const run = async (): Promise<void> => {
  const all = values.quick ? few : scenarios;
  const chosen = values.only.length === 0 ? all : scenarios.filter(({ name }) => values.only.includes(name));
  const unknown = values.only.filter((name) => !scenarios.some((scenario) => scenario.name === name));
  if (unknown.length > 0) refuse(`No scenario is named ${unknown.join(', ')}.`);
  if (values.publish && (values.quick || chosen.length < scenarios.length || values.build !== undefined))
    refuse('Only a full run of dist can be published.');
  if (values.build !== undefined) process.env.REDISYNC_BUILD = new URL(values.build, `file://${process.cwd()}/`).href;
  const results = await measure(chosen);
  const verdicts = Object.values(results.reports).flatMap((report) => report.verdicts);
  const lines = verdicts.map(({ target, bound, seen, met }) => ({
    name: target,
    bound,
    seen,
    met: met ? 'yes' : 'NO',
  }));
  const columns = ['bound', 'seen', 'met'].map((key) => ({ key, title: key }));
  process.stdout.write(`${printed({ id: 'targets', title: 'Targets', of: 'target', columns, rows: lines })}\n`);
  write(LATEST, results);
  if (!values.publish) return;
  publish(results);
  document(results);
};

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => process.exit(code)); // which stops what was started
}

if (values.help) process.stdout.write(`${HELP}\n`);
else if (values.report) document(read(PUBLISHED));
else await run();
