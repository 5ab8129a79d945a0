/** `proa version` and `proa info`. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { release } from "node:os";
import { join } from "node:path";
import { tinyImage, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const engine = useEngine();
const { version } = await import("../../../package.json");

describe("proa version", () => {
  test("prints the version first, and what it runs on", async () => {
    const lines = (await engine.ok(["version"])).split("\n");
    expect(lines[0]).toBe(`proa version ${version}`);
    expect(lines.join("\n")).toContain(release());
    expect(await engine.ok(["--version"])).toBe(`proa version ${version}`);
    expect(await engine.ok(["-v"])).toBe(`proa version ${version}`);
  });

  test("takes docker's formats", async () => {
    expect(await engine.ok(["version", "--format", "{{.Server.Version}}"])).toBe(version);
    expect(await engine.ok(["version", "-f", "{{.Client.Version}} {{.Client.Os}}/{{.Client.Arch}}"])).toMatch(
      /^\S+ linux\/(amd64|arm64)$/,
    );
    expect(JSON.parse(await engine.ok(["version", "--format", "json"]))).toMatchObject({
      Client: { Version: version },
      Server: { Version: version },
    });
    expect(JSON.parse(await engine.ok(["version", "-f", "{{json .}}"])).Client.KernelVersion).toBe(release());
  });

  test("names a field that is not there", async () => {
    const result = await engine.proa(["version", "-f", "{{.Nothing}}"]);
    expect(result.stderr).toContain("Nothing");
    expect(result.stdout).toBe("");
    expect(result.exitCode).toBeGreaterThan(0);
  });

  test("touches no state", async () => {
    const env = {
      XDG_DATA_HOME: "/proc/none",
      XDG_CACHE_HOME: "/proc/none",
      XDG_RUNTIME_DIR: "/proc/none",
      HOME: "/proc/none",
    };
    expect((await engine.proa(["version"], { env })).stderr).toBe("");
  });
});

describe("proa info", () => {
  let registry: FakeRegistry;
  beforeAll(async () => {
    registry = await FakeRegistry.start();
    await engine.ok(["pull", "-q", registry.addImage("info", "v1", await tinyImage())]);
  });
  afterAll(async () => {
    await engine.assertNothingLeft();
    await registry[Symbol.asyncDispose]();
  });

  const info = async (...args: string[]) =>
    JSON.parse(await engine.ok([...args, "info", "--format", "json"]));

  test("counts containers by what they do, and images", async () => {
    const name = `${registry.host}/info:v1`;
    await engine.ok(["create", "--name", "made", name, "true"]);
    await engine.ok(["run", "--name", "ended", name, "true"]);
    await engine.ok(["run", "-d", "--name", "running", name, "sleep", "100"]);
    expect(await info()).toMatchObject({
      Containers: 3,
      ContainersRunning: 1,
      ContainersPaused: 0,
      ContainersStopped: 2,
      Images: 1,
    });
    expect(await engine.ok(["info"])).toMatch(/^Containers: +3 \(1 running, 2 stopped\)$/m);
    await engine.ok(["rm", "-f", "made", "ended", "running"]);
    expect(await info()).toMatchObject({ Containers: 0, Images: 1 });
  });

  test("tells where everything lies", async () => {
    const { dataHome, runtimeDir, cacheHome, configHome } = engine.sandbox;
    expect(await info()).toMatchObject({
      DockerRootDir: join(dataHome, "proa"),
      Proa: {
        Runtime: join(runtimeDir, "proa"),
        Cache: join(cacheHome, "proa"),
        Config: join(configHome, "proa"),
      },
    });
    const text = await engine.ok(["info"]);
    for (const path of [dataHome, runtimeDir, cacheHome, configHome]) expect(text).toContain(`${path}/proa`);
  });

  test("tells kernel, system, processors, memory, name, version, security", async () => {
    const it = await info();
    expect(it).toMatchObject({
      KernelVersion: release(),
      OSType: "linux",
      ServerVersion: version,
      NCPU: navigator.hardwareConcurrency,
    });
    expect(it.MemTotal).toBe(
      Number(/^MemTotal: +(\d+) kB/m.exec(await Bun.file("/proc/meminfo").text())?.[1]) * 1024,
    );
    expect(it.SecurityOptions).toContain("name=rootless");
    expect(it.Architecture).toMatch(/^(x86_64|aarch64)$/);
    expect(it.OperatingSystem).not.toBe("");
    expect(it.Proa.Compression).toContain("gzip");
  });

  test("tells the driver that is used, and the one that was asked for", async () => {
    expect(["overlay", "fuse-overlayfs", "vfs"]).toContain((await info()).Driver);
    expect(await engine.ok(["--storage-driver", "vfs", "info", "-f", "{{.Driver}}"])).toBe("vfs");
  });

  test("tells the runtimes that --runtime takes", async () => {
    const { DefaultRuntime, Runtimes } = await info();
    expect(DefaultRuntime).toBe("proa");
    expect(Object.keys(Runtimes)).toEqual([
      "proa",
      ...["crun", "runc"].filter((name) => Bun.which(name) !== null),
    ]);
  });

  test("--config names another directory of configuration", async () => {
    expect(await engine.ok(["--config", "/usr", "info", "-f", "{{.Proa.Config}}"])).toBe("/usr");
  });

  test("a driver that does not exist is refused with those that do", async () => {
    const result = await engine.proa(["--storage-driver", "zfs", "info"]);
    expect(result.stderr).toMatch(/overlay.*fuse-overlayfs.*vfs/s);
    expect(result.exitCode).toBe(125);
  });
});
