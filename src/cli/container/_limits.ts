/** What limits on the command line mean, in the Engine API's names, and why they have no effect here. */
import { readFileSync } from "node:fs";
import { EngineError } from "../../error";
import { parseBytes, type Resources, type ThrottleDevice } from "../../oci";
import type { Values } from "../tree";
import { limitArgs } from "./_limit-options";

type LimitValues = Values<typeof limitArgs>;
type Key = keyof typeof limitArgs;

const MEMORY_LEAST = 6 << 20; // bytes, as docker has it
const NANO = 1e9;

const invalid = (what: string, on: unknown, why: string): EngineError =>
  new EngineError("invalid", what, String(on), why);

function bytes(key: Key, text: string | undefined): number {
  return parseBytes(key.replaceAll("-", " "), text ?? "");
}

type Reader = (args: LimitValues) => Resources;

const readers: Record<Key, Reader> = {
  memory: (args) => ({ Memory: memory(args) }),
  "memory-reservation": (args) => ({
    MemoryReservation: bytes("memory-reservation", args["memory-reservation"]),
  }),
  "memory-swap": (args) => ({
    MemorySwap: args["memory-swap"] === "-1" ? -1 : bytes("memory-swap", args["memory-swap"]),
  }),
  "memory-swappiness": (args) => ({ MemorySwappiness: args["memory-swappiness"] }),
  "kernel-memory": (args) => ({ KernelMemory: bytes("kernel-memory", args["kernel-memory"]) }),
  "oom-kill-disable": (args) => ({ OomKillDisable: args["oom-kill-disable"] }),
  cpus: (args) => ({ NanoCpus: cpus(args.cpus ?? "") }),
  "cpu-shares": (args) => ({ CpuShares: natural("cpu-shares", args["cpu-shares"]) }),
  "cpu-period": (args) => ({ CpuPeriod: natural("cpu-period", args["cpu-period"]) }),
  "cpu-quota": (args) => ({ CpuQuota: args["cpu-quota"] ?? 0 }),
  "cpu-rt-period": (args) => ({ CpuRealtimePeriod: natural("cpu-rt-period", args["cpu-rt-period"]) }),
  "cpu-rt-runtime": (args) => ({ CpuRealtimeRuntime: natural("cpu-rt-runtime", args["cpu-rt-runtime"]) }),
  "cpuset-cpus": (args) => ({ CpusetCpus: list("cpuset-cpus", args["cpuset-cpus"]) }),
  "cpuset-mems": (args) => ({ CpusetMems: list("cpuset-mems", args["cpuset-mems"]) }),
  "pids-limit": (args) => ({ PidsLimit: args["pids-limit"] ?? 0 }),
  "blkio-weight": (args) => ({ BlkioWeight: weight(args["blkio-weight"] ?? 0) }),
  "blkio-weight-device": (args) => ({
    BlkioWeightDevice: args["blkio-weight-device"].map((text) => {
      const [Path, value] = device("blkio-weight-device", text);
      return { Path, Weight: weight(wholeNumber("blkio-weight-device", text, value)) };
    }),
  }),
  "device-read-bps": (args) => ({ BlkioDeviceReadBps: rates("device-read-bps", args["device-read-bps"]) }),
  "device-write-bps": (args) => ({
    BlkioDeviceWriteBps: rates("device-write-bps", args["device-write-bps"]),
  }),
  "device-read-iops": (args) => ({
    BlkioDeviceReadIOps: counts("device-read-iops", args["device-read-iops"]),
  }),
  "device-write-iops": (args) => ({
    BlkioDeviceWriteIOps: counts("device-write-iops", args["device-write-iops"]),
  }),
  "device-cgroup-rule": (args) => ({ DeviceCgroupRules: args["device-cgroup-rule"].map(deviceRule) }),
  "cgroup-parent": (args) => ({ CgroupParent: args["cgroup-parent"] ?? "" }),
  "cgroup-conf": (args) => ({ CgroupConf: Object.fromEntries(args["cgroup-conf"].map(setting)) }),
};

/** @throws `invalid` for a value that docker refuses, and for limits that exclude one another */
export function readLimits(
  args: LimitValues,
  given: ReadonlySet<string>,
): { resources: Resources; warnings: string[] } {
  const keys = (Object.keys(limitArgs) as Key[]).filter((key) => given.has(key) && !saysNothing(args, key));
  const resources: Resources = Object.assign({}, ...keys.map((key) => readers[key](args)));
  checkTogether(resources);
  return { resources, warnings: keys.map((key) => `--${key} is ignored: ${whyNot(key)}`) };
}

/** The value that stands for "no limit". */
function saysNothing(args: LimitValues, key: Key): boolean {
  const value = args[key];
  if (key === "memory-swappiness") return value === -1;
  if (key === "pids-limit") return typeof value === "number" && value <= 0;
  const isList = key.startsWith("cpuset"); // of which "0" is one
  return value === false || value === 0 || (value === "0" && !isList) || value === "";
}

