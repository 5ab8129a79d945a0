/** The checks of `proa doctor`, on hosts that are records. */
import { describe, expect, test } from "bun:test";
import { examine } from "../../src/container/doctor/checks";
import type { HostFacts, MapProgram, PlaceFacts } from "../../src/container/doctor/facts";
import type { Finding } from "../../src/container/doctor/finding";
import { mountOf, parseMounts } from "../../src/container/doctor/mounts";

const GIB = 1 << 30;
const MIB = 1 << 20;
const NOW = Date.UTC(2026, 10, 22, 12);

const place = (path: string, more: Partial<PlaceFacts> = {}): PlaceFacts => ({
  path,
  fileSystem: "ext4",
  options: ["rw", "relatime"],
  freeBytes: 100 * GIB,
  totalBytes: 200 * GIB,
  freeInodes: 1_000_000,
  totalInodes: 2_000_000,
  obstacle: "",
  ...more,
});

const program = (name: MapProgram["name"], more: Partial<MapProgram> = {}): MapProgram => ({
  name,
  path: `/usr/bin/${name}`,
  hasSetId: true,
  hasCapabilities: false,
  isOnNosuid: false,
  ...more,
});
const programs = (more: Partial<MapProgram>) => [program("newuidmap", more), program("newgidmap", more)];

const features = {
  userNamespace: null,
  overlay: null,
  overlayLowerdirAppend: true,
  seccomp: true,
  cgroupVersion: 2,
  mappings: "range",
} as const;
const refused = { step: "mount", object: "overlay", errno: "EPERM", detail: "", exit: 125 };
const noNamespace = { step: "create user namespace", object: "", errno: "EPERM", detail: "", exit: 125 };
const netd = { tproxy: true, hold: true, ipv6: true, echo4: true, echo6: true, why: [] };

const usualSysctls: Record<string, string> = {
  "user/max_user_namespaces": "15000",
  "net/ipv4/ping_group_range": "0\t2147483647",
  "net/ipv4/ip_unprivileged_port_start": "1024",
};
const sysctl = (more: Record<string, string> = {}) => {
  const all = { ...usualSysctls, ...more };
  return (path: string) => all[path] ?? null;
};

const well: HostFacts = {
  uid: 1000,
  user: "ann",
  nowMs: NOW,
  kernel: "6.1.0-13-amd64",
  sysctl: sysctl(),
  appArmor: "",
  seLinux: "",
  noNewPrivileges: false,
  features: { ok: features },
  subuid: "ann:100000:65536\nbob:165536:65536\n",
  subgid: "ann:100000:65536\n",
  passwd: "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/home/ann:/bin/sh\n",
  mapPrograms: programs({}),
  cgroups: {
    ok: {
      version: 2,
      manager: "systemd",
      controllers: ["cpu", "cpuset", "io", "memory", "pids"],
      missing: [],
    },
  },
  storage: { ok: { driver: "overlay", reason: "", isChosen: false } },
  fuse: { program: null, device: "usable" },
  data: place("/home/ann/.local/share/proa"),
  cache: place("/home/ann/.cache/proa"),
  runtime: place("/run/user/1000/proa", { fileSystem: "tmpfs" }),
  hasEntryTypes: true,
  network: { ok: netd },
  networkPrograms: [],
  tun: "missing",
  groups: [1000],
  lastWrittenMs: NOW - 1000,
  builtMs: NOW - 1e9,
  session: {
    hasSystemd: true,
    lingers: true,
    hasLoginDirectory: true,
    runtimeVariable: "/run/user/1000",
    runtimeDirectory: { uid: 1000, mode: 0o40700, isDirectory: true },
    used: "/run/user/1000/proa",
    restarting: 0,
  },
  limits: { openFiles: 1_048_576, processes: 60_000, running: 100 },
  database: { ok: { containers: 3 } },
  killed: [],
  lost: [],
  unfinished: 0,
  configuration: { ok: "/home/ann/.config/proa/config.toml" },
  configurationFile: "/home/ann/.config/proa/config.toml",
  registries: { ok: { files: 0 } },
  authFiles: [],
};

