/** A terminal that is drawn on as a whole, and is given back as it was, however we end. */
import type { ReadStream, WriteStream } from 'node:tty';
import { STOPPING } from './signals.ts';

const ENTER = '\x1b[?1049h\x1b[?25l'; // the alternate screen, no cursor
const LEAVE = '\x1b[?25h\x1b[?1049l';

export class Screen {
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private open = false;

  constructor(input: ReadStream, output: WriteStream) {
    this.input = input;
    this.output = output;
  }

  enter(): void {
    if (this.open) return;
    this.open = true;
    process.once('exit', this.leave);
    if (this.input.isTTY) this.input.setRawMode(true);
    this.output.write(ENTER);
  }

  readonly leave = (): void => {
    if (!this.open) return;
    this.open = false;
    process.off('exit', this.leave);
    this.output.write(LEAVE);
    if (this.input.isTTY) this.input.setRawMode(false);
  };

  /** Stops, as Ctrl-Z does, and comes back with `fg`; at once where there is no shell to stop for. */
  suspend(): void {
    this.leave();
    process.kill(process.pid, 'SIGTSTP');
    setTimeout(() => this.enter(), STOPPING);
  }

  /** Line by line over what was there, so that nothing flickers. */
  draw(lines: readonly string[]): void {
    if (!this.open) return;
    const shown = lines.slice(0, this.output.rows || 24).map((line) => `${line}\x1b[K`);
    this.output.write(`\x1b[H${shown.join('\r\n')}\x1b[J`);
  }
}
