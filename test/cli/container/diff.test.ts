/** `proa diff`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { detach, printed, SLEEP } from "./_shell";

// What is done to the files of the image, and what docker shows of it.
const SCRIPT = `echo new > /added; echo more >> /etc/passwd; rm /etc/group; chmod 700 /home
  rm -r /var/www; mkdir /var/www; echo x > /var/www/y; mkdir -p /a/b; touch /a/b/c; ln -s /x /link; mkfifo /fifo
  mv /bin/yes /bin/no; touch /usr; echo ready`;
const CHANGES = [
  "A /a",
  "A /a/b",
  "A /a/b/c",
  "A /added",
  "C /bin",
  "A /bin/no",
  "D /bin/yes",
  "C /etc",
  "D /etc/group",
  "C /etc/passwd",
  "A /fifo",
  "C /home",
  "A /link",
  "C /usr",
  "C /var",
  "C /var/www",
  "D /var/www/old",
  "A /var/www/y",
];

describe.skipIf(missing !== null)("diff", () => {
  const place = useTiny();
  const { engine } = place;
  const run = (name: string, globals: string[]) => {
    const options = ["-d", "--name", name, "-v", "/vol", "--tmpfs", "/memory"];
    return engine.ok([...globals, "run", ...options, "base", "sh", "-c", `${SCRIPT}; exec sleep 1000`]);
  };
  const diff = async (name: string, ...more: string[]): Promise<string[]> =>
    (await engine.ok(["diff", ...more, name])).split("\n").filter(Boolean);

  const ofImage = async (name: string): Promise<string[]> =>
    (await engine.ok(["image", "diff", name])).split("\n").filter(Boolean);

  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok([
      "run",
      "--name",
      "base",
      place.tiny,
      "sh",
      "-c",
      "mkdir -p /var/www /usr; echo > /var/www/old",
    ]);
    await engine.ok(["commit", "base", "base"]);
    await run("changed", []);
    await printed(place, "changed", "ready");
  });

  test.each([
    [["diff"], '"proa diff" requires exactly 1 argument: no CONTAINER given'],
    [["diff", "nosuch"], "diff: nosuch: no such container"],
    [["diff", "--format", "xml", "changed"], "diff: --format xml: only json is known"],
  ])("%p is refused", async (args, message) => {
    const result = await engine.proa(args);
    expect(result.stderr).toStartWith(`Error: ${message}\n`);
    expect(result.exitCode).not.toBe(0);
  });

  test("shows what was added, changed and deleted, while it runs and afterwards", async () => {
    expect(await diff("changed")).toEqual(CHANGES);
    await engine.ok(["stop", "-t", "0", "changed"]);
    expect(await diff("changed")).toEqual(CHANGES);
  });

  test("--format json has podman's lists", async () => {
    const lists = JSON.parse(await engine.ok(["diff", "--format", "json", "changed"]));
    const of = (kind: string) => CHANGES.filter((line) => line.startsWith(kind)).map((line) => line.slice(2));
    expect(lists).toEqual({ changed: of("C"), added: of("A"), deleted: of("D") });
  });

  test("a container that has done nothing has changed nothing, whatever is mounted in it", async () => {
    const mounts = [
      "-v",
      "/a/b/c",
      "-v",
      `${engine.sandbox.home}:/mnt/host:ro`,
      "--tmpfs",
      "/t",
      "-w",
      "/tmp",
    ];
    await detach(place, "idle", SLEEP, mounts);
    expect(await diff("idle")).toEqual([]);
    await engine.ok(["exec", "idle", "touch", "/a/b/c/in-the-volume", "/t/in-memory"]);
    expect(await diff("idle")).toEqual([]);
    await engine.ok(["exec", "idle", "touch", "/a/b/beside"]);
    expect(await diff("idle")).toEqual(["A /a", "A /a/b", "A /a/b/beside"]);
    await engine.ok(["create", "--name", "never", place.tiny, "true"]);
    expect(await diff("never")).toEqual([]);
  });

  test("of an image it is what its last layer changes; a container of its name comes first", async () => {
    await engine.ok(["rm", "base"]);
    expect(await diff("base")).toEqual(await ofImage("base"));
    expect(await diff("base")).toContain("A /var/www/old");
    await engine.ok(["create", "--name", "base", place.tiny, "true"]);
    expect(await diff("base")).toEqual([]);
  });

  test("a name with a line end, and one that is no UTF-8, come as they are", async () => {
    await detach(place, "names", [
      "sh",
      "-c",
      `touch "$(printf '/a\\nb')" "$(printf '/\\377')"; echo ready; exec sleep 100`,
    ]);
    await printed(place, "names", "ready");
    const { bytes } = await engine.proa(["diff", "names"]);
    expect(Buffer.from(bytes.stdout).toString("latin1")).toBe("A /a\nb\nA /\xff\n");
  });

  test.each(["vfs", "fuse-overlayfs"])("%s tells the same", async (driver) => {
    if (driver === "fuse-overlayfs" && Bun.which(driver) === null) return;
    const proa = (args: string[]) => engine.ok(["--storage-driver", driver, ...args]);
    await run(driver, ["--storage-driver", driver]);
    await printed(place, driver, "ready");
    expect((await proa(["diff", driver])).split("\n")).toEqual(CHANGES);
    await proa(["stop", "-t", "0", driver]);
    expect((await proa(["diff", driver])).split("\n")).toEqual(CHANGES);
    await proa(["rm", driver]);
  });
});