const overlayRefused = { ok: { ...features, overlay: refused } };
const session = (more: Partial<HostFacts["session"]>) => ({ session: { ...well.session, ...more } });

type Case = [
  what: string,
  change: Partial<HostFacts>,
  check: string,
  status: Finding["status"],
  found: string,
  mend: string,
];

const cases: Case[] = [
  ["an old kernel", { kernel: "5.10.0-26" }, "kernel", "fail", "needs 5.12", "newer kernel"],
  ["the oldest kernel that will do", { kernel: "5.12.1" }, "kernel", "ok", "Linux 5.12.1", ""],
  ["a kernel 10", { kernel: "10.0.1" }, "kernel", "ok", "Linux 10.0.1", ""],
  [
    "user namespaces forbidden by Debian's switch",
    {
      features: { ok: { ...features, userNamespace: noNamespace } },
      sysctl: sysctl({ "kernel/unprivileged_userns_clone": "0" }),
    },
    "user namespaces",
    "fail",
    "create user namespace: operation not permitted",
    "sysctl -w kernel.unprivileged_userns_clone=1",
  ],
  [
    "user namespaces forbidden by their number",
    {
      features: { ok: { ...features, userNamespace: { ...noNamespace, errno: "ENOSPC" } } },
      sysctl: sysctl({ "user/max_user_namespaces": "0" }),
    },
    "user namespaces",
    "fail",
    "limit of user namespaces is reached",
    "sysctl -w user.max_user_namespaces=15000",
  ],
  [
    "few user namespaces",
    { sysctl: sysctl({ "user/max_user_namespaces": "20" }) },
    "user namespaces",
    "warn",
    "no more than 20",
    "max_user_namespaces",
  ],
  [
    "a data directory that nothing can be tried in",
    { features: { failed: "create directory: /x: permission denied", hint: "choose another place" } },
    "user namespaces",
    "fail",
    "permission denied",
    "choose another place",
  ],
  [
    "AppArmor that restricts",
    {
      sysctl: sysctl({ "kernel/apparmor_restrict_unprivileged_userns": "1" }),
      appArmor: "unconfined",
      features: overlayRefused,
    },
    "AppArmor",
    "fail",
    "restricts user namespaces",
    "apparmor_restrict_unprivileged_userns=0",
  ],
  [
    "AppArmor that has a profile for proa",
    {
      sysctl: sysctl({ "kernel/apparmor_restrict_unprivileged_userns": "1" }),
      appArmor: "proa (unconfined)",
    },
    "AppArmor",
    "ok",
    "lets proa have them (proa (unconfined))",
    "",
  ],
  ["SELinux that enforces", { seLinux: "enforcing" }, "SELinux", "ok", ":z or :Z", ""],
  ["SELinux that watches", { seLinux: "permissive" }, "SELinux", "ok", "only watches", ""],
  [
    "no_new_privs",
    { noNewPrivileges: true },
    "new privileges",
    "fail",
    "newuidmap and newgidmap gain no rights",
    "NoNewPrivileges=no",
  ],
  ["no_new_privs for root", { noNewPrivileges: true, uid: 0 }, "new privileges", "ok", "root needs none", ""],
  [
    "no seccomp",
    { features: { ok: { ...features, seccomp: false } } },
    "seccomp",
    "warn",
    "cannot filter",
    "CONFIG_SECCOMP_FILTER",
  ],
  [
    "no line in subuid",
    { subuid: "bob:165536:65536\n" },
    "id ranges",
    "warn",
    "/etc/subuid has no line for ann",
    "sudo usermod --add-subuids 231072-296607 --add-subgids 231072-296607 ann",
  ],
  [
    "no line in subgid for root",
    { uid: 0, user: "root", subuid: "root:100000:65536\n", subgid: "" },
    "id ranges",
    "fail",
    "/etc/subgid has no line for root",
    "echo root:100000:65536 >> /etc/subgid",
  ],
  [
    "few ids",
    { subuid: "ann:100000:1000\n" },
    "id ranges",
    "warn",
    "1000 user ids and 65536 group ids",
    "--add-subuids",
  ],
  [
    "ids that are another's, too",
    { subuid: "ann:100000:65536\nbob:150000:65536\n" },
    "id ranges",
    "warn",
    "/etc/subuid: 100000-165535 is partly bob's, who has 150000-215535",
    "a range of your own in /etc/subuid",
  ],
  [
    "group ids that are another's, too",
    { subgid: "bob:165535:1\n1000:100000:65536\n" },
    "id ranges",
    "warn",
    "/etc/subgid: 100000-165535 is partly bob's",
    "/etc/subgid",
  ],
  [
    "ids of which one is a user's own",
    { passwd: `${well.passwd}eve:x:120000:120000::/:/bin/sh\n` },
    "id ranges",
    "warn",
    "the user eve has the id 120000",
    "a range of your own",
  ],
  ["ids by number", { subuid: "1000:100000:65536\n" }, "id ranges", "ok", "65536 user ids", ""],
  [
    "no newuidmap",
    { mapPrograms: [program("newuidmap", { path: null }), program("newgidmap")] },
    "id programs",
    "warn",
    "newuidmap is not installed",
    "apt-get install uidmap",
  ],
  [
    "map programs without rights",
    { mapPrograms: programs({ hasSetId: false }) },
    "id programs",
    "fail",
    "/usr/bin/newuidmap is neither set-uid root nor has it file capabilities",
    "reinstall uidmap",
  ],
  [
    "map programs with capabilities",
    { mapPrograms: programs({ hasSetId: false, hasCapabilities: true }) },
    "id programs",
    "ok",
    "file capabilities",
    "",
  ],
  [
    "map programs on nosuid",
    { mapPrograms: [program("newuidmap"), program("newgidmap", { isOnNosuid: true })] },
    "id programs",
    "fail",
    "/usr/bin/newgidmap lies on a file system that is mounted with nosuid",
    "remount,suid",
  ],
  ["root without map programs", { uid: 0, mapPrograms: [] }, "id programs", "ok", "root maps ids", ""],
  [
    "a controller that is not delegated",
    {
      cgroups: {
        ok: {
          version: 2,
          manager: "systemd",
          controllers: ["memory", "pids"],
          missing: [{ controller: "cpu", why: "systemd does not delegate cpu", mend: "Delegate=cpu" }],
        },
      },
    },
    "control groups",
    "warn",
    "version 2, by systemd: memory, pids; not cpu: systemd does not delegate cpu",
    "Delegate=cpu",
  ],
  [
    "no control groups",
    {
      cgroups: {
        ok: {
          version: 0,
          manager: "none",
          controllers: [],
          missing: [{ controller: "memory", why: "none are mounted", mend: "mount -t cgroup2 none /x" }],
        },
      },
    },
    "control groups",
    "warn",
    "none: none are mounted",
    "mount -t cgroup2",
  ],
  [
    "control groups that cannot be asked for",
    { cgroups: { failed: "read: /sys: denied", hint: undefined } },
    "control groups",
    "warn",
    "denied",
    "proa info",
  ],
  [
    "fuse-overlayfs in place of overlay",
    {
      features: overlayRefused,
      storage: { ok: { driver: "fuse-overlayfs", reason: "x", isChosen: false } },
      fuse: { program: "/usr/bin/fuse-overlayfs", device: "usable" },
    },
    "storage driver",
    "warn",
    "fuse-overlayfs: the kernel's overlay does not work here (mount: overlay: operation not permitted)",
    "5.11 and newer",
  ],
  [
    "full copies",
    { features: overlayRefused, storage: { ok: { driver: "vfs", reason: "x", isChosen: false } } },
    "storage driver",
    "warn",
    "vfs: the kernel's overlay does not work here",
    "apt-get install fuse-overlayfs",
  ],
  [
    "full copies because /dev/fuse is closed",
    {
      features: overlayRefused,
      storage: { ok: { driver: "vfs", reason: "x", isChosen: false } },
      fuse: { program: "/usr/bin/fuse-overlayfs", device: "closed" },
    },
    "storage driver",
    "warn",
    "vfs",
    "chmod 0666 /dev/fuse",
  ],
  [
    "full copies by choice",
    { storage: { ok: { driver: "vfs", reason: "", isChosen: true } } },
    "storage driver",
    "warn",
    "you chose it, and the kernel's overlay works here",
    "take storage-driver out of config.toml",
  ],
  [
    "overlay by choice where it does not work",
    { features: overlayRefused, storage: { ok: { driver: "overlay", reason: "", isChosen: true } } },
    "storage driver",
    "fail",
    "overlay was chosen",
    "take storage-driver out",
  ],
  [
    "a driver that there is not",
    { storage: { failed: "choose storage driver: zfs: no such driver", hint: "the drivers are overlay" } },
    "storage driver",
    "fail",
    "zfs",
    "the drivers are",
  ],
  [
    "/dev/fuse that is missing where it is needed",
    {
      features: overlayRefused,
      storage: { ok: { driver: "vfs", reason: "x", isChosen: false } },
      fuse: { program: "/usr/bin/fuse-overlayfs", device: "missing" },
    },
    "fuse-overlayfs",
    "warn",
    "/dev/fuse is not there",
    "modprobe fuse",
  ],
  ["no fuse-overlayfs where overlay works", {}, "fuse-overlayfs", "ok", "not needed", ""],
  [
    "a home on NFS",
    { data: place("/home/ann/.local/share/proa", { fileSystem: "nfs4" }) },
    "data directory",
    "fail",
    "is on nfs4",
    "set XDG_DATA_HOME",
  ],
  [
    "a home in memory",
    { data: place("/home/ann/.local/share/proa", { fileSystem: "tmpfs" }) },
    "data directory",
    "warn",
    "is on tmpfs",
    "set XDG_DATA_HOME",
  ],
  [
    "a home that is read-only",
    { data: place("/h", { options: ["ro"] }) },
    "data directory",
    "fail",
    "mounted read-only",
    "remount,rw",
  ],
  ["directories without types", { hasEntryTypes: false }, "data directory", "fail", "d_type", "ftype=1"],
  [
    "full copies where nothing is executed",
    {
      data: place("/h", { options: ["rw", "noexec"] }),
      storage: { ok: { driver: "vfs", reason: "", isChosen: true } },
    },
    "data directory",
    "fail",
    "noexec",
    "remount,exec",
  ],
  ["overlay on noexec", { data: place("/h", { options: ["noexec"] }) }, "data directory", "ok", "ext4", ""],
  [
    "a cache where nothing is executed",
    { cache: place("/c", { options: ["noexec"] }) },
    "cache directory",
    "warn",
    "mounted with noexec",
    "XDG_CACHE_HOME",
  ],
  [
    "little space",
    { data: place("/h", { freeBytes: 500 * MIB }) },
    "disk space",
    "warn",
    "500 MiB of 200 GiB free in /h",
    "proa system prune",
  ],
  [
    "no space",
    { data: place("/h", { freeBytes: 3 * MIB }) },
    "disk space",
    "fail",
    "3 MiB of",
    "proa system prune",
  ],
  [
    "a small disk that is empty",
    { data: place("/h", { freeBytes: 900 * MIB, totalBytes: GIB }) },
    "disk space",
    "ok",
    "900 MiB of 1.0 GiB",
    "",
  ],
  [
    "no files left",
    { data: place("/h", { freeInodes: 10 }) },
    "disk space",
    "fail",
    "10 of 2000000 files",
    "proa system prune",
  ],
  [
    "a file system without a number of files",
    { data: place("/h", { freeInodes: 0, totalInodes: 0 }) },
    "disk space",
    "ok",
    "100 GiB",
    "",
  ],
  [
    "a full runtime directory",
    { runtime: place("/r", { fileSystem: "tmpfs", freeBytes: 0, totalBytes: 10 * MIB }) },
    "runtime space",
    "fail",
    "0 KiB of 10 MiB free in /r",
    "remount,size",
  ],
  [
    "a network without IPv6",
    { network: { ok: { ...netd, ipv6: false, why: ["", "ipv6: not there"] } } },
    "network",
    "warn",
    "without a part of it: ipv6: not there",
    "modprobe",
  ],
  [
    "a network without ping, which is a check of its own",
    {
      network: {
        ok: { ...netd, echo4: false, echo6: false, why: ["no ping: net.ipv4.ping_group_range forbids it"] },
      },
    },
    "network",
    "ok",
    "the kernel's own",
    "",
  ],
  [
    "pasta in place of netd",
    {
      network: { ok: { ...netd, tproxy: false, why: ["nf_tables: not there"] } },
      networkPrograms: ["pasta", "slirp4netns"],
    },
    "network",
    "warn",
    "pasta makes it: nf_tables: not there",
    "nft_tproxy",
  ],
  [
    "no network at all",
    { network: { failed: "netd: denied", hint: undefined } },
    "network",
    "fail",
    "netd: denied; and neither pasta nor slirp4netns is installed",
    "apt-get install passt",
  ],
  ["no tun where it is not needed", {}, "network device", "ok", "only pasta and slirp4netns need it", ""],
  [
    "no tun where it is needed",
    { network: { failed: "x", hint: undefined }, networkPrograms: ["pasta"] },
    "network device",
    "warn",
    "/dev/net/tun is not there",
    "modprobe tun",
  ],
  [
    "a tun that is closed",
    { network: { failed: "x", hint: undefined }, networkPrograms: ["pasta"], tun: "closed" },
    "network device",
    "warn",
    "closed to you",
    "chmod 0666 /dev/net/tun",
  ],
  [
    "ping for nobody",
    { sysctl: sysctl({ "net/ipv4/ping_group_range": "1\t0" }) },
    "ping",
    "warn",
    "nobody may ping",
    "ping_group_range",
  ],
  [
    "ping for others",
    { sysctl: sysctl({ "net/ipv4/ping_group_range": "2000\t3000" }) },
    "ping",
    "warn",
    "2000 to 3000",
    "ping_group_range",
  ],
  ["low ports", {}, "ports", "ok", "ports from 1024 on", ""],
  [
    "low ports for everybody",
    { sysctl: sysctl({ "net/ipv4/ip_unprivileged_port_start": "0" }) },
    "ports",
    "ok",
    "every port",
    "",
  ],
  ["a clock of 1970", { nowMs: 86_400_000, lastWrittenMs: 0 }, "clock", "fail", "1970-01-02", "set-ntp"],
  [
    "a clock that was set back",
    { lastWrittenMs: NOW + 3 * 3600_000 },
    "clock",
    "warn",
    "3 hours ahead when proa wrote last",
    "set-ntp",
  ],
  [
    "no runtime directory",
    session({ runtimeVariable: undefined, used: "/tmp/proa-1000" }),
    "runtime directory",
    "warn",
    "XDG_RUNTIME_DIR is not set; /tmp/proa-1000 is used",
    "export XDG_RUNTIME_DIR=/run/user/1000",
  ],
  [
    "the session's runtime directory without the variable",
    session({ runtimeVariable: undefined }),
    "runtime directory",
    "ok",
    "is not set",
    "",
  ],
  [
    "a relative runtime directory",
    session({ runtimeVariable: "run", runtimeDirectory: null, used: "/tmp/proa-1000" }),
    "runtime directory",
    "warn",
    "no absolute path",
    "export",
  ],
  [
    "a runtime directory that is not there",
    session({ runtimeVariable: "/run/user/1000", runtimeDirectory: null, hasLoginDirectory: false }),
    "runtime directory",
    "fail",
    "there is nothing",
    "sudo install -d -m 700 -o ann /run/user/1000",
  ],
  [
    "a runtime directory of another user",
    session({ runtimeVariable: "/x", runtimeDirectory: { uid: 7, mode: 0o40700, isDirectory: true } }),
    "runtime directory",
    "fail",
    "it belongs to the id 7",
    "export XDG_RUNTIME_DIR=/run/user/1000",
  ],
  [
    "a runtime directory that is a file",
    session({ runtimeDirectory: { uid: 1000, mode: 0o100600, isDirectory: false } }),
    "runtime directory",
    "fail",
    "no directory",
    "install -d",
  ],
  [
    "a runtime directory that others may write",
    session({ runtimeDirectory: { uid: 1000, mode: 0o40777, isDirectory: true } }),
    "runtime directory",
    "fail",
    "mode 777",
    "chmod 700 /run/user/1000",
  ],
  [
    "a runtime directory on a disk",
    { runtime: place("/run/user/1000/proa") },
    "runtime directory",
    "warn",
    "is on ext4",
    "mount -t tmpfs",
  ],
  [
    "no lingering",
    session({ lingers: false, restarting: 2 }),
    "lingering",
    "warn",
    "it is off",
    "sudo loginctl enable-linger ann",
  ],
  ["no systemd", session({ lingers: false, hasSystemd: false }), "lingering", "ok", "no systemd", ""],
  [
    "few open files",
    { limits: { ...well.limits, openFiles: 1024 } },
    "open files",
    "warn",
    "1024 a process",
    "limits.d",
  ],
  [
    "few processes",
    { limits: { ...well.limits, processes: 300 } },
    "processes",
    "warn",
    "300 processes (the limit), and 100 run",
    "ann - nproc",
  ],
  [
    "no process left",
    { limits: { ...well.limits, processes: 105 } },
    "processes",
    "fail",
    "105 processes",
    "nproc",
  ],
  [
    "any number of processes",
    { limits: { ...well.limits, processes: Number.POSITIVE_INFINITY } },
    "processes",
    "ok",
    "any number",
    "",
  ],
  [
    "a damaged database",
    { database: { failed: "open state: /s: it is damaged", hint: "proa system reset" } },
    "database",
    "fail",
    "damaged",
    "reset",
  ],
  [
    "killed supervisors",
    { killed: ["a", "b", "c", "d"] },
    "leftovers",
    "warn",
    "a, b, c and 1 more",
    "proa ps -a",
  ],
  ["lost files", { lost: ["web"] }, "leftovers", "warn", "the files of web are gone", "--force"],
  ["a removal that was killed", { unfinished: 1 }, "leftovers", "warn", "1 start or removal was", "prune"],
  [
    "a database that is not to be written",
    { database: { failed: "open state: /s: permission denied", hint: undefined } },
    "database",
    "fail",
    "permission denied",
    "sudo chown ann /home/ann/.local/share/proa ",
  ],
  [
    "settings that cannot be read, where they choose the storage driver",
    {
      configuration: { failed: "read configuration: /c: no", hint: undefined },
      storage: { failed: "read configuration: /c: no", hint: undefined },
    },
    "storage driver",
    "fail",
    "not known: the configuration cannot be read",
    "correct /home/ann/.config/proa/config.toml",
  ],
  [
    "settings that cannot be read, where they choose the manager of control groups",
    {
      configuration: { failed: "read configuration: /c: no", hint: undefined },
      cgroups: { failed: "read configuration: /c: no", hint: undefined },
    },
    "control groups",
    "warn",
    "not known: the configuration cannot be read",
    "correct /home/ann/.config/proa/config.toml",
  ],
  [
    "a data directory that cannot be made",
    { data: place("/nonexistent/proa", { obstacle: "it is not there, and / is not yours to write in" }) },
    "data directory",
    "fail",
    "/nonexistent/proa: it is not there, and / is not yours to write in",
    "sudo install -d -m 700 -o ann /nonexistent/proa",
  ],
  [
    "the space of a data directory that cannot be made",
    { data: place("/nonexistent/proa", { obstacle: "it is not there, and / is not yours to write in" }) },
    "disk space",
    "warn",
    "not known: /nonexistent/proa cannot be written in",
    "sudo install -d",
  ],
  [
    "a cache directory on a home that is read-only",
    { cache: place("/home/ann/.cache/proa", { obstacle: "it is on a file system", options: ["ro"] }) },
    "cache directory",
    "fail",
    "it is on a file system",
    "set XDG_CACHE_HOME",
  ],
  [
    "controllers of version 1 that the user has no directories in",
    {
      cgroups: {
        ok: {
          version: 1,
          manager: "none",
          controllers: [],
          missing: [
            { controller: "cpu", why: "none is yours", mend: "sudo install -d -o 1000 /cpu" },
            { controller: "memory", why: "none is yours", mend: "sudo install -d -o 1000 /memory" },
            { controller: "pids", why: "there is none", mend: "a word on the command line" },
          ],
        },
      },
    },
    "control groups",
    "warn",
    "none is yours",
    "sudo install -d -o 1000 /cpu && sudo install -d -o 1000 /memory",
  ],
  [
    "a setting that there is not",
    { configuration: { failed: "unknown setting", hint: "the settings are: x" } },
    "configuration",
    "fail",
    "unknown setting",
    "the settings are",
  ],
  [
    "registries that cannot be read",
    { registries: { failed: "read registries: /r: it is not TOML", hint: undefined } },
    "registries",
    "fail",
    "not TOML",
    "correct the file",
  ],
  [
    "a credential helper that is missing",
    { authFiles: [{ path: "/a", fault: "", helpers: [{ name: "pass", isThere: false }], isOpen: false }] },
    "credentials",
    "warn",
    "docker-credential-pass, which is not in PATH",
    "install docker-credential-pass",
  ],
  [
    "secrets that others may read",
    { authFiles: [{ path: "/a", fault: "", helpers: [], isOpen: true }] },
    "credentials",
    "warn",
    "others may read /a",
    "chmod 600 /a",
  ],
  [
    "credentials that are no JSON",
    {
      authFiles: [{ path: "/a", fault: "read credentials: /a: it is not JSON", helpers: [], isOpen: false }],
    },
    "credentials",
    "fail",
    "not JSON",
    "correct /a",
  ],
];

