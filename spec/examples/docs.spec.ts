/** What the documents say holds: their TypeScript compiles against the sources, and their links lead somewhere. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCS = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const textOf = (doc: string): string => readFileSync(join(ROOT, doc), 'utf8');

/** What the snippets take for given. Of the peers only redlock is among it: its types are not exported for ESM, and those of 4 are older. */
const GIVEN = `
import type { Redis } from 'ioredis';
import type { Observable } from 'rxjs';
import type { RunHelpers, TestScheduler } from 'rxjs/testing';
import type { LockCoordinator } from 'redisync';
type Work = (signal?: AbortSignal) => Promise<string>;
declare global {
  const redis: Redis;
  const locks: LockCoordinator;
  const order$: Observable<{ id: string }>;
  const charge$: Observable<string>;
  const cached$: Observable<string>;
  const compute$: Observable<string>;
  const typed$: Observable<string>;
  const testScheduler: TestScheduler;
  const request: { signal: AbortSignal };
  const from: string;
  const to: string;
  const charge: (order?: unknown) => Promise<string> & Observable<string>;
  const work: (held: unknown) => Promise<string>;
  const search: (text: string) => Observable<string>;
  const transfer: Work;
  const build: (signal: AbortSignal) => Promise<string>;
  const send: (text: string) => Promise<void>;
  const report: (error: Error) => void;
  const redlock: {
    using(names: string[], ttl: number, work: Work): Promise<string>;
    lock(name: string, ttl: number): Promise<{ unlock(): Promise<void> }>;
  };
}`;

const NAMES: Readonly<Record<string, readonly string[]>> = {
  redisync: ['allOf', 'anyOf', 'constantBackoff', 'exponentialBackoff', 'LockCoordinator', 'whileHeld', 'withLock'],
  'redisync/testing': ['memoryCoordinator'],
  'redisync/otel': ['instrument'],
  'redis-semaphore': ['Mutex'],
  'redlock-universal': ['createLock', 'IoredisAdapter'],
  rxjs: ['filter', 'lastValueFrom', 'merge', 'mergeMap', 'race', 'retry', 'switchMap', 'timeout'],
};

/** A snippet as a module, with the imports that it leaves out. */
const moduleOf = (snippet: string): string => {
  const imports = Object.entries(NAMES).flatMap(([from, names]) => {
    const used = names.filter((name) => new RegExp(`\\b${name}\\(|new ${name}\\b`).test(snippet));
    return used.length > 0 ? [`import { ${used.join(', ')} } from '${from}';`] : [];
  });
  return /^import /m.test(snippet) ? snippet : `${imports.join('\n')}\n${snippet}\nexport {};`;
};

describe('the documents', function () {
  this.timeout(30_000);
  const folder = join(ROOT, '.scratch', `docs-${process.pid}`); // inside the repository, so that packages are found

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it('have TypeScript that compiles', () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'given.ts'), GIVEN);
    for (const doc of DOCS) {
      const snippets = [...textOf(doc).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, snippet = '']) => snippet);
      snippets.forEach((snippet, i) => {
        writeFileSync(join(folder, `${doc.replace(/\W/g, '-')}-${i + 1}.ts`), moduleOf(snippet));
      });
    }
    const source = (name: string): string[] => [`${relative(folder, join(ROOT, 'src'))}/${name}.ts`];
    const paths = { redisync: source('index'), 'redisync/*': source('*') };
    const compilerOptions = {
      lib: ['ES2023', 'ESNext.String', 'ESNext.Disposable'],
      types: ['node'],
      noUnusedLocals: false,
      paths,
    };
    const config = { extends: join(ROOT, 'tsconfig.json'), compilerOptions, include: ['*.ts'] };
    writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config));
    try {
      execFileSync(join(ROOT, 'node_modules', '.bin', 'tsc'), ['-p', folder], { encoding: 'utf8' });
    } catch (error) {
      const { stdout } = error as { stdout: string };
      expect.fail(stdout);
    }
  });

  it('have links that lead somewhere', () => {
    const dead = [...DOCS, 'CONTRIBUTING.md', 'SECURITY.md'].flatMap((doc) =>
      [...textOf(doc).matchAll(/\]\(([^)#:]*)(#[^)]*)?\)/g)].flatMap(([, path = '', anchor = '']) => {
        const target = path === '' ? join(ROOT, doc) : join(ROOT, dirname(doc), path);
        const titles = (): string[] =>
          [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(
            ([, title = '']) =>
              `#${title
                .toLowerCase()
                .replace(/[^\w\s-]/g, '')
                .replace(/\s/g, '-')}`,
          );
        const leads = existsSync(target) && (anchor === '' || titles().includes(anchor));
        return leads ? [] : [`${doc}: ${path}${anchor}`];
      }),
    );
    expect(dead).to.deep.equal([]);
  });
});
