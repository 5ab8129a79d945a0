/** Creating a container: a name, an id, and one record that says everything. Nothing is mounted or written beside the row. */
import { EngineError } from "../error";
import {
  type ContainerSpec,
  type ImageHealthcheck,
  mergeHealthcheck,
  parseExposed,
  parseUserNamespace,
} from "../oci";
import { type ContainerRow, type Context, insertContainer } from "../state";
import { withLimits } from "./cgroup";
import { checkSpec } from "./check";
import { tell } from "./journal";
import { withLogDefaults } from "./log-target";
import { mountPlanFor, volumesIn } from "./mounted";
import { checkName, randomId, randomName } from "./name";
import { keptNetwork, withNetworkOwner } from "./network";
import { withReferences } from "./references";
import { sweep } from "./settle";
import { withNamespaceOwners } from "./sharing";
import { noteUnfinished } from "./unfinished";

/** What an image's config gives to a container, in the OCI image spec's names. */
export type ImageDefaults = {
  User?: string;
  Env?: string[];
  Entrypoint?: string[] | null;
  Cmd?: string[] | null;
  WorkingDir?: string;
  Labels?: Record<string, string> | null;
  StopSignal?: string;
  ExposedPorts?: string[] | null;
  Healthcheck?: ImageHealthcheck | undefined;
  Shell?: string[] | null;
  Volumes?: string[] | null;
};

/** What happens to the environment that the image gives, in this order. */
export type EnvironmentRules = {
  /** `NAME=value` lines that the image's own hide. */
  below: string[];
  /** Name and value; `${NAME}` in it is what the variable was before. */
  merge: [name: string, value: string][];
  unset: string[];
  unsetAll: boolean;
};

/** A spec as the user gave it: null means "not given, the image decides". */
export type AskedSpec = Omit<ContainerSpec, "Entrypoint" | "Cmd"> & {
  Entrypoint: string[] | null;
  Cmd: string[];
  environmentRules?: EnvironmentRules | null;
};

/** The image's defaults below what the user asked for. An entrypoint of the user's own drops the image's command, as Docker has it. */
export function withImageDefaults(all: AskedSpec, image: ImageDefaults): ContainerSpec {
  const { environmentRules: rules, ...asked } = all;
  const environment = rules && (require("./environment") as typeof import("./environment"));
  const entrypoint = asked.Entrypoint ?? image.Entrypoint ?? [];
  const imageCmd = asked.Entrypoint === null ? (image.Cmd ?? []) : [];
  return withSystemd({
    ...asked,
    Entrypoint: entrypoint,
    Cmd: asked.Cmd.length > 0 ? asked.Cmd : imageCmd,
    Env: environment
      ? environment.applyRules(rules, image.Env ?? [], asked.Env)
      : [...(image.Env ?? []), ...asked.Env],
    ...(environment ? environment.unsetBy(rules, asked.Env) : {}),
    User: asked.User || image.User || callerOf(asked),
    WorkingDir: asked.WorkingDir || image.WorkingDir || "",
    Labels: { ...image.Labels, ...asked.Labels },
    StopSignal: asked.StopSignal || image.StopSignal || "",
    ...(asked.Healthcheck || image.Healthcheck ? healthFrom(asked, image) : {}),
    ...(image.Volumes?.length ? volumesFrom(asked, image.Volumes) : {}),
    ExposedPorts: {
      ...Object.fromEntries((image.ExposedPorts ?? []).flatMap(exposedByImage).map((port) => [port, {}])),
      ...asked.ExposedPorts,
    },
  });
}

function healthFrom(asked: AskedSpec, image: ImageDefaults): Pick<ContainerSpec, "Healthcheck" | "Shell"> {
  const Healthcheck = mergeHealthcheck(asked.Healthcheck, image.Healthcheck);
  return { ...(Healthcheck ? { Healthcheck } : {}), ...(image.Shell?.length ? { Shell: image.Shell } : {}) };
}

/** The image's volumes beside the user's. */
function volumesFrom({ Volumes, HostConfig }: AskedSpec, targets: string[]): Pick<ContainerSpec, "Volumes"> {
  if (HostConfig.ImageVolumes !== undefined) return {}; // they become something else, or nothing
  const ofImage = targets.filter((target) => target.startsWith("/") && /[^/.]/.test(target));
  return { Volumes: { ...Object.fromEntries(ofImage.map((target) => [target, {}])), ...Volumes } };
}

/** Commands that the container is set up for systemd with. */
const SYSTEMD = /^(.*\/)?systemd$|^\/(usr\/(local\/)?)?sbin\/init$/;