describe("examine()", () => {
  test("finds nothing where nothing is", () => {
    expect(examine(well).filter(({ status }) => status !== "ok")).toEqual([]);
  });

  test.each(cases)("%s", (_, change, check, status, found, mend) => {
    const finding = examine({ ...well, ...change }).find((each) => each.check === check);
    expect(finding?.status).toBe(status);
    expect(finding?.found).toContain(found);
    expect(finding?.mend).toContain(mend);
  });

  test("says behind everything that is not ok what it costs and what mends it, and else neither", () => {
    for (const [what, change] of cases) {
      for (const { check, status, found, cost, mend } of examine({ ...well, ...change })) {
        expect(found, `${what}: ${check}`).not.toBe("");
        expect([cost !== "", mend !== ""], `${what}: ${check}: ${found}`).toEqual(
          status === "ok" ? [false, false] : [true, true],
        );
      }
    }
  });
});

describe("mountOf()", () => {
  const mounts = parseMounts(
    [
      "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
      "30 21 0:30 / /home rw,nosuid shared:9 - nfs4 server:/home rw,vers=4.2",
      "31 21 0:31 / /mnt/a\\040b rw - tmpfs tmpfs rw",
      "32 30 0:32 / /home rw - xfs /dev/sdb ro",
    ].join("\n"),
  );

  test("is the mount with the longest path, and of several in one place the last", () => {
    expect(mountOf(mounts, "/home/ann")).toMatchObject({ fileSystem: "xfs", options: ["rw", "ro"] });
    expect(mountOf(mounts, "/homely")?.fileSystem).toBe("ext4");
    expect(mountOf(mounts, "/")?.fileSystem).toBe("ext4");
    expect(mountOf(mounts, "/mnt/a b/c")?.fileSystem).toBe("tmpfs");
  });
});
