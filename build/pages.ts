/**
 * What stands about the package elsewhere than in it: the owner's name in every address, `llms.txt`, and the README as the
 * registry shows it. `tsx build/pages.ts` writes all of it anew; `--pack` and `--unpack` are for the README of a tarball.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const ROOT = new URL('../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, ROOT), 'utf8');

interface Manifest {
  readonly description: string;
  readonly repository: { readonly url: string };
}

const manifest: Manifest = JSON.parse(read('package.json'));

/** Where the sources are. `OWNER` in package.json's `repository` is the one place to write the account's name. */
const REPOSITORY = manifest.repository.url.replace(/^git\+|\.git$/g, '');

/** Files that name that address, and have it from package.json. */
export const ADDRESSED = ['package.json', 'SECURITY.md'];

export const addressed = (file: string): string =>
  read(file).replace(/https:\/\/github\.com\/[\w-]+\/redisync(?=[./#"\s)]|$)/gm, REPOSITORY);

/** The targets of links and images that are paths of the repository. */
const PATHS = /(\]\()(?!https?:|#)([^)]+\))/g;
const at = (kind: string): string => `${REPOSITORY}/${kind}/main/`;

/** A registry shows the README away from the files that it links to. */
export const forRegistry = (readme: string): string =>
  readme.replace(
    PATHS,
    (_, open: string, path: string) => `${open}${at(/\.svg\)$/.test(path) ? 'raw' : 'blob')}${path}`,
  );

export const forRepository = (readme: string): string => readme.replaceAll(at('blob'), '').replaceAll(at('raw'), '');

/** Its first sentence, in one line and without marks. */
const sentence = (text: string): string =>
  (/^.*?[.:](?=\s|$)/s.exec(text.trim())?.[0] ?? text)
    .replace(/\s+\*?\s*/g, ' ')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/:$/, '.');

const filesIn = (folder: string, ending: string): string[] =>
  readdirSync(new URL(folder, ROOT))
    .filter((name) => name.endsWith(ending))
    .map((name) => `${folder}${name}`);

const guide = (file: string): string => {
  const [, title = '', text = ''] = /^# (.*)\n+(?:```[\s\S]*?```\n+|## .*\n+)*([\s\S]*)/.exec(read(file)) ?? [];
  return `- [${title}](${at('blob')}${file}): ${sentence(text)}`;
};

const example = (file: string): string => {
  const [, text = ''] = /\/\*\*([\s\S]*?)\*\//.exec(read(file)) ?? [];
  return `- [${file.replace('examples/', '')}](${at('blob')}${file}): ${sentence(text.replace(/^[\s*]+/, ''))}`;
};

/** For language models: what there is and where, from what the documents and examples say of themselves. */
export const llms = (): string => {
  const [, first = ''] = /(```ts\n[\s\S]*?```)/.exec(read('README.md')) ?? [];
  const guides = filesIn('docs/', '.md').filter((file) => !file.endsWith('README.md'));
  const examples = [...filesIn('examples/', '.ts'), 'examples/nestjs/main.ts', 'examples/demo/main.ts'];
  return [
    '# redisync',
    `> ${manifest.description}`,
    first,
    `## Guides\n\n${[`- [README](${at('blob')}README.md): what it is, and what there is.`, ...guides.map(guide)].join('\n')}`,
    `## Examples\n\nEach is one file that runs.\n\n${examples.map(example).join('\n')}`,
  ].join('\n\n');
};

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const write = (path: string, text: string): void => writeFileSync(new URL(path, ROOT), text);
  const [, , how] = process.argv;
  if (how === '--pack') write('README.md', forRegistry(read('README.md')));
  else if (how === '--unpack') write('README.md', forRepository(read('README.md')));
  else {
    for (const file of ADDRESSED) write(file, addressed(file));
    write('llms.txt', `${llms()}\n`);
  }
}
