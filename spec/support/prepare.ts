/** What the files of a run share, made before the first of them begins: they run side by side. */
import { missing } from '../model/check.ts';
import { builtOnce } from './built.ts';
import { binary } from './server.ts';

/** Installs what specs need, where that is possible, and builds the command. */
export const mochaGlobalSetup = async (): Promise<void> => {
  binary();
  missing();
  process.env.REDISYNC_BUILT = await builtOnce();
};
