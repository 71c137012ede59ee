/** Where a run was made: numbers mean something only beside it. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, platform, release } from 'node:os';
import { binary } from '../spec/support/server.ts';

const PACKAGES = ['ioredis', 'rxjs', 'redis-semaphore', 'redlock', 'redlock-universal', 'node-redisson'];

/** The load just now, of one minute. */
export const load = (): number => loadavg()[0] ?? 0;

const versionOf = (name: string): string =>
  JSON.parse(readFileSync(`node_modules/${name}/package.json`, 'utf8')).version.replace(/^v/, '');

export const machine = (): Readonly<Record<string, string>> => ({
  Processor: `${cpus()[0]?.model.trim() ?? 'unknown'}, ${cpus().length} cores`,
  System: `${platform()} ${release()}, ${arch()}`,
  Node: process.version,
  Redis: /v=(\S+)/.exec(execFileSync(binary(), ['--version']).toString())?.[1] ?? 'unknown',
  Packages: PACKAGES.map((name) => `${name} ${versionOf(name)}`).join(', '),
});
