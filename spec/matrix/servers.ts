/** Servers to run the specs on: those of the PATH, those that SERVERS names, and those that Debian has as packages. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { binary } from '../support/server.ts';

export interface Binary {
  /** Such as `Redis 7.0.15`. */
  readonly name: string;
  /** The folder that it is found in. */
  readonly folder: string;
}

/** The release of Debian whose servers are newer, their packages, and what these are linked with. */
const SUITE = 'trixie';
const PACKAGES = { redis: 'redis-tools', valkey: 'valkey-tools' };
const LIBRARIES = [
  ...['libc6', 'libssl3t64', 'libsystemd0', 'libjemalloc2', 'liblzf1', 'libatomic1', 'libzstd1', 'zlib1g'],
  ...['libcap2', 'libgcc-s1', 'libstdc++6'],
];

const named = (path: string): Binary => {
  const told = execFileSync(path, ['--version'], { encoding: 'utf8' });
  const [, kind = '', version = ''] = /^(Redis|Valkey) server v=([\d.]+)/.exec(told) ?? [];
  return { name: `${kind} ${version}`, folder: dirname(path) };
};

/** The mirror that this machine installs from. */
const mirror = (): string | undefined => {
  const folder = '/etc/apt/sources.list.d';
  const texts = [
    '/etc/apt/sources.list',
    ...(existsSync(folder) ? readdirSync(folder).map((one) => join(folder, one)) : []),
  ]
    .filter((path) => existsSync(path))
    .map((path) => readFileSync(path, 'utf8'));
  return texts.flatMap((text) => /^(?:URIs: |deb )(\S+\/debian)\/?(?:\s|$)/m.exec(text)?.[1] ?? [])[0];
};

/**
 * Unpacks the servers of a newer release beside the system, with the libraries that they were built for, which the
 * loader of that release gives them. Nothing is installed.
 */
const ofDebian = (folder: string): Binary[] => {
  const uri = mirror();
  if (!uri) return [];
  const root = join(folder, 'root');
  const settings = join(folder, 'apt.conf');
  const lists = join(folder, 'sources.list');
  for (const name of ['lists/partial', 'cache/archives/partial', 'root'])
    mkdirSync(join(folder, name), { recursive: true });
  writeFileSync(lists, `deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${uri} ${SUITE} main\n`);
  const directories = { 'Etc::sourcelist': lists, 'Etc::sourceparts': '-', 'State::lists': join(folder, 'lists') };
  const entries = Object.entries({ ...directories, Cache: join(folder, 'cache') });
  writeFileSync(settings, entries.map(([key, value]) => `Dir::${key} "${value}";\n`).join(''));
  const options = { cwd: folder, env: { ...process.env, APT_CONFIG: settings }, stdio: 'ignore' } as const;
  execFileSync('apt-get', ['update'], options);
  execFileSync('apt-get', ['download', ...Object.values(PACKAGES), ...LIBRARIES], options);
  for (const name of readdirSync(folder).filter((name) => name.endsWith('.deb'))) {
    execFileSync('dpkg', ['-x', join(folder, name), root]);
  }
  return Object.keys(PACKAGES).map((kind) => {
    const path = join(folder, kind, `${kind}-server`);
    const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
    const loader = [
      join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
      '--argv0',
      basename(path),
      '--library-path',
      libraries,
    ];
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `#!/bin/sh\nexec ${loader.join(' ')} ${join(root, 'usr/bin', `${kind}-check-rdb`)} "$@"\n`);
    chmodSync(path, 0o755);
    return named(path);
  });
};

/** All of them, that of the PATH first; each version once. */
export const servers = (folder: string): Binary[] => {
  const told = (process.env.SERVERS ?? '').split(delimiter).filter((path) => path !== '');
  let packaged: Binary[] = [];
  try {
    packaged = ofDebian(folder);
  } catch {
    process.stderr.write(`No servers of Debian ${SUITE}: they need apt-get, dpkg and a mirror that has it\n`);
  }
  const all = [binary(), ...told].map(named).concat(packaged);
  return all.filter(({ name }, i) => all.findIndex((other) => other.name === name) === i);
};
