/** Programs that specs run in processes of their own, each bundled once: node starts a bundle in a fraction of tsx's time. */
import { rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, buildSync } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Inside the project, so that packages which are not bundled are found. */
const FOLDER = join(ROOT, '.scratch', `programs-${process.pid}`);

/** CommonJS packages in an ES module find Node's own modules by this. */
const REQUIRE = `import { createRequire as requiring } from 'node:module'; const require = requiring(import.meta.url);`;

/** Puts programs into a folder, each bundled with all that it imports; by default its packages too. */
export const bundle = (outdir: string, source: BuildOptions): void => {
  buildSync({
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    banner: { js: REQUIRE },
    logLevel: 'error',
    ...source,
    outdir,
  });
};

const bundles = new Map<string, string>();

const bundled = (key: string, source: BuildOptions): string => {
  const known = bundles.get(key);
  if (known !== undefined) return known;
  if (bundles.size === 0) process.once('exit', () => rmSync(FOLDER, { recursive: true, force: true }));
  const folder = join(FOLDER, `${bundles.size}`);
  bundle(folder, { ...source, outExtension: { '.js': '.mjs' } });
  bundles.set(key, folder);
  return folder;
};

/**
 * The path of a file that does what this TypeScript file does.
 * @param beside the names of files that it looks for beside itself
 */
export const program = (source: URL, options: BuildOptions = {}, beside: readonly string[] = []): string => {
  const entryPoints = [source, ...beside.map((name) => new URL(name, source))].map((file) => fileURLToPath(file));
  return join(bundled(source.href, { entryPoints, ...options }), basename(source.pathname).replace('.ts', '.mjs'));
};

/** The path of a file that runs this TypeScript, whose imports are relative to the project. */
export const programOf = (text: string): string =>
  join(bundled(text, { stdin: { contents: text, resolveDir: ROOT, loader: 'ts' } }), 'stdin.mjs');
