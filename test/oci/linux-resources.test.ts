import { describe, expect, test } from "bun:test";
import { linuxResources, type Resources } from "../../src/oci";

const ALL = ["cpu", "cpuset", "io", "memory", "pids"];
const deviceNumber = (path: string) => ({ major: 8, minor: path === "/dev/sda" ? 0 : 16 });
const of = (limits: Resources, controllers = ALL, version: 1 | 2 = 2) =>
  linuxResources(limits, { version, controllers, deviceNumber });

describe("linuxResources()", () => {
  test.each<[Resources, unknown]>([
    [{}, undefined],
    [{ Memory: 0, CpuShares: 0, PidsLimit: 0, CpusetCpus: "", BlkioDeviceReadBps: [] }, undefined],
    [{ Memory: 64, MemorySwap: 128 }, { memory: { limit: 64, swap: 128 } }],
    [{ Memory: 64, MemorySwap: -1 }, { memory: { limit: 64, swap: -1 } }],
    [{ MemoryReservation: 32 }, { memory: { reservation: 32 } }],
    [{ NanoCpus: 1_500_000_000 }, { cpu: { period: 100_000, quota: 150_000 } }],
    [{ NanoCpus: 10_000_000 }, { cpu: { period: 100_000, quota: 1000 } }],
    [{ CpuPeriod: 50_000, CpuQuota: 25_000 }, { cpu: { period: 50_000, quota: 25_000 } }],
    [{ CpuQuota: -1 }, { cpu: { quota: -1 } }],
    [
      { CpuShares: 512, CpusetCpus: "0-1", CpusetMems: "0" },
      { cpu: { shares: 512, cpus: "0-1", mems: "0" } },
    ],
    [{ PidsLimit: 33 }, { pids: { limit: 33 } }],
    [{ PidsLimit: -7 }, { pids: { limit: -1 } }],
    [
      { BlkioWeight: 500, BlkioWeightDevice: [{ Path: "/dev/sdb", Weight: 10 }] },
      { blockIO: { weight: 500, weightDevice: [{ major: 8, minor: 16, weight: 10 }] } },
    ],
    [
      {
        BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 1 }],
        BlkioDeviceWriteIOps: [{ Path: "/dev/sda", Rate: 2 }],
      },
      {
        blockIO: {
          throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 1 }],
          throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 2 }],
        },
      },
    ],
    [
      { CgroupConf: { "memory.high": "1", "cgroup.freeze": "0" } },
      { unified: { "memory.high": "1", "cgroup.freeze": "0" } },
    ],
    // what version 2 has no file for
    [{ MemorySwappiness: 10, OomKillDisable: true, CpuRealtimeRuntime: 5 }, undefined],
  ])("%j", (limits, expected) => {
    expect(of(limits)).toEqual(expected as never);
  });

  test("has on version 1 what only that has, and no files of version 2", () => {
    const limits = {
      MemorySwappiness: 0,
      OomKillDisable: true,
      CpuRealtimePeriod: 10,
      CpuRealtimeRuntime: 5,
      CgroupConf: { "memory.high": "1" },
    };
    expect(of(limits, ALL, 1)).toEqual({
      memory: { swappiness: 0, disableOOMKiller: true },
      cpu: { realtimePeriod: 10, realtimeRuntime: 5 },
    });
  });

  test.each(ALL)("is without the limits of %s where that controller is missing", (controller) => {
    const limits: Resources = {
      Memory: 64,
      CpuShares: 2,
      CpusetCpus: "0",
      PidsLimit: 1,
      BlkioWeight: 10,
      CgroupConf: { [`${controller}.any`]: "1" },
    };
    const rest = ALL.filter((each) => each !== controller);
    const part = { memory: ["memory"], pids: ["pids"], io: ["blockIO"] }[controller];
    const found = of(limits, rest);
    expect(found).not.toHaveProperty("unified");
    if (part) expect(found).not.toHaveProperty(part);
    if (controller === "cpu") expect(found?.cpu).toEqual({ cpus: "0" });
    if (controller === "cpuset") expect(found?.cpu).toEqual({ shares: 2 });
  });

  test("asks for no device where disks cannot be limited", () => {
    const never = () => {
      throw new Error("asked");
    };
    const limits = { BlkioDeviceReadBps: [{ Path: "/dev/none", Rate: 1 }] };
    expect(
      linuxResources(limits, { version: 2, controllers: ["memory"], deviceNumber: never }),
    ).toBeUndefined();
  });
});
