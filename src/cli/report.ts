/** What the command reports on stderr: lines for people, or one JSON object a line. */
import type { LockEvent } from '../index.ts';
import { jsonLine, printable, withoutSecrets } from './values.ts';

/** What a supervised command does, beside the events of its locks. */
export type RunEvent =
  | { readonly type: 'started'; readonly pid: number }
  | { readonly type: 'signalled'; readonly signal: NodeJS.Signals }
  | { readonly type: 'ended'; readonly code: number };

export interface Report {
  event(event: LockEvent | (RunEvent & { readonly at: number })): void;
  say(message: string): void;
}

/** How an Error is written as JSON: it has no enumerable fields. Its cause is left out, which may refer to much. */
const plain = (_key: string, value: unknown): unknown =>
  value instanceof Error ? { name: value.name, message: value.message } : value;

const toStderr = (text: string): void => void process.stderr.write(text);

/** @param write where lines go */
export const reportTo = (json: boolean, write = toStderr): Report => {
  const line = (value: object): void => write(`${jsonLine(value, plain)}\n`);
  return json
    ? {
        event: line,
        say: (message) => line({ type: 'message', message: withoutSecrets(message), at: Date.now() }),
      }
    : {
        event: () => undefined,
        say: (message) => write(`redisync: ${printable(withoutSecrets(message))}\n`),
      };
};
