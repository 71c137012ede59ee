/** What a terminal shows after all that was written to it, as far as `redisync watch` writes: moves home, erasures, the alternate screen. */
import { stripVTControlCharacters } from 'node:util';

const ALTERNATE = '\x1b[?1049h';
const BACK = '\x1b[?1049l';

/** The lines of the alternate screen, without colours; undefined when it is not shown. */
export const screenOf = (written: string): string[] | undefined => {
  const shown = written.slice(written.lastIndexOf(ALTERNATE));
  if (!shown.startsWith(ALTERNATE) || shown.includes(BACK)) return undefined;
  const frames = shown.split('\x1b[H').filter((frame) => frame.endsWith('\x1b[J'));
  const last = frames.at(-1);
  return last === undefined ? last : stripVTControlCharacters(last).split('\r\r\n'); // the terminal adds a \r of its own
};

/** Whether the last change restored the terminal: its cursor and its screen. */
export const givenBack = (written: string): boolean =>
  written.lastIndexOf(`\x1b[?25h${BACK}`) > Math.max(written.lastIndexOf(ALTERNATE), written.lastIndexOf('\x1b[?25l'));
