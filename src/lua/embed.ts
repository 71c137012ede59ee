/** Dev only (`npm run lua`): embeds the `.lua` files, includes resolved, as strings in `scripts.ts`, since bundlers drop files that are read at run time. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** What Redis is given to run; all other files are parts of these. */
export const SCRIPTS = ['lease', 'renew', 'inspect', 'scan', 'uptime'];

const INCLUDE = /^--include (\w+)\n/gm;
const CONSTANT = /^local ([A-Z]+) = (\d+)\n/gm;

const pathOf = (name: string): URL => {
  const part = new URL(`include/${name}.lua`, import.meta.url);
  return existsSync(part) ? part : new URL(`${name}.lua`, import.meta.url);
};

/** The files that a script is made of, itself last: each once, behind those that it includes. */
export const filesOf = (name: string, before: readonly string[] = []): string[] => {
  const files = [...before];
  for (const [, needed = ''] of readFileSync(pathOf(name), 'utf8').matchAll(INCLUDE)) {
    if (!files.includes(needed)) files.splice(0, files.length, ...filesOf(needed, files));
  }
  return [...files, name];
};

/**
 * The text of a script as Redis gets it: includes resolved, comments and blank lines left out, and constants written in
 * where they are used. A script defines its functions anew at each call, and what they take from around them costs time.
 */
export const assemble = (name: string): string => {
  const text = filesOf(name)
    .map((file) => readFileSync(pathOf(file), 'utf8'))
    .join('')
    .replace(/(^|\s)--.*$/gm, '')
    .replace(/\n\s*\n+/g, '\n');
  const constants = new Map([...text.matchAll(CONSTANT)].map(([, constant, number]) => [constant, number]));
  return text
    .replace(CONSTANT, '')
    .replace(/\b[A-Z]+\b/g, (word) => constants.get(word) ?? word)
    .trim();
};

/** The generated module. */
export const generate = (): string => {
  const scripts = SCRIPTS.map((name) => {
    const text = assemble(name);
    const sha = createHash('sha1').update(text).digest('hex');
    const batched = filesOf(name).includes('batch');
    return `export const ${name}: Script = {\n  sha: '${sha}',\n  text: ${JSON.stringify(text)},\n  batched: ${batched},\n};\n`;
  });
  return `/** Generated from the .lua files beside it by \`npm run lua\`. Edit those. */
export interface Script {
  readonly sha: string;
  readonly text: string;
  /** Whether it does a verb for each of several names, and answers for each. */
  readonly batched: boolean;
}

${scripts.join('\n')}`;
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  writeFileSync(new URL('scripts.ts', import.meta.url), generate());
}
