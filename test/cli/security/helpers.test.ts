/** The engine's own processes beside a container: health checks, an init, restarts. They get no more than what the container has. */
import { describe, expect, test } from "bun:test";
import { waitUntil } from "../../harness";
import { removeAll } from "../_network";
import { inspect } from "../container/_shell";
import { executables, missing, useAttacker } from "./_attack";

const NONE = "0000000000000000";

describe.skipIf(missing !== null)(`beside a container${missing ? ` (${missing})` : ""}`, () => {
  const place = useAttacker();
  const { engine } = place;

  test("a health check has its user, its filter and no capability to pass on, and no descriptor of the host", async () => {
    const check =
      "attack fds >/tmp/fds; cat /proc/self/status >/tmp/status; attack calls >/tmp/calls; touch /tmp/done";
    const options = ["--health-cmd", check, "--health-interval", "1s", "--cap-drop", "ALL", "-u", "app"];
    await engine.ok(["run", "-d", "--name", "checked", ...options, place.tiny, "sleep", "1000"]);
    const inside = (...words: string[]) => engine.proa(["exec", "checked", ...words]);
    await waitUntil(async () => (await inside("ls", "/tmp/done")).exitCode === 0, { what: "a check" });
    const status = (await inside("cat", "/tmp/status")).stdout;
    for (const name of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toContain(`${name}:\t${NONE}`);
    expect(status).toMatch(/^Uid:\t1000\t1000\t/m);
    expect(status).toMatch(/^Seccomp:\t2$/m);
    expect((await inside("cat", "/tmp/fds")).stdout.split("\n").map((line) => line.split(" ")[0])).toEqual([
      "0",
      "1",
      "2",
      "",
    ]);
    expect((await inside("grep", "-e", " ok", "/tmp/calls")).stdout).toBe("");
    await engine.ok(["rm", "-f", "checked"]);
  });

  test("a health check of the image's is its program, and cannot steer the terminal or fill the disk by its output", async () => {
    const evil = "\u001b]0;title\u0007";
    const check = `printf '${evil}'; head -c 5000000 /dev/zero | tr '\\\\0' x; exit 1`;
    const options = ["--health-cmd", check, "--health-interval", "1s", "--health-retries", "1"];
    await engine.ok(["run", "-d", "--name", "loud", ...options, place.tiny, "sleep", "1000"]);
    await waitUntil(async () => (await inspect(place, "loud", "{{.State.Health.Status}}")) === "unhealthy");
    const text = (await engine.proa(["inspect", "loud"])).stdout;
    expect(text.length).toBeLessThan(200_000);
    expect(text).not.toContain(evil);
    expect((await engine.proa(["ps"])).stdout).not.toContain("\u001b");
    await engine.ok(["rm", "-f", "loud"]);
  });

  test("an init cannot be written to, looked into or told to do anything by the container", async () => {
    const before = executables(place);
    const script = [
      "(: >/proc/1/exe) 2>/dev/null && echo written",
      "attack trace 1",
      "for f in /proc/1/fd/*; do readlink $f; done 2>/dev/null | grep -v -e ^pipe: -e ^/dev/null -e '^anon_inode:' ",
      "tr '\\0' ' ' </proc/1/environ | grep -o 'XDG[^ ]*'",
      "grep -e CapInh -e CapAmb /proc/1/status",
      "echo end",
    ].join("; ");
    const result = await engine.proa(["run", "--rm", "--init", "-u", "app", place.tiny, "sh", "-c", script]);
    expect(result.exitCode).toBe(0);
    expect(result.stdout).not.toContain("written");
    expect(result.stdout).not.toContain("XDG");
    expect(result.stdout).not.toContain(engine.sandbox.directory);
    expect(result.stdout).toContain(`CapInh:\t${NONE}`);
    expect(result.stdout).toContain(`CapAmb:\t${NONE}`);
    expect(result.stdout).toEndWith("end\n");
    expect(executables(place)).toEqual(before);
  });

  test("a further life has what the first had: nothing has gathered in between", async () => {
    const script =
      "attack fds >>/lives; cat /proc/self/status | grep -e Cap -e Seccomp: -e NoNewPrivs >>/lives; echo --- >>/lives; sleep 0.2; exit 1";
    await engine.ok([
      "run",
      "-d",
      "--name",
      "lives",
      "--restart",
      "on-failure:3",
      "--cap-drop",
      "NET_RAW",
      place.tiny,
      "sh",
      "-c",
      script,
    ]);
    await waitUntil(async () => (await inspect(place, "lives", "{{.State.Status}}")) === "exited", {
      timeoutMs: 20_000,
    });
    const archive = await engine.proa(["cp", "lives:/lives", "-"]);
    const lives = archive.stdout
      .replaceAll(/\[\d+\]/g, "")
      .split("---\n")
      .slice(0, -1);
    expect(lives).toHaveLength(4);
    const bare = lives.map((life) => life.slice(life.indexOf("0 ")).replace(/^[^\n]*ustar[^\n]*0 /, "0 "));
    expect(new Set(bare.slice(1)).size).toBe(1);
    expect(bare[0]?.endsWith(bare[1] ?? "?")).toBe(true);
    await engine.ok(["rm", "lives"]);
  });

  test("nothing is left of all these", () => removeAll(place));
});
