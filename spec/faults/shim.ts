/** A redis-server whose wall clock a spec moves: a shim before the C library, compiled when it is first asked for. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, type Server, startServer } from '../support/server.ts';

/** Adds the seconds that OFFSET_FILE holds to the real-time clock; the monotonic one is left alone. */
const SOURCE = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static long offset(void) {
  static const char *path;
  char text[32] = {0};
  if (!path) path = getenv("OFFSET_FILE");
  int file = path ? open(path, O_RDONLY) : -1;
  if (file < 0) return 0;
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  return size > 0 ? atol(text) : 0;
}
int clock_gettime(clockid_t id, struct timespec *at) {
  int failed = syscall(SYS_clock_gettime, id, at);
  if (!failed && id == CLOCK_REALTIME) at->tv_sec += offset();
  return failed;
}
int gettimeofday(struct timeval *at, void *zone) {
  struct timespec now;
  (void)zone;
  if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
  at->tv_sec = now.tv_sec;
  at->tv_usec = now.tv_nsec / 1000;
  return 0;
}
time_t time(time_t *at) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (at) *at = now.tv_sec;
  return now.tv_sec;
}
`;

export interface Shim {
  start(): Promise<Server>;
  /** Moves the wall clock of the server, from its true time, by whole seconds. */
  shift(seconds: number): void;
  remove(): void;
}

/** Why there is none, or the shim itself. */
export const clockShim = (): Shim | string => {
  if (process.platform !== 'linux') return `LD_PRELOAD is for Linux, not for ${process.platform}`;
  const directory = mkdtempSync(join(tmpdir(), 'redisync-clock-'));
  const [source, library, offset] = ['clock.c', 'clock.so', 'offset'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(source, SOURCE);
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', library, source], { stdio: 'ignore' });
  } catch {
    rmSync(directory, { recursive: true, force: true });
    return 'no C compiler (cc) on the PATH';
  }
  const shift = (seconds: number): void => writeFileSync(offset, `${seconds}`);
  shift(0);
  const start = async (): Promise<Server> => {
    const port = await freePort();
    Object.assign(process.env, { LD_PRELOAD: library, OFFSET_FILE: offset });
    const starting = startServer([], port); // spawned before it yields, so that nobody else inherits them
    for (const name of ['LD_PRELOAD', 'OFFSET_FILE']) Reflect.deleteProperty(process.env, name);
    return starting;
  };
  return { start, shift, remove: () => rmSync(directory, { recursive: true, force: true }) };
};
