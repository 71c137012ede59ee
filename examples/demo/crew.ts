/** The worker processes of the demo: each is started, makes passes, reports, and is ended by its own id. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filter, firstValueFrom, fromEvent, type Observable } from 'rxjs';
import type { Job, Pass, Report } from './job.ts';

const WORKER = fileURLToPath(new URL(`worker${extname(import.meta.filename)}`, import.meta.url));

export class Worker {
  readonly label: string;
  /** Resolves when it is connected and ready. */
  readonly ready: Promise<unknown>;
  report: Report = { passes: 0, handOffs: 0, highest: 0 };
  /** Whether it makes a pass. */
  busy = false;
  private readonly process: ChildProcess;
  private readonly reports$: Observable<Report>;
  /** Resolves when it was killed. Rejects if it ended in any other way. */
  private readonly exit: Promise<void>;
  private killed = false;

  constructor(url: string, job: Job) {
    const env = { ...process.env, REDIS_URL: url, DEMO_JOB: JSON.stringify(job) };
    this.label = job.label;
    this.process = fork(WORKER, { env, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
    this.reports$ = fromEvent(this.process, 'message', (report: Report) => report);
    this.reports$.subscribe((report) => {
      this.report = report;
    });
    this.exit = once(this.process, 'exit').then(([code, signal]) => {
      this.busy = false;
      if (!this.killed) throw new Error(`${job.label} ended with ${signal ?? `exit code ${code}`}`);
    });
    this.ready = this.reported(() => true);
    for (const promise of [this.exit, this.ready]) promise.catch(() => undefined); // whoever waits is told
  }

  /** Makes its share. Resolves when that is done, or when it was killed. */
  async pass(pass: Pass): Promise<void> {
    const { passes } = this.report;
    this.busy = true;
    this.process.send(pass);
    await this.reported((report) => report.passes > passes);
    this.busy = false;
  }

  /** Stops the process: it keeps its locks, and neither renews nor releases them. */
  freeze(): void {
    this.process.kill('SIGSTOP');
  }

  thaw(): void {
    this.process.kill('SIGCONT');
  }

  kill(): Promise<void> {
    this.killed = true;
    this.process.kill('SIGKILL');
    return this.exit;
  }

  private reported(wanted: (report: Report) => boolean): Promise<unknown> {
    return Promise.race([firstValueFrom(this.reports$.pipe(filter(wanted))), this.exit]);
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
    await Promise.allSettled(this.workers.map((worker) => worker.kill()));
  }

  get handOffs(): number {
    return this.workers.reduce((sum, { report }) => sum + report.handOffs, 0);
  }

  get highest(): number {
    return Math.max(...this.workers.map(({ report }) => report.highest));
  }
}
