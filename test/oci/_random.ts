/** A small generator of repeatable random values (mulberry32), for property tests: a failure names its seed. */
export class Random {
  constructor(private state: number) {}

  /** From 0 to below N. */
  below(n: number): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * n);
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)] as T;
  }

  text(alphabet: string, least: number, most: number): string {
    const length = least + this.below(most - least + 1);
    return Array.from({ length }, () => alphabet[this.below(alphabet.length)]).join("");
  }
}

/** Run CHECK for many seeds. */
export function forSeeds(count: number, check: (random: Random, seed: number) => void): void {
  for (let seed = 1; seed <= count; seed++) {
    try {
      check(new Random(seed), seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}
