/** For the specs of `redisync/nestjs`. */

/** What a promise rejects with; undefined if it resolves. */
export const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  );
