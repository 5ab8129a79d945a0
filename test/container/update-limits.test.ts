import { describe, expect, test } from "bun:test";
import { mergeLimits } from "../../src/container/update-limits";
import type { HostConfig, Resources } from "../../src/oci";

const merge = (before: Resources, asked: Resources): Resources => mergeLimits(before as HostConfig, asked);

describe("mergeLimits()", () => {
  test("leaves what is not asked for", () => {
    expect(merge({ Memory: 64 << 20, MemorySwap: 128 << 20, PidsLimit: 9 }, { PidsLimit: 33 })).toEqual({
      Memory: 64 << 20,
      MemorySwap: 128 << 20,
      PidsLimit: 33,
    });
  });

  test("gives memory its swap where there was no limit before, and keeps that which there was", () => {
    expect(merge({}, { Memory: 64 << 20 }).MemorySwap).toBe(128 << 20);
    expect(merge({ Memory: 32 << 20, MemorySwap: 64 << 20 }, { Memory: 48 << 20 }).MemorySwap).toBe(64 << 20);
    expect(merge({ Memory: 32 << 20, MemorySwap: -1 }, { Memory: 512 << 20 }).MemorySwap).toBe(-1);
  });

  test.each<[Resources, Resources, string]>([
    [
      { CpuPeriod: 1000 },
      { NanoCpus: 1e9 },
      "Nano CPUs cannot be updated as CPU Period has already been set",
    ],
    [{ CpuQuota: 1000 }, { NanoCpus: 1e9 }, "Nano CPUs cannot be updated as CPU Quota has already been set"],
    [{ NanoCpus: 1e9 }, { CpuPeriod: 1000 }, "CPU Period cannot be updated as NanoCPUs has already been set"],
    [{ NanoCpus: 1e9 }, { CpuQuota: 1000 }, "CPU Quota cannot be updated as NanoCPUs has already been set"],
    [
      { Memory: 64 << 20, MemorySwap: 128 << 20 },
      { Memory: 256 << 20 },
      "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
    ],
    [
      { Memory: 64 << 20, MemorySwap: -1 },
      { MemoryReservation: 128 << 20 },
      "Minimum memory limit can not be less",
    ],
    [{}, { MemorySwap: 128 << 20 }, "You should always set the Memory limit"],
  ])("refuses, of a container with %j, %j", (before, asked, words) => {
    expect(() => merge(before, asked)).toThrow(words);
  });
});
