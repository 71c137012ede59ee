/**
 * Puts the ESM entries beside the library, which is built as CommonJS: each passes on what the CommonJS one exports, so
 * that a process which has both formats has one library, and `instanceof` holds across the two.
 */
import { readFileSync, writeFileSync } from 'node:fs';

interface Entry {
  readonly import: { readonly default: string; readonly types: string };
  readonly require: { readonly default: string };
}

const ROOT = new URL('../', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
  readonly exports: Readonly<Record<string, Entry | string>>;
};

const write = (path: string, text: string): void => writeFileSync(new URL(path, ROOT), `${text}\n`);

for (const entry of Object.values(exports)) {
  if (typeof entry === 'string') continue;
  const passingOn = `export * from '${entry.require.default.replace('./dist/', './')}';`;
  write(entry.import.default, passingOn);
  write(entry.import.types, passingOn);
}
write('dist/package.json', JSON.stringify({ type: 'commonjs' }));
write('dist/cli/package.json', JSON.stringify({ type: 'module' }));
