/** Creating a container: a name, an id, and one record that says everything. Nothing is mounted or written beside the row. */
import { EngineError } from "../error";
import { type ContainerSpec, parseExposed } from "../oci";
import { type ContainerRow, type Context, insertContainer } from "../state";
import { checkSpec } from "./check";
import { checkName, randomId, randomName } from "./name";
import { keptNetwork, withNetworkOwner } from "./network";
import { sweep } from "./settle";

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
};

/** A spec as the user gave it: null means "not given, the image decides". */
export type AskedSpec = Omit<ContainerSpec, "Entrypoint" | "Cmd"> & {
  Entrypoint: string[] | null;
  Cmd: string[];
};

/** The image's defaults below what the user asked for. An entrypoint of the user's own drops the image's command, as Docker has it. */
export function withImageDefaults(asked: AskedSpec, image: ImageDefaults): ContainerSpec {
  const entrypoint = asked.Entrypoint ?? image.Entrypoint ?? [];
  const imageCmd = asked.Entrypoint === null ? (image.Cmd ?? []) : [];
  return {
    ...asked,
    Entrypoint: entrypoint,
    Cmd: asked.Cmd.length > 0 ? asked.Cmd : imageCmd,
    Env: [...(image.Env ?? []), ...asked.Env],
    User: asked.User || image.User || "",
    WorkingDir: asked.WorkingDir || image.WorkingDir || "",
    Labels: { ...image.Labels, ...asked.Labels },
    StopSignal: asked.StopSignal || image.StopSignal || "",
    ExposedPorts: {
      ...Object.fromEntries((image.ExposedPorts ?? []).flatMap(exposedByImage).map((port) => [port, {}])),
      ...asked.ExposedPorts,
    },
  };
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

/** Refuse what cannot be, before anything is made for it: no row, no directory, no source of a bind. */
export function checkNew(context: Context, asked: NewContainer): void {
  const { spec } = asked;
  if (spec.Entrypoint.length + spec.Cmd.length === 0) {
    throw new EngineError("invalid", "create container", spec.Image, "no command specified", {
      hint: "the image has no command of its own: give one behind the image's name",
    });
  }
  if (asked.name !== "") checkName(asked.name);
  checkSpec(context, spec);
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
export async function createContainer(context: Context, asked: NewContainer): Promise<ContainerRow> {
  checkNew(context, asked);
  await sweep(context); // a `--rm` container that has just ended may hold the name
  const id = randomId();
  const spec = await withNetworkOwner(context, withHostname(asked.spec, id));
  const keep = await keptNetwork(context, spec);
  const both = context.db().transaction(() => {
    keep(id);
    return record(context, { ...asked, spec }, id, false);
  });
  return both.immediate();
}
