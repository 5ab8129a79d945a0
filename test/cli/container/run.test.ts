/** `proa run`, the executable as a whole. Containers of the tiny image, each removed by --rm. */
import { describe, expect, test } from "bun:test";
import { readlinkSync } from "node:fs";
import { missing, useTiny, waitUntil } from "../../harness";
import { run, SLEEP, shell } from "./_shell";

describe.skipIf(missing !== null)("proa run", () => {
  const place = useTiny();
  const { engine } = place;

  test("passes stdout, stderr and the exit status", async () => {
    const result = await run(place, [], ["sh", "-c", "echo out; echo err >&2; exit 7"]);
    expect(result).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 7 });
  });

  test("exits 127 where the command is not there", async () => {
    const result = await run(place, [], ["nothere"]);
    expect(result.stderr).toBe("Error: execute: nothere: command not found in the container\n");
    expect(result.exitCode).toBe(127);
  });

  test("exits 126 where the command cannot be executed", async () => {
    const result = await run(place, [], ["/etc/passwd"]);
    expect(result.stderr).toBe("Error: execute: /etc/passwd: permission denied\n");
    expect(result.exitCode).toBe(126);
  });

  test("exits 128 + N where signal N ended the command", async () => {
    const running = engine.proa(["run", "--rm", "--name", "victim", place.tiny, ...SLEEP]);
    await waitUntil(async () => (await engine.proa(["kill", "victim"])).exitCode === 0);
    expect((await running).exitCode).toBe(137);
  });

  test("makes every namespace", async () => {
    const names = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup"];
    const inside = (
      await shell(place, [], `for n in ${names.join(" ")}; do readlink /proc/self/ns/$n; done`)
    ).split("\n");
    const shared = names.filter((name, i) => inside[i] === readlinkSync(`/proc/self/ns/${name}`));
    expect(shared).toEqual([]);
  });

  test("changes to the root file system are the container's own", async () => {
    expect(await shell(place, [], "echo changed >/etc/passwd; rm /etc/group; cat /etc/passwd")).toBe(
      "changed",
    );
    expect(await shell(place, [], "head -n 1 /etc/passwd; test -e /etc/group && echo there")).toBe(
      "root:x:0:0:root:/root:/bin/sh\nthere",
    );
  });

  test("hello needs no registry", async () => {
    const result = await engine.proa(["run", "--rm", "hello"], { env: { PATH: "/usr/bin:/bin" } });
    expect(result.stderr).toBe("");
    expect(result.stdout).toStartWith("Hello from proa!\n");
  });

  test("-d prints the id, ps shows the container, rm -f removes it", async () => {
    const id = await engine.ok(["run", "-d", "--name", "web", place.tiny, ...SLEEP]);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await engine.ok(["ps", "--no-trunc", "--format", "{{.ID}} {{.Names}} {{.Image}}"])).toBe(
      `${id} web ${place.tiny}`,
    );
    expect(await engine.ok(["rm", "-f", "web"])).toBe("web");
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });

  test("its image cannot be removed, but that of an ended --rm container can", async () => {
    await engine.ok(["run", "-d", "--name", "web", place.tiny, ...SLEEP]);
    const refused = await engine.proa(["rmi", place.tiny]);
    expect(refused.stderr).toContain("web");
    expect(refused.exitCode).toBe(1);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["run", "--rm", place.tiny, "true"]);
    await engine.ok(["rmi", place.tiny]);
    await engine.ok(["pull", "-q", place.tiny]);
  });

  test("--rm leaves no process, mount or directory, and no row", async () => {
    await engine.assertNothingLeft();
    expect(await engine.ok(["ps", "-aq"])).toBe("");
  });
});
