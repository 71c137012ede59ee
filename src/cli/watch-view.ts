/** The table of `watch` on a screen, and how keys sort, reverse and narrow it. */
import { stripVTControlCharacters, styleText } from 'node:util';
import { COLUMNS, type Column, cut, linesOf, NAME, type Row, sorted } from './table.ts';
import { printable } from './values.ts';

/** What a key asks for that the view cannot do itself. */
type KeyCommand = 'quit' | 'interrupt' | 'suspend' | undefined;

const HELP = 's sort · r reverse · / narrow · q quit';

export class View {
  private readonly title: string;
  private readonly colours: boolean;
  private by: Column;
  private reverse: boolean;
  private narrow = '';
  private typing = false;

  constructor(title: string, by: string, reverse: boolean, colours: boolean) {
    this.title = title;
    this.by = COLUMNS.find(({ key }) => key === by) ?? NAME;
    this.reverse = reverse;
    this.colours = colours;
  }

  /** Handles what a terminal in raw mode has sent: characters. The sequences of other keys are ignored. */
  press(keys: string): KeyCommand {
    for (const key of stripVTControlCharacters(keys)) {
      const command = this.typing ? this.type(key) : this.command(key);
      if (command) return command;
    }
    return undefined;
  }

  /** The lines of a screen of this size. */
  lines(rows: readonly Row[], lastError: string | undefined, width: number, height: number): string[] {
    const { by } = this;
    const wanted = rows.filter(({ name }) => name.includes(this.narrow));
    const [head = '', ...body] = linesOf(COLUMNS, sorted(wanted, by, this.reverse), width);
    const room = Math.max(1, height - 3);
    const hidden = body.length > room ? ` · ${body.length - room} below` : '';
    const state = `${this.title} · ${wanted.length} of ${rows.length} · by ${by.key}${this.reverse ? ', reversed' : ''}${hidden}`;
    const foot = this.typing
      ? `narrow to: ${printable(this.narrow)}_`
      : this.narrow
        ? `/${printable(this.narrow)} · ${HELP}`
        : HELP;
    return [
      lastError ? this.style('red', cut(printable(lastError), width)) : cut(state, width),
      this.style('bold', head),
      ...body.slice(0, room),
      this.style('dim', cut(foot, width)),
    ];
  }

  private command(key: string): KeyCommand {
    if (key === 'q') return 'quit';
    if (key === '\x03') return 'interrupt';
    if (key === '\x1a') return 'suspend';
    if (key === 'r') this.reverse = !this.reverse;
    if (key === '/') this.typing = true;
    if (key === 's') this.by = COLUMNS[COLUMNS.indexOf(this.by) + 1] ?? NAME;
    return undefined;
  }

  /** Enter keeps what was typed, Escape drops it. */
  private type(key: string): KeyCommand {
    if (key === '\x03') return 'interrupt';
    if (key === '\r' || key === '\n' || key === '\x1b') this.typing = false;
    if (key === '\x1b') this.narrow = '';
    else if (key === '\x7f' || key === '\b') this.narrow = [...this.narrow].slice(0, -1).join('');
    else if (key >= ' ') this.narrow += key;
    return undefined;
  }

  private style(format: 'red' | 'bold' | 'dim', text: string): string {
    return this.colours ? styleText(format, text, { validateStream: false }) : text;
  }
}
