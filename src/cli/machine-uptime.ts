/** A clock that two processes of one machine share: monotonic ms since the machine's start. It may stand still while that sleeps. */
export const uptime = (): number => Number(process.hrtime.bigint() / 1_000n) / 1_000;
