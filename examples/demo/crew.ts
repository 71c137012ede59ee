/** The worker processes of the demo: each is started, reports, and ends by itself or by its own id. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Job, Report } from './job.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

export class Worker {
  /** Resolves when it has connected and read its input. */
  readonly ready: Promise<unknown>;
  /** Resolves when it has ended: after its share, or killed by us. Rejects if it ended in any other way. */
  readonly ended: Promise<void>;
  readonly label: string;
  report: Report = { handOffs: 0, highest: 0 };
  over = false;
  private readonly process: ChildProcess;
  private killed = false;

  constructor(url: string, job: Job) {
    const env = { ...process.env, REDIS_URL: url, DEMO_JOB: JSON.stringify(job) };
    this.label = job.label;
    this.process = fork(WORKER, { env, execArgv: ['--import', 'tsx'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.process.on('message', (report: Report) => {
      this.report = report;
    });
    const exit = once(this.process, 'exit');
    this.ended = exit.then(([code, signal]) => {
      this.over = true;
      if (code !== 0 && !this.killed) throw new Error(`${job.label} ended with ${signal ?? `exit code ${code}`}`);
    });
    this.ready = Promise.race([once(this.process, 'message'), this.ended]);
    this.ready.catch(() => undefined); // `ended` tells it, too
    this.ended.catch(() => undefined); // for whoever awaits it later
  }

  go(): void {
    this.process.send('go');
  }

  /** Stops it in its tracks: it holds what it holds, and neither renews nor releases. */
  freeze(): void {
    this.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.process.kill('SIGCONT');
  }

  kill(): void {
    this.killed = true;
    this.process.kill('SIGKILL');
  }
}

export class Crew {
  readonly workers: Worker[] = [];
  private readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  start(job: Job): Worker {
    const worker = new Worker(this.url, job);
    this.workers.push(worker);
    return worker;
  }

  /** Kills whoever is left. */
  async stop(): Promise<void> {
    for (const worker of this.workers) worker.kill();
    await Promise.allSettled(this.workers.map((worker) => worker.ended));
  }

  get handOffs(): number {
    return this.workers.reduce((sum, { report }) => sum + report.handOffs, 0);
  }

  get highest(): number {
    return Math.max(...this.workers.map(({ report }) => report.highest));
  }
}
