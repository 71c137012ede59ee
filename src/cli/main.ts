#!/usr/bin/env node
/** The redisync command. */
import { run } from './program.ts';

process.stdout.on('error', () => process.exit()); // `redisync ls | head -1` has what it wanted
process.stderr.on('error', () => undefined); // the terminal has gone; what we hold is still to be given back

await run(process.argv.slice(2));
