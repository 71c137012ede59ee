/** What has begun and not ended, by whose it is: an `owner` that was given can hold one lock several times. */
export class Open<T> {
  private readonly all = new Map<string, T[]>();

  add(key: string, value: T): void {
    this.all.set(key, [...(this.all.get(key) ?? []), value]);
  }

  first(key: string): T | undefined {
    return this.all.get(key)?.[0];
  }

  take(key: string): T | undefined {
    const [first, ...rest] = this.all.get(key) ?? [];
    if (rest.length > 0) this.all.set(key, rest);
    else this.all.delete(key);
    return first;
  }

  /** Each as often as there is something under it. */
  keys(): string[] {
    return [...this.all].flatMap(([key, values]) => values.map(() => key));
  }
}