function checkTogether(limits: Resources): void {
  const {
    Memory = 0,
    MemorySwap = 0,
    MemoryReservation = 0,
    NanoCpus = 0,
    CpuPeriod = 0,
    CpuQuota = 0,
  } = limits;
  if (MemorySwap > 0 && Memory === 0)
    throw invalid("memory swap", MemorySwap, "it needs a limit of memory, too");
  if (MemorySwap > 0 && MemorySwap < Memory)
    throw invalid("memory swap", MemorySwap, `it is less than the memory, ${Memory}`);
  if (MemoryReservation > 0 && Memory > 0 && MemoryReservation > Memory)
    throw invalid("memory reservation", MemoryReservation, `it is more than the memory, ${Memory}`);
  if (NanoCpus > 0 && CpuPeriod > 0) throw invalid("cpus", "with --cpu-period", "conflicting options");
  if (NanoCpus > 0 && CpuQuota > 0) throw invalid("cpus", "with --cpu-quota", "conflicting options");
  if (CpuPeriod > 0 && (CpuPeriod < 1000 || CpuPeriod > 1_000_000))
    throw invalid("cpu period", CpuPeriod, "it is from 1000 to 1000000 microseconds");
  if (CpuQuota > 0 && CpuQuota < 1000)
    throw invalid("cpu quota", CpuQuota, "it is at least 1000 microseconds");
}

function memory(args: LimitValues): number {
  const size = bytes("memory", args.memory);
  if (size < MEMORY_LEAST) throw invalid("memory", args.memory, "the least is 6MB");
  return size;
}

function cpus(text: string): number {
  const number = /^\d{1,6}(\.\d{1,9})?$|^\.\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(number)) throw invalid("cpus", text, "expected a number such as 1.5");
  const most = navigator.hardwareConcurrency;
  if (number < 0.01 || number > most)
    throw invalid("cpus", text, `from 0.01 to ${most}.00: there are ${most} CPUs`);
  return Math.round(number * NANO);
}

function natural(key: Key, value: number | undefined): number {
  if (value !== undefined && value >= 0) return value;
  throw invalid(key.replaceAll("-", " "), value, "it cannot be negative");
}

function list(key: Key, text = ""): string {
  if (/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/.test(text)) return text;
  throw invalid(key.replaceAll("-", " "), text, "expected a list such as 0-2,4");
}

function weight(value: number): number {
  if (value >= 10 && value <= 1000) return value;
  throw invalid("blkio weight", value, "it is from 10 to 1000");
}

/** `/dev/sda:value`. */
function device(key: Key, text: string): [path: string, value: string] {
  const match = /^(\/dev\/[^:]+):(.+)$/.exec(text);
  if (match?.[1] && match[2]) return [match[1], match[2]];
  throw invalid(key.replaceAll("-", " "), text, "expected /dev/NAME:VALUE");
}

function wholeNumber(key: Key, text: string, value: string): number {
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw invalid(key.replaceAll("-", " "), text, "the value is not a whole number");
}

function rates(key: Key, texts: readonly string[]): ThrottleDevice[] {
  return texts.map((text) => {
    const [Path, value] = device(key, text);
    return { Path, Rate: bytes(key, value) };
  });
}

function counts(key: Key, texts: readonly string[]): ThrottleDevice[] {
  return texts.map((text) => {
    const [Path, value] = device(key, text);
    return { Path, Rate: wholeNumber(key, text, value) };
  });
}

function deviceRule(text: string): string {
  if (/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(text)) return text;
  throw invalid("device cgroup rule", JSON.stringify(text), "expected a rule such as c 10:200 rwm");
}

function setting(text: string): [string, string] {
  const cut = text.indexOf("=");
  if (cut > 0) return [text.slice(0, cut), text.slice(cut + 1)];
  throw invalid("cgroup conf", text, "expected KEY=VALUE");
}

/** The controller of control groups that a limit needs, where it is not the beginning of its name. */
const CONTROLLERS: Partial<Record<Key, string>> = {
  "oom-kill-disable": "memory",
  "kernel-memory": "memory",
  "pids-limit": "pids",
  "device-cgroup-rule": "",
  "cgroup-parent": "",
  "cgroup-conf": "",
};

function controllerOf(key: Key): string {
  const named = CONTROLLERS[key];
  if (named !== undefined) return named;
  if (key.startsWith("cpuset")) return "cpuset";
  if (key.startsWith("cpu")) return "cpu";
  return key.startsWith("memory") ? "memory" : "io";
}

/** The reason on this host, the first that holds. */
function whyNot(key: Key): string {
  if (key === "kernel-memory") return "the kernel has no such limit any more";
  if (key === "oom-kill-disable" || key === "memory-swappiness")
    return "control groups of version 2 have no such setting";
  if (key.startsWith("cpu-rt")) return "control groups of version 2 have no real-time scheduling";
  const delegated = delegatedControllers();
  if (delegated === null) return "this host has no control groups of version 2";
  const controller = controllerOf(key);
  if (controller !== "" && !delegated.includes(controller))
    return `the controller "${controller}" is not delegated to this user`;
  return "proa does not place containers in control groups yet";
}

/** Controllers that the group of this process may hand on; null where there are no control groups of version 2. */
function delegatedControllers(): string[] | null {
  try {
    const path = /^0::(.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1];
    if (path === undefined) return null;
    return readFileSync(`/sys/fs/cgroup${path}/cgroup.controllers`, "utf8").trim().split(/\s+/);
  } catch {
    return null;
  }
}
