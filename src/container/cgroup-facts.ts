/** What control groups there are for the containers of this user: `info` and `doctor` tell it. */
import type { Context } from "../state";
import { CONTROLLERS, type Controller, findCgroups, reasonFor } from "./cgroup-host";

export type CgroupFacts = {
  /** 0: none are mounted. */
  version: 0 | 1 | 2;
  /** v1: directories of version 1 that belong to the user. */
  manager: "systemd" | "cgroupfs" | "v1" | "none";
  /** To be had, of `cpu`, `cpuset`, `io`, `memory` and `pids`. */
  controllers: Controller[];
  /** The others: why, and the one command or file that changes it. */
  missing: { controller: Controller; why: string; mend: string }[];
};

export function cgroupFacts(context: Context): CgroupFacts {
  const host = findCgroups({ env: context.env, uid: context.uid, wanted: context.cgroupManager });
  return {
    version: host.version,
    manager: host.manager,
    controllers: host.controllers,
    missing: CONTROLLERS.filter((each) => !host.controllers.includes(each)).map((controller) => ({
      controller,
      ...reasonFor(host, controller, context.uid),
    })),
  };
}
