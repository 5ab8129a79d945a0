/** Options of `run` and `create` for programs that are systemd, or speak to it. */
import type { ContainerSpec } from "../../oci";
import type { Args, Values } from "../tree";

export const systemdArgs = {
  systemd: {
    type: "string",
    valueHint: "MODE",
    value: { oneOf: ["true", "false", "always"] },
    default: "true",
    description: "Set the container up for systemd",
    details:
      "There are tmpfs at /run, /run/lock, /tmp and /var/log/journal, the signal that stops it is SIGRTMIN+3, and the variable container is set. true: where the command is systemd or init; always: whatever it is.",
  },
  sdnotify: {
    type: "string",
    valueHint: "MODE",
    value: { oneOf: ["container", "conmon", "healthy", "ignore"] },
    default: "container",
    description: "Who tells the service manager that the container is ready, where NOTIFY_SOCKET names one",
    details:
      "container: its own program, which gets the socket. conmon: proa, when the program has been started. healthy: proa, when a health check has succeeded. ignore: nobody.",
  },
} as const satisfies Args;

/** Fields of HostConfig. */
export function systemdOptionsFrom(
  args: Values<typeof systemdArgs>,
): Pick<ContainerSpec["HostConfig"], "SystemdMode" | "SdNotifyMode"> {
  return {
    ...(args.systemd === "true" ? {} : { SystemdMode: args.systemd }),
    ...(args.sdnotify === "container" ? {} : { SdNotifyMode: args.sdnotify }),
  };
}
