/** `proa image scp`, with a stand-in for ssh that runs the command for another data directory, and keeps what goes in and out. With a real one: scp-sshd.test.ts. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Engine, makeImage, proaPath, tinyLayer, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const here = useEngine();
const there = useEngine();
const third = useEngine();
const noise = crypto.getRandomValues(new Uint8Array(400_000));
let registry: FakeRegistry;
let image = "";
let id = "";
let env: Record<string, string> = {};

const bin = () => join(here.sandbox.home, "bin");

function script(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `#!/bin/bash\n${text}`);
  chmodSync(path, 0o755);
}

beforeAll(async () => {
  registry = await FakeRegistry.start();
  const made = await makeImage({ layers: [await tinyLayer(), { noise }], config: { Env: ["PATH=/bin"] } });
  image = registry.addImage("scp", "v1", made);
  id = made.blobs[0]?.digest ?? "";
  await here.ok(["pull", "-q", image]);
  const places = [there, third].map(
    ({ sandbox: { home, dataHome, runtimeDir } }) =>
      `HOME=${home} XDG_DATA_HOME=${dataHome} XDG_RUNTIME_DIR=${runtimeDir}`,
  );
  const old = join(bin(), "old/proa");
  const podman = join(bin(), "podman-only/podman");
  script(
    join(bin(), "ssh"),
    `echo "$@" >> ${bin()}/calls
while [ "$1" != -- ]; do shift; done
host=$2; shift 2
path=${dirname(proaPath)}:$PATH
export ${places[0]}
case "$host" in
third) export ${places[1]} ;;
old) path=${dirname(old)}:$PATH ;;
podman) path=${dirname(podman)} ;;
nothing) path=${bin()}/nothing ;;
broken) echo "ssh: connect to host broken: Connection refused" >&2; exit 255 ;;
esac
exec 3<&0 # it ends with the command, whoever still has something to say
PATH=$path /bin/sh -c "$*" < <(tee -a ${bin()}/in <&3) > >(tee -a ${bin()}/out)
`,
  );
  script(
    old,
    `case "$*" in *__*) echo "Error: unknown command" >&2; exit 125;; esac; exec ${proaPath} "$@"\n`,
  );
  script(podman, `exec ${proaPath} "$@"\n`);
  mkdirSync(join(bin(), "nothing"));
  for (const directory of [dirname(podman), join(bin(), "nothing")])
    symlinkSync("/bin/sh", join(directory, "sh"));
  env = { PATH: `${bin()}:${process.env["PATH"]}` };
});
afterAll(async () => {
  for (const engine of [here, there, third]) await engine.assertNothingLeft();
  await registry[Symbol.asyncDispose]();
});

const calls = () => readFileSync(join(bin(), "calls"), "utf8");
const scp = (...words: string[]) => here.ok(["image", "scp", ...words], { env });
const idOf = (engine: Engine, name: string) => engine.ok(["image", "inspect", "-f", "{{.Id}}", name]);

/** Bytes that go through "ssh" meanwhile. */
async function carried(work: () => Promise<unknown>): Promise<{ in: number; out: number }> {
  for (const name of ["in", "out"]) rmSync(join(bin(), name), { force: true });
  await work();
  return { in: statSync(join(bin(), "in")).size, out: statSync(join(bin(), "out")).size };
}

test("copies an image to another host, and gives it a further name there", async () => {
  expect(await scp(image, "me@server:2222::copy:1")).toContain(`Loaded image: ${image}`);
  expect(calls()).toBe("-p 2222 -- me@server proa __receive --name docker.io/library/copy:1\n");
  for (const name of [image, "copy:1"]) expect(await idOf(there, name)).toBe(id);
});

test("copies an image from another host, quietly", async () => {
  await here.ok(["rmi", image]);
  expect(await here.proa(["image", "scp", "-q", "server::copy:1"], { env })).toMatchObject({
    stdout: "",
    stderr: "",
    exitCode: 0,
  });
  expect(await idOf(here, "copy:1")).toBe(id);
});

