/** The processes of a soak: a server with appendfsync always, its clients, half of them behind the proxy, and the faults that are made. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { now } from '../faults/recorder.ts';
import { hears, Site } from '../faults/site.ts';
import type { Child } from '../support/child.ts';
import { startServer } from '../support/server.ts';
import { DEEDS } from './deeds.ts';
import type { Draw } from './draw.ts';
import { Registers } from './registers.ts';
import { FAULTS, type Fault, type Kind } from './schedule.ts';
import { SETTINGS, STILL, TTL } from './terms.ts';

/** A time in which something was wrong, and for whom. */
export interface Trouble {
  readonly kind: Kind | 'client still' | 'server still';
  readonly from: number;
  readonly to: number;
  /** The clients that it was wrong for; all of them where there is none. */
  readonly labels?: readonly string[];
}

/** An error that a client was told, which was not the end of a lease or a wait. */
export interface Complaint {
  readonly at: number;
  readonly label: string;
  readonly manner: string;
  readonly error: string;
}

export interface Client {
  readonly label: string;
  readonly child: Child;
  readonly proxied: boolean;
}

const CLIENTS = 4;
const ACTORS = 6;

export class Arena {
  readonly site: Site;
  readonly troubles: Trouble[] = [];
  readonly complaints: Complaint[] = [];
  /** What no fault excuses, whenever it is. */
  readonly findings: string[] = [];
  readonly registers = new Registers();
  private readonly directory: string;
  /** Where the server's data is now. */
  private data: string;
  private readonly draw: Draw;
  readonly clients: Client[] = [];
  private readonly looks: Redis;
  private looking: Promise<void> | undefined;
  private over = false;

  private constructor(site: Site, directory: string, draw: Draw) {
    this.site = site;
    this.directory = directory;
    this.data = directory;
    this.draw = draw;
    this.looks = new Redis(site.server.url, { retryStrategy: () => 10, maxRetriesPerRequest: null });
    this.looks.on('error', () => undefined);
  }

  static async open(draw: Draw): Promise<Arena> {
    const directory = mkdtempSync(join(tmpdir(), 'redisync-soak-'));
    const arena = new Arena(await Site.open(() => startServer(journal(directory))), directory, draw);
    try {
      await Promise.all(Array.from({ length: CLIENTS }, (_, i) => arena.join(i % 2 === 1)));
    } catch (error) {
      await arena.close();
      throw error;
    }
    arena.looking = arena.look();
    return arena;
  }

  /** When a process stood still although nothing was done to it. */
  get stood(): Trouble[] {
    const faults = this.troubles.filter(({ kind }) => kind in FAULTS);
    return this.troubles.filter(
      ({ kind, from, to }) =>
        !(kind in FAULTS) && !faults.some((fault) => fault.from <= to && from <= fault.to + STILL),
    );
  }

  work(): void {
    for (const { child } of this.clients) child.tell('work');
  }

  /** All clients end what they do. Resolves with how much memory each uses, by its label. */
  async rest(within = 30_000): Promise<Map<string, number>> {
    const heaps = new Map<string, number>();
    await Promise.all(
      this.clients.map(async ({ child, label }) => {
        child.said.length = 0;
        child.tell('rest');
        const [, used] = await hears(child, 'rested', within).catch(() => ['rested']);
        if (used === undefined) this.findings.push(`${label} did not come to rest within ${within} ms`);
        else heaps.set(label, Number(used));
      }),
    );
    return heaps;
  }

  async make({ kind, ms, whom }: Fault): Promise<void> {
    const from = now();
    const hit = await DEEDS[kind](this, ms, whom);
    this.troubles.push({ kind, from, to: now(), ...(hit && { labels: hit.map(({ label }) => label) }) });
  }

  /** Ends all clients. Resolves with what they have left behind. */
  async leave(): Promise<string[]> {
    this.over = true;
    await this.looking;
    this.looks.disconnect();
    const left = await this.site.depart(TTL);
    await this.close();
    return left;
  }

  async close(): Promise<void> {
    this.over = true;
    this.looks.disconnect();
    await this.site.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** A client process of a name of its own. */
  private async join(proxied: boolean): Promise<Client> {
    const { site } = this;
    const label = `child${site.children.length}`;
    const options = { ...SETTINGS, identity: label, seed: this.draw.integer(1, 2 ** 31), actors: ACTORS };
    const child = await site.child(options, '../../soak/worker', (proxied ? site.proxy : site.server).url);
    for (const word of ['read', 'write', 'error', 'still']) child.passing.add(word);
    const client = { label, child, proxied };
    child.process.on('message', ([word, ...facts]: [string, ...unknown[]]) => this.hear(client, word, facts));
    child.process.once('exit', (code) => {
      if (!this.over && code !== null) this.findings.push(`${label} ended with ${code}`);
    });
    this.clients.push(client);
    return client;
  }

  private hear({ label, child }: Client, word: string, facts: readonly unknown[]): void {
    const [first, second, third, fourth] = facts;
    const turn = `${label} ${first}`;
    if (word === 'read') {
      void this.registers.read(turn, String(second), Number(third)).then((accepted) => {
        child.process.send(['wrote', first, accepted], () => undefined); // a process that was killed does not receive it
      });
    } else if (word === 'write') {
      this.registers.write(turn);
    } else if (word === 'error') {
      this.complaints.push({ at: Number(first), label, manner: String(second), error: `${third}: ${fourth}` });
    } else if (word === 'still') {
      this.troubles.push({ kind: 'client still', from: Number(first), to: Number(second), labels: [label] });
    } else if (word === 'rejection') {
      this.findings.push(`${label} did not handle: ${first}`);
    }
  }

  /** Sees when the server, or this process, stands still. */
  private async look(): Promise<void> {
    while (!this.over) {
      const from = now();
      await this.looks.ping().catch(() => undefined);
      await sleep(50);
      if (now() - from > STILL + 50) this.troubles.push({ kind: 'server still', from, to: now() });
    }
  }

  /** One of the clients. With `mortal`, any but the first, which lives to the end and reports how its memory grew. */
  victim(whom: number, mortal = false): Client {
    const among = mortal ? this.clients.slice(1) : this.clients;
    const client = among[Math.floor(whom * among.length)];
    if (!client) throw new Error('There is no client');
    return client;
  }

  /** Kills a client, and puts another in its place. */
  async replace(client: Client): Promise<void> {
    const { child, label, proxied } = client;
    child.kill();
    await child.ended();
    const at = now();
    for (const life of this.site.lives.values()) {
      if (life.granted === undefined && life.owner.startsWith(`${label}-`)) life.left ??= at;
    }
    this.clients.splice(this.clients.indexOf(client), 1);
    (await this.join(proxied)).child.tell('work');
  }

  /** Kills the server, and starts it again after so many ms, with its data or without. */
  async restart(ms: number, empty = false): Promise<void> {
    if (empty) this.data = mkdtempSync(join(this.directory, 'empty-'));
    await this.site.restart(journal(this.data), 'SIGKILL', ms);
  }
}

/** The server's arguments for a journal in this directory, of which nothing is lost when the process is killed. */
const journal = (directory: string): readonly string[] => [
  ...['--dir', directory],
  ...['--appendonly', 'yes', '--appendfsync', 'always'],
];
