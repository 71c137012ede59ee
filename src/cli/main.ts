#!/usr/bin/env node
/** The redisync command. */
import { RUNS, shareStderr } from './share-stderr.ts';

const argv = process.argv.slice(2);
if (RUNS.includes(argv[0] ?? '')) shareStderr();
const { run } = await import('./program.ts'); // not before: see share-stderr
await run(argv);
