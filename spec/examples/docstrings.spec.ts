/** The reference: every export has a docstring with an example, and all examples of docstrings compile. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { complaints, exportsOf, ROOT } from './snippets.ts';

const source = (file: string): string => readFileSync(join(ROOT, 'src', file), 'utf8');
const DOCSTRING = String.raw`/\*\*((?:(?!\*/)[\s\S])*)\*/\s*`;

/** The docstring right before what the pattern matches; undefined if there is none. */
const docstringOf = (text: string, declaration: string): string | undefined =>
  new RegExp(`${DOCSTRING}${declaration}`).exec(text)?.[1];

/** The code of each `@example` in a file. What stands in a fence has decorators, which begin no tag. */
const examplesOf = (text: string): string[] =>
  [...text.matchAll(new RegExp(DOCSTRING, 'g'))].flatMap(([, docstring = '']) =>
    docstring
      .replace(/```ts[\s\S]*?```/g, (fenced) => fenced.replaceAll('@', '\0').replace(/```(ts)?/g, ''))
      .split(/^\s*\*?\s*@(?=\w)/m)
      .filter((tag) => tag.startsWith('example'))
      .map((tag) =>
        tag
          .slice('example'.length)
          .replace(/^ *\* ?/gm, '')
          .replaceAll('\0', '@')
          .trim(),
      ),
  );

describe('the docstrings', function () {
  this.timeout(300_000);

  it('give an example of every export', () => {
    const all = ['index.ts', 'testing.ts', 'otel.ts', 'nestjs.ts'].flatMap(exportsOf);
    expect(all).to.have.length.above(35);
    const without = all.filter(({ name, file }) => {
      const declaration = String.raw`export (?:abstract )?(?:class|const|function|interface|type) ${name}\b`;
      return !docstringOf(source(file), declaration)?.includes('@example');
    });
    expect(without.map(({ name, file }) => `${name} in ${file}`)).to.deep.equal([]);
  });

  it('give an example of everything that a coordinator does', () => {
    const text = source('coordinator.ts');
    const verbs = [...text.matchAll(/^ {2}(?:get )?([\w$]+)\(.*\{$/gm)].map(([, name = '']) => name);
    const open = verbs.filter((name) => name !== 'constructor' && !text.includes(`private ${name}(`));
    expect(open).to.include.members(['mutex', 'events$', 'inspect', 'close']);
    const without = open.filter((name) => {
      return !docstringOf(text, String.raw`(?:get )?${name.replace('$', '\\$')}\(`)?.includes('@example');
    });
    expect(without).to.deep.equal([]);
  });

  it('have examples that compile', () => {
    const files = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter((file) =>
      file.endsWith('.ts'),
    );
    const all = files.flatMap((file) => examplesOf(source(file)).map((code, i) => [`${file} ${i + 1}`, code] as const));
    expect(all).to.have.length.above(50);
    expect(complaints(new Map(all))).to.equal('');
  });
});
