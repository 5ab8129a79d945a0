import { describe, expect, test } from "bun:test";
import { checkResources, listMembers, type Resources } from "../../src/oci";

const host = { cpuCount: 4, cpus: "0-3\n", memoryNodes: "0\n" };
const MIB = 1 << 20;

describe("checkResources()", () => {
  test.each<[Resources]>([
    [{}],
    [{ Memory: 6 * MIB }],
    [{ Memory: 6 * MIB, MemorySwap: 6 * MIB, MemoryReservation: 6 * MIB }],
    [{ Memory: 6 * MIB, MemorySwap: -1 }],
    [{ MemorySwap: -1 }],
    [{ MemorySwappiness: 0 }],
    [{ NanoCpus: 10_000_000 }],
    [{ NanoCpus: 4_000_000_000 }],
    [{ CpuPeriod: 1000, CpuQuota: 1000 }],
    [{ CpuQuota: -1 }],
    [{ CpusetCpus: "0,2-3", CpusetMems: "0" }],
    [{ BlkioWeight: 10, BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 1000 }] }],
  ])("lets %j pass", (limits) => {
    expect(() => checkResources(limits, host)).not.toThrow();
  });

  test.each<[Resources, string]>([
    [{ Memory: 6 * MIB - 1 }, "Minimum memory limit allowed is 6MB"],
    [{ MemoryReservation: 1 }, "Minimum memory reservation allowed is 6MB"],
    [
      { Memory: 7 * MIB, MemoryReservation: 8 * MIB },
      "Minimum memory limit can not be less than memory reservation",
    ],
    [{ MemorySwap: 1 }, "You should always set the Memory limit when using Memoryswap limit"],
    [{ Memory: 8 * MIB, MemorySwap: 7 * MIB }, "Minimum memoryswap limit should be larger than memory limit"],
    [{ MemorySwappiness: 101 }, "valid memory swappiness range is 0-100"],
    [{ MemorySwappiness: -2 }, "valid memory swappiness range is 0-100"],
    [{ NanoCpus: 9_999_999 }, "Range of CPUs is from 0.01 to 4.00, as there are only 4 CPUs available"],
    [{ NanoCpus: -1 }, "Range of CPUs is from 0.01 to 4.00"],
    [{ NanoCpus: 4_000_000_001 }, "Range of CPUs is from 0.01 to 4.00"],
    [{ NanoCpus: 1e9, CpuPeriod: 1000 }, "Nano CPUs and CPU Period cannot both be set"],
    [{ NanoCpus: 1e9, CpuQuota: 1000 }, "Nano CPUs and CPU Quota cannot both be set"],
    [{ CpuPeriod: 1_000_001 }, "CPU cfs period can not be less than 1ms"],
    [{ CpuQuota: 999 }, "CPU cfs quota can not be less than 1ms"],
    [{ CpuShares: -1 }, "it cannot be negative"],
    [{ CpuRealtimePeriod: 5, CpuRealtimeRuntime: 6 }, "rt runtime cannot be higher than rt period"],
    [{ CpusetCpus: "4" }, "Requested CPUs are not available - requested 4, available: 0-3"],
    [{ CpusetCpus: "1-" }, "Invalid value 1- for cpuset cpus"],
    [{ CpusetMems: "1" }, "Requested memory nodes are not available - requested 1, available: 0"],
    [{ BlkioWeight: 1001 }, "Range of blkio weight is from 10 to 1000"],
    [{ BlkioWeightDevice: [{ Path: "/dev/sda", Weight: 9 }] }, "invalid weight for device: /dev/sda:9"],
  ])("refuses %j", (limits, words) => {
    expect(() => checkResources(limits, host)).toThrow(words);
  });

  test("does not compare sets with what is not known", () => {
    expect(() => checkResources({ CpusetCpus: "77" }, { ...host, cpus: "" })).not.toThrow();
  });
});

test("listMembers() reads the kernel's lists, and nothing else", () => {
  expect([...(listMembers("0-2,5") ?? [])]).toEqual([0, 1, 2, 5]);
  for (const text of ["", "a", "1,", "3-1", "-1", "1-2-3", "999999"]) expect(listMembers(text)).toBeNull();
});