/** Set up for systemd, where its command is one, or the user says so. */
export function withSystemd(spec: ContainerSpec): ContainerSpec {
  const { SystemdMode } = spec.HostConfig;
  const [command = ""] = [...spec.Entrypoint, ...spec.Cmd];
  if (SystemdMode === "false" || (SystemdMode !== "always" && !SYSTEMD.test(command))) return spec;
  return (require("./systemd") as typeof import("./systemd")).setUpForSystemd(spec);
}

/** With `--userns keep-id` the container runs as the caller where neither the user nor the image says as whom, as podman has it. */
function callerOf({ HostConfig }: AskedSpec): string {
  const text = HostConfig.UsernsMode ?? "";
  if (!text.startsWith("keep-id")) return "";
  const mode = parseUserNamespace(text);
  if (mode.kind !== "keep-id") return "";
  return `${mode.uid ?? process.geteuid?.() ?? 0}:${mode.gid ?? process.getegid?.() ?? 0}`;
}

/** What an image says wrongly, or of a protocol that cannot be published, is no reason not to run it. */
function exposedByImage(port: string): string[] {
  try {
    return parseExposed(port);
  } catch {
    return [];
  }
}

/** A container that got no name for its host is called by its short id. */
export function withHostname(spec: ContainerSpec, id: string): ContainerSpec {
  return spec.Hostname === "" ? { ...spec, Hostname: id.slice(0, 12) } : spec;
}

export type NewContainer = {
  /** "" chooses one. */
  name: string;
  spec: ContainerSpec;
  imageId: string | null;
};

const NAME_ATTEMPTS = 20;

/** Refuse what cannot be, before anything is made for it: no row, no directory, no source of a bind. Returns it with the limits that it has here. */
export function checkNew(context: Context, asked: NewContainer): NewContainer {
  const spec = withLimits(context, asked.spec);
  if (spec.Entrypoint.length + spec.Cmd.length === 0) {
    throw new EngineError("invalid", "create container", spec.Image, "no command specified", {
      hint: "the image has no command of its own: give one behind the image's name",
    });
  }
  if (asked.name !== "") checkName(asked.name);
  checkSpec(context, spec);
  for (const warning of spec.Warnings ?? []) context.warn(warning);
  return { ...asked, spec };
}

/**
 * Record a container that has been checked and whose host has its name. `started` says that it is being started by the caller, who holds its
 * lock. Throws `name-in-use`.
 */
export function record(context: Context, asked: NewContainer, id: string, started: boolean): ContainerRow {
  const { spec } = asked;
  const now = context.now();
  for (let attempt = 0; ; attempt++) {
    const row: ContainerRow = {
      id,
      name: asked.name || randomName(attempt),
      image_id: asked.imageId,
      image_ref: spec.Image,
      command: [...spec.Entrypoint, ...spec.Cmd].join(" "),
      created_ms: now,
      status: started ? "running" : "created",
      started_ms: started ? now : 0,
      finished_ms: 0,
      exit_code: 0,
      error: "",
      auto_remove: spec.HostConfig.AutoRemove ? 1 : 0,
      user_stopped: 0,
      restart_count: 0,
      oom_killed: 0,
      health: "",
    };
    try {
      insertContainer(context.db(), row, JSON.stringify(spec));
      return row;
    } catch (error) {
      const taken = error instanceof EngineError && error.code === "name-in-use";
      if (!taken || asked.name !== "" || attempt === NAME_ATTEMPTS) throw error;
    }
  }
}

/** Create a container that is not started. */
export async function createContainer(context: Context, given: NewContainer): Promise<ContainerRow> {
  const asked = checkNew(context, given);
  await sweep(context); // a `--rm` container that has just ended may hold the name
  const id = randomId();
  const plain = await withReferences(
    context,
    await withNamespaceOwners(
      context,
      await withNetworkOwner(context, withLogDefaults(context, withHostname(asked.spec, id))),
    ),
  );
  const { spec, claim, told: tellVolumes } = await mountPlanFor(context, plain, asked.imageId);
  const keep = await keptNetwork(context, spec);
  const secrets = spec.HostConfig.Secrets ?? [];
  const volumes = volumesIn(spec);
  const unfinished = secrets.length + volumes.length > 0 ? noteUnfinished(context, id, volumes) : null;
  if (secrets.length > 0) (await import("./secrets")).keepSecrets(context, id, secrets); // as they are now
  const both = context.db().transaction(() => {
    keep(id);
    const created = record(context, { ...asked, spec }, id, false);
    claim(id);
    return created;
  });
  const row = both.immediate();
  unfinished?.done();
  tellVolumes();
  tell(context, row, "create", {}, spec);
  return row;
}
