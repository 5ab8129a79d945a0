import { describe, expect, test } from "bun:test";
import { type Facts, groupWarnings, HelperError } from "../../src/helper";
import { hintFor } from "../../src/helper/facts";

const facts = (step: string, errno: string, object = ""): Facts => ({
  step,
  object,
  errno,
  detail: "",
  exit: 125,
});

/** The sysctls of a host; those not named do not exist. */
const host =
  (sysctls: Record<string, string> = {}) =>
  (path: string) =>
    sysctls[path.replace("/proc/sys/", "")] ?? "";

const APPARMOR = { "kernel/apparmor_restrict_unprivileged_userns": "1" };

describe("hintFor() a user namespace that cannot be made", () => {
  test.each([
    [
      "Debian's switch",
      { "kernel/unprivileged_userns_clone": "0" },
      "EPERM",
      "sysctl -w kernel.unprivileged_userns_clone=1",
    ],
    [
      "a limit of none",
      { "user/max_user_namespaces": "0" },
      "ENOSPC",
      "sysctl -w user.max_user_namespaces=15000",
    ],
    [
      "Ubuntu's AppArmor",
      APPARMOR,
      "EACCES",
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or an AppArmor profile for proa with `userns,`",
    ],
    [
      "a limit that is reached",
      { "user/max_user_namespaces": "5" },
      "ENOSPC",
      "see /proc/sys/user/max_user_namespaces",
    ],
    ["a limit of depth", {}, "EUSERS", "see /proc/sys/user/max_user_namespaces"],
    [
      "a container that forbids them",
      {},
      "EPERM",
      "is it running in a container or sandbox that forbids them?",
    ],
  ])("names %s", (_what, sysctls, errno, hint) => {
    expect(hintFor(facts("create user namespace", errno), host(sysctls))).toContain(hint);
  });
});

test("hintFor() says nothing of sandboxes where descriptors or memory ran out", () => {
  for (const errno of ["EMFILE", "ENOMEM", "EAGAIN", ""])
    expect(hintFor(facts("create user namespace", errno), host())).toBeUndefined();
});

describe("hintFor() what AppArmor forbids inside a namespace that it let be made", () => {
  test.each([
    ["create mount namespace", "EPERM"],
    ["make mounts private", "EACCES"],
    ["mount", "EACCES"],
    ["set host name", "EPERM"],
  ])("%s: %s", (step, errno) => {
    expect(hintFor(facts(step, errno), host(APPARMOR))).toContain("AppArmor restricts user namespaces here");
    expect(hintFor(facts(step, errno), host())).toBeUndefined();
  });

  test("says nothing of AppArmor where something else is wrong", () => {
    expect(hintFor(facts("mount", "ENOENT"), host(APPARMOR))).toBeUndefined();
    expect(hintFor(facts("execute", "EACCES"), host(APPARMOR))).toBeUndefined();
  });
});

describe("hintFor() the programs that write id maps", () => {
  test("that are not installed names the package", () => {
    expect(hintFor(facts("run", "ENOENT", "newuidmap"), host())).toContain("apt-get install uidmap");
  });

  test("that may not do it says what they need", () => {
    expect(hintFor(facts("write id map", "EPERM", "newgidmap"), host())).toContain(
      "setuid root or to have file capabilities",
    );
  });
});

test("hintFor() a full disk says how to free some", () => {
  for (const errno of ["ENOSPC", "EDQUOT"])
    expect(hintFor(facts("write", errno), host())).toContain("proa rmi");
});

test("HelperError has the facts in words: step, object, reason and further words", () => {
  const error = new HelperError("run", {
    step: "mount",
    object: "/proc",
    errno: "EBUSY",
    detail: "twice",
    exit: 126,
  });
  expect(error.message).toBe("mount: /proc: device or resource busy (twice)");
  expect(error.exitCode).toBe(126);
  const limit = new HelperError("run", facts("create user namespace", "ENOSPC"));
  expect(limit.message).toBe("create user namespace: the limit of user namespaces is reached"); // no disk is full
  expect(new HelperError("exec", { ...facts("execute", "ENOENT", "/x"), exit: 127 }).message).toBe(
    "execute: /x: command not found in the container",
  );
  expect(new HelperError("layer-apply", { ...facts("read tar", "", "a/b"), detail: "cut off" }).message).toBe(
    "read tar: a/b: cut off",
  );
});

