/** What the files of a run share, made before the first of them begins, and what each of them must leave behind it: they run side by side. */
import { executionAsyncId } from 'node:async_hooks';
import { missing } from '../model/check.ts';
import { builtOnce } from './built.ts';
import { binary } from './server.ts';

/** Installs what specs need, where that is possible, and builds the command. */
export const mochaGlobalSetup = async (): Promise<void> => {
  binary();
  missing();
  process.env.REDISYNC_BUILT = await builtOnce();
};

export const mochaHooks = {
  /** While async hooks are on, every promise has an id of its own, and the later files of this process take three times as long. */
  async afterAll(): Promise<void> {
    await undefined;
    const id = executionAsyncId();
    await undefined;
    if (executionAsyncId() !== id)
      throw new Error('This file leaves an AsyncLocalStorage or a hook enabled: disable() it');
  },
};
