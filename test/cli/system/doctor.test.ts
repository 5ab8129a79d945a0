/** `proa doctor`: this machine, and what can be taken from it without being root. */
import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useEngine, useTiny, waitUntil } from "../../harness";
import { removeAll, SLEEP, supervisorOf } from "../container/_shell";

type Finding = { Check: string; Status: "ok" | "warn" | "fail"; Found: string; Cost: string; Mend: string };

const engine = useEngine();
afterAll(() => engine.assertNothingLeft());

async function findings(
  env: Record<string, string | undefined> = {},
): Promise<{ all: Map<string, Finding>; exitCode: number }> {
  const { stdout, stderr, exitCode } = await engine.proa(["doctor", "--format", "json"], { env });
  expect(stderr).toBe("");
  const all: Finding[] = JSON.parse(stdout);
  return { all: new Map(all.map((each) => [each.Check, each])), exitCode };
}

describe("proa doctor", () => {
  test("says of each check what it has found, and ends with how many there are", async () => {
    const { stdout, stderr, exitCode } = await engine.proa(["doctor"]);
    expect(stderr).toBe("");
    const { all, exitCode: again } = await findings();
    expect(exitCode).toBe(again);
    expect(exitCode).toBe([...all.values()].some(({ Status }) => Status === "fail") ? 1 : 0);
    expect(all.size).toBeGreaterThan(25);
    for (const { Check, Status, Found, Mend } of all.values()) {
      if (Check === "processes" || Check === "clock" || Check.endsWith("space")) continue; // they change as one looks
      expect(stdout).toContain(`${Status.padEnd(4)}  ${Check.padEnd(19)}${Found}\n`);
      if (Mend !== "") expect(stdout).toContain(`      ${"mend".padEnd(19)}${Mend}\n`);
    }
    const count = (status: string) => [...all.values()].filter(({ Status }) => Status === status).length;
    expect(stdout).toMatch(
      new RegExp(`\n\n${count("ok")} ok, ${count("warn")} warnings?, ${count("fail")} failures?\n$`),
    );
    expect(all.get("kernel")).toMatchObject({ Status: "ok", Cost: "", Mend: "" });
    expect(all.get("user namespaces")?.Status).toBe("ok");
  });

  test("is proa system doctor, too, and takes a template", async () => {
    const lines = (await engine.ok(["system", "doctor", "-f", "{{.Check}}={{.Status}}"])).split("\n");
    expect(lines).toContain("kernel=ok");
    expect(lines).toContain("registries=ok");
  });

  test("takes a template for a table, and breaks lines between words on a terminal", async () => {
    const [titles, kernel = ""] = (
      await engine.ok(["doctor", "--format", "table {{.Check}}\\t{{.Status}}"])
    ).split("\n");
    expect(titles).toMatch(/^CHECK +STATUS$/);
    expect(kernel).toMatch(/^kernel +ok$/);
    expect((await engine.ok(["doctor", "--format", "table"])).split("\n")[0]).toMatch(
      /^CHECK +STATUS +FOUND$/,
    );
    const pty = engine.pty(["doctor"], { cols: 60, rows: 200, env: { NO_COLOR: "1" } });
    await pty.exited;
    const lines = pty.output.replaceAll("\r", "").split("\n");
    expect(lines.some((line) => /^ {25}\S/.test(line))).toBe(true);
    for (const line of lines.filter((each) => !each.startsWith("      mend")))
      expect(line.length <= 60 || !line.slice(25).includes(" ")).toBe(true);
  });

  test("names file and setting of a log driver that there is not, as every start does", async () => {
    mkdirSync(join(engine.sandbox.configHome, "proa"), { recursive: true });
    const file = join(engine.sandbox.configHome, "proa/config.toml");
    for (const [text, why] of [
      ['[log]\ndriver = "syslog"\n', "log.driver: log driver: syslog: "],
      ['[log]\noptions = { nosuch = "1" }\n', "log.options: log option: nosuch: "],
    ] as const) {
      writeFileSync(file, text);
      const { all } = await findings();
      const { stderr } = await engine.proa(["create", "--rootfs", engine.sandbox.home, "true"]);
      rmSync(file);
      expect(all.get("configuration")).toMatchObject({
        Status: "fail",
        Found: expect.stringContaining(`read configuration: ${file}: ${why}`),
        Mend: expect.stringContaining(`correct ${file}`),
      });
      expect(stderr).toContain(`read configuration: ${file}: ${why}`);
    }
  });

  test.skipIf(process.getuid?.() === 0)("reports directories that are closed, and ends with 1", async () => {
    const closed = join(engine.sandbox.home, "behind");
    mkdirSync(closed, { mode: 0o000 });
    const { all, exitCode } = await findings({
      XDG_DATA_HOME: closed,
      XDG_CACHE_HOME: `${closed}/cache`,
      XDG_RUNTIME_DIR: `${closed}/run`,
    });
    chmodSync(closed, 0o700);
    expect(exitCode).toBe(1);
    expect(all.get("data directory")).toMatchObject({
      Status: "fail",
      Found: `${closed}/proa: it is not there, and ${closed} is not yours to write in`,
    });
    expect(all.get("cache directory")?.Status).toBe("fail");
    expect(all.get("disk space")?.Status).toBe("warn");
  });

  test("--quiet shows what is not ok alone", async () => {
    mkdirSync(join(engine.sandbox.configHome, "proa"), { recursive: true });
    const file = join(engine.sandbox.configHome, "proa/config.toml");
    writeFileSync(file, "colour = 1\n");
    const { stdout, exitCode } = await engine.proa(["doctor", "-q"]);
    rmSync(file);
    expect(exitCode).toBe(1);
    expect(stdout).toContain(
      `fail  ${"configuration".padEnd(19)}read configuration: ${file}: unknown setting "colour"`,
    );
    expect(stdout).toContain("the settings are: ");
    expect(stdout).not.toMatch(/^ok/m);
    expect(stdout).not.toContain(" ok, ");
  });

  test("sees registries that cannot be read", async () => {
    const file = join(engine.sandbox.home, "registries.conf");
    writeFileSync(file, "[[registry]\n");
    const { all, exitCode } = await findings({ CONTAINERS_REGISTRIES_CONF: file });
    expect(exitCode).toBe(1);
    expect(all.get("registries")).toMatchObject({ Status: "fail", Cost: "nothing can be pulled or pushed" });
    expect(all.get("registries")?.Found).toStartWith(`read registries: ${file}: it is not TOML`);
  });

  test("sees a credential helper that is missing, and secrets that others may read", async () => {
    const directory = join(engine.sandbox.home, "docker");
    mkdirSync(directory);
    const file = join(directory, "config.json");
    writeFileSync(file, JSON.stringify({ credsStore: "of-nobody" }), { mode: 0o600 });
    const env = { DOCKER_CONFIG: directory };
    expect((await findings(env)).all.get("credentials")).toMatchObject({
      Status: "warn",
      Found: `${file} asks docker-credential-of-nobody, which is not in PATH`,
    });
    writeFileSync(file, JSON.stringify({ auths: { "example.com": { auth: "YTpi" } } }));
    chmodSync(file, 0o644);
    expect((await findings(env)).all.get("credentials")).toMatchObject({
      Status: "warn",
      Mend: `chmod 600 ${file}`,
    });
    chmodSync(file, 0o600);
    expect((await findings(env)).all.get("credentials")).toMatchObject({ Status: "ok", Found: file });
    writeFileSync(file, "{");
    expect((await findings(env)).all.get("credentials")).toMatchObject({ Status: "fail" });
  });

  test("sees a runtime directory that others may write, one that is a file, and none at all", async () => {
    const open = join(engine.sandbox.home, "open");
    mkdirSync(open);
    chmodSync(open, 0o777);
    const ofOpen = await findings({ XDG_RUNTIME_DIR: open });
    expect(ofOpen.exitCode).toBe(1);
    expect(ofOpen.all.get("runtime directory")).toMatchObject({ Status: "fail", Mend: `chmod 700 ${open}` });
    const file = join(engine.sandbox.home, "file");
    writeFileSync(file, "");
    const ofFile = await findings({ XDG_RUNTIME_DIR: file });
    expect(ofFile.all.get("runtime directory")).toMatchObject({
      Status: "fail",
      Found: `XDG_RUNTIME_DIR is ${file}: it is no directory`,
    });
    const nowhere = join(engine.sandbox.home, "nowhere");
    expect((await findings({ XDG_RUNTIME_DIR: nowhere })).all.get("runtime directory")?.Found).toBe(
      `XDG_RUNTIME_DIR is ${nowhere}: there is nothing`,
    );
    const unset = (await findings({ XDG_RUNTIME_DIR: undefined })).all.get("runtime directory");
    expect(unset?.Found).toContain("XDG_RUNTIME_DIR is not set");
    const relative = (await findings({ XDG_RUNTIME_DIR: "run" })).all.get("runtime directory");
    expect(relative?.Found).toContain('"run", which is no absolute path');
  });

  test("sees a data directory that cannot be written", async () => {
    const closed = join(engine.sandbox.home, "closed");
    mkdirSync(closed, { mode: 0o500 });
    const { all, exitCode } = await findings({ XDG_DATA_HOME: closed });
    chmodSync(closed, 0o700);
    expect(exitCode).toBe(1);
    expect(all.get("database")).toMatchObject({ Status: "fail" });
    expect(all.get("database")?.Found).toContain(`${closed}/proa: permission denied`);
    expect(all.get("user namespaces")?.Status).toBe("fail"); // there is no place to try them in
  });

  test("sees a storage driver that was chosen", async () => {
    const { stdout } = await engine.proa(["--storage-driver", "vfs", "doctor", "-f", "json"]);
    const driver = (JSON.parse(stdout) as Finding[]).find(({ Check }) => Check === "storage driver");
    expect(driver).toMatchObject({ Status: "warn", Cost: "each container is a full copy of its image" });
  });
});

