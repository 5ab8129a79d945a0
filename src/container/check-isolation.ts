/** What can be seen to be wrong with how a container is to be kept apart, before anything is made of it. */
import { EngineError } from "../error";
import {
  type ContainerSpec,
  isolationOf,
  KEEP_GROUPS,
  parseNamespace,
  parseNetworkMode,
  parseUserNamespace,
} from "../oci";
import { hasDevices } from "./isolation-needs";
import { runtimeProgram } from "./runtime";

/** Throws `invalid`, `not-found`, `unsupported`. */
export function checkIsolation(spec: ContainerSpec): void {
  const host = isolationOf(spec.HostConfig);
  const kinds = {
    pid: parseNamespace("pid", host.PidMode).kind,
    ipc: parseNamespace("ipc", host.IpcMode).kind,
    uts: parseNamespace("uts", host.UTSMode).kind,
    cgroup: parseNamespace("cgroup", host.CgroupnsMode).kind,
  };
  const user = parseUserNamespace(host.UsernsMode);
  const program = runtimeProgram(spec.HostConfig.Runtime);
  if (program !== null) checkRuntime(spec, program, kinds, user.kind);
  if (hasDevices(spec)) (require("./devices") as typeof import("./devices")).checkDevices(spec);
  const network = parseNetworkMode(spec.HostConfig.NetworkMode).kind;
  for (const name of Object.keys(spec.HostConfig.Sysctls)) {
    const key = name.replaceAll("/", ".");
    if (!NAMESPACED.test(key))
      throw new EngineError("invalid", "set sysctl", name, "it belongs to no namespace, but to the host");
    if (key.startsWith("net.") && network === "host") throw notAllowed(name, "host network");
    if (/^(fs\.mqueue\.|kernel\.(sem$|msg|shm))/.test(key) && kinds.ipc !== "own" && kinds.ipc !== "none")
      throw notAllowed(name, kinds.ipc === "host" ? "host ipc" : "another's ipc");
    if (/^kernel\.(hostname|domainname)$/.test(key) && kinds.uts !== "own")
      throw notAllowed(name, kinds.uts === "host" ? "host uts" : "another's uts");
  }
}

/** What the helper knows how to set (`native/settings.c`). */
const NAMESPACED =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|hostname|domainname)$|fs\.mqueue\.|net\.|user\.)/;

function notAllowed(name: string, where: string): EngineError {
  return new EngineError("invalid", "sysctl", `'${name}'`, `not allowed in ${where} namespace`);
}

/** Another runtime makes the namespaces itself, inside the user namespace that proa makes for it. */
function checkRuntime(
  spec: ContainerSpec,
  program: string,
  kinds: Record<string, string>,
  user: string,
): void {
  const refuse = (option: string, value: string, why: string): EngineError =>
    new EngineError("unsupported", "runtime", `with ${option} ${value}`, why, {
      hint: "leave --runtime out",
    });
  const host = isolationOf(spec.HostConfig);
  for (const [kind, mode] of Object.entries(kinds)) {
    if (mode === "container" || mode === "ns")
      throw refuse(
        `--${kind === "cgroup" ? "cgroupns" : kind}`,
        mode,
        "proa has another runtime make namespaces, and cannot have it join one",
      );
  }
  if (user === "container" || user === "ns" || user === "auto" || user === "nomap")
    throw refuse(
      "--userns",
      host.UsernsMode,
      "another runtime has to find your files, and you are not in that map",
    );
  const isCrun = (program.split("/").at(-1) ?? "").startsWith("crun");
  if (spec.HostConfig.GroupAdd.includes(KEEP_GROUPS) && !isCrun)
    throw refuse("--group-add", KEEP_GROUPS, "only crun can keep groups");
}
