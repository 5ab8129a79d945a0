import { expect, test } from "bun:test";
import Ajv from "ajv-draft-04";
import {
  type ConfigInput,
  type ContainerSpec,
  defaultSeccomp,
  encodeConfig,
  runtimeConfig,
} from "../../src/oci";
import configLinux from "./schema/config-linux.json";
import configSchema from "./schema/config-schema.json";
import defs from "./schema/defs.json";
import defsLinux from "./schema/defs-linux.json";

const spec: ContainerSpec = {
  Hostname: "box",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: ["A=1", "A=2", "EMPTY="],
  Entrypoint: ["/bin/sh"],
  Cmd: ["-c", "true"],
  Image: "tiny",
  WorkingDir: "",
  Labels: {},
  StopSignal: "",
  StopTimeout: 10,
  Timeout: 0,
  ExposedPorts: {},
  NetworkingConfig: { EndpointsConfig: {} },
  HostConfig: {
    AutoRemove: false,
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    Binds: ["/src:/dst:ro,z"],
    NetworkMode: "none",
    PortBindings: {},
    PublishAllPorts: false,
    Dns: [],
    DnsSearch: [],
    DnsOptions: [],
    ReadonlyRootfs: false,
    Privileged: false,
    CapAdd: [],
    CapDrop: [],
    SecurityOpt: [],
    GroupAdd: [],
    Ulimits: [{ Name: "nproc", Soft: 10, Hard: 20 }],
    Sysctls: { "net.ipv4.ip_unprivileged_port_start": "0" },
    OomScoreAdj: 500,
    ShmSize: 64 << 20,
    Tmpfs: { "/run": "size=1m" },
    ExtraHosts: [],
    LogConfig: { Type: "json-file", Config: {} },
    Runtime: "",
    Rootfs: "",
  },
};

const input: ConfigInput = {
  id: "a".repeat(64),
  spec,
  network: { kind: "own" },
  user: { uid: 33, gid: 33, additionalGids: [4], home: "/var/www" },
  mappings: {
    uid: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100_000, size: 65_536 },
    ],
    gid: [
      { containerID: 0, hostID: 1000, size: 1 },
      { containerID: 1, hostID: 100_000, size: 65_536 },
    ],
  },
  files: { "/etc/hosts": "/x/hosts" },
  maxOpenFiles: 4096,
  consoleSize: { height: 24, width: 80 },
};

const changed = (
  change: Partial<ContainerSpec>,
  host: Partial<ContainerSpec["HostConfig"]> = {},
): ConfigInput => ({
  ...input,
  spec: { ...spec, ...change, HostConfig: { ...spec.HostConfig, ...host } },
});

/** Without the parts of other systems, whose schemas are not here. */
function forLinux(schema: typeof configSchema): object {
  const kept = Object.entries(schema.properties).filter(
    ([, value]) => !/"config-(?!linux)/.test(JSON.stringify(value)),
  );
  return { ...schema, properties: Object.fromEntries(kept) };
}

test("runtimeConfig() is valid against the runtime specification's schema", () => {
  const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
  ajv.addSchema(configLinux, "config-linux.json");
  ajv.addSchema(defs, "defs.json");
  ajv.addSchema(defsLinux, "defs-linux.json");
  const validate = ajv.compile(forLinux(configSchema));

  const ofHost = { ...changed({ Tty: true }, { Privileged: true }), network: { kind: "host" } as const };
  const joined = {
    ...input,
    network: { kind: "joined", path: "/proc/7/ns/net", user: "/proc/7/ns/user" } as const,
  };
  for (const each of [input, ofHost, joined]) {
    validate(JSON.parse(encodeConfig(runtimeConfig(each), defaultSeccomp("amd64") ?? null)));
    expect(validate.errors).toBeNull();
  }
});

test("runtimeConfig() lets the last line of a name win, and sets PATH, HOSTNAME and HOME where nobody did", () => {
  const { env } = runtimeConfig(input).process;
  expect(env).toContain("A=2");
  expect(env).not.toContain("A=1");
  expect(env).toContain("EMPTY=");
  expect(env).toContain("HOME=/var/www");
  expect(env).toContain("HOSTNAME=box");
  expect(env.find((line) => line.startsWith("PATH="))).toBeDefined();
  expect(env.find((line) => line.startsWith("TERM="))).toBeUndefined();
});

