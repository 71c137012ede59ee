/** Dev only (`npm run lua`): embeds the `.lua` files, includes resolved, as strings in `scripts.ts`, since bundlers drop files that are read at run time. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** What Redis is given to run; all other files are parts of these. */
export const SCRIPTS = ['lease', 'renew', 'inspect', 'scan', 'uptime'];

/** Behind the file stands what is used of it. */
const INCLUDE = /^--include (\w+).*\n/gm;
const PART = /^--(include|embed) (\w+).*\n/gm;
const CONSTANT = /^local ([A-Z_]+) = (\d+|'[^']*')\n/gm;

const pathOf = (name: string): URL => {
  const part = new URL(`include/${name}.lua`, import.meta.url);
  return existsSync(part) ? part : new URL(`${name}.lua`, import.meta.url);
};

const textOf = (name: string): string => readFileSync(pathOf(name), 'utf8');

/** The files that a script is made of, itself last: each once, behind those that it includes, and none of those before. */
export const filesOf = (name: string, before: readonly string[] = []): string[] => {
  const files: string[] = [];
  for (const [, needed = ''] of textOf(name).matchAll(INCLUDE)) {
    const known = [...before, ...files];
    if (!known.includes(needed)) files.push(...filesOf(needed, known));
  }
  return [...files, name];
};

/**
 * The text of a file, with others in the places where it includes or embeds them. Each is included once, for all that stands
 * behind it; an embedded file stands in a block, so what that includes is not known behind the block.
 */
const join = (name: string, known: Set<string>): string =>
  textOf(name).replace(PART, (_, how: string, part: string) => {
    if (how === 'embed') return join(part, new Set(known));
    if (known.has(part)) return '';
    known.add(part);
    return join(part, known);
  });

/**
 * The text of a script as Redis gets it: comments and blank lines left out, and constants written in where they are used.
 * A script defines its functions anew at each call, and what they take from around them costs time.
 */
export const assemble = (name: string): string => {
  const text = join(name, new Set())
    .replace(/(^|\s)--.*$/gm, '')
    .replace(/\n\s*\n+/g, '\n');
  const constants = new Map([...text.matchAll(CONSTANT)].map(([, constant, number]) => [constant, number]));
  return text
    .replace(CONSTANT, '')
    .replace(/\b[A-Z_]+\b/g, (word) => constants.get(word) ?? word)
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
