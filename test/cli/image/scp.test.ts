/** `proa image scp`, with a stand-in for ssh that runs the command for a user's other data directory. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeImage, proaPath, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const here = useEngine();
const there = useEngine();
let registry: FakeRegistry;
let image = "";
let id = "";
let env: Record<string, string> = {};

beforeAll(async () => {
  registry = await FakeRegistry.start();
  const made = await makeImage({ layers: [await tinyLayer()], config: { Env: ["PATH=/bin"] } });
  image = registry.addImage("scp", "v1", made);
  id = made.blobs[0]?.digest ?? "";
  await here.ok(["pull", "-q", image]);
  const bin = join(here.sandbox.home, "bin");
  mkdirSync(bin);
  const { dataHome, runtimeDir, home } = there.sandbox;
  const script = `#!/bin/sh
echo "$@" >> ${bin}/calls
while [ "$1" != -- ]; do shift; done
shift 2
export HOME=${home} XDG_DATA_HOME=${dataHome} XDG_RUNTIME_DIR=${runtimeDir}
PATH=${dirname(proaPath)}:$PATH exec sh -c "$*"
`;
  writeFileSync(join(bin, "ssh"), script);
  chmodSync(join(bin, "ssh"), 0o755);
  env = { PATH: `${bin}:${process.env["PATH"]}` };
});
afterAll(async () => {
  await here.assertNothingLeft();
  await there.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const calls = () => readFileSync(join(here.sandbox.home, "bin/calls"), "utf8");

test("copies an image to another host, and gives it a further name there", async () => {
  expect(await here.ok(["image", "scp", image, "me@server:2222::copy:1"], { env })).toContain(
    `Loaded image: ${image}`,
  );
  expect(calls()).toContain("-p 2222 -- me@server proa load\n");
  for (const name of [image, "copy:1"])
    expect(await there.ok(["image", "inspect", "-f", "{{.Id}}", name])).toBe(id);
});

test("copies an image from another host, quietly", async () => {
  await here.ok(["rmi", image]);
  expect(await here.ok(["image", "scp", "-q", "server::copy:1"], { env })).toBe("");
  expect(await here.ok(["image", "inspect", "-f", "{{.Id}}", "copy:1"])).toBe(id);
});

test.each([
  [["copy:1"], "one of the two has to be on another host"],
  [["copy:1", "-oProxyCommand=x::"], "unknown shorthand flag"],
  [["--", "copy:1", "-oProxyCommand=x::"], "is no host for ssh"],
  [["server::a;reboot"], "not a part of a repository's name"],
  [["server::"], "names no image"],
  [["nothing:1", "server::"], "No such image: nothing:1"],
  [["server::nothing:1"], "No such image: docker.io/library/nothing:1"],
])("%p fails: %s", async (argv, why) => {
  const result = await here.proa(["image", "scp", ...argv], { env });
  expect(result.stderr).toContain(why);
  expect(result.exitCode).toBeGreaterThan(0);
});
