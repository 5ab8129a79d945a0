import { describe, expect, test } from "bun:test";
import { type Facts, HelperError } from "../../src/helper";
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
