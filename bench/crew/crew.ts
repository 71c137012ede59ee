/** Processes for each contender, kept from one measurement to the next, so that all are warm. */
import { Worker } from './worker.ts';

/** ms that processes may take to begin, where many begin at once. */
const FORKING = 60_000;

interface Member {
  readonly worker: Worker;
  url: string;
}

export class Crew {
  private readonly members = new Map<string, Member[]>();

  /** As many processes of a contender as asked for, connected to the server. */
  async of(contender: string, count: number, url: string): Promise<Worker[]> {
    const members = (this.members.get(contender) ?? []).filter(({ worker }) => worker.alive);
    while (members.length < count) members.push({ worker: new Worker(), url: '' });
    this.members.set(contender, members);
    const chosen = members.slice(0, count);
    await Promise.all(
      chosen.map(async (member) => {
        if (member.url === url) return;
        await member.worker.call('open', [contender, url], FORKING);
        member.url = url;
      }),
    );
    return chosen.map(({ worker }) => worker);
  }

  async one(contender: string, url: string): Promise<Worker> {
    const [worker] = await this.of(contender, 1, url);
    if (!worker) throw new Error('There is no process');
    return worker;
  }

  /** Sends a contender's processes home; the next are new. */
  dismiss(contender: string): void {
    for (const { worker } of this.members.get(contender) ?? []) worker.stop();
    this.members.delete(contender);
  }

  stop(): void {
    for (const contender of [...this.members.keys()]) this.dismiss(contender);
  }
}
