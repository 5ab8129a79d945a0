/**
 * Descriptors and directories of the host that a container's program could find open (CVE-2024-21626 in runc, CVE-2016-9962 before it), and
 * looking into the engine's processes on their way in.
 */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { proaPath } from "../../harness";
import { removeAll } from "../_network";
import { detach, run } from "../container/_shell";
import { beside, missing, useAttacker } from "./_attack";

const numbers = Array.from({ length: 18 }, (_, i) => i + 3);

setDefaultTimeout(180_000); // many containers in a test; a hang is one command's timeout

describe.skipIf(missing !== null)(`descriptors of the host${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  /** `0 pipe:[1]\n1 …`: what is open, without the inode numbers. */
  const kinds = (text: string): string[] =>
    text
      .trim()
      .split(/\r?\n/)
      .map((line) => line.replace(/\[\d+\]/, ""));
  const pipes = ["0 /dev/null", "1 pipe:", "2 pipe:"];

  test("are not open in a container's first process, however it is started", async () => {
    expect(kinds((await run(place, [], ["attack", "fds"])).stdout)).toEqual(pipes);
    expect(kinds((await run(place, ["-i"], ["attack", "fds"])).stdout)).toEqual([
      "0 pipe:",
      ...pipes.slice(1),
    ]);
    expect(kinds((await run(place, ["--network", "none"], ["attack", "fds"])).stdout)).toEqual(pipes);
    expect(kinds((await run(place, ["--network", "host"], ["attack", "fds"])).stdout)).toEqual(pipes);
    await engine.ok(["run", "-d", "--name", "far", place.tiny, "attack", "fds"]);
    await engine.ok(["wait", "far"]);
    expect(kinds(await engine.ok(["logs", "far"]))).toEqual(pipes);
    const screen = engine.pty(["run", "--rm", "-it", place.tiny, "attack", "fds"]);
    await screen.exited;
    expect(kinds(screen.output)).toEqual([0, 1, 2].map((fd) => `${fd} /dev/pts/0`));
  });

  test("are not open in what exec adds, however that is done", async () => {
    await detach(place, "box");
    const inside = async (...options: string[]): Promise<string[]> =>
      kinds((await engine.proa(["exec", ...options, "box", "attack", "fds"])).stdout);
    expect(await inside()).toEqual(pipes);
    expect(await inside("-i")).toEqual(["0 pipe:", ...pipes.slice(1)]);
    expect(await inside("-u", "app")).toEqual(pipes);
    await engine.ok(["exec", "-d", "box", "sh", "-c", "attack fds >/tmp/fds.new; mv /tmp/fds.new /tmp/fds"]);
    const read = "until [ -e /tmp/fds ]; do sleep 0.01; done; cat /tmp/fds";
    expect(kinds(await engine.ok(["exec", "box", "sh", "-c", read]))).toEqual([
      "0 /dev/null",
      "1 /tmp/fds.new",
      "2 /dev/null",
    ]);
    await engine.ok(["rm", "-f", "box"]);
  });

  test("of the one who calls proa do not come with it", async () => {
    const fd = openSync("/", "r");
    const child = Bun.spawn([proaPath, "run", "--rm", place.tiny, "attack", "fds"], {
      env: engine.sandbox.env,
      stdio: ["ignore", "pipe", "inherit", fd, fd, fd],
    });
    closeSync(fd);
    expect(kinds(await new Response(child.stdout).text())).toEqual(pipes);
    expect(await child.exited).toBe(0);
  });

  test("are no working directory, whether the image, the user or exec names them", async () => {
    await detach(place, "box");
    for (const number of numbers) {
      const cwd = `/proc/self/fd/${number}`;
      const image = number < 12 ? await place.image({ n: `${number}` }, { WorkingDir: cwd }) : place.tiny;
      const results = [
        await engine.proa(["run", "--rm", image, "pwd"]),
        await run(place, ["-w", cwd], ["sh", "-c", "pwd; ls -a .."]),
        await run(place, ["-w", `${cwd}/../..`], ["sh", "-c", "pwd; ls -a"]),
        await engine.proa(["exec", "-w", cwd, "box", "sh", "-c", "pwd; ls -a .."]),
      ].slice(image === place.tiny ? 1 : 0);
      for (const { stdout, stderr, exitCode } of results) {
        expect(stdout).toBe("");
        expect(stderr).toStartWith("Error: ");
        expect(exitCode).toBeGreaterThanOrEqual(125);
      }
    }
    await engine.ok(["rm", "-f", "box"]);
  });

  test("are no way to a program", async () => {
    await detach(place, "box");
    for (const number of numbers) {
      const program = `/proc/self/fd/${number}/../../../../../../bin/sh`;
      expect(await run(place, [], [program, "-c", "echo out"])).toMatchObject({ stdout: "", exitCode: 127 });
      const further = await engine.proa(["exec", "box", program, "-c", "echo out"]);
      expect(further).toMatchObject({ stdout: "", exitCode: 127 });
    }
    await engine.ok(["rm", "-f", "box"]);
  });

  test.each([
    ["by default", []],
    ["with every capability", ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"]],
  ])("cannot be taken from a process that is on its way in, %s", async (_how, options) => {
    const answer = await beside(
      place,
      ["look"],
      async (name) => {
        for (let i = 0; i < 12; i++) await engine.ok(["exec", name, "true"]);
      },
      options,
    );
    expect(answer).toBe("seen some opened 0 traced 0");
  });

  test("nothing is left of all these", () => removeAll(place));
});
