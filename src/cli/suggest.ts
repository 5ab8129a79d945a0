/**
 * Steps from `a` to `b`, where a step inserts, deletes, replaces a letter or swaps two neighbours.
 *
 * @param limit where there are more, some number above it is returned: a name that is far off costs next to nothing then
 */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    if (i > 1 && Math.min(...row) > limit && Math.min(...last) > limit) return limit + 1; // a swap looks two rows back
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** The letters of a word as bits; some share one. */
function lettersOf(word: string): number {
  let letters = 0;
  for (let at = 0; at < word.length; at++) letters |= 1 << (word.charCodeAt(at) & 31);
  return letters;
}

/** Whether more letters stand in one word alone than `limit` steps can bring in line: a step puts one in and takes one out at most. */
function areFar(letters: number, others: number, limit: number): boolean {
  let missing = letters & ~others;
  let further = others & ~letters;
  let steps = 0;
  while (missing !== 0 || further !== 0) {
    missing &= missing - 1;
    further &= further - 1;
    steps++;
  }
  return steps > limit;
}

/**
 * The names that were probably meant, nearest first, at most three; empty when none is near. A name that begins with what
 * was typed counts as near.
 */
export function suggest(typed: string, names: Iterable<string>): string[] {
  const limit = Math.max(1, Math.min(3, Math.floor(typed.length / 3)));
  const letters = lettersOf(typed);
  const near: { name: string; distance: number }[] = [];
  for (const name of names) {
    const begins = typed.length >= 3 && name.startsWith(typed);
    if (!begins && areFar(letters, lettersOf(name), limit)) continue; // of the most, without counting their steps
    const distance = editDistance(typed, name, limit);
    if (distance <= limit) near.push({ name, distance });
    else if (begins) near.push({ name, distance: limit + 1 });
  }
  near.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near.slice(0, 3).map((found) => found.name);
}

/** `did you mean X?`, `did you mean X or Y?`, or undefined. */
export function didYouMean(
  typed: string,
  names: Iterable<string>,
  dress = (name: string) => name,
): string | undefined {
  const found = suggest(typed, names).map(dress);
  const last = found.pop();
  if (last === undefined) return undefined;
  return `did you mean ${found.length === 0 ? last : `${found.join(", ")} or ${last}`}?`;
}
