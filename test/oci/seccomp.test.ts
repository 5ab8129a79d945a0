import { expect, test } from "bun:test";
import { type LinuxSeccomp, parseSeccompProfile, resolveSeccomp, type SeccompProfile } from "../../src/oci";
import profile from "../../src/oci/seccomp-default.json";

const resolve = (capabilities: string[], arch = "amd64", kernel = "6.1.0"): LinuxSeccomp =>
  resolveSeccomp(profile as SeccompProfile, { capabilities, arch, kernel });

const allows = (seccomp: LinuxSeccomp, name: string): boolean =>
  seccomp.syscalls.some(
    (rule) => rule.action === "SCMP_ACT_ALLOW" && !rule.args && rule.names.includes(name),
  );

test("resolveSeccomp() allows mount only with CAP_SYS_ADMIN", () => {
  expect(allows(resolve([]), "mount")).toBe(false);
  expect(allows(resolve(["CAP_SYS_ADMIN"]), "mount")).toBe(true);
});

test("resolveSeccomp() never allows keyctl and io_uring_setup by default", () => {
  expect(allows(resolve([]), "keyctl")).toBe(false);
  expect(allows(resolve([]), "io_uring_setup")).toBe(false);
});

test("resolveSeccomp() answers clone3 with ENOSYS, so that libc falls back to clone", () => {
  const rule = resolve([]).syscalls.find((each) => each.names.includes("clone3"));
  expect(rule).toMatchObject({ action: "SCMP_ACT_ERRNO", errnoRet: 38 });
});

test("resolveSeccomp() keeps a rule with minKernel only from that kernel on", () => {
  expect(allows(resolve([], "amd64", "4.7.9"), "ptrace")).toBe(false);
  expect(allows(resolve([], "amd64", "4.8.0"), "ptrace")).toBe(true);
  expect(allows(resolve([], "amd64", "10.0"), "ptrace")).toBe(true);
});

test("resolveSeccomp() names the architecture and the ones it can run", () => {
  expect(resolve([]).architectures).toEqual(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]);
  expect(allows(resolve([], "arm64"), "arch_prctl")).toBe(false);
});

test("parseSeccompProfile() says what is wrong with a file", () => {
  expect(() => parseSeccompProfile("{", "p.json")).toThrow("seccomp profile: p.json: ");
  expect(() => parseSeccompProfile("[]", "p.json")).toThrow("defaultAction is missing");
  expect(() => parseSeccompProfile('{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{}]}', "p.json")).toThrow(
    "no action",
  );
});
