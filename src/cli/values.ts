/** Values on the command line, read and written: durations, counts, and text that is safe on a terminal. */
import { InvalidArgumentError } from 'commander';

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };
const LONGEST = 2_147_483_647;

/** 300ms, 30s, 1.5m, 2h: to integer ms. */
export const milliseconds =
  (least: string) =>
  (value: string): number => {
    const [, number, unit = ''] = /^(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(value) ?? [];
    const ms = Number(number) * (UNITS[unit] ?? Number.NaN);
    if (Number.isNaN(ms)) throw new InvalidArgumentError('Write a duration such as 300ms, 30s or 2m.');
    if (ms < (least === '0s' ? 0 : milliseconds('0s')(least)) || ms > LONGEST) {
      throw new InvalidArgumentError(`It must be from ${least} to 596h.`);
    }
    return Math.round(ms);
  };

export const integer =
  (least: number, most: number) =>
  (value: string): number => {
    const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
    if (number >= least && number <= most) return number;
    throw new InvalidArgumentError(`It must be an integer from ${least} to ${most}.`);
  };

/** 2.4s, 29s, 2m05s, 1h05m. */
export const spoken = (ms: number): string => {
  if (ms < 10_000) return `${(Math.max(0, ms) / 1_000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1_000);
  const [minutes, hours] = [Math.floor(seconds / 60), Math.floor(seconds / 3_600)];
  if (minutes === 0) return `${seconds}s`;
  if (hours === 0) return `${minutes}m${String(seconds % 60).padStart(2, '0')}s`;
  return `${hours}h${String(minutes % 60).padStart(2, '0')}m`;
};

/** Escapes characters that would control a terminal or reverse its text. Names are free text. */
export const printable = (text: string): string =>
  text.replace(
    /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );

/** JSON that is safe on a terminal. JSON itself does not escape all characters that `printable` does. */
export const jsonLine = (value: unknown, replacer?: (key: string, value: unknown) => unknown): string =>
  printable(JSON.stringify(value, replacer));

/** A text to repeat to the user, without the secrets in URLs. */
export const withoutSecrets = (text: string): string =>
  text.replace(/\/\/[^\s'"]*@/g, '//…@').replace(/([?&](?:username|password)=)[^\s'"&]*/g, '$1…');
