/** What the documents say holds: their TypeScript compiles against the sources, and their links lead somewhere. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'chai';
import { Redis } from 'ioredis';
import { defaultTimeoutOptions } from 'redis-semaphore';
import Redlock from 'redlock';
import { DEFAULTS } from 'redlock-universal';
import { complaints, ROOT } from './snippets.ts';

const DOCS = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const textOf = (doc: string): string => readFileSync(join(ROOT, doc), 'utf8');

/** As GitHub makes anchors of titles. */
const anchorOf = (title: string): string =>
  `#${title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/\s/g, '-')}`;

describe('the documents', function () {
  this.timeout(300_000);

  it('have TypeScript that compiles', () => {
    const snippets = DOCS.flatMap((doc) =>
      [...textOf(doc).matchAll(/^```ts\n([\s\S]*?)^```/gm)].map(([, snippet = ''], i) => {
        return [`${doc} ${i + 1}`, snippet] as const;
      }),
    );
    expect(snippets).to.have.length.above(10);
    expect(complaints(new Map(snippets))).to.equal('');
  });

  it('speak of the versions of other clients that are installed here', () => {
    const installed = ['redlock', 'redlock4', 'redis-semaphore', 'redlock-universal'].map((name) => {
      const { version } = JSON.parse(textOf(`node_modules/${name}/package.json`)) as { version: string };
      return `${name.replace('4', '')} ${version.replace('v', '')}`;
    });
    const named = DOCS.flatMap((doc) =>
      [
        ...textOf(doc).matchAll(
          /(redlock|redis-semaphore|redlock-universal)\s(\d+\.\d+\.[\w.-]*\w)(?: and (\d[\w.-]+))?/g,
        ),
      ].flatMap(([, name, version, other]) => [`${name} ${version}`, ...(other ? [`${name} ${other}`] : [])]),
    );
    expect(named).to.have.length.above(5);
    expect(installed).to.include.members(named);
  });

  it('say of other clients how often these try again by default', () => {
    const redlock = new Redlock([new Redis({ lazyConnect: true })]);
    const { retryCount, retryDelay } = Reflect.get(redlock, 'settings') as Record<string, number>;
    const { RETRY_ATTEMPTS, RETRY_DELAY } = DEFAULTS;
    const row = [
      `tries again: ${retryCount} times, ${retryDelay} ms apart`,
      `tries again every ${defaultTimeoutOptions.retryInterval} ms`,
      `tries again: ${RETRY_ATTEMPTS} times, ${RETRY_DELAY} ms apart`,
    ];
    expect(textOf('README.md')).to.include(`| ${row.join(' | ')} |`);
  });

  it('have links that lead somewhere', () => {
    const beside = ['model', 'quorum', 'soak'].map((folder) => `spec/${folder}/README.md`);
    const dead = [...DOCS, ...beside, 'CONTRIBUTING.md', 'SECURITY.md'].flatMap((doc) =>
      [...textOf(doc).matchAll(/\]\(([^)#:]*)(#[^)]*)?\)/g)].flatMap(([, path = '', anchor = '']) => {
        const target = path === '' ? join(ROOT, doc) : join(ROOT, dirname(doc), path);
        const titles = (): string[] =>
          [...readFileSync(target, 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, title = '']) => anchorOf(title));
        const leads = existsSync(target) && (anchor === '' || titles().includes(anchor));
        return leads ? [] : [`${doc}: ${path}${anchor}`];
      }),
    );
    expect(dead).to.deep.equal([]);
  });
});
