/** A process of the crew, seen from outside: each task is a call with a deadline of its own. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Task, Tasks } from './tasks.ts';

const PROGRAM = fileURLToPath(new URL('./child.js', import.meta.url));

/** Keeps V8 from throwing compiled code away while the process is idle and other contenders run: a busy service keeps it. */
const FLAGS = ['--expose-gc', '--no-memory-reducer', '--no-warnings'];

/** ms within which a task that takes no time must have ended. */
const PATIENCE = 20_000;

export class Unfinished extends Error {}

type Answer = { readonly id: number; readonly value?: unknown; readonly error?: string };
type Waiting = { readonly resolve: (value: never) => void; readonly reject: (error: Error) => void };

export class Worker {
  private readonly process: ChildProcess;
  private readonly waiting = new Map<number, Waiting>();
  private count = 0;

  constructor() {
    this.process = fork(PROGRAM, { serialization: 'advanced', execArgv: FLAGS });
    this.process.on('message', ({ id, value, error }: Answer) => {
      const call = this.waiting.get(id);
      this.waiting.delete(id);
      if (error === undefined) call?.resolve(value as never);
      else call?.reject(new Error(error));
    });
    this.process.once('exit', () => {
      for (const { reject } of this.waiting.values()) reject(new Unfinished('the process has ended'));
    });
  }

  get alive(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  /** Runs a task; one that has not ended `within` ms is given up, and its process with it. */
  call<T extends Task>(task: T, args: Parameters<Tasks[T]>, within = PATIENCE): Promise<Awaited<ReturnType<Tasks[T]>>> {
    return new Promise((resolve, reject) => {
      this.count += 1;
      const id = this.count;
      const alarm = setTimeout(() => {
        this.stop();
        reject(new Unfinished(`${task} did not end within ${within} ms`));
      }, within);
      const settled =
        <A>(settle: (value: A) => void) =>
        (value: A): void => {
          clearTimeout(alarm);
          settle(value);
        };
      this.waiting.set(id, { resolve: settled(resolve), reject: settled(reject) });
      this.process.send({ id, task, args }, (error) => {
        if (error) this.waiting.get(id)?.reject(error);
      });
    });
  }

  stop(): void {
    this.process.kill('SIGKILL');
  }
}
