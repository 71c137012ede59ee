/** A client process that holds one lock: NAME for TTL ms on URL. It says what it sees after a pause of the whole process. */
import { Redis } from 'ioredis';
import { LockCoordinator, type RedisyncError } from '../../../src/index.ts';

const [url = '', name = '', ttl = ''] = process.argv.slice(2);
const locks = new LockCoordinator(new Redis(url), { ttl: Number(ttl) });
const say = (...words: unknown[]): boolean | undefined => process.send?.(words);

const codeOf = (act: () => void): string | undefined => {
  try {
    act();
    return undefined;
  } catch (error) {
    return (error as RedisyncError).code;
  }
};

locks.mutex(name).subscribe({
  next: (lease) => {
    let tick = 0;
    // the earliest timer of all after a pause: it looks at the clock 500 times a second
    const watch = setInterval(() => {
      const before = tick;
      tick = performance.now();
      if (before === 0) say('held', lease.owner, lease.fence);
      else if (tick - before > 300) look();
    }, 2);
    const look = (): void => {
      clearInterval(watch);
      say(
        'looked',
        lease.held,
        lease.remaining(),
        codeOf(() => lease.assertHeld()),
      );
      void lease.release().then((released) => say('released', released));
    };
  },
  error: (error: RedisyncError) => say('lost', error.code, error.message),
});