test.each([
  ["EADDRNOTAVAIL", "publish port: 203.0.113.1:80/tcp: this host has no such address"],
  ["EADDRINUSE", "publish port: 203.0.113.1:80/tcp: the address is in use"],
])("HelperError says %s of a port in words", (errno, message) => {
  expect(new HelperError("run", facts("publish port", errno, "203.0.113.1:80/tcp")).message).toBe(message);
});

describe("control groups", () => {
  test.each([
    ["ask systemd", "ETIMEDOUT", "/run/user/1000/bus", "systemctl --user list-jobs"],
    ["ask systemd", "ECONNREFUSED", "/run/user/1000/bus", "loginctl enable-linger"],
    ["ask systemd", "", "proa-1.scope", "--cgroups disabled does without"],
    ["make control group", "EACCES", "/sys/fs/cgroup/x", "proa info tells"],
    ["make control group", "EAGAIN", "/sys/fs/cgroup/x", "cgroup.max.descendants"],
    ["limit", "EBUSY", "memory.max", "hold more memory than that"],
    ["limit", "ENODEV", "io.max", "whole disks"],
    ["limit", "EINVAL", "cpu.max", "no such value"],
  ])("%s: %s has a hint", (step, errno, object, words) => {
    expect(hintFor(facts(step, errno, object), host())).toContain(words);
  });

  test("a cpuset that is full is no full disk", () => {
    expect(hintFor(facts("limit", "ENOSPC", "cpuset.cpus"), host())).toBeUndefined();
    expect(hintFor(facts("make control group", "ENOSPC", "/sys/fs/cgroup/x"), host())).toBeUndefined();
  });

  test.each([
    ["memory.max", "--memory is ignored: limit: memory.max: "],
    ["memory.swap.max", "--memory-swap is ignored: "],
    ["memory.limit_in_bytes", "--memory is ignored: "],
    ["memory.memsw.limit_in_bytes", "--memory-swap is ignored: "],
    ["/sys/fs/cgroup/x/cpu.cfs_quota_us", "--cpus is ignored: "],
    ["io.bfq.weight", "--blkio-weight is ignored: "],
    ["pids.max", "--pids-limit is ignored: "],
    ["misc.max", "misc.max is ignored: "],
  ])("a limit that is done without names its option: %s", (object, words) => {
    expect(groupWarnings([facts("limit", "ENOENT", object)])[0]).toStartWith(words);
  });

  test("a group that is done without says so, and what changes it", () => {
    expect(groupWarnings([facts("ask systemd", "ECONNREFUSED", "/run/user/1/bus")])[0]).toMatch(
      /^the container has no control group of its own: ask systemd: \/run\/user\/1\/bus: connection refused; systemctl/,
    );
  });

  test("what nobody has asked for is not missed", () => {
    const limit = (object: string, value: string) => ({
      ...facts("limit", "", object),
      detail: `${value}: why`,
    });
    const usual = [limit("memory.max", "64"), limit("memory.swap.max", "64"), limit("pids.max", "2048")];
    expect(groupWarnings(usual)).toEqual(["--memory is ignored: limit: memory.max: 64: why"]);
    expect(groupWarnings([limit("memory.max", "64"), limit("memory.swap.max", "0")])).toHaveLength(2);
    expect(groupWarnings([limit("pids.max", "50")])).toHaveLength(1);
  });
});

test("hintFor() a bridge that another data directory has made", () => {
  expect(hintFor(facts("create bridge", "EEXIST"), host())).toContain("an XDG_RUNTIME_DIR of its own");
});
