/** Dev only (`npm run lua`): embeds the `.lua` files, includes resolved, as strings in `scripts.ts`, since bundlers drop files that are read at run time. */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, import.meta.url), 'utf8');

/** The scripts that do one of their verbs for each of the names that they are called with: see include/batch. */
export const BATCHED: Readonly<Record<string, readonly string[]>> = {
  lease: ['acquire', 'renew', 'release'],
  inspect: ['inspect'],
};
/** Those that are one thing, done once. */
export const SINGLE = ['scan', 'uptime'];

const batched = (verbs: readonly string[]): string =>
  read('include/batch')
    .replace('--verbs', () =>
      verbs.map((verb) => `local function ${verb}(lock, last, due, queue, specs, ...)\n${read(verb)}end`).join('\n'),
    )
    .replace('--choice', verbs.map((verb) => `verb == '${verb}' and ${verb}`).join(' or '));

/** The text of a script as Redis gets it: includes resolved, comments and blank lines left out. */
export const assemble = (name: string): string =>
  (BATCHED[name] ? batched(BATCHED[name]) : read(name))
    .replace(/^ *--include (\w+)$/gm, (_, part: string) => read(`include/${part}`))
    .replace(/(^|\s)--.*$/gm, '')
    .replace(/\n\s*\n+/g, '\n')
    .trim();

/** The generated module. */
export const generate = (): string => {
  const scripts = [...Object.keys(BATCHED), ...SINGLE].map((name) => {
    const text = assemble(name);
    const sha = createHash('sha1').update(text).digest('hex');
    return `export const ${name}: Script = {\n  sha: '${sha}',\n  text: ${JSON.stringify(text)},\n  batched: ${name in BATCHED},\n};\n`;
  });
  return `/** Generated from the .lua files beside it by \`npm run lua\`. Edit those. */
export interface Script {
  readonly sha: string;
  readonly text: string;
  /** Whether it does a verb for each five of its KEYS, and answers for each. */
  readonly batched: boolean;
}

${scripts.join('\n')}`;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('scripts.ts', import.meta.url), generate());
}
