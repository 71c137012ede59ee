/**
 * npm run matrix: the specs on every server, Node.js and client that can be had, one of them changed at a time; a table
 * of the outcomes goes into docs/README.md, row by row. A run that fails, or cannot begin, is told in its row, and the
 * others go on. What happens is told on stdout and in .scratch/matrix/progress.log, and what mocha said of a run beside
 * that. Exits 1 if anything failed.
 * npm run matrix -- spec/store/*.spec.ts: those alone. --only REGEXP: the runs whose name it matches.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  closeSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cpus, tmpdir, totalmem } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { servers } from './servers.ts';
import { type Ran, row, tableIn } from './table.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = join(ROOT, 'docs/README.md');
const LOGS = join(ROOT, '.scratch/matrix');
/** ms within which a run ends, also where others have the machine; only one that hangs is ended. */
const LONGEST = 3_600_000;
const NODES = ['22', '24'];
const CLIENTS = ['ioredis@5.11', 'redis@5'];

const { values, positionals } = parseArgs({ allowPositionals: true, options: { only: { type: 'string' } } });
const only = new RegExp(values.only ?? '');
const folder = mkdtempSync(join(tmpdir(), 'redisync-matrix-'));
rmSync(LOGS, { recursive: true, force: true });
mkdirSync(LOGS, { recursive: true });

const tell = (line: string): void => {
  process.stdout.write(`${line}\n`);
  appendFileSync(join(LOGS, 'progress.log'), `${new Date().toISOString()} ${line}\n`);
};

const fileOf = (name: string): string => name.replace(/[^\w.]+/g, '-');

const versionOf = (tree: string, name: string): string =>
  JSON.parse(readFileSync(join(tree, 'node_modules', name, 'package.json'), 'utf8')).version;

/** A copy of the project in which another package is installed. */
const treeWith = (installed: string): string => {
  const tree = join(folder, fileOf(installed));
  const files = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
  for (const file of files) cpSync(join(ROOT, file), join(tree, file));
  execFileSync('cp', ['-a', join(ROOT, 'node_modules'), tree]); // its links are relative
  execFileSync('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', installed], {
    cwd: tree,
    stdio: 'ignore',
  });
  return tree;
};

/** The folder of another Node.js, which npm has as a package. */
const nodeOf = (version: string): string => {
  const prefix = join(folder, `node-${version}`);
  mkdirSync(prefix, { recursive: true });
  execFileSync('npm', ['install', '--prefix', prefix, '--no-audit', '--no-fund', `node@${version}`], {
    stdio: 'ignore',
  });
  return join(prefix, 'node_modules/.bin');
};

/** Runs the specs of a tree, in a process of its own whose servers are its own, with these folders first on the PATH. */
const run = (name: string, tree: string, folders: readonly string[], more: readonly string[] = []): Ran => {
  const { REDIS_URL: _, ...inherited } = process.env;
  const env = { ...inherited, PATH: [...folders, process.env.PATH].join(delimiter) };
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  const reporting = ['--reporter', 'json', '--reporter-option', `output=${report}`];
  const began = performance.now();
  const mocha = join(tree, 'node_modules/.bin/mocha');
  const named = positionals.length > 0 ? ['--config', 'spec/matrix/mocha.json', ...positionals] : [];
  const log = openSync(join(LOGS, `${fileOf(name)}.log`), 'w');
  spawnSync(mocha, [...reporting, ...named, ...more], {
    cwd: tree,
    env,
    stdio: ['ignore', log, log],
    timeout: LONGEST,
  });
  closeSync(log);
  const minutes = (performance.now() - began) / 60_000;
  if (!existsSync(report)) return { passes: 0, pending: 0, failed: ['mocha came to no end'], minutes };
  const { stats, failures } = JSON.parse(readFileSync(report, 'utf8'));
  const failed = failures.map(({ fullTitle }: { readonly fullTitle: string }) => fullTitle);
  return { passes: stats.passes, pending: stats.pending, failed, minutes };
};

const server = servers(join(folder, 'servers'));
const [first] = server;
if (!first) throw new Error('no server');
const node = dirname(process.execPath);
const usual = `Node.js ${process.versions.node}, ioredis ${versionOf(ROOT, 'ioredis')}, node-redis ${versionOf(ROOT, 'redis')}`;
const runs: readonly (readonly [name: string, run: (name: string) => Ran])[] = [
  ...server.map(({ name, folder }) => [name, () => run(name, ROOT, [folder, node])] as const),
  ...NODES.map(
    (version) => [`Node.js ${version}`, (name: string) => run(name, ROOT, [nodeOf(version), first.folder])] as const,
  ),
  ...CLIENTS.map(
    (client) =>
      [
        client,
        () => run(client, treeWith(client), [first.folder, node], ['--ignore', 'spec/package.spec.ts']),
      ] as const,
  ),
];

const [processor] = cpus();
const machine = `${cpus().length} cores of ${processor?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB`;
const what = positionals.length > 0 ? `\`${positionals.join(' ')}\`` : 'All specs';
const about = `${what}, on ${new Date().toISOString().slice(0, 10)}, on ${machine}. One thing differs in each row from ${first.name}, ${usual}.`;

/** What came of a run, also where it could not begin: the registry has no such package, the disk is full. */
const outcome = (name: string, begin: (name: string) => Ran): Ran => {
  try {
    return begin(name);
  } catch (error) {
    return { passes: 0, pending: 0, failed: [`could not begin: ${error}`], minutes: 0 };
  }
};

const rows: string[] = [];
const chosen = runs.filter(([name]) => only.test(name));
try {
  for (const [i, [name, begin]] of chosen.entries()) {
    tell(`${i + 1} of ${chosen.length}: ${name} …`);
    const ran = outcome(name, begin);
    rows.push(row(name, ran));
    writeFileSync(PAGE, tableIn(readFileSync(PAGE, 'utf8'), about, rows));
    tell([rows.at(-1), ...ran.failed.map((title) => `  ${title}`)].join('\n'));
    if (ran.failed.length > 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
