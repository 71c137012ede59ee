/** Time that passes when a spec says so: a scheduler that stops where it is told, unlike a TestScheduler. */
import { VirtualTimeScheduler } from 'rxjs';

export class VirtualTime extends VirtualTimeScheduler {
  /** Runs all that is due within `ms` from now, and stops there. */
  pass(ms: number): void {
    this.maxFrames = this.frame + ms;
    this.flush();
    this.frame = this.maxFrames;
  }
}
