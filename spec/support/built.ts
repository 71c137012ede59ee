/** The library and its command as `npm run build` makes them, built once for all files of a run. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bundle } from './program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** As deep as dist/cli is, since the command looks for package.json from where it is. */
const FOLDER = join(ROOT, '.scratch');

const build = async (): Promise<string> => {
  await promisify(execFile)('npm', ['run', 'build'], { cwd: ROOT });
  const entryPoints = ['main', 'guard'].map((name) => join(ROOT, 'dist/cli', `${name}.js`));
  // what main loads later must not be loaded before; and what is shorter is loaded sooner
  bundle(join(FOLDER, 'cli'), { entryPoints, splitting: true, minifySyntax: true, minifyWhitespace: true });
  return FOLDER;
};

let building: Promise<string> | undefined;

/** The folder of the command: built here, unless the process that started this one has built it. */
export const builtOnce = (): Promise<string> => {
  const built = process.env.REDISYNC_BUILT;
  building ??= built ? Promise.resolve(built) : build();
  return building;
};
