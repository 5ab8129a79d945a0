/** Layers on their way, when nothing of them comes: native/lazyfs_serve.c without a kernel, through lazyfs_probe.c. */
import { afterAll, expect, test } from "bun:test";
import { makeDirectory, removeDirectories } from "./_container";
import { useProbe } from "./_probe";

const ask = useProbe(
  "lazyfs_probe.c",
  ["lazyfs_serve.c", "lazy_data.c", "lazy_index.c", "err.c", "util.c"],
  ["-ljansson", "-Wl,--wrap=monotonic_ms"],
);
afterAll(removeDirectories);

const EINTR = 4;

test.each([1, 300])("%i reads that nobody fulfils hinder nothing else, and fail at last", (reads) => {
  const answers = ask(JSON.stringify({ directory: makeDirectory(), reads }));
  expect(answers).toEqual({ lookedUp: 0, interrupted: EINTR, nobody: 0, late: 0, ended: 0 });
});
