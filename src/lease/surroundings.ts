/** What a session lives in, as far as it has to know. */
import type { Clock } from '../clock.ts';
import type { Request, Store } from '../store/store.ts';
import type { Told } from './events.ts';
import type { Terms } from './terms.ts';
import type { Timers } from './timers.ts';

interface About {
  readonly key: string;
  readonly request: Request;
  readonly clock: Clock;
}

export interface Surroundings {
  readonly store: Store;
  timers(terms: Terms): Timers;
  /** Whether anybody listens to events. */
  readonly observed: boolean;
  tell(session: About, event: Told): void;
  /** It is over. A grant that is told later is given back, unless it is to be left alone. */
  ended(session: About, leavesGrant: boolean): void;
}