test("runtimeConfig() gives nothing inheritable or ambient", () => {
  const { capabilities } = runtimeConfig(input).process;
  expect(capabilities?.inheritable).toBeUndefined();
  expect(capabilities?.ambient).toBeUndefined();
});

test("runtimeConfig() lets root have its capabilities, and others no more than execve leaves them", () => {
  const of = (uid: number) =>
    runtimeConfig({ ...input, user: { uid, gid: 0, additionalGids: [], home: "/" } }).process.capabilities;
  const ofRoot = of(0);
  expect(ofRoot?.effective).toContain("CAP_DAC_OVERRIDE");
  expect(ofRoot?.bounding).toEqual(ofRoot?.effective);
  expect(ofRoot?.permitted).toEqual(ofRoot?.effective);
  expect<object | undefined>(of(33)).toEqual({ ...ofRoot, effective: [], permitted: [] });
});

test("runtimeConfig() shares the network and the host's sysfs with the host's network", () => {
  const config = runtimeConfig({ ...input, network: { kind: "host" } });
  expect(config.linux.namespaces).not.toContainEqual({ type: "network" });
  expect(config.mounts.find(({ destination }) => destination === "/sys")).toMatchObject({
    type: "none",
    source: "/sys",
  });
  expect(config.linux.sysctl).toEqual(spec.HostConfig.Sysctls);
  expect(runtimeConfig(input).linux.namespaces).toContainEqual({ type: "network" });
});

test("runtimeConfig() opens low ports and ping to everybody in a network of the container's own, under the user's settings", () => {
  const { sysctl } = runtimeConfig(
    changed({}, { Sysctls: { "net.ipv4.ip_unprivileged_port_start": "80" } }),
  ).linux;
  expect(sysctl).toEqual({
    "net.ipv4.ip_unprivileged_port_start": "80",
    "net.ipv4.ping_group_range": "0 65536", // 65,537 ids are mapped
  });
});

test("runtimeConfig() joins a network namespace together with the user namespace that owns it", () => {
  const network = { kind: "joined", path: "/proc/7/ns/net", user: "/proc/7/ns/user" } as const;
  const { linux, mounts } = runtimeConfig({ ...input, network });
  expect(linux.namespaces).toContainEqual({ type: "network", path: "/proc/7/ns/net" });
  expect(linux.namespaces[0]).toEqual({ type: "user", path: "/proc/7/ns/user" });
  expect(linux.sysctl).toEqual(spec.HostConfig.Sysctls);
  expect(mounts.find(({ destination }) => destination === "/sys")?.type).toBe("sysfs");
});

test("runtimeConfig() binds the host's sysfs where the network belongs to others", () => {
  const network = { kind: "joined", path: "/run/netns/x", user: null } as const;
  const { linux, mounts } = runtimeConfig({ ...input, network });
  expect(linux.namespaces[0]).toEqual({ type: "user" });
  expect(mounts.find(({ destination }) => destination === "/sys")?.type).toBe("none");
});

test("runtimeConfig() limits open files to what the host allows", () => {
  expect(runtimeConfig(input).process.rlimits).toContainEqual({
    type: "RLIMIT_NOFILE",
    soft: 4096,
    hard: 4096,
  });
  expect(runtimeConfig(input).process.rlimits).toContainEqual({ type: "RLIMIT_NPROC", soft: 10, hard: 20 });
});

test("runtimeConfig() leaves gid 5 out of devpts where it is not mapped", () => {
  const options = (each: ConfigInput) =>
    runtimeConfig(each).mounts.find(({ destination }) => destination === "/dev/pts")?.options ?? [];
  expect(options(input)).toContain("gid=5");
  const single = [{ containerID: 0, hostID: 1000, size: 1 }];
  expect(options({ ...input, mappings: { uid: single, gid: single } })).not.toContain("gid=5");
});
