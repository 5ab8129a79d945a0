import { expect, test } from "bun:test";
import { ALL_CAPABILITIES, capabilityName, grantedCapabilities } from "../../src/oci";

test("grantedCapabilities() gives Docker's fourteen when nothing is asked", () => {
  expect(grantedCapabilities([], [], false)).toEqual(
    [
      "CHOWN",
      "DAC_OVERRIDE",
      "FOWNER",
      "FSETID",
      "KILL",
      "SETGID",
      "SETUID",
      "SETPCAP",
      "NET_BIND_SERVICE",
      "NET_RAW",
      "SYS_CHROOT",
      "MKNOD",
      "AUDIT_WRITE",
      "SETFCAP",
    ].map((name) => `CAP_${name}`),
  );
});

test("grantedCapabilities() starts from nothing with drop ALL, and adds", () => {
  expect(grantedCapabilities(["net_admin"], ["ALL"], false)).toEqual(["CAP_NET_ADMIN"]);
});

test("grantedCapabilities() starts from all with add ALL, and drops", () => {
  const granted = grantedCapabilities(["all"], ["CAP_SYS_ADMIN"], false);
  expect(granted).toHaveLength(ALL_CAPABILITIES.length - 1);
  expect(granted).not.toContain("CAP_SYS_ADMIN");
});

test("capabilityName() refuses what no kernel has", () => {
  expect(() => capabilityName("CAP_FLY")).toThrow("capability: CAP_FLY: no such capability");
});
