/** `proa top`: ps(1)'s columns, and podman's. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, removeAll } from "./_shell";

describe.skipIf(missing !== null)("top", () => {
  const place = useTiny();
  const { engine } = place;
  const top = async (...words: string[]): Promise<string[][]> =>
    (await engine.ok(["top", "web", ...words])).split("\n").map((line) => line.trim().split(/ {2,}/));

  beforeAll(async () => {
    if (missing !== null) return;
    const script = "sleep 1000 & printf '\\033[31m' >/proc/self/comm; wait";
    await detach(place, "web", ["sh", "-c", script], ["-u", "app", "--cap-drop", "ALL"]);
    await waitUntil(async () => (await top("args")).some(([args]) => args === "sleep 1000"));
  });

  test("names of columns show the container's own numbers and users", async () => {
    expect(await top("pid", "ppid", "user", "group", "args")).toEqual([
      ["PID", "PPID", "USER", "GROUP", "COMMAND"],
      ["1", "0", "app", "app", expect.stringMatching(/^sh -c sleep 1000/)],
      ["2", "1", "app", "app", "sleep 1000"],
    ]);
    expect(await top("hpid,pid")).toEqual([
      ["HPID", "PID"],
      [await inspect(place, "web", "{{.State.Pid}}"), "1"],
      [expect.any(String), "2"],
    ]);
    await engine.ok(["exec", "-d", "-u", "0", "web", "sleep", "999"]);
    expect((await top("user args")).at(-1)).toEqual(["root", "sleep 999"]);
  });

  test("every column has a title and a value, and %-names mean the same", async () => {
    const words =
      "args capamb capbnd capeff capinh capprm cgroup comm etime group groups hgroup hgroups hpid huser label nice pcpu pgid pid ppid rgroup rss ruser seccomp state stime time tty user vsz".split(
        " ",
      );
    for (const word of words) {
      const [title, first] = await top(word);
      expect(title?.[0]).toMatch(/^[%A-Z][A-Z ]*$/);
      expect(first?.[0]).not.toBe("");
    }
    expect((await top("%U", "%p"))[1]).toEqual(["app", "1"]);
    expect((await top("capbnd"))[1]).toEqual(["none"]);
    expect((await top("seccomp", "state", "tty", "nice"))[1]).toEqual(["filter", "S", "?", "0"]);
  });

  test("what a process calls itself cannot command the terminal", async () => {
    expect(await engine.ok(["top", "web", "comm"])).not.toContain("\x1b");
  });

  test("else the words are ps's, and PID has to be among its columns", async () => {
    expect((await top())[0]?.[0]).toStartWith("UID");
    expect((await engine.ok(["top", "web", "-o", "pid,cmd"])).split("\n")[0]?.trim()).toMatch(/^PID\s+CMD$/);
    expect(await engine.ok(["top", "web", "aux"])).toContain("%MEM");
    const refused = await engine.proa(["top", "web", "-o", "cmd"]);
    expect(refused.stderr).toStartWith("Error: list processes: ps -o cmd: its output has no column PID");
    expect(refused.exitCode).not.toBe(0);
  });

  test("--latest is the newest container", async () => {
    expect(await engine.ok(["top", "--latest", "pid"])).toStartWith("PID\n1\n");
    expect((await engine.proa(["top"])).stderr).toStartWith(
      'Error: "proa top" requires at least 1 argument: no CONTAINER given\n',
    );
  });

  test("nothing is left of all these", () => removeAll(place));
});
