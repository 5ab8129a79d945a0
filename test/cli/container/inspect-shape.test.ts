/** `proa inspect` has the shape of docker's document: the schema holds the names and types of the Engine API 1.51. */
import { afterEach, describe, expect, test } from "bun:test";
import Ajv from "ajv-draft-04";
import { missing, useTiny } from "../../harness";
import { detach, removeAll, SLEEP } from "./_shell";
import schema from "./schema/container-inspect.json";

describe.skipIf(missing !== null)("inspect", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const documentOf = async (...args: string[]) => JSON.parse(await engine.ok(["inspect", ...args]))[0];

  const everything = [
    ["-e", "A=b", "-l", "a=b", "-p", "0:80", "--expose", "81", "-v", "/etc:/host:ro", "--tmpfs", "/t"],
    ["--annotation", "a=b", "--ulimit", "nofile=64:128", "--sysctl", "net.core.somaxconn=99"],
    ["--cap-add", "SYS_TIME", "--cap-drop", "CHOWN", "--security-opt", "no-new-privileges"],
    [
      "--add-host",
      "a:1.2.3.4",
      "--dns",
      "9.9.9.9",
      "--group-add",
      "5",
      "--stop-signal",
      "INT",
      "--stop-timeout",
      "3",
    ],
    ["--restart", "on-failure:3", "--log-opt", "max-size=1m", "--init", "--health-cmd", "true"],
  ].flat();

  test.each([
    ["a created one", ["create"], []],
    ["one that runs", ["run", "-d"], []],
    ["one that asks for everything", ["run", "-d"], everything],
    ["one of the host's network", ["run", "-d"], ["--network", "host"]],
  ])("%s is valid", async (_, verb, options) => {
    await engine.ok([...verb, "--name", "one", ...options, place.tiny, ...SLEEP]);
    const validate = new Ajv({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
    const document = await documentOf("-s", "one");
    validate(document);
    expect(validate.errors ?? []).toEqual([]);
    // nothing of docker's is missing
    const known = schema.definitions as Record<string, { properties?: object }>;
    const absent = (name: string, part: object) =>
      Object.keys(known[name]?.properties ?? {}).filter((key) => !Object.hasOwn(part, key));
    expect(absent("ContainerInspectResponse", document)).toEqual(["ImageManifestDescriptor"]);
    expect(absent("ContainerState", document.State).filter((key) => key !== "Health")).toEqual([]);
    expect(absent("NetworkSettings", document.NetworkSettings)).toEqual([]);
  });

  test("says what was asked for, in docker's names", async () => {
    await detach(place, "one", SLEEP, everything);
    const { HostConfig, Config, Mounts, State } = await documentOf("one");
    expect(HostConfig).toMatchObject({
      NetworkMode: "bridge",
      Annotations: { a: "b" },
      CapDrop: ["CHOWN"],
      ExtraHosts: ["a:1.2.3.4"],
      Dns: ["9.9.9.9"],
      GroupAdd: ["5"],
      RestartPolicy: { Name: "on-failure", MaximumRetryCount: 3 },
      Sysctls: { "net.core.somaxconn": "99" },
      Ulimits: [{ Name: "nofile", Soft: 64, Hard: 128 }],
      IpcMode: "private",
      VolumesFrom: null,
    });
    expect(HostConfig.MaskedPaths).toContain("/proc/kcore");
    expect(Config).toMatchObject({ StopSignal: "INT", StopTimeout: 3, Labels: { a: "b" }, Entrypoint: null });
    expect(Object.keys(Config.ExposedPorts).sort()).toEqual(["80/tcp", "81/tcp"]);
    expect(Config.Env).toContain("A=b");
    expect(Mounts).toHaveLength(1);
    expect(Mounts[0]).toMatchObject({ Type: "bind", Source: "/etc", Destination: "/host", RW: false });
    expect(State.Health.Status).toMatch(/^(starting|healthy)$/);
  });

  test.each([
    [[]],
    [["-u", "7"]],
    [["-u", ":7"]],
    [["--userns", "keep-id"]],
    [["--cap-drop", "ALL", "--cap-add", "NET_RAW", "--cap-add", "CHOWN"]],
    [["--privileged"]],
  ])("%p: its capabilities are told as the kernel has them", async (options) => {
    await detach(place, "one", SLEEP, options);
    const status = await engine.ok(["exec", "one", "cat", "/proc/1/status"]);
    const held = (name: string): number => {
      const mask = new RegExp(`^${name}:\\s*([0-9a-f]+)$`, "m").exec(status)?.[1] ?? "";
      return [...BigInt(`0x${mask}`).toString(2)].filter((bit) => bit === "1").length;
    };
    const { EffectiveCaps, BoundingCaps } = await documentOf("one");
    expect(EffectiveCaps).toHaveLength(held("CapEff"));
    expect(BoundingCaps).toHaveLength(held("CapBnd"));
    expect(BoundingCaps).toEqual(expect.arrayContaining(["CAP_CHOWN", "CAP_NET_RAW"]));
  });

  test("podman's fields name the image's manifest and the files of the container", async () => {
    await engine.ok(["create", "--name", "one", "--conmon-pidfile", "/tmp/proa-test-never-made", place.tiny]);
    const digest = (await engine.ok(["image", "inspect", "-f", "{{.Digest}}", place.tiny])).trim();
    const { ImageDigest, ConmonPidFile, OCIConfigPath, StaticDir } = await documentOf("one");
    expect(ImageDigest).toBe(digest);
    expect(ConmonPidFile).toBe("/tmp/proa-test-never-made");
    expect(OCIConfigPath).toBe(`${StaticDir}/config.json`);
  });

  test("-s tells sizes, which are not there without it", async () => {
    await detach(place, "one", ["sh", "-c", "head -c 100000 /dev/zero > /file; exec sleep 1000"]);
    await engine.ok(["exec", "one", "sh", "-c", "while ! [ -s /file ]; do sleep 0.01; done"]);
    expect((await documentOf("one")).SizeRw).toBeUndefined();
    const { SizeRw, SizeRootFs } = await documentOf("--size", "one");
    expect(SizeRw).toBeGreaterThanOrEqual(100_000);
    expect(SizeRw).toBeLessThan(200_000);
    expect(SizeRootFs).toBeGreaterThan(SizeRw);
  });

  test("--latest is the newest; kinds are told apart, and --type chooses one", async () => {
    await engine.ok(["create", "--name", "first", place.tiny]);
    await engine.ok(["create", "--name", "same", place.tiny]);
    await engine.ok(["network", "create", "same"]);
    await engine.ok(["volume", "create", "same"]);
    expect((await documentOf("-l")).Name).toBe("/same");
    expect((await documentOf("same")).Name).toBe("/same");
    expect((await documentOf("--type", "network", "same")).Driver).toBe("bridge");
    expect((await documentOf("--type", "volume", "same")).Mountpoint).toBeString();
    const two = JSON.parse(await engine.ok(["inspect", "first", place.tiny]));
    expect(two[0].Name).toBe("/first");
    expect(two[1].RootFS).toBeObject();
    await engine.ok(["network", "rm", "same"]);
    await engine.ok(["volume", "rm", "same"]);
  });

  test("one that is not there is named, and the others are printed", async () => {
    await engine.ok(["create", "--name", "one", place.tiny]);
    const result = await engine.proa(["inspect", "one", "nosuch"]);
    expect(JSON.parse(result.stdout)).toHaveLength(1);
    expect(result.stderr).toStartWith("Error: inspect: nosuch: no such object\n");
    expect(result.exitCode).toBe(1);
    const typed = await engine.proa(["inspect", "--type", "container", "nosuch"]);
    expect(typed.stdout).toBe("[]\n");
    expect(typed.stderr).toStartWith("Error: inspect: nosuch: no such container\n");
    expect(typed.exitCode).toBe(1);
    const unknown = await engine.proa(["inspect", "--type", "chair", "one"]);
    expect(unknown.stderr).toContain('invalid argument "chair"');
    expect(unknown.exitCode).toBe(125);
  });
});
