/** Dev only (`npm run lua`): embeds the `.lua` files, includes resolved, as strings in `scripts.ts`, since bundlers drop files that are read at run time. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, import.meta.url), 'utf8');

/** Those that run once for each of the names that they are called with: see include/batch. */
const BATCHED = ['acquire', 'renew', 'release', 'inspect'];
const SINGLE = ['scan', 'uptime'];

/** The text of a script as Redis gets it: includes resolved, comments and blank lines left out. */
export const assemble = (name: string): string =>
  (BATCHED.includes(name) ? read('include/batch').replace('--body', () => read(name)) : read(name))
    .replace(/^--include (\w+)$/gm, (_, part: string) => read(`include/${part}`))
    .replace(/(^|\s)--.*$/gm, '')
    .replace(/\n\s*\n+/g, '\n')
    .trim();

/** The generated module. */
export const generate = (): string => {
  const scripts = [...BATCHED, ...SINGLE].map((name) => {
    const text = assemble(name);
    const sha = createHash('sha1').update(text).digest('hex');
    return `export const ${name}: Script = {\n  sha: '${sha}',\n  text: ${JSON.stringify(text)},\n  batched: ${BATCHED.includes(name)},\n};\n`;
  });
  return `/** Generated from the .lua files beside it by \`npm run lua\`. Edit those. */
export interface Script {
  readonly sha: string;
  readonly text: string;
  /** Whether it answers for each five of its KEYS. */
  readonly batched: boolean;
}

${scripts.join('\n')}`;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('scripts.ts', import.meta.url), generate());
}
