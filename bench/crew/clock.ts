/** One clock for all processes of a machine: CLOCK_MONOTONIC, in ms. */
export const now = (): number => {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1e3 + nanoseconds / 1e6;
};
