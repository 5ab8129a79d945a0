/** The unit that starts containers at boot, and what it starts. */
import { describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, proaPath, useEngine, useTiny, waitUntil } from "../../harness";
import { detach, removeAll, SLEEP } from "../container/_shell";

describe("system enable", () => {
  const engine = useEngine();
  const directory = (config: string) => join(config, "systemd/user");

  test("lays the unit and its link beside the user's own, says where, and disable takes both away", async () => {
    const config = join(engine.sandbox.home, "cfg");
    mkdirSync(directory(config), { recursive: true });
    writeFileSync(join(directory(config), "mine.service"), "");
    const env = { XDG_CONFIG_HOME: config, PATH: "/nonexistent" };
    const enabled = await engine.proa(["system", "enable"], { env });
    const file = join(directory(config), "proa-restart.service");
    expect(enabled).toMatchObject({ stdout: `${file}\n`, exitCode: 0 });
    expect(enabled.stderr).toContain("no systemd could be asked");
    const unit = readFileSync(file, "utf8");
    expect(unit).toContain(`\nExecStart="${proaPath}" system boot\n`);
    expect(unit).toContain(`\nEnvironment="XDG_CONFIG_HOME=${config}"\n`);
    expect(unit).toContain("\nWantedBy=default.target\n");
    const link = join(directory(config), "default.target.wants/proa-restart.service");
    expect(readlinkSync(link)).toBe("../proa-restart.service");
    expect(await engine.ok(["system", "enable"], { env })).toBe(file); // again: as it was
    expect(readFileSync(file, "utf8")).toBe(unit);

    expect(await engine.ok(["system", "disable"], { env })).toBe(file);
    expect(existsSync(file)).toBe(false);
    expect(existsSync(link)).toBe(false);
    expect(existsSync(join(directory(config), "mine.service"))).toBe(true);
    expect(await engine.ok(["system", "disable"], { env })).toBe("");
  });

  test("a path with blanks, quotes and percent signs stays one word, and is no specifier", async () => {
    const data = join(engine.sandbox.home, 'a "b" %h $c');
    const config = join(engine.sandbox.home, "other");
    await engine.ok(["system", "enable"], { env: { XDG_CONFIG_HOME: config, XDG_DATA_HOME: data } });
    const unit = readFileSync(join(directory(config), "proa-restart.service"), "utf8");
    expect(unit).toContain(`Environment="XDG_DATA_HOME=${join(engine.sandbox.home, 'a \\"b\\" %%h $$c')}"\n`);
  });

  test("tells where lingering is off", async () => {
    const { stderr } = await engine.proa(["system", "enable"]);
    const user = readFileSync("/etc/passwd", "utf8")
      .split("\n")
      .find((line) => line.split(":")[2] === String(process.getuid?.()))
      ?.split(":")[0];
    const lingers = existsSync(`/var/lib/systemd/linger/${user}`);
    expect(stderr.includes(`loginctl enable-linger ${user}`)).toBe(!lingers && process.getuid?.() !== 0);
  });
});

describe.skipIf(missing !== null)("system boot", () => {
  const place = useTiny();
  const { engine } = place;

  test("starts what a policy brings back, the oldest first, and nothing else", async () => {
    const exits = (code: number) => [
      "sh",
      "-c",
      `test -e /first && exec sleep 1000; touch /first; exit ${code}`,
    ];
    await detach(place, "always", SLEEP, ["--restart", "always"]);
    await detach(place, "unless", SLEEP, ["--restart", "unless-stopped"]);
    await detach(place, "none", SLEEP);
    await engine.ok(["create", "--name", "created", "--restart", "always", place.tiny, ...SLEEP]);
    await detach(place, "well", exits(0), ["--restart", "on-failure:5"]);
    await detach(place, "spent", ["false"], ["--restart", "on-failure:1"]);
    await detach(place, "runs", SLEEP, ["--restart", "always"]);
    await engine.ok(["stop", "-t", "0", "always", "unless", "none"]);
    const spent = () => engine.ok(["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", "spent"]);
    await waitUntil(async () => (await spent()) === "exited 1", { what: "the end of its last life" });
    expect(await engine.ok(["system", "boot"])).toBe("always");
    expect((await engine.ok(["ps", "--format", "{{.Names}}"])).split("\n").sort()).toEqual([
      "always",
      "runs",
    ]);
    expect(await engine.ok(["system", "boot"])).toBe("");
    // what somebody starts by hand is not stopped any more
    await engine.ok(["start", "unless"]);
    await engine.ok(["exec", "unless", "true"]);
    await removeAll(place);
  });

  test("a container that cannot be started is reported, and the others are started", async () => {
    const away = join(engine.sandbox.home, "away");
    mkdirSync(away);
    const program = join(away, "runtime");
    await detach(place, "first", ["true"], ["--restart", "always", "-v", `${away}:/away`]);
    await detach(place, "second", SLEEP, ["--restart", "always"]);
    await engine.ok(["stop", "-t", "0", "first", "second"]);
    rmSync(away, { recursive: true });
    writeFileSync(away, program); // a file where a directory is to be mounted on
    const booted = await engine.proa(["system", "boot"]);
    expect(booted).toMatchObject({ stdout: "second\n", exitCode: 1 });
    expect(booted.stderr).toContain("/away");
    await removeAll(place);
  });
});
