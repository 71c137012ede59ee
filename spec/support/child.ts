/** Client processes of the specs: each runs a program of spec/support/programs and receives its tasks as messages. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { program } from './program.ts';

/** What a child says of its own accord: a word, and facts about it. */
export type Said = readonly [word: string, ...facts: unknown[]];

export class Child {
  readonly process: ChildProcess;
  /** All that it has said, in order, but for the words in `passing`, which are for listeners alone. */
  readonly said: Said[] = [];
  readonly passing = new Set<string>();

  /** Starts spec/support/programs/NAME.ts with these arguments. */
  constructor(name: string, ...args: readonly string[]) {
    this.process = fork(program(new URL(`programs/${name}.ts`, import.meta.url)), args, {
      execArgv: [],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    this.process.on('message', (message: Said) => {
      if (!this.passing.has(message[0])) this.said.push(message);
    });
    process.once('exit', this.kill);
  }

  tell(...words: readonly unknown[]): void {
    this.process.send(words);
  }

  /** Resolves with what it says by this word, also if it has said it already. */
  async hears(word: string, within = 15_000): Promise<Said> {
    const signal = AbortSignal.timeout(within);
    for (;;) {
      const said = this.said.find(([first]) => first === word);
      if (said) return said;
      if (this.process.exitCode !== null) throw new Error(`The child ended before it said ${word}`);
      await Promise.race([once(this.process, 'message', { signal }), once(this.process, 'exit', { signal })]);
    }
  }

  /** Resolves with its exit code, or the signal that ended it. */
  async ended(): Promise<number | string | null> {
    process.off('exit', this.kill);
    const { exitCode, signalCode } = this.process;
    if (exitCode === null && signalCode === null) await once(this.process, 'exit');
    return this.process.signalCode ?? this.process.exitCode;
  }

  readonly kill = (): void => {
    this.process.kill('SIGKILL');
  };
}
