#!/usr/bin/env node
/** The redisync command. */
import { run } from './program.ts';

await run(process.argv.slice(2));
