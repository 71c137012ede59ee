/** The suite: every file of specs is run, once, and the quick part of them starts no process but servers. */
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assert } from 'chai';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const { lookupFiles } = createRequire(import.meta.url)('mocha/lib/cli/lookup-files') as {
  readonly lookupFiles: (pattern: string, extensions: readonly string[]) => string[];
};

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');
const filesOf = (config: string): string[] =>
  (JSON.parse(read(config)) as { readonly spec: string[] }).spec.flatMap((pattern) => lookupFiles(pattern, ['ts']));

describe('the suite', () => {
  it('runs every file of specs once', () => {
    const files = readdirSync(join(ROOT, 'spec'), { recursive: true, encoding: 'utf8' });
    const specs = files.filter((file) => file.endsWith('.spec.ts')).map((file) => join('spec', file));
    assert.isAbove(specs.length, 100);
    assert.deepEqual(filesOf('.mocharc.json').sort(), specs.sort());
  });

  it('has a quick part that starts no process but servers', () => {
    const files = filesOf('spec/quick.json');
    assert.strictEqual(new Set(files).size, files.length);
    const starting = /\bfrom '(node:child_process|\.\.?\/.*(child|program|built|command|run)\.ts)'/;
    assert.deepEqual(
      files.filter((file) => starting.test(read(file))),
      [],
    );
  });
});
