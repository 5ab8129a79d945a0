import { expect, test } from "bun:test";
import { didYouMean, editDistance, suggest } from "../../src/cli/suggest";

test("editDistance() counts insertions, deletions, replacements and swaps", () => {
  expect(editDistance("", "abc")).toBe(3);
  expect(editDistance("name", "name")).toBe(0);
  expect(editDistance("nmae", "name")).toBe(1);
  expect(editDistance("kitten", "sitting")).toBe(3);
});

test("editDistance() with a limit is the same up to it, and more than it beyond", () => {
  const letters = (seed: number) =>
    [0, 1, 2, 3, 4].map((i) => "abc"[((seed * 7919) >> (2 * i)) % 3]).join("");
  for (let seed = 0; seed < 2000; seed++) {
    const [a, b] = [letters(seed), letters(seed * 31 + 7).slice(seed % 4)];
    const whole = editDistance(a, b);
    for (const limit of [1, 2, 3]) {
      const within = editDistance(a, b, limit);
      if (whole <= limit) expect(within).toBe(whole);
      else expect(within).toBeGreaterThan(limit);
    }
  }
});

test("suggest() gives near names, nearest first, and nothing when none is near", () => {
  expect(suggest("verison", ["version", "run", "rm"])).toEqual(["version"]);
  expect(suggest("rnu", ["run", "rm", "rmi"])).toEqual(["run"]);
  expect(suggest("cont", ["container", "run"])).toEqual(["container"]);
  expect(suggest("xyzzy", ["container", "run"])).toEqual([]);
  expect(suggest("PS", ["pps", "ps", "rm"])).toEqual(["ps", "pps"]); // a letter is the same, large and small
  expect(suggest("names", ["Names", "Name"])).toEqual(["Names", "Name"]);
});

test("didYouMean() makes a question of it", () => {
  expect(didYouMean("imges", ["images", "run"])).toBe("did you mean images?");
  expect(didYouMean("rmm", ["rmi", "rm", "run"])).toBe("did you mean rm or rmi?");
  expect(didYouMean("zzz", ["images"])).toBeUndefined();
});