describe("layers that are there", () => {
  test("are not sent: neither all nor some, to a host and from it", async () => {
    const again = await carried(() => scp("copy:1", "server::"));
    expect(again.in).toBeLessThan(40_000);
    const larger = await makeImage({
      layers: [await tinyLayer(), { noise }, { small: "small" }],
      config: { Env: ["PATH=/bin"] },
    });
    const name = registry.addImage("scp", "larger", larger);
    await there.ok(["pull", "-q", name]);
    const part = await carried(() => scp(`server::${name}`));
    expect(part.out).toBeLessThan(40_000);
    expect(await idOf(here, name)).toBe(larger.blobs[0]?.digest ?? "");
    expect((await here.proa(["system", "check"])).stdout).toBe("");
    await here.ok(["rmi", name, "copy:1"]);
    const whole = await carried(() => scp(`server::${name}`));
    expect(whole.out).toBeGreaterThan(noise.length);
    expect((await here.proa(["system", "check"])).stdout).toBe("");
    await scp("server::copy:1");
  });

  test("the manifest is what it was, so it can be pushed with its digest", async () => {
    const manifest = ({ sandbox }: Engine, name: string) => {
      const index = JSON.parse(readFileSync(join(sandbox.dataHome, "proa/images/index.json"), "utf8"));
      const entries = index.manifests as { digest: string; annotations?: Record<string, string> }[];
      const isNamed = ({ annotations }: (typeof entries)[0]) =>
        annotations?.["org.opencontainers.image.ref.name"] === name;
      return entries.find(isNamed)?.digest;
    };
    await there.ok(["pull", "-q", image]);
    await scp(`server::${image}`);
    expect(manifest(here, image)).toMatch(/^sha256:/);
    expect(manifest(here, image)).toBe(manifest(there, image));
  });
});

test("from one host to another", async () => {
  expect(await scp(`server::${image}`, "third::named:1")).toContain(`Loaded image: ${image}`);
  expect(await idOf(third, "named:1")).toBe(id);
  const again = await carried(() => scp(`server::${image}`, "third::"));
  expect(again.in + again.out).toBeLessThan(80_000);
});

test("an image without a name, by its id", async () => {
  await third.ok(["rmi", "-f", id]);
  expect(await scp(id.slice(7, 19), "third::given:1")).toBe(`Loaded image: ${id}`);
  expect(await third.ok(["images", "--format", "{{.Repository}}:{{.Tag}}"])).toBe("given:1");
});

describe("where the other host cannot do that, the whole image goes", () => {
  test("an older proa", async () => {
    await there.ok(["rmi", "-f", id]);
    expect((await here.proa(["image", "scp", image, "old::more:1"], { env })).stderr).not.toContain(
      "unknown command",
    );
    for (const name of [image, "more:1"]) expect(await idOf(there, name)).toBe(id);
    await here.ok(["rmi", "-f", id]);
    await scp("old::more:1", "mine:1");
    expect(await idOf(here, "mine:1")).toBe(id);
  });

  test("another engine", async () => {
    await there.ok(["rmi", "-f", id]);
    await scp("mine:1", "podman::theirs:1");
    for (const name of ["mine:1", "theirs:1"]) expect(await idOf(there, name)).toBe(id);
    await here.ok(["rmi", "-f", id]);
    await scp("podman::theirs:1");
    expect(await idOf(here, "theirs:1")).toBe(id);
    await scp("podman::theirs:1", "third::");
    await here.ok(["tag", "theirs:1", "copy:1"]);
  });

  test("no engine at all", async () => {
    const { stderr, exitCode } = await here.proa(["image", "scp", "copy:1", "nothing::"], { env });
    expect(stderr).toContain("there is neither proa nor podman nor docker");
    expect([stderr, exitCode]).toEqual([expect.stringContaining("is proa installed there?"), 125]);
  });
});

test.each([
  [["copy:1"], "one of the two has to be on another host"],
  [["copy:1", "-oProxyCommand=x::"], "unknown shorthand flag"],
  [["--", "copy:1", "-oProxyCommand=x::"], "is no host for ssh"],
  [["server::a;reboot"], "not a part of a repository's name"],
  [["server::"], "names no image"],
  [["nothing:1", "server::"], "No such image: nothing:1"],
  [["server::nothing:1"], "No such image: docker.io/library/nothing:1"],
  [["server::nothing:1", "third::"], "No such image: docker.io/library/nothing:1"],
  [["broken::copy:1"], "ssh: connect to host broken: Connection refused"],
  [["copy:1", "broken::"], "it failed with status 255"],
])("%p fails: %s", async (argv, why) => {
  const result = await here.proa(["image", "scp", ...argv], { env });
  expect(result.stderr).toContain(why);
  expect(result.exitCode).toBeGreaterThan(0);
});

test("what ends in the middle leaves nothing", async () => {
  await third.ok(["rmi", "-f", id]);
  const cut = join(bin(), "cut/ssh");
  const { home, dataHome, runtimeDir } = third.sandbox;
  script(
    cut,
    `export HOME=${home} XDG_DATA_HOME=${dataHome} XDG_RUNTIME_DIR=${runtimeDir} PATH=${dirname(proaPath)}:$PATH
while [ "$1" != -- ]; do shift; done; shift 2
dd bs=1 count=20000 2>/dev/null | sh -c "$*"
`,
  );
  const result = await here.proa(["image", "scp", "copy:1", "third::"], {
    env: { PATH: `${dirname(cut)}:${process.env["PATH"]}` },
  });
  expect(result.stderr).toContain("truncated");
  expect(result.exitCode).toBe(125);
  expect(await third.ok(["images", "-q"])).toBe("");
  expect((await third.proa(["system", "check"])).stdout).toBe("");
});
