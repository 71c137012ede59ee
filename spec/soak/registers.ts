/** A register for each name that is held exclusively, which clients read and write over their lease, by messages. */
import type { History } from '../faults/history.ts';
import { Register } from '../faults/recorder.ts';

export class Registers {
  /** Turns whose fence was too low, when they read or when they wrote. */
  refused = 0;
  private readonly registers = new Map<string, Register>();
  /** What lets those go on that have read and not yet written. */
  private readonly reading = new Map<string, () => void>();

  /** Resolves with whether the turn's write was accepted. `write` answers that. */
  async read(turn: string, name: string, fence: number): Promise<boolean> {
    const register = this.registers.get(name) ?? new Register();
    this.registers.set(name, register);
    const accepted = await register.turn({ fence }, () => new Promise<void>((go) => this.reading.set(turn, go)));
    if (!accepted) this.refused += 1;
    return accepted;
  }

  write(turn: string): void {
    this.reading.get(turn)?.();
    this.reading.delete(turn);
  }

  get histories(): Pick<History, 'turns' | 'value'>[] {
    return [...this.registers.values()].map(({ turns, value }) => ({ turns, value }));
  }
}
