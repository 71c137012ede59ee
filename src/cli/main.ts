#!/usr/bin/env node
/** The redisync command. */
import { EXIT } from './exit.ts';
import { run } from './program.ts';
import { reportTo } from './report.ts';

process.stdout.on('error', () => process.exit()); // `redisync ls | head -1` has what it wanted
process.stderr.on('error', () => undefined); // the terminal has gone; what we hold is still to be given back
process.on('uncaughtException', (error) => {
  reportTo(false).say(`unexpected: ${error.message}; please report it`);
  process.exit(EXIT.bug); // the guard ends what runs
});

await run(process.argv.slice(2));