/** A machine of one's own, as far as a user namespace goes: `setUp` is a script of its root, and proa's user has one id. */
async function elsewhere(setUp: string, env: Record<string, string> = {}) {
  const uid = process.getuid?.() ?? 0;
  const inner = `exec unshare --user --map-user=${uid} --map-group=${uid} "$@"`;
  const child = Bun.spawn(
    [
      "unshare",
      "--user",
      "--map-root-user",
      "--mount",
      "sh",
      "-ec",
      `${setUp}\n${inner}`,
      "sh",
      proaPath,
      "doctor",
      "-f",
      "json",
    ],
    { env: { ...engine.sandbox.env, ...env }, stdio: ["ignore", "pipe", "pipe"] },
  );
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  expect(stderr).toBe("");
  const all: Finding[] = JSON.parse(stdout);
  return { all: new Map(all.map((each) => [each.Check, each])), exitCode };
}

const namespaces = Bun.spawnSync(["unshare", "--user", "--map-root-user", "--mount", "true"]).exitCode === 0;

describe.skipIf(!namespaces)("proa doctor, where there is", () => {
  test("no range of ids: it works with one, and says what that costs", async () => {
    const empty = join(engine.sandbox.home, "empty");
    writeFileSync(empty, "");
    const { all } = await elsewhere(`mount --bind ${empty} /etc/subuid`);
    expect(all.get("user namespaces")).toMatchObject({ Status: "ok", Found: "they work" });
    expect(all.get("id ranges")?.Status).toBe("warn");
    expect(all.get("id ranges")?.Found).toStartWith("/etc/subuid has no line for ");
    expect(all.get("id ranges")?.Mend).toMatch(/^sudo usermod --add-subuids \d+-\d+ --add-subgids \d+-\d+ /);
  });

  test("a range whose ids do not exist: newuidmap is refused, and containers cannot start", async () => {
    const { all, exitCode } = await elsewhere("");
    expect(exitCode).toBe(1);
    expect(all.get("user namespaces")).toMatchObject({ Status: "fail", Cost: "no container starts" });
    expect(all.get("user namespaces")?.Found).toContain("newuidmap");
  });

  test("no newuidmap", async () => {
    const bin = join(engine.sandbox.home, "bin");
    mkdirSync(bin);
    const hide = `mount -t tmpfs none ${bin}; mkdir ${bin}/u ${bin}/w
      mount -t overlay -o userxattr,lowerdir=/usr/bin,upperdir=${bin}/u,workdir=${bin}/w overlay /usr/bin; rm /usr/bin/newuidmap`;
    const { all } = await elsewhere(hide);
    expect(all.get("id programs")).toMatchObject({
      Status: "warn",
      Found: "newuidmap is not installed",
      Mend: "sudo apt-get install uidmap",
    });
  });

  test("no space left on a data directory in memory", async () => {
    const full = join(engine.sandbox.home, "full");
    mkdirSync(full);
    const fill = `mount -t tmpfs -o size=1m,mode=700 none ${full}; dd if=/dev/zero of=${full}/x bs=4k 2>/dev/null || true`;
    const { all, exitCode } = await elsewhere(fill, { XDG_DATA_HOME: full });
    expect(exitCode).toBe(1);
    expect(all.get("data directory")).toMatchObject({ Status: "warn", Found: `${full}/proa is on tmpfs` });
    expect(all.get("disk space")).toMatchObject({
      Status: "fail",
      Found: `0 KiB of 1 MiB free in ${full}/proa`,
      Mend: "proa system prune",
    });
    expect(all.get("database")?.Status).toBe("fail");
  });

  test("a cache in which nothing may be executed", async () => {
    const cache = join(engine.sandbox.home, "cache");
    mkdirSync(cache);
    const { all } = await elsewhere(`mount -t tmpfs -o noexec,mode=700 none ${cache}`, {
      XDG_CACHE_HOME: cache,
    });
    expect(all.get("cache directory")).toMatchObject({ Status: "warn" });
    expect(all.get("cache directory")?.Found).toEndWith("mounted with noexec");
  });
});

describe.skipIf(missing !== null)("proa doctor, after", () => {
  const place = useTiny();

  test("the supervisor of a container was killed: it is named until somebody looks", async () => {
    const leftovers = () =>
      place.engine.ok(["doctor", "-f", '{{if eq .Check "leftovers"}}{{.Status}} {{.Found}}{{end}}']);
    const id = await place.engine.ok(["run", "-d", "--name", "web", place.tiny, ...SLEEP]);
    expect((await leftovers()).trim()).toBe("ok nothing is left of killed commands");
    process.kill(supervisorOf(place, id), "SIGKILL");
    await waitUntil(async () => (await leftovers()).trim() === "warn the supervisor of web was killed");
    await place.engine.ok(["ps", "-a"]);
    expect((await leftovers()).trim()).toBe("ok nothing is left of killed commands");
    const directory = join(place.engine.sandbox.dataHome, "proa/containers", id);
    renameSync(directory, `${directory}.away`);
    expect((await leftovers()).trim()).toBe("warn the files of web are gone");
    renameSync(`${directory}.away`, directory);
    await removeAll(place);
  });
});
