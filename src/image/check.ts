/** Checking the store against what the database says of it, and putting it right. */
import { existsSync } from "node:fs";
import { EngineError } from "../error";
import { chainIdsOf, type Digest, digestOf, type Manifest, readManifest } from "../oci";
import {
  allBlobUses,
  allGarbage,
  allImages,
  allLayerUses,
  allStoredLayers,
  artifactBlobUses,
  blobsOfLists,
  type Context,
  droppedBlobs,
  imageConfig,
  insertGarbage,
  manifestsOfImage,
} from "../state";
import {
  blobFault,
  blobPath,
  collectGarbage,
  hasBlob,
  isFetching,
  layerKind,
  layerMatches,
  layerPath,
  projectIndex,
  putLayerAside,
  readBlob,
  removeAbandoned,
  selectDriver,
  storedBlobs,
  storedLayers,
  unpackStoredLayer,
  whileKept,
} from "../storage";
import { listImages } from "./list";
import { type RefetchOptions, refetchBlob } from "./refetch";

export type Problem = {
  /** `blob sha256:…`, `layer sha256:…`, `image sha256:…` */
  subject: string;
  /** "is missing" */
  why: string;
  /** Names of the images that need it, an id where one has none. */
  images: string[];
  /** Puts it right and says how, or throws. */
  repair: () => Promise<string>;
};

export type CheckOptions = {
  /** Nothing is read: what is there is taken for what it is called. */
  isQuick: boolean;
  /** Milliseconds since the epoch; what has not been begun by then is not checked. */
  untilMs?: number | undefined;
  refetch?: RefetchOptions;
};

export type Checked = { images: number; blobs: number; layers: number; isComplete: boolean };

/**
 * Look at every blob, layer and image. TELL is called with each problem as it is found, and may repair it; documents come before what they list.
 * Nothing is removed from the store meanwhile, and what another process is adding is no problem.
 */
export async function checkImages(
  context: Context,
  options: CheckOptions,
  tell: (problem: Problem) => Promise<void>,
): Promise<Checked> {
  // Files before rows: what is written now has been announced before, and is a row by the time we look.
  const files = { blobs: storedBlobs(context), layers: storedLayers(context) };
  const db = context.db();
  const garbage = allGarbage(db);
  const uses = allBlobUses(db);
  const names = new Map(
    listImages(context).map(({ id, tags }) => [id, tags.length > 0 ? tags : [id.slice(7, 19)]]),
  );
  const namesOf = (ids: Iterable<string>) => [
    ...new Set([...ids].flatMap((id) => names.get(id) ?? [id.slice(7, 19)])),
  ];
  const checked: Checked = { images: names.size, blobs: 0, layers: 0, isComplete: true };
  const isLate = (): boolean => {
    if (options.untilMs !== undefined && context.now() >= options.untilMs) checked.isComplete = false;
    return !checked.isComplete;
  };

  const dropped = droppedBlobs(db);
  const bad = new Set<string>();
  const documents = new Set(uses.map(({ manifest }) => manifest));
  const users = groupUsers(uses);
  const inOrder = [...users].sort(([a], [b]) => Number(documents.has(b)) - Number(documents.has(a)));
  for (const [digest, ids] of inOrder) {
    if (isLate()) break;
    if (dropped.has(digest) && !hasBlob(context, digest as Digest)) continue;
    checked.blobs++;
    const why = blobFault(context, digest as Digest, options.isQuick);
    if (why === null) continue;
    bad.add(digest);
    await tell({
      subject: `blob ${digest}`,
      why,
      images: namesOf(ids),
      repair: async () => {
        await refetchBlob(context, digest as Digest, options.refetch);
        bad.delete(digest);
        return "fetched again";
      },
    });
  }
  await checkArtifacts(context, options, users, { checked, isLate, tell });
  await checkLayers(context, options, { bad, checked, isLate, namesOf, tell });
  for (const { id } of allImages(db)) {
    const text = imageConfig(db, id);
    if (text !== null && digestOf(text) === id) continue;
    await tell({
      subject: `image ${id}`,
      why: "its record is not its config",
      images: namesOf([id]),
      repair: async () => {
        throw new EngineError("invalid", "repair image", id.slice(7, 19), "remove it and pull it again", {
          exitCode: 1,
        });
      },
    });
  }
  await checkStray(context, files, { users, garbage, namesOf, tell });
  return checked;
}

type Shared = {
  /** Blobs that are missing or wrong. */
  bad: Set<string>;
  checked: Checked;
  isLate: () => boolean;
  namesOf: (ids: Iterable<string>) => string[];
  tell: (problem: Problem) => Promise<void>;
};

/** The blobs that no image has, too. */
async function checkArtifacts(
  context: Context,
  options: CheckOptions,
  users: ReadonlyMap<string, unknown>,
  { checked, isLate, tell }: Pick<Shared, "checked" | "isLate" | "tell">,
): Promise<void> {
  const names = new Map<string, string[]>();
  for (const { digest, name } of artifactBlobUses(context.db()))
    names.set(digest, [...(names.get(digest) ?? []), name]);
  for (const [digest, artifacts] of names) {
    if (users.has(digest)) continue;
    if (isLate()) break;
    checked.blobs++;
    const why = blobFault(context, digest as Digest, options.isQuick);
    if (why === null) continue;
    await tell({
      subject: `blob ${digest}`,
      why,
      images: artifacts,
      repair: async () => {
        const { repairArtifact } = await import("./artifact-transfer");
        await repairArtifact(context, artifacts[0] ?? "", digest as Digest, options.refetch);
        return "fetched again";
      },
    });
  }
}

