/** Where a container's output is kept, and what its supervisor is told of it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Attach, LogTarget, RunRequest } from "../helper";
import {
  type ContainerSpec,
  checkLogConfig,
  logAttributes,
  logLimits,
  parseBytes,
  renderTag,
  type TagField,
} from "../oci";
import { type Context, configFile, containersByIdPrefix } from "../state";
import { containerDirectory, logFile } from "./places";

export type LogPlace = Pick<LogTarget, "driver" | "path" | "maxFiles">;

/** With the driver and options of the configuration where the user named none. */
export function withLogDefaults(context: Context, spec: ContainerSpec): ContainerSpec {
  const { LogConfig } = spec.HostConfig;
  const { driver, options } = context.log;
  const Type = LogConfig.Type || driver;
  const Config = Type === driver ? { ...options, ...LogConfig.Config } : LogConfig.Config;
  return { ...spec, HostConfig: { ...spec.HostConfig, LogConfig: { Type, Config } } };
}

/** Refuse what cannot be logged to. Throws `invalid`, `unsupported`. */
export function checkLog(context: Context, spec: ContainerSpec): void {
  const { LogConfig } = withLogDefaults(context, spec).HostConfig;
  try {
    checkLogConfig(LogConfig);
  } catch (error) {
    if (LogConfig.Type === context.log.driver) checkLogDefaults(context); // it may be the file's fault
    throw error;
  }
  if (LogConfig.Type === "journald") checkJournal(context);
  if (isPassedThrough(spec) && spec.Tty)
    throw new EngineError("invalid", "log driver", LogConfig.Type, "it cannot be used with --tty");
}

/** Refuse a driver or options of the configuration that are none, by file and setting. Throws `invalid`, `unsupported`. */
export function checkLogDefaults(context: Context): void {
  const { driver, options } = context.log;
  const refuse = (key: string, error: unknown): never => {
    if (!(error instanceof EngineError)) throw error;
    throw new EngineError(
      error.code,
      "read configuration",
      configFile(context.paths.config),
      `${key}: ${error.message}`,
      { hint: error.hint },
    );
  };
  try {
    checkLogConfig({ Type: driver, Config: {} });
  } catch (error) {
    refuse("log.driver", error);
  }
  try {
    checkLogConfig({ Type: driver, Config: options });
  } catch (error) {
    refuse("log.options", error);
  }
}

/** Does it have the standard streams of who starts it? */
export function isPassedThrough({ HostConfig }: ContainerSpec): boolean {
  return HostConfig.LogConfig.Type.startsWith("passthrough");
}

/**
 * What the helper is told of a start whose streams are passed through: the client takes and gives none. A
 * terminal is passed only by the driver that says so: what runs in the container could type into it.
 */
export function passedThrough(spec: ContainerSpec, attach: Attach | null): Partial<RunRequest> {
  const { Type } = spec.HostConfig.LogConfig;
  if (Type === "passthrough" && [0, 1, 2].some(isTerminal)) {
    throw new EngineError("invalid", "log driver", Type, "it is not for a terminal", {
      hint: "--log-driver passthrough-tty hands over a terminal, too",
    });
  }
  const attached = attach && { ...attach, stdin: false, stdout: false, stderr: false };
  return { passthrough: true, attach: attached, stdin: false };
}

function isTerminal(fd: number): boolean {
  return (require("node:tty") as typeof import("node:tty")).isatty(fd);
}

function checkJournal(context: Context): void {
  const { journaldSocket } = context.log;
  if (existsSync(journaldSocket)) return;
  throw new EngineError("unsupported", "log driver", "journald", `no journal listens at ${journaldSocket}`, {
    hint: "it is systemd's; json-file and local need nothing else",
  });
}

/** Where the log is; null where nothing is kept. */
export function logPlace(context: Context, id: string, { HostConfig }: ContainerSpec): LogPlace | null {
  const { Type, Config } = HostConfig.LogConfig;
  const directory = containerDirectory(context, id);
  switch (Type) {
    case "none":
    case "passthrough":
    case "passthrough-tty":
      return null;
    case "journald":
      return { driver: "journald", path: "", maxFiles: 1 };
    case "local":
      return {
        driver: "json-file",
        path: join(directory, "local.log"),
        maxFiles: logLimits({ Type, Config }).maxFiles,
      };
    case "k8s-file": {
      const { maxFiles } = logLimits({ Type, Config });
      return { driver: "k8s-file", path: Config.path ?? join(directory, "ctr.log"), maxFiles };
    }
    default: {
      const { maxFiles } = logLimits({ Type, Config });
      return { driver: "json-file", path: Config.path ?? logFile(context, id), maxFiles };
    }
  }
}

/** For the supervisor; `name` is the container's. */
export function logTarget(context: Context, id: string, name: string, spec: ContainerSpec): LogTarget | null {
  const place = logPlace(context, id, spec);
  if (place === null) return null;
  const { Type, Config } = spec.HostConfig.LogConfig;
  const { maxBytes, compress } = logLimits({ Type, Config });
  const attributes = logAttributes(Config, spec.Labels, spec.Env);
  const tagged = (usual: string): string =>
    renderTag(Config.tag ?? usual, tagFields(context, id, name, spec));
  const target: LogTarget = { ...place, maxSizeBytes: maxBytes, compress };
  if (place.driver === "journald") {
    const nonBlocking = Config.mode === "non-blocking";
    const size = Config["max-buffer-size"];
    const fields = journalFields(id, name, spec, tagged("{{.ID}}"), attributes);
    const bufferBytes = size === undefined ? 0 : parseBytes("log option max-buffer-size", size);
    return { ...target, fields, socket: context.log.journaldSocket, nonBlocking, bufferBytes };
  }
  const tag = tagged("");
  const all = Object.entries({ ...attributes, ...(tag === "" ? {} : { tag }) });
  if (all.length === 0) return target;
  return { ...target, attributes: Object.fromEntries(all.sort(([a], [b]) => (a < b ? -1 : 1))) }; // Go's order of a map
}

function tagFields(
  context: Context,
  id: string,
  name: string,
  spec: ContainerSpec,
): (field: TagField) => string {
  return (field) => {
    const imageId = () => containersByIdPrefix(context.db(), id)[0]?.image_id ?? "";
    switch (field) {
      case "ID":
        return id.slice(0, 12);
      case "FullID":
        return id;
      case "Name":
        return name;
      case "ImageName":
        return spec.Image;
      case "ImageFullID":
        return imageId();
      case "ImageID":
        return imageId()
          .replace(/^sha256:/, "")
          .slice(0, 12);
      case "DaemonName":
        return "proa";
      case "Command":
        return [...spec.Entrypoint, ...spec.Cmd].join(" ");
      case "Hostname":
        return spec.Hostname;
    }
  };
}

/** The names of fields are capitals, digits and underscores, the first of them a letter. */
function journalFields(
  id: string,
  name: string,
  spec: ContainerSpec,
  tag: string,
  attributes: Record<string, string>,
): Record<string, string> {
  const further = Object.entries(attributes).map(([key, value]) => [
    key
      .toUpperCase()
      .replace(/[^A-Z0-9_]/g, "_")
      .replace(/^[_0-9]+/, ""),
    value,
  ]);
  return {
    ...Object.fromEntries(further.filter(([key]) => key !== "")),
    CONTAINER_ID: id.slice(0, 12),
    CONTAINER_ID_FULL: id,
    CONTAINER_NAME: name,
    CONTAINER_TAG: tag,
    IMAGE_NAME: spec.Image,
    SYSLOG_IDENTIFIER: tag,
  };
}
