/** Making volumes: by name, and those that mounts ask for. */
import { EngineError } from "../error";
import { checkVolumeName } from "../oci";
import { type Context, emit, insertContainerVolume, type Volume, volumeByName } from "../state";
import { makeVolume, type Prepared, prepareOwned } from "./_store";
import { randomVolumeName } from "./name";
import { kindOf, ownerOf } from "./options";
import { hostIdOf } from "./places";

export type AskedVolume = {
  /** "" makes an anonymous one. */
  name: string;
  driver: string;
  labels: Record<string, string>;
  options: Record<string, string>;
  /** Owner of its directory, an id of the containers'; null: the image decides. */
  uid: number | null;
  gid: number | null;
  /** One that is there is taken whatever it is. */
  ignore: boolean;
};

/** Docker marks the volumes that nobody has named. */
export const ANONYMOUS_LABEL = "com.docker.volume.anonymous";

/** Docker's and podman's only driver that needs no plugin. Throws `unsupported` for others. */
export function checkDriver(driver: string): void {
  if (driver === "" || driver === "local") return;
  const why =
    driver === "image"
      ? "a volume of an image is made with --mount type=image"
      : "volume plugins are daemons of the host's root; proa has the driver local";
  throw new EngineError("unsupported", "volume driver", driver, why, { exitCode: 1 });
}

/**
 * Make a volume. One of that name that is there already is given back, as Docker has it, if it is what is asked for.
 *
 * @throws EngineError `invalid`, `unsupported`, `name-in-use` where the one that is there is another
 */
export async function createVolume(context: Context, asked: AskedVolume): Promise<Volume> {
  checkDriver(asked.driver);
  if (asked.name !== "") checkVolumeName(asked.name, 1);
  kindOf(asked.options);
  const owner = ownerOf(asked.options);
  const volume: Volume = {
    name: asked.name || randomVolumeName(),
    driver: "local",
    createdMs: context.now(),
    anonymous: asked.name === "",
    labels: asked.name === "" ? { [ANONYMOUS_LABEL]: "", ...asked.labels } : asked.labels,
    options: asked.options,
    uid: asked.uid ?? owner.uid,
    gid: asked.gid ?? owner.gid,
  };
  const there = volumeByName(context.db(), volume.name);
  if (there) return sameOrThrow(there, volume, asked.ignore);
  const prepared = await preparedFor(context, volume);
  try {
    const make = context.db().transaction(() => {
      const holder = volumeByName(context.db(), volume.name); // somebody may have been faster
      if (holder) return { made: false, volume: sameOrThrow(holder, volume, asked.ignore) };
      makeVolume(context, volume, prepared);
      return { made: true, volume };
    });
    const result = make.immediate();
    if (result.made) tellOf(context, "create", volume.name);
    return result.volume;
  } finally {
    prepared?.close();
  }
}

function preparedFor(context: Context, volume: Volume): Promise<Prepared> | undefined {
  const { uid, gid } = volume;
  if ((uid ?? 0) === 0 && (gid ?? 0) === 0) return undefined;
  const { mappings } = context.host();
  for (const [what, map, id] of [
    ["uid", mappings.uid, uid ?? 0],
    ["gid", mappings.gid, gid ?? 0],
  ] as const) {
    if (hostIdOf(map, id) === null)
      throw new EngineError(
        "invalid",
        "create volume",
        `${what} ${id}`,
        "it is not one of the ids that containers have",
        {
          exitCode: 1,
        },
      );
  }
  return prepareOwned(context, uid ?? 0, gid ?? 0);
}

function sameOrThrow(there: Volume, asked: Volume, ignore: boolean): Volume {
  const isSame = (a: Record<string, string>, b: Record<string, string>): boolean => {
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => a[key] === b[key]);
  };
  const isPlain = Object.keys(asked.options).length === 0 && Object.keys(asked.labels).length === 0;
  const isOwned = asked.uid !== null || asked.gid !== null;
  const isEqual =
    isSame(there.options, asked.options) &&
    isSame(there.labels, asked.labels) &&
    there.uid === asked.uid &&
    there.gid === asked.gid;
  if (ignore || (isPlain && !isOwned) || isEqual) return there;
  throw new EngineError(
    "name-in-use",
    "create volume",
    there.name,
    "a volume of this name is there, with other options, labels or owner",
    { exitCode: 1, hint: "--ignore takes it as it is" },
  );
}

/** What a new container mounts of a volume. */
export type VolumeUse = {
  name: string;
  destination: string;
  /** Made for this mount, and to go with the container. */
  anonymous: boolean;
  /** For a volume that is to be made. */
  labels: Record<string, string>;
  options: Record<string, string>;
};

/**
 * To be called in the transaction that has written the container's row: nobody removes a volume from under it. Volumes that are not there are made.
 *
 * @returns names of those that were made
 */
export function claimVolumes(context: Context, containerId: string, uses: readonly VolumeUse[]): string[] {
  const db = context.db();
  const made: string[] = [];
  for (const { name, destination, anonymous, labels, options } of uses) {
    if (volumeByName(db, name) === null) {
      makeVolume(context, {
        name,
        driver: "local",
        createdMs: context.now(),
        anonymous,
        labels: anonymous ? { [ANONYMOUS_LABEL]: "", ...labels } : labels,
        options,
        uid: null,
        gid: null,
      });
      made.push(name);
    }
    insertContainerVolume(db, containerId, name, destination, anonymous);
  }
  return made;
}

/** Write down what happened to a volume. */
export function tellOf(
  context: Context,
  Action: string,
  name: string,
  further: Record<string, string> = {},
): void {
  emit(context, { Type: "volume", Action, ID: name, Attributes: { driver: "local", ...further } });
}
