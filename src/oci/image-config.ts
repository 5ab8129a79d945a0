import { Checker, configLimitBytes, type JsonObject, parseJson } from "./_check";
import type { Digest } from "./digest";
import { layersLimit } from "./manifest";
import { normalize, type Platform } from "./platform";

/** The image config (OCI image spec, config.md; Docker's is a superset with the same names). */

/** How a container of the image runs by default, in the spec's names. Absent lists are empty. */
export type ImageRunConfig = {
  User: string;
  ExposedPorts: string[];
  Env: string[];
  Entrypoint: string[];
  Cmd: string[];
  Volumes: string[];
  WorkingDir: string;
  Labels: Record<string, string>;
  /** "" for the default. */
  StopSignal: string;
  /** Docker's: exec form behind "NONE", "CMD" or "CMD-SHELL"; times in nanoseconds, 0 for the default. */
  Healthcheck: ImageHealthcheck | undefined;
  Shell: string[];
  OnBuild: string[];
};

export type ImageHealthcheck = {
  Test: string[];
  Interval: number;
  Timeout: number;
  StartPeriod: number;
  StartInterval: number;
  Retries: number;
};

export type HistoryEntry = {
  created: string | undefined;
  createdBy: string;
  author: string;
  comment: string;
  /** The step made no layer. */
  emptyLayer: boolean;
};

export type ImageConfig = {
  platform: Platform;
  osVersion: string | undefined;
  created: string | undefined;
  author: string | undefined;
  /** Digests of the uncompressed layers, lowest first. */
  diffIds: Digest[];
  history: HistoryEntry[];
  config: ImageRunConfig;
};

const listLimit = 10_000; // entries of env, history and the like

/** @throws EngineError `invalid` */
export function readImageConfig(what: string, bytes: Uint8Array): ImageConfig {
  const check = new Checker(what);
  const object = check.object(parseJson(what, bytes, configLimitBytes), "");
  const rootfs = check.object(object["rootfs"], "rootfs");
  if (rootfs["type"] !== "layers") throw check.fail("rootfs.type", 'not "layers"');
  return {
    platform: normalize(
      check.optionalString(object["os"], "os") ?? "linux",
      check.optionalString(object["architecture"], "architecture") ?? "",
      check.optionalString(object["variant"], "variant"),
    ),
    osVersion: check.optionalString(object["os.version"], "os.version"),
    created: check.optionalString(object["created"], "created"),
    author: check.optionalString(object["author"], "author"),
    diffIds: check
      .optionalArray(rootfs["diff_ids"], "rootfs.diff_ids", layersLimit)
      .map((entry, at) => check.digest(entry, `rootfs.diff_ids[${at}]`)),
    history: check
      .optionalArray(object["history"], "history", listLimit)
      .map((entry, at) => readHistory(check, check.object(entry, `history[${at}]`), `history[${at}]`)),
    config: readRunConfig(check, check.optionalObject(object["config"], "config") ?? {}),
  };
}

function readHistory(check: Checker, entry: JsonObject, place: string): HistoryEntry {
  return {
    created: check.optionalString(entry["created"], `${place}.created`),
    createdBy: check.optionalString(entry["created_by"], `${place}.created_by`) ?? "",
    author: check.optionalString(entry["author"], `${place}.author`) ?? "",
    comment: check.optionalString(entry["comment"], `${place}.comment`) ?? "",
    emptyLayer: entry["empty_layer"] === true,
  };
}

function readRunConfig(check: Checker, object: JsonObject): ImageRunConfig {
  const strings = (key: string) => check.strings(object[key], `config.${key}`, listLimit);
  const keys = (key: string) => Object.keys(check.optionalObject(object[key], `config.${key}`) ?? {});
  return {
    User: check.optionalString(object["User"], "config.User") ?? "",
    ExposedPorts: keys("ExposedPorts"),
    Env: strings("Env"),
    Entrypoint: strings("Entrypoint"),
    Cmd: strings("Cmd"),
    Volumes: keys("Volumes"),
    WorkingDir: check.optionalString(object["WorkingDir"], "config.WorkingDir") ?? "",
    Labels: check.stringMap(object["Labels"], "config.Labels"),
    StopSignal: check.optionalString(object["StopSignal"], "config.StopSignal") ?? "",
    Healthcheck: readHealthcheck(check, check.optionalObject(object["Healthcheck"], "config.Healthcheck")),
    Shell: strings("Shell"),
    OnBuild: strings("OnBuild"),
  };
}

function readHealthcheck(check: Checker, object: JsonObject | undefined): ImageHealthcheck | undefined {
  if (object === undefined) return undefined;
  const number = (key: string) =>
    object[key] == null ? 0 : check.count(object[key], `config.Healthcheck.${key}`);
  return {
    Test: check.strings(object["Test"], "config.Healthcheck.Test", listLimit),
    Interval: number("Interval"),
    Timeout: number("Timeout"),
    StartPeriod: number("StartPeriod"),
    StartInterval: number("StartInterval"),
    Retries: number("Retries"),
  };
}
