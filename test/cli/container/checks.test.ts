import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { printed } from "./_shell";

describe.skipIf(missing !== null)(`what create and run refuse${missing ? ` (${missing})` : ""}`, () => {
  const place = useTiny();

  afterEach(async () => {
    const ids = (await place.engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
    if (ids.length > 0) await place.engine.ok(["rm", "-f", ...ids]);
  });

  test.each([
    ["--hostname", "a b", "hostname: "],
    ["--hostname", "a\n1.1.1.1 evil", "hostname: "],
    ["--hostname", "a".repeat(65), "hostname: "],
    ["-v", "/a:/b:foo", 'unknown option "foo"'],
    ["--cap-add", "FLY", "no such capability"],
    ["--add-host", "bad", "extra host: bad"],
    ["--runtime", "no-such-runtime", "no such program in PATH"],
    ["--ulimit", "nofile=1:2:3", "expected NAME=SOFT[:HARD]"],
    ["--ulimit", "nofile=99999999999999999999", "the number is too large"],
    ["--tmpfs", "/x:a:b", "expected TARGET[:OPTIONS]"],
    ["--security-opt", "seccomp=/no/such/file", "seccomp profile: /no/such/file: "],
  ])("create %s %p is refused as a start would be", async (flag, value, words) => {
    const result = await place.engine.proa(["create", flag, value, place.tiny, "true"]);
    expect(result.stderr).toContain(words);
    expect(result.exitCode).toBe(125);
    expect(await place.engine.ok(["ps", "-aq"])).toBe("");
  });

  test("run refuses before it makes the source of a bind", async () => {
    const source = join(place.engine.sandbox.directory, "never");
    const result = await place.engine.proa([
      "run",
      "--rm",
      "-v",
      `${source}:/b`,
      "--hostname",
      "a b",
      place.tiny,
      "true",
    ]);
    expect(result.stderr).toContain("hostname: ");
    expect(result.exitCode).toBe(125);
    expect(existsSync(source)).toBe(false);
  });

  test("--shm-size 0 is the default, not no limit", async () => {
    const output = await place.engine.ok([
      "run",
      "--rm",
      "--shm-size",
      "0",
      place.tiny,
      "df",
      "-k",
      "/dev/shm",
    ]);
    expect(output).toMatch(/shm +65536 /);
  });

  test("a seccomp profile is kept as it was at create: exec neither needs its file nor spoils what is compiled of another", async () => {
    const file = join(place.engine.sandbox.directory, "profile.json");
    const rule = (names: string[]) => ({ names, action: "SCMP_ACT_ERRNO", errnoRet: 1 });
    writeFileSync(file, JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule(["chroot"])] }));
    await place.engine.ok([
      "run",
      "-d",
      "--name",
      "kept",
      "--security-opt",
      `seccomp=${file}`,
      place.tiny,
      "sleep",
      "600",
    ]);
    writeFileSync(
      file,
      JSON.stringify({ defaultAction: "SCMP_ACT_ALLOW", syscalls: [rule(["mkdir", "mkdirat"])] }),
    );
    await place.engine.ok(["exec", "kept", "mkdir", "/tmp/z"]);
    const denied = await place.engine.proa([
      ...["run", "--rm", "--security-opt", `seccomp=${file}`],
      ...[place.tiny, "mkdir", "/tmp/z"],
    ]);
    expect(denied.exitCode).toBe(1);
    rmSync(file);
    expect(await place.engine.ok(["exec", "kept", "id", "-u"])).toBe("0");
  });

  test("stop -t takes more seconds than poll(2) has milliseconds for", async () => {
    const script = 'trap "sleep 1; exit 7" TERM; echo ready; while :; do sleep 0.1; done';
    await place.engine.ok(["run", "-d", "--name", "slow", place.tiny, "sh", "-c", script]);
    await printed(place, "slow", "ready");
    await place.engine.ok(["stop", "-t", "4294968", "slow"]);
    expect(await place.engine.ok(["inspect", "-f", "{{.State.ExitCode}}", "slow"])).toBe("7");
  });

  test("a compiled filter that a power cut has emptied is compiled anew", async () => {
    const cache = join(place.engine.sandbox.cacheHome, "proa/seccomp");
    await place.engine.ok(["run", "--rm", place.tiny, "true"]);
    const sizes = readdirSync(cache).map((name) => {
      const { size } = statSync(join(cache, name));
      writeFileSync(join(cache, name), Buffer.alloc(size));
      return size;
    });
    expect(sizes.length).toBeGreaterThan(0);
    expect(await place.engine.ok(["run", "--rm", place.tiny, "grep", "^Seccomp:", "/proc/self/status"])).toBe(
      "Seccomp:\t2",
    );
  });

  test("the state database can be read by nobody else", () => {
    const data = join(place.engine.sandbox.dataHome, "proa");
    const files = readdirSync(data).filter((name) => name.startsWith("state.db"));
    expect(files.length).toBeGreaterThan(0);
    for (const name of files) {
      const { mode } = statSync(join(data, name));
      expect([name, mode & 0o077]).toEqual([name, 0]);
    }
  });
});
