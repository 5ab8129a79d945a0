/** What systemd wants of a container (its own page CONTAINER_INTERFACE says so), and podman gives it. */
import { type ContainerSpec, hasWritableCgroups } from "../oci";

const PLACES = ["/run", "/run/lock", "/tmp", "/var/log/journal"];

/** SIGRTMIN+3 is what halts it. */
const STOP_SIGNAL = "SIGRTMIN+3";

export function setUpForSystemd(spec: ContainerSpec): ContainerSpec {
  const { Tmpfs, Binds, Mounts = [], SecurityOpt } = spec.HostConfig;
  const taken = new Set([
    ...Object.keys({ ...Tmpfs, ...spec.Volumes }),
    ...Binds.map((bind) => bind.split(":")[1]),
    ...Mounts.map(({ Target }) => Target),
  ]);
  const free = PLACES.filter((place) => !taken.has(place));
  return {
    ...spec,
    Env: spec.Env.some((line) => line.startsWith("container=")) ? spec.Env : [...spec.Env, "container=proa"],
    StopSignal: spec.StopSignal || STOP_SIGNAL,
    HostConfig: {
      ...spec.HostConfig,
      // it makes groups for its services below the container's own
      SecurityOpt: hasWritableCgroups(["writable-cgroups", ...SecurityOpt])
        ? [...SecurityOpt, "writable-cgroups"]
        : SecurityOpt,
      Tmpfs: { ...Tmpfs, ...Object.fromEntries(free.map((place) => [place, optionsOf(place)])) },
    },
  };
}

function optionsOf(place: string): string {
  return place === "/tmp" ? "exec,mode=1777" : "exec,mode=755";
}
