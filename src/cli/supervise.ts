/** Runs a command under leases: passes signals on, ends the command before the leases end, and reports how it ended. */
import { Subscription, timer } from 'rxjs';
import type { Lease } from '../index.ts';
import { EXIT } from './exit.ts';
import { startGroup } from './group.ts';
import { lossOf, lostMeanwhile, timeLeft } from './loss.ts';
import type { Report, RunEvent } from './report.ts';
import { ending$, others$, STOPPING, suspend$ } from './signals.ts';
import { spoken } from './values.ts';
import { startWatchdog } from './watchdog.ts';

export interface Supervision {
  readonly command: readonly string[];
  readonly onLost: 'term' | 'kill' | 'ignore';
  /** ms between SIGTERM and SIGKILL; 0 for SIGKILL alone. */
  readonly grace: number;
  /** ms before the end of the leases at which SIGKILL is sent; 0 if no signal is sent. */
  readonly margin: number;
  /** ms for which the leases may be used, by `--max-hold`. */
  readonly maxHold: number;
  readonly report: Report;
}

export interface Outcome {
  /** The command's own exit code, as a shell reports it. */
  readonly code: number;
  /** Why the lock was not held to the end. */
  readonly lost: string | undefined;
  /** Whether we ended the command for it. */
  readonly stopped: boolean;
  /** Whether a signal asked for the end. */
  readonly interrupted: boolean;
}

const UNSTARTED: Readonly<Record<number, string>> = {
  [EXIT.notFound]: 'not found',
  [EXIT.notRunnable]: 'cannot be run',
};

export const supervise = async (leases: readonly Lease[], supervision: Supervision): Promise<Outcome> => {
  const { command, onLost, grace, margin, maxHold, report } = supervision;
  const guarded = onLost !== 'ignore';
  const time = timeLeft(leases, maxHold);
  const { left } = time;
  const tell = (event: RunEvent): void => report.event({ ...event, at: Date.now() });

  const watchdog = guarded ? startWatchdog(grace, report.say) : undefined;
  let suspended = suspend$.subscribe(() => suspend()); // before the command can be seen to run: a Ctrl-Z until then would stop us alone
  const group = startGroup(command, environmentOf(leases));
  const { id } = group;
  if (id !== undefined) tell({ type: 'started', pid: id });

  const running = new Subscription();
  let lost: string | undefined;
  let interrupted = false;
  let terminated = false;
  const signal = (name: NodeJS.Signals): void => {
    terminated ||= name === 'SIGTERM';
    tell({ type: 'signalled', signal: name });
    group.signal(name);
  };
  const feed = (): void => {
    if (id !== undefined) watchdog?.tell(id, left() - margin / 2);
  };
  const stop = (why: string): void => {
    lost = why;
    if (!guarded) {
      report.say(`${why}; the command goes on without it`);
      return;
    }
    const untilKill = left() <= 0 ? grace : Math.max(0, Math.min(grace, left() - margin));
    report.say(`${why}; ${untilKill > 0 ? `SIGTERM now, SIGKILL in ${spoken(untilKill)}` : 'SIGKILL now'}`);
    if (untilKill > 0) signal('SIGTERM');
    running.add(timer(untilKill).subscribe(() => signal('SIGKILL')));
  };
  const end = (name: NodeJS.Signals): void => {
    if (interrupted) signal(terminated ? 'SIGKILL' : 'SIGTERM');
    else signal(name);
    interrupted = true;
  };
  const resume = (): void => signal(guarded && left() <= 0 ? 'SIGKILL' : 'SIGCONT');
  const suspend = (): void => {
    suspended.unsubscribe(); // without a listener SIGTSTP stops us, as it stops any process
    signal('SIGSTOP'); // the group has no terminal, so SIGTSTP would not stop it
    process.kill(process.pid, 'SIGTSTP');
    running.add(
      timer(STOPPING).subscribe(() => {
        resume();
        suspended = suspend$.subscribe(suspend);
      }),
    );
  };

  feed();
  running.add(lossOf(leases, time, grace + margin, feed).subscribe(stop));
  running.add(ending$.subscribe(end));
  running.add(others$.subscribe(signal));
  running.add(() => suspended.unsubscribe());
  const code = await group.ended;
  running.unsubscribe();
  watchdog?.dismiss();
  if (id === undefined) report.say(`${command[0]}: ${UNSTARTED[code]}`);
  else tell({ type: 'ended', code });
  const stopped = guarded && lost !== undefined;
  return { code, lost: lost ?? (await lostMeanwhile(leases)), stopped, interrupted };
};

/** The environment of the command. With several locks each variable has a line for each, in the same order. */
const environmentOf = (leases: readonly Lease[]): NodeJS.ProcessEnv => ({
  REDISYNC_NAME: leases.map(({ name }) => name).join('\n'),
  REDISYNC_OWNER: leases.map(({ owner }) => owner).join('\n'),
  REDISYNC_FENCE: leases.map(({ fence }) => fence).join('\n'),
});
