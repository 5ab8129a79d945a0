/** What limits on the command line mean, in the Engine API's names. What they may be is checked where the container is made, see `withLimits()`. */
import { EngineError } from "../../error";
import { parseBytes, type Resources, type ThrottleDevice } from "../../oci";
import type { Values } from "../tree";
import { limitArgs } from "./_limit-options";

type LimitValues = Values<typeof limitArgs>;
type Key = keyof typeof limitArgs;

const NANO = 1e9;

const invalid = (what: string, on: unknown, why: string): EngineError =>
  new EngineError("invalid", what, String(on), why);

function bytes(key: Key, text: string | undefined): number {
  return parseBytes(key.replaceAll("-", " "), text ?? "");
}

type Reader = (args: LimitValues) => Resources;

const readers: Record<Key, Reader> = {
  memory: (args) => ({ Memory: bytes("memory", args.memory) }),
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
  "cpuset-cpus": (args) => ({ CpusetCpus: args["cpuset-cpus"] ?? "" }),
  "cpuset-mems": (args) => ({ CpusetMems: args["cpuset-mems"] ?? "" }),
  "pids-limit": (args) => ({ PidsLimit: args["pids-limit"] || -1 }),
  "blkio-weight": (args) => ({ BlkioWeight: args["blkio-weight"] ?? 0 }),
  "blkio-weight-device": (args) => ({
    BlkioWeightDevice: args["blkio-weight-device"].map((text) => {
      const [Path, value] = device("blkio-weight-device", text);
      return { Path, Weight: wholeNumber("blkio-weight-device", text, value) };
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
  cgroups: (args) => ({ ...(args.cgroups === "enabled" ? {} : { Cgroups: args.cgroups }) }),
  "cgroup-conf": (args) => ({
    CgroupConf: Object.fromEntries(args["cgroup-conf"].flatMap(settingsIn).map(setting)),
  }),
};

/** Throws `invalid` for what is no such value. */
export function readLimits(args: LimitValues, given: ReadonlySet<string>): Resources {
  const keys = (Object.keys(limitArgs) as Key[]).filter((key) => given.has(key) && !saysNothing(args, key));
  return Object.assign({}, ...keys.map((key) => readers[key](args)));
}

/** The value that stands for "no limit". */
function saysNothing(args: LimitValues, key: Key): boolean {
  const value = args[key];
  if (key === "memory-swappiness") return value === -1;
  if (key === "pids-limit") return false; // there is one by default
  const isList = key.startsWith("cpuset"); // of which "0" is one
  return value === false || value === 0 || (value === "0" && !isList) || value === "";
}

function cpus(text: string): number {
  if (!/^\d{1,6}(\.\d{1,9})?$|^\.\d{1,9}$/.test(text))
    throw invalid("cpus", text, "expected a number such as 1.5");
  return Math.round(Number(text) * NANO);
}

function natural(key: Key, value: number | undefined): number {
  if (value !== undefined && value >= 0) return value;
  throw invalid(key.replaceAll("-", " "), value, "it cannot be negative");
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

/** Several stand in one word as podman has it; a value may have commas, too. */
function settingsIn(text: string): string[] {
  return text.split(/,(?=[a-z_]+\.[a-z_.]+=)/);
}

function setting(text: string): [string, string] {
  const cut = text.indexOf("=");
  if (cut > 0) return [text.slice(0, cut), text.slice(cut + 1)];
  throw invalid("cgroup conf", text, "expected KEY=VALUE");
}
