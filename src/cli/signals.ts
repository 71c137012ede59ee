/** The signals that redisync passes on to its command. While one of these streams is subscribed to, its signals do not end redisync. */
import { fromEvent, map, merge, type Observable, type Subscription, share, throttleTime } from 'rxjs';

/** ms within which two equal signals count as one: npm and npx pass on a signal that the terminal has sent to the whole group already. */
const ECHO = 100;

const on = (...names: readonly NodeJS.Signals[]): Observable<NodeJS.Signals> =>
  merge(
    ...names.map((name) =>
      fromEvent(process, name).pipe(
        throttleTime(ECHO),
        map(() => name),
      ),
    ),
  ).pipe(share());

/** Requests to end. */
export const ending$ = on('SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM');

/** A terminal's Ctrl-Z. */
export const suspend$ = on('SIGTSTP');

/** ms after which SIGTSTP has stopped us, if it does. A timer of this length fires when we are continued, or when nothing has stopped us. */
export const STOPPING = 50;

/** What else can be passed on. */
export const others$ = on('SIGUSR1', 'SIGUSR2', 'SIGWINCH');

/** Keeps signals from ending redisync while it holds a lock, also between two phases that handle them. */
export const braced = (): Subscription => merge(ending$, others$).subscribe();
