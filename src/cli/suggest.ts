/*
 * Loops in place of map, flatMap, Array.from and their like: of those that are written in JavaScript the engine makes code at the first call, which takes 50 to
 * 170 µs each, and a usage error has 1.6 ms.
 */

/**
 * Steps from `a` to `b`, where a step inserts, deletes, replaces a letter or swaps two neighbours.
 *
 * @param limit where there are more, some number above it is returned: a name that is far off costs next to nothing then
 */
export function editDistance(a: string, b: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) > limit) return limit + 1;
  let beforeLast: number[] = [];
  let last: number[] = [];
  for (let j = 0; j <= b.length; j++) last.push(j);
  let leastOfLast = 0;
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, (beforeLast[j - 2] ?? 0) + 1);
      }
      row.push(best);
      if (best < least) least = best;
    }
    if (i > 1 && least > limit && leastOfLast > limit) return limit + 1; // a swap looks two rows back
    leastOfLast = least;
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/** Whether more letters stand in one word alone than `limit` steps can bring in line: a step puts one in and takes one out at most. */
function areFar(word: string, other: string, limit: number): boolean {
  let missing = 0;
  for (let at = 0; at < word.length; at++) if (!other.includes(word[at] as string)) missing++;
  let further = 0;
  for (let at = 0; at < other.length; at++) if (!word.includes(other[at] as string)) further++;
  return missing > limit || further > limit;
}

type Near = { name: string; distance: number };

const isNearer = (a: Near, b: Near): boolean =>
  a.distance < b.distance || (a.distance === b.distance && a.name < b.name);

/**
 * The names that were probably meant, nearest first, at most three; empty when none is near. A name that begins with what
 * was typed counts as near, and a letter is the same large and small.
 */
export function suggest(typed: string, names: Iterable<string>): string[] {
  const word = typed.toLowerCase();
  const limit = Math.max(1, Math.min(3, Math.floor(word.length / 3)));
  const near: Near[] = [];
  for (const name of names) {
    const other = name.toLowerCase();
    const begins = word.length >= 3 && other.startsWith(word);
    // most are told to be far without counting steps
    const differsInLength = other.length - word.length > limit || word.length - other.length > limit;
    if (!begins && (differsInLength || areFar(word, other, limit))) continue;
    const distance = editDistance(word, other, limit);
    if (distance <= limit) insert(near, { name, distance });
    else if (begins) insert(near, { name, distance: limit + 1 });
  }
  const found: string[] = [];
  for (const { name } of near) if (found.length < 3) found.push(name);
  return found;
}

/** Into its place, once. */
function insert(near: Near[], added: Near): void {
  let at = near.length;
  for (let i = near.length - 1; i >= 0; i--) {
    const other = near[i] as Near;
    if (other.name === added.name) return;
    if (isNearer(added, other)) at = i;
  }
  near.splice(at, 0, added);
}

/** `did you mean X?`, `did you mean X or Y?`, or undefined. */
export function didYouMean(
  typed: string,
  names: Iterable<string>,
  dress = (name: string) => name,
): string | undefined {
  let text = "";
  const found = suggest(typed, names);
  for (let i = 0; i < found.length; i++) {
    const between = i === 0 ? "" : i === found.length - 1 ? " or " : ", ";
    text += `${between}${dress(found[i] as string)}`;
  }
  return text === "" ? undefined : `did you mean ${text}?`;
}
