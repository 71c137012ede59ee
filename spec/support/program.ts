/** Programs that specs run in processes of their own, each bundled once: node starts a bundle in a fraction of tsx's time. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Inside the project, so that packages which are not bundled are found. */
const FOLDER = join(ROOT, '.scratch', `programs-${process.pid}`);

/** CommonJS packages in an ES module find Node's own modules by this. */
const REQUIRE = `import { createRequire as requiring } from 'node:module'; const require = requiring(import.meta.url);`;

/** Bundles one program with all that it imports; packages too, unless told. */
export const bundle = (outfile: string, source: BuildOptions): void => {
  buildSync({
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: REQUIRE },
    logLevel: 'error',
    ...source,
    outfile,
  });
};

const bundles = new Map<string, string>();

const bundled = (key: string, source: BuildOptions): string => {
  const known = bundles.get(key);
  if (known !== undefined) return known;
  if (bundles.size === 0) process.once('exit', () => rmSync(FOLDER, { recursive: true, force: true }));
  const path = join(FOLDER, `${bundles.size}.mjs`);
  bundle(path, source);
  bundles.set(key, path);
  return path;
};

/** The path of a file that does what this TypeScript file does. It must not look for other files beside itself. */
export const program = (source: URL, options: BuildOptions = {}): string =>
  bundled(source.href, { entryPoints: [fileURLToPath(source)], ...options });

/** The path of a file that runs this TypeScript, whose imports are relative to the project. */
export const programOf = (text: string): string =>
  bundled(text, { stdin: { contents: text, resolveDir: ROOT, loader: 'ts' } });
