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

  test("has docker's and podman's fields of both halves", async () => {
    const format =
      "{{.Client.APIVersion}} {{.Client.OsArch}} {{.Client.Context}} {{.Server.Platform.Name}} {{range .Server.Components}}{{.Name}}{{end}}";
    expect(await engine.ok(["version", "-f", format])).toMatch(
      /^\S+ linux\/(amd64|arm64) default proa Engine$/,
    );
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

  test("has podman's fields, which say the same", async () => {
    const it = await info();
    const { dataHome, runtimeDir } = engine.sandbox;
    expect(it.Host).toMatchObject({
      OS: "linux",
      Kernel: release(),
      Hostname: it.Name,
      CPUs: it.NCPU,
      MemTotal: it.MemTotal,
      DatabaseBackend: "sqlite",
      OCIRuntime: { Name: "proa", Path: it.Runtimes.proa.path, Version: `proa version ${version}` },
      Security: { Rootless: process.getuid?.() !== 0, SECCOMPEnabled: true },
    });
    const { UserPercent, SystemPercent, IdlePercent } = it.Host.CPUUtilization;
    expect(UserPercent + SystemPercent + IdlePercent).toBeGreaterThan(0);
    expect(UserPercent + SystemPercent + IdlePercent).toBeLessThanOrEqual(100.1);
    expect(it.Host.RemoteSocket.Exists).toBe(false);
    expect(it.Host.Pasta.Executable).toBe(Bun.which("pasta") ?? "");
    expect(it.Host.Security.DefaultCapabilities).toContain("CAP_CHOWN,");
    expect(it.Host.IDMappings.UIDMap[0]).toMatchObject({ container_id: 0, size: 1 });
    expect(it.Store).toMatchObject({
      GraphDriverName: it.Driver,
      GraphRoot: join(dataHome, "proa"),
      RunRoot: join(runtimeDir, "proa"),
      VolumePath: join(dataHome, "proa", "volumes"),
      ContainerStore: { Number: 0, Running: 0, Paused: 0, Stopped: 0 },
      ImageStore: { Number: 1 },
    });
    expect(it.Store.GraphRootUsed).toBeGreaterThan(0);
    expect(it.Version).toMatchObject({ Version: version, Os: "linux" });
    expect(await engine.ok(["info", "-f", "{{.Host.Security.Rootless}} {{.Swarm.LocalNodeState}}"])).toMatch(
      /^(true|false) inactive$/,
    );
  });

  test("has docker's other fields, and an id that stays", async () => {
    const it = await info();
    expect(it).toMatchObject({
      IndexServerAddress: "https://index.docker.io/v1/",
      RegistryConfig: { IndexConfigs: { "docker.io": { Name: "docker.io", Official: true } } },
      Swarm: { LocalNodeState: "inactive" },
      Plugins: { Volume: ["local"] },
      ClientInfo: { Context: "default" },
    });
    expect(it.ID).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect((await info()).ID).toBe(it.ID);
    const env = { HTTPS_PROXY: "http://proxy.example:3128" };
    const { stdout } = await engine.proa(["info", "-f", "{{.HttpsProxy}}"], { env });
    expect(stdout).toBe("http://proxy.example:3128\n");
  });

  test("a registries.conf that cannot be read is a warning of it", async () => {
    const path = join(engine.sandbox.home, "broken.conf");
    await Bun.write(path, "= nonsense");
    const { stdout, exitCode } = await engine.proa(["info", "-f", "{{json .Warnings}}"], {
      env: { CONTAINERS_REGISTRIES_CONF: path },
    });
    expect(exitCode).toBe(0);
    expect(stdout).toContain("broken.conf");
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
