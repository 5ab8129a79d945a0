/** The order of options in help: those that most people need, then by theme. */
import type { FlagArg } from "./tree";

/** A command with fewer options shows them in one list. */
const FEW = 24;

/** Of commands that make or change containers. */
const common =
  "detach interactive tty rm name env publish volume network workdir user entrypoint restart pull memory cpus".split(
    " ",
  );

/** Options that have no theme in their definition. What has none anywhere is shown under "More". */
const themes: readonly (readonly [heading: string, names: string])[] = [
  ["Identity", "name replace hostname domainname label label-file annotation cidfile pidfile conmon-pidfile"],
  [
    "Environment",
    "workdir user entrypoint env env-file env-host env-merge unsetenv unsetenv-all http-proxy tz",
  ],
  ["Network", "network ip ip6 mac-address network-alias link publish publish-all expose"],
  ["Names", "no-hostname add-host no-hosts hosts-file dns dns-search dns-option"],
  [
    "Files",
    "volume mount tmpfs volumes-from volume-driver image-volume read-only read-only-tmpfs rootfs secret",
  ],
  [
    "Image",
    "platform arch os variant pull quiet rmi disable-content-trust authfile cert-dir creds retry retry-delay tls-verify lazy",
  ],
  ["Life", "restart rm requires timeout stop-signal stop-timeout init init-path systemd sdnotify"],
  [
    "Streams and log",
    "attach interactive tty detach detach-keys sig-proxy preserve-fd preserve-fds log-driver log-opt",
  ],
  ["Health checks", ""],
  ["Limits", "cgroups cgroup-parent cgroup-conf"],
  ["Security", ""],
  ["Namespaces", ""],
  ["Process", ""],
  ["Devices", ""],
];

type Flags = readonly (readonly [string, FlagArg])[];

/** The options of a command under their headings, in order; none is empty. */
export function grouped(flags: Flags): [heading: string, flags: Flags][] {
  const groups = new Map<string, (readonly [string, FlagArg])[]>();
  const isLong = flags.length > FEW;
  if (isLong) {
    groups.set("Common options", []);
    for (const [heading] of themes) groups.set(heading, []);
  } else {
    groups.set("Options", []);
  }
  for (const flag of flags) {
    const heading = isLong ? themeOf(flag) : (flag[1].group ?? "Options");
    const group = groups.get(heading);
    if (group === undefined) groups.set(heading, [flag]);
    else group.push(flag);
  }
  groups.get("Common options")?.sort(([a], [b]) => common.indexOf(a) - common.indexOf(b));
  return [...groups].filter(([, each]) => each.length > 0);
}

function themeOf([name, { group }]: readonly [string, FlagArg]): string {
  if (common.includes(name)) return "Common options";
  return group ?? themes.find(([, names]) => names.split(" ").includes(name))?.[0] ?? "More";
}
