import type { NamedKind, ValueKind } from "./tree";
import type { Candidate, Provider } from "./values/candidates";

/** The kinds whose values the shell itself knows, or nobody. */
export type ShellKind = "none" | "file" | "directory";

/** What `complete()` answers itself: the words of commands. */
type OwnKind = "topic";

const containers = () => import("./values/containers");
const images = () => import("./values/images");
const repositories = () => import("./values/repositories");
const names = () => import("./values/names");
const inside = () => import("./values/inside");
const host = () => import("./values/host");
const mounts = () => import("./values/mounts");
const connections = () => import("./values/connections");
const ports = () => import("./values/ports");
const words = () => import("./values/words");
const format = () => import("./values/format");

/** A provider that is loaded when it is asked. */
const lazy =
  (load: () => Promise<Provider>): Provider =>
  async (request) =>
    (await load())(request);

/** Where the values of each kind come from, for completion. */
export const providers: Record<Exclude<NamedKind, ShellKind | OwnKind>, Provider> = {
  container: lazy(async () => (await containers()).containersOf("any")),
  "running-container": lazy(async () => (await containers()).containersOf("running")),
  "active-container": lazy(async () => (await containers()).containersOf("active")),
  "paused-container": lazy(async () => (await containers()).containersOf("paused")),
  "stopped-container": lazy(async () => (await containers()).containersOf("stopped")),
  "container-option": lazy(async () => (await containers()).containerOption),
  containers: lazy(async () => (await containers()).containerList),
  "container-filter": lazy(async () => {
    const { CONTAINER_FILTERS } = await import("./container/filter-keys");
    return (await import("./values/filter")).filterValues(CONTAINER_FILTERS);
  }),
  image: lazy(async () => (await images()).images),
  "image-at-host": lazy(async () => (await repositories()).imagesAtHosts),
  repository: lazy(async () => (await repositories()).repositories),
  manifest: lazy(async () => (await repositories()).manifests),
  "manifest-entry": lazy(async () => (await repositories()).manifestEntries),
  artifact: lazy(async () => (await names()).artifacts),
  network: lazy(async () => (await names()).networks),
  volume: lazy(async () => (await names()).volumes),
  secret: lazy(async () => (await names()).secrets),
  label: lazy(async () => (await names()).ownLabels),
  object: lazy(async () => (await import("./values/objects")).objects),
  registry: lazy(async () => (await import("./values/registries")).registries),
  command: lazy(async () => (await inside()).commands),
  user: lazy(async () => (await inside()).users),
  group: lazy(async () => (await inside()).groups),
  "directory-inside": lazy(async () => (await inside()).directoriesInside),
  "copy-path": lazy(async () => (await inside()).copyPaths),
  mount: lazy(async () => (await mounts()).mount),
  "volume-mount": lazy(async () => (await mounts()).volumeMount),
  "tmpfs-mount": lazy(async () => (await mounts()).tmpfsMount),
  device: lazy(async () => (await mounts()).device),
  "device-limit": lazy(async () => (await host()).deviceLimit),
  "published-port": lazy(async () => (await ports()).publishedPort),
  "exposed-port": lazy(async () => (await ports()).exposedPort),
  "open-port": lazy(async () => (await ports()).openPort),
  "network-use": lazy(async () => (await connections()).networkUse),
  "secret-use": lazy(async () => (await connections()).secretUse),
  "container-link": lazy(async () => (await connections()).containerLink),
  "host-name": lazy(async () => (await connections()).hostName),
  "cgroupns-mode": lazy(async () => (await connections()).mode(["host", "private"])),
  "ipc-mode": lazy(async () => (await connections()).mode(["host", "none", "private", "shareable"])),
  "pid-mode": lazy(async () => (await connections()).mode(["host", "private"])),
  "uts-mode": lazy(async () => (await connections()).mode(["host", "private"])),
  "userns-mode": lazy(async () => (await connections()).usernsMode),
  "security-option": lazy(async () => (await words()).securityOptions),
  "log-driver": lazy(async () => (await words()).logDriverNames),
  "log-option": lazy(async () => (await words()).logOptions),
  "restart-policy": lazy(async () => (await words()).restartPolicies),
  signal: lazy(async () => (await words()).signals),
  capability: lazy(async () => (await words()).capabilities),
  platform: lazy(async () => (await words()).platforms),
  os: lazy(async () => (await words()).oses),
  architecture: lazy(async () => (await words()).architectures),
  "architecture-variant": lazy(async () => (await words()).variants),
  ulimit: lazy(async () => (await words()).ulimits),
  instruction: lazy(async () => (await words()).instructions),
  sysctl: lazy(async () => (await host()).sysctls),
  runtime: lazy(async () => (await host()).runtimes),
  environment: lazy(async () => (await host()).environment),
  "host-command": lazy(async () => (await host()).programs),
  "host-user": lazy(async () => (await host()).hostUsers),
  "subuid-name": lazy(async () => (await host()).subordinateNames),
  "time-zone": lazy(async () => (await host()).timeZones),
  "cpu-list": lazy(async () => (await host()).cpuList),
  format: lazy(async () => (await format()).formatValues(["json"])),
  "row-format": lazy(async () => (await format()).formatValues(["json", "table"])),
};

/** The provider of a kind that is neither the shell's nor `complete()`'s. */
export function providerOf(kind: Exclude<ValueKind, ShellKind | OwnKind>): Provider {
  if (typeof kind === "string") return providers[kind];
  if ("filter" in kind) return lazy(async () => (await import("./values/filter")).filterValues(kind.filter));
  const values = "oneOf" in kind ? kind.oneOf : kind.suggest;
  const candidates: Candidate[] = values.map((value) =>
    /[=:/]$/.test(value) ? { value, isOpen: true } : { value },
  );
  return () => candidates;
}
