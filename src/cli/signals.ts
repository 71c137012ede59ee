/** The signals that redisync passes on to what it runs. While a stream is subscribed to, its signals do not end redisync by themselves. */
import { fromEvent, map, merge, type Observable, type Subscription, share, throttleTime } from 'rxjs';

/** npm and npx pass on what a terminal has sent to the whole group already: within this time, in ms, it is one signal. */
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

/** ms in which a signal that stops us has done so: whatever is due after that runs when we go on, or if nothing stops us. */
export const STOPPING = 50;

/** What else can be passed on. */
export const others$ = on('SIGUSR1', 'SIGUSR2', 'SIGWINCH');

/** From now on no signal takes us by surprise with a lock in hand, also between two phases that handle it. */
export const braced = (): Subscription => merge(ending$, others$).subscribe();
