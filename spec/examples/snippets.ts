/** Compiles snippets of documents and docstrings against the sources, with the imports that they leave out. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** An export of the package: its name, whether it is a type alone, and the file that declares it. */
export interface Export {
  readonly name: string;
  readonly type: boolean;
  readonly file: string;
}

/** What a file of src/ exports from others, and what it declares and exports itself. */
export const exportsOf = (entry: string): Export[] => {
  const text = readFileSync(join(ROOT, 'src', entry), 'utf8');
  const passedOn = [...text.matchAll(/^export (type )?\{([^}]*)\} from '\.\/([^']*)'/gm)].flatMap(
    ([, types, names = '', file = '']) =>
      names.split(',').flatMap((item) => {
        const [, type, name] = /^(type )?(\w+)$/.exec(item.trim()) ?? [];
        return name ? [{ name, type: Boolean(types ?? type), file }] : [];
      }),
  );
  const own = [...text.matchAll(/^export (interface|type|class|const) (\w+)/gm)].map(([, kind, name = '']) => ({
    name,
    type: kind === 'interface' || kind === 'type',
    file: entry,
  }));
  return [...passedOn, ...own];
};

/** The modules that snippets import from without saying so, by what a name looks like when it is used. */
const ENTRIES = {
  redisync: 'index.ts',
  'redisync/testing': 'testing.ts',
  'redisync/otel': 'otel.ts',
  'redisync/nestjs': 'nestjs.ts',
};
const OTHERS: Readonly<Record<string, readonly string[]>> = {
  '@nestjs/common': ['INestApplication', 'Injectable', 'Module', 'UseInterceptors'],
  '@nestjs/core': ['HttpAdapterHost'],
  '@nestjs/terminus': ['HealthCheckService'],
  '@nestjs/schedule': ['Cron'],
  ioredis: ['Redis'],
  'node:os': ['hostname'],
  'redis-semaphore': ['Mutex'],
  'redlock-universal': ['createLock', 'IoredisAdapter'],
  rxjs: [
    'catchError',
    'EMPTY',
    'filter',
    'lastValueFrom',
    'merge',
    'Observable',
    'mergeMap',
    'race',
    'retry',
    'shareReplay',
    'switchMap',
    'take',
    'throwError',
    'timeout',
  ],
};

/** What snippets take for given. Of the peers only redlock is among it: its types are not exported for ESM, and 4 has none. */
const GIVEN = `
import type { Observable } from 'rxjs';
import type { INestApplication } from '@nestjs/common';
import type { RunHelpers, TestScheduler } from 'rxjs/testing';
import type { Redis } from 'ioredis';
import type { Lease, LockCoordinator } from 'redisync';
type Work = (signal?: AbortSignal) => Promise<string>;
declare global {
  interface Order { readonly id: string }
  const redis: Redis;
  const locks: LockCoordinator;
  const lease: Lease;
  const order: Order;
  const order$: Observable<Order>;
  const charge$: Observable<string>;
  const request$: Observable<string>;
  const transfer$: Observable<string>;
  const cached$: Observable<string>;
  const compute$: Observable<string>;
  const typed$: Observable<string>;
  const testScheduler: TestScheduler;
  const app: INestApplication;
  const request: { signal: AbortSignal };
  const from: string;
  const to: string;
  const charge: (order?: unknown) => Promise<string> & Observable<string>;
  const work: (held: unknown) => Promise<string>;
  const search: (text: string) => Observable<string>;
  const schedule: (fence: number) => Observable<string>;
  const rates$: Observable<number>;
  const transfer: Work;
  const build: (of: unknown) => Promise<string>;
  const print: (printer: string) => Promise<string>;
  const nightlyJob: () => Promise<string>;
  const send: (text: string) => Promise<void>;
  const report: (of: unknown) => void;
  const redlock: {
    using(names: string[], ttl: number, work: Work): Promise<string>;
    acquire(names: string[], ttl: number): Promise<{ extend(ttl: number): Promise<unknown>; release(): Promise<unknown> }>;
    lock(name: string, ttl: number): Promise<{ unlock(): Promise<void> }>;
  };
}`;

const uses = (snippet: string, name: string): boolean =>
  new RegExp(`(?<![.\\w'"])${name}(?![\\w:'"])`).test(snippet) &&
  !new RegExp(`(const|let|class|interface|type) ${name}\\b`).test(snippet);

/** A snippet as a module. */
const moduleOf = (snippet: string): string => {
  if (/^import /m.test(snippet)) return snippet;
  const ours = Object.entries(ENTRIES).flatMap(([from, entry]) =>
    exportsOf(entry)
      .filter(({ name }) => uses(snippet, name))
      .map(({ name, type }) => `import { ${type ? 'type ' : ''}${name} } from '${from}';`),
  );
  const others = Object.entries(OTHERS).flatMap(([from, names]) =>
    names.filter((name) => uses(snippet, name)).map((name) => `import { ${name} } from '${from}';`),
  );
  return `${[...ours, ...others].join('\n')}\n${snippet}\nexport {};`;
};

/** What the compiler says about snippets, each of which goes by the name of its place; nothing if all is well. */
export const complaints = (snippets: ReadonlyMap<string, string>): string => {
  const folder = join(ROOT, '.scratch', `snippets-${process.pid}`); // inside the repository, so that packages are found
  try {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'given.ts'), GIVEN);
    for (const [position, snippet] of snippets) {
      writeFileSync(join(folder, `${position.replace(/\W/g, '-')}.ts`), moduleOf(snippet));
    }
    const source = (name: string): string[] => [`${relative(folder, join(ROOT, 'src'))}/${name}.ts`];
    const compilerOptions = {
      lib: ['ES2023', 'ESNext.String', 'ESNext.Disposable'],
      types: ['node'],
      noUnusedLocals: false,
      paths: { redisync: source('index'), 'redisync/*': source('*') },
    };
    const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', folder], { encoding: 'utf8' });
    return '';
  } catch (error) {
    return error instanceof Error && 'stdout' in error ? String(error.stdout) : String(error);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};
