/** `system report`: what a bug report holds, and what it must not. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";

describe.skipIf(missing !== null)("system report", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(async () => {
    if (missing === null) await engine.proa(["rm", "-f", "-t", "0", "web"]);
  });

  test("has versions, machine, info, checks and settings", async () => {
    const text = await engine.ok(["system", "report"]);
    const headings = [...text.matchAll(/^## (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual([
      "Versions",
      "Machine",
      "Environment",
      "proa info",
      "proa doctor",
      "Settings",
      "Last failures",
    ]);
    expect(text).toContain("Storage driver: ");
    expect(text).toMatch(/^kernel: \d+\./m);
    expect(text).toContain("XDG_");
    expect(text).not.toContain("could not be found out");
    expect(text).not.toContain(engine.sandbox.home);
  });

  test("has of a container why it ended, what it was made of, and its events; but no secrets", async () => {
    await engine.ok([
      "run",
      "-d",
      "--name",
      "web",
      "-e",
      "PASSWORD=hunter2",
      place.tiny,
      "sh",
      "-c",
      "exit 3",
    ]);
    await engine.ok(["wait", "web"]);
    const env = { HTTPS_PROXY: "http://me:topsecret@proxy.example.com:3128", MY_TOKEN: "abc" };
    const text = await engine.ok(["system", "report", "web"], { env });
    for (const heading of ["proa why", "Container", "State", "Last events"])
      expect(text).toContain(`\n## ${heading}\n`);
    expect(text).toContain('"PASSWORD=…"');
    expect(text).toMatch(/container create\n/);
    expect(text).toMatch(/container die \(exit code 3\)\n/);
    for (const secret of ["hunter2", "topsecret", "abc\n"]) expect(text).not.toContain(secret);
    expect(text).toContain("HTTPS_PROXY=http://…@proxy.example.com:3128");
    expect((await engine.proa(["system", "report", "nosuch"])).stderr).toContain("no such container");
  });

  test("has nothing that was given to a container, or that it has written", async () => {
    const secrets = Array.from({ length: 9 }, (_, at) => `hush${at}${"x".repeat(at)}hush`);
    const [flag, short, login, label, check, command, written, probe, annotation] = secrets;
    await engine.ok([
      "run",
      "-d",
      "--name",
      "web",
      "--label",
      `api_key=${label}`,
      "--annotation",
      `api.key=${annotation}`,
      "--health-cmd",
      `echo ${probe}; : curl -u me:${check}; false`,
      "--health-interval",
      "1s",
      "-e",
      `DB_PASS=${login}`,
      place.tiny,
      "sh",
      "-c",
      `echo ${written}; sleep 500`,
      "server",
      "--requirepass",
      flag ?? "",
      `-p${short}`,
    ]);
    await engine.ok(["exec", "web", "echo", "--token", command ?? ""]);
    await waitUntil(async () => {
      const { Status } = JSON.parse(await engine.ok(["inspect", "-f", "{{json .State.Health}}", "web"]));
      return Status === "unhealthy";
    });
    for (const isStopped of [false, true]) {
      if (isStopped) await engine.ok(["kill", "web"]);
      const text = await engine.ok(["system", "report", "web"]);
      for (const secret of secrets) expect(text).not.toContain(secret);
      expect(text).toMatch(/T[\d:]+\.\d{3}Z container exec_create\n/);
      expect(text).not.toMatch(/(T[\d:]+\.000Z .*\n){3}/); // moments, not seconds
      const document = text.slice(text.indexOf("## Container\n") + 13, text.indexOf("## State"));
      const [{ Path, Args, Config, HostConfig }] = JSON.parse(document);
      expect(Path).toBe("sh");
      expect(Args).toEqual(Array(6).fill("…"));
      expect(Config.Labels.api_key).toBe("…");
      expect(typeof HostConfig.Passwd).not.toBe("string");
    }
  }, 30_000);

  test("a failure is written down without the password in it", async () => {
    await engine.proa(["pull", "https://me:hushhush@127.0.0.1:1/app"]);
    const path = join(engine.sandbox.cacheHome, "proa/errors.jsonl");
    expect(readFileSync(path, "utf8")).not.toContain("hushhush");
  });

  test("goes to a file that is its owner's alone", async () => {
    const path = join(engine.sandbox.home, "report.txt");
    expect(await engine.ok(["system", "report", "-o", path])).toBe(path);
    expect(readFileSync(path, "utf8")).toStartWith("# Report of proa ");
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const failed = await engine.proa(["system", "report", "-o", "/proc/none/x"]);
    expect(failed.exitCode).toBe(1);
    expect(failed.stderr).toStartWith("Error: write report: /proc/none/x: ");
  });

  test("tells the last failures by command, without arguments; a mistyped name is none", async () => {
    await engine.proa(["inspect", "nosuch-thing"]);
    await engine.proa(["ps", "--nosuch-flag"]);
    const failed = await engine.proa(["pull", "127.0.0.1:1/hidden-word/app"]);
    expect(failed.exitCode).not.toBe(0);
    const text = await engine.ok(["system", "report"]);
    const failures = text.slice(text.indexOf("## Last failures"));
    expect(failures).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z proa pull: \w+: /m);
    expect(failures).not.toContain("nosuch");
  });

  test("keeps a bounded number of failures", async () => {
    const path = join(engine.sandbox.cacheHome, "proa/errors.jsonl");
    const line = `${JSON.stringify({ time: "t", command: "c", code: "io", message: "x".repeat(500) })}\n`;
    writeFileSync(path, line.repeat(300));
    await engine.proa(["pull", "127.0.0.1:1/app"]);
    const lines = readFileSync(path, "utf8").trim().split("\n");
    expect(lines).toHaveLength(51);
    expect(JSON.parse(lines.at(-1) ?? "").command).toBe("proa pull");
  });

  test("settings that cannot be read are said to be so, and the rest is there", async () => {
    const directory = join(engine.sandbox.home, "broken");
    await Bun.write(join(directory, "config.toml"), "storage-driver = = 1\n");
    const text = await engine.ok(["--config", directory, "system", "report"]);
    expect(text).toContain("it is not TOML");
    expect(text).toContain("## Last failures");
  });
});