async function checkLayers(context: Context, options: CheckOptions, shared: Shared): Promise<void> {
  const { bad, checked, isLate, namesOf, tell } = shared;
  const db = context.db();
  const { driver } = await selectDriver(context);
  const kind = layerKind(context, driver);
  const rows = new Set(allStoredLayers(db).map(({ chain_id, kind: of }) => `${of} ${chain_id}`));
  const seen = new Set<string>();
  const byImage = new Map<string, Digest[]>();
  for (const { image_id, diff_id } of allLayerUses(db)) {
    byImage.set(image_id, [...(byImage.get(image_id) ?? []), diff_id as Digest]);
  }
  for (const [imageId, diffIds] of byImage) {
    if (isFetching(context, imageId)) continue; // its layers are on their way
    const blobs = layerBlobs(context, imageId, diffIds.length);
    for (const [at, chainId] of chainIdsOf(diffIds).entries()) {
      const diffId = diffIds[at] as Digest;
      const blob = blobs?.[at];
      if (seen.has(chainId) || isLate()) continue;
      seen.add(chainId);
      const isUnpacked = rows.has(`${kind} ${chainId}`);
      const isStored = blob !== undefined && hasBlob(context, blob) && !bad.has(blob);
      if (!isUnpacked && (isStored || blob === undefined)) continue; // it is unpacked when it is needed
      checked.layers++;
      let why: string | null = null;
      if (!isUnpacked) why = "is neither unpacked nor stored";
      else if (!existsSync(layerPath(context, kind, chainId))) why = "is missing";
      else if (!options.isQuick && isStored && !driver.needsParent) {
        const layer = { chainId, diffId };
        if (!(await whileKept(context, () => layerMatches(context, driver, layer, blob))))
          why = "is not what its blob unpacks to";
      }
      if (why === null) continue;
      const parent = at === 0 ? undefined : chainIdsOf(diffIds)[at - 1];
      await tell({
        subject: `layer ${chainId}`,
        why,
        images: namesOf([imageId]),
        repair: async () => {
          if (blob === undefined) {
            throw new EngineError(
              "not-found",
              "unpack layer",
              chainId,
              "no manifest says which blob it is of",
              { exitCode: 1 },
            );
          }
          if (bad.has(blob) || !hasBlob(context, blob)) await refetchBlob(context, blob, options.refetch);
          await whileKept(context, async () => {
            putLayerAside(context, kind, chainId);
            await unpackStoredLayer(context, driver, { chainId, diffId, parent }, blob);
          });
          return "unpacked again";
        },
      });
    }
  }
}

/** The blobs of the image's layers, lowest first, from a manifest that can be read: one whose blobs are here, if there is one. */
function layerBlobs(context: Context, imageId: string, count: number): Digest[] | undefined {
  const manifests = manifestsOfImage(context.db(), imageId).flatMap((digest): Manifest[] => {
    try {
      const manifest = readManifest(`read manifest: ${digest}`, readBlob(context, digest as Digest));
      return manifest.kind === "manifest" && manifest.layers.length === count ? [manifest] : [];
    } catch {
      return []; // told of already
    }
  });
  const whole = manifests.find(({ layers }) => layers.every(({ digest }) => hasBlob(context, digest)));
  return (whole ?? manifests[0])?.layers.map(({ digest }) => digest);
}

/** Files that no row accounts for. They harm nobody, but nobody would ever remove them. */
async function checkStray(
  context: Context,
  files: { blobs: { digest: Digest; sizeBytes: number }[]; layers: { chainId: Digest }[] },
  {
    users,
    garbage,
    tell,
  }: { users: Map<string, Set<string>>; garbage: { blobs: Set<string>; layers: Set<string> } } & Pick<
    Shared,
    "namesOf" | "tell"
  >,
): Promise<void> {
  const remove = (kind: "blob" | "layer", digest: Digest) => async () => {
    insertGarbage(context.db(), [{ kind, digest }]); // the collector looks once more whether somebody needs it
    await collectGarbage(context);
    return "removed";
  };
  const listed = blobsOfLists(context.db());
  for (const { digest } of files.blobs) {
    if (users.has(digest) || listed.has(digest) || garbage.blobs.has(digest)) continue;
    if (!existsSync(blobPath(context, digest))) continue; // an image that was removed meanwhile
    await tell({
      subject: `blob ${digest}`,
      why: "belongs to no image",
      images: [],
      repair: remove("blob", digest),
    });
  }
  const used = new Set(allLayerUses(context.db()).map(({ chain_id }) => chain_id));
  for (const chainId of new Set(files.layers.map((layer) => layer.chainId))) {
    if (used.has(chainId) || garbage.layers.has(chainId)) continue;
    if (!storedLayers(context).some((layer) => layer.chainId === chainId)) continue;
    await tell({
      subject: `layer ${chainId}`,
      why: "belongs to no image",
      images: [],
      repair: remove("layer", chainId),
    });
  }
}

/** After a repair: the list that other tools read, and what writers that were killed have left. */
export async function tidyStore(context: Context): Promise<void> {
  await projectIndex(context);
  await removeAbandoned(context);
  await collectGarbage(context);
}

function groupUsers(uses: readonly { digest: string; image_id: string }[]): Map<string, Set<string>> {
  const users = new Map<string, Set<string>>();
  for (const { digest, image_id } of uses) {
    const known = users.get(digest);
    if (known === undefined) users.set(digest, new Set([image_id]));
    else known.add(image_id);
  }
  return users;
}
