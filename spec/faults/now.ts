/** The time that all processes of this machine share. */

/** ms of its monotonic clock. */
export const now = (): number => Number(process.hrtime.bigint()) / 1e6;
