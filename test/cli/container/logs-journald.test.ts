/** The log driver journald, with a stand-in for systemd's journal and its journalctl. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, inspect, removeAll } from "./_shell";

const python = Bun.which("python3");
const lacking = missing ?? (python === null ? "python3 is not installed" : null);

describe.skipIf(lacking !== null)("log driver journald", () => {
  const place = useTiny();
  const { engine } = place;
  let server: Bun.Subprocess | undefined;
  let store = "";
  let env: Record<string, string> = {};

  const listen = async (): Promise<void> => {
    const socket = join(engine.sandbox.home, "journal.sock");
    const child = Bun.spawn([python as string, join(import.meta.dir, "journal_server.py"), socket, store], {
      stdout: "pipe",
    });
    await child.stdout.getReader().read();
    server = child;
  };

  beforeAll(async () => {
    const { home, configHome } = engine.sandbox;
    store = join(home, "journal.jsonl");
    await Bun.write(
      join(configHome, "proa/config.toml"),
      `[log]\njournald-socket = ${JSON.stringify(join(home, "journal.sock"))}\n`,
    );
    await listen();
    // what the real one does with these options: the entries of one container, then with --follow those to come
    const journalctl = join(home, "journalctl");
    writeFileSync(
      journalctl,
      `#!${python}
import sys, time
match = next(each for each in sys.argv if each.startswith("CONTAINER_ID_FULL=")).split("=")[1]
store = open(${JSON.stringify(store)}, "a+")
store.seek(0)
while True:
    line = store.readline()
    if match in line:
        print(line, end="", flush=True)
    if not line and "--follow" not in sys.argv:
        break
    if not line:
        time.sleep(0.01)
`,
    );
    chmodSync(journalctl, 0o755);
    env = { PATH: `${home}:${process.env.PATH}` };
  });
  afterEach(() => removeAll(place));
  afterAll(() => server?.kill());

  const logs = (...args: string[]) => engine.proa(["logs", ...args, "web"], { env });
  const entries = async (): Promise<Record<string, unknown>[]> => {
    const id = await inspect(place, "web", "{{.Id}}");
    const lines = existsSync(store) ? readFileSync(store, "utf8").trimEnd().split("\n") : [];
    return lines.map((line) => JSON.parse(line)).filter((entry) => entry.CONTAINER_ID_FULL === id);
  };
  const ran = async (script: string, ...options: string[]): Promise<string> => {
    const all = ["--network", "none", "--log-driver", "journald", ...options];
    const id = await detach(place, "web", ["sh", "-c", script], all);
    await engine.ok(["wait", "web"]);
    return id;
  };

  test("gives docker's fields with each line", async () => {
    const options = ["tag={{.Name}}", "labels=com.team", "env=X"].flatMap((each) => ["--log-opt", each]);
    const id = await ran("echo out; echo err >&2", ...options, "--label", "com.team=a", "-e", "X=1\n2");
    const common = {
      CONTAINER_ID: id.slice(0, 12),
      CONTAINER_ID_FULL: id,
      CONTAINER_NAME: "web",
      CONTAINER_TAG: "web",
      SYSLOG_IDENTIFIER: "web",
      IMAGE_NAME: place.tiny,
      COM_TEAM: "a",
      X: "1\n2",
    };
    await waitUntil(async () => (await entries()).length === 2, { what: "two entries" });
    const [first, second] = (await entries()).toSorted((a, b) => Number(b.PRIORITY) - Number(a.PRIORITY));
    expect(first).toMatchObject({ ...common, MESSAGE: "out", PRIORITY: "6" });
    expect(second).toMatchObject({ ...common, MESSAGE: "err", PRIORITY: "3" });
    expect(first).not.toHaveProperty("CONTAINER_PARTIAL_MESSAGE");
    expect(await logs()).toMatchObject({ stdout: "out\n", stderr: "err\n", exitCode: 0 });
    expect(await inspect(place, "web", "{{.LogPath}}")).toBe("");
  });

  test("the tag is the short id where none is given", async () => {
    const id = await ran("echo out");
    await waitUntil(async () => (await entries()).length === 1, { what: "an entry" });
    expect((await entries())[0]).toMatchObject({ CONTAINER_TAG: id.slice(0, 12) });
  });

  test("parts of a long line say so, and are one line again, as are bytes that are no UTF-8", async () => {
    await ran("echo first; head -c 50000 /dev/zero | tr '\\0' x; echo; printf 'a\\377b\\n'; printf end");
    await waitUntil(async () => (await entries()).length === 7, { what: "seven entries" });
    const parts = (await entries()).filter((entry) => String(entry.MESSAGE).startsWith("xx"));
    expect(parts.map((entry) => entry.CONTAINER_PARTIAL_MESSAGE)).toEqual([
      "true",
      "true",
      "true",
      undefined,
    ]);
    expect(parts.map((entry) => entry.CONTAINER_PARTIAL_ORDINAL)).toEqual(["1", "2", "3", "4"]);
    expect(parts.map((entry) => entry.CONTAINER_PARTIAL_LAST)).toEqual(["false", "false", "false", "true"]);
    expect(new Set(parts.map((entry) => entry.CONTAINER_PARTIAL_ID)).size).toBe(1);
    const { bytes } = await logs();
    expect(Buffer.from(bytes.stdout).toString("latin1")).toBe(`first\n${"x".repeat(50_000)}\na\xffb\nend`);
    expect((await logs("-n", "1")).stdout).toBe("end");
  });

  test("-f goes on, and ends with the container", async () => {
    const script = "echo one; while ! test -e /go; do sleep 0.02; done; echo two";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none", "--log-driver", "journald"]);
    const follower = engine.start(["logs", "-f", "web"], { env });
    const reader = follower.stdout.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("one\n");
    await engine.proa(["exec", "web", "touch", "/go"]); // may end with it
    expect(new TextDecoder().decode((await reader.read()).value)).toBe("two\n");
    expect(await follower.exited).toBe(0);
  });

  test("a journal that is restarted is found again; what it does not take meanwhile is told", async () => {
    const script =
      "echo one; for i in 2 3; do while ! test -e /go$i; do sleep 0.02; done; echo $i; done; sleep 1000";
    await detach(place, "web", ["sh", "-c", script], ["--network", "none", "--log-driver", "journald"]);
    await waitUntil(async () => (await entries()).length === 1, { what: "an entry" });
    server?.kill();
    await server?.exited;
    await engine.ok(["exec", "web", "touch", "/go2"]);
    await waitUntil(async () => (await logs()).stderr.includes("2 bytes of its output are not in the log"));
    Bun.spawnSync(["rm", join(engine.sandbox.home, "journal.sock")]);
    await listen();
    await engine.ok(["exec", "web", "touch", "/go3"]);
    await waitUntil(async () => (await entries()).length === 2, { what: "an entry of the new journal" });
    expect((await logs()).stdout).toBe("one\n3\n");
  });

  test("without journalctl logs says so", async () => {
    await ran("echo one");
    const result = await engine.proa(["logs", "web"], { env: { PATH: "/nowhere" } });
    expect(result.stderr).toContain("journalctl, which is not installed");
    expect(result.exitCode).toBe(1);
  });
});
