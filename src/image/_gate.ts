/** At most so many at once. */
export class Gate {
  readonly #waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async pass<T>(work: () => Promise<T>): Promise<T> {
    if (this.free === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.free--;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.free++;
      else next();
    }
  }
}

/** What was asked for goes out, before what is done here keeps it: resolves when everything that waits for nothing but its turn has had it. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
