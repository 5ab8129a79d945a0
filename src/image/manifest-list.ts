/**
 * Manifest lists: indexes that are put together here, entry by entry, and pushed. An entry is a manifest of an image of this store, whose blobs the list holds from then
 * on, or one of a registry, of which only the descriptor is kept: a push brings the rest from there.
 */
import { EngineError } from "../error";
import {
  choosePlatform,
  type Descriptor,
  type Digest,
  digestOf,
  familiarReference,
  formatPlatform,
  formatReference,
  hostPlatform,
  mediaTypes,
  type Platform,
  parsePlatform,
  parseReference,
  type Reference,
  readImageConfig,
  readManifest,
  repositoryOf,
  withDefaultTag,
} from "../oci";
import { pullSources, RegistryClient, type RegistryFlags } from "../registry";
import {
  blobsOfManifest,
  type Context,
  deleteManifestList,
  imageConfig,
  type ManifestListRow,
  manifestFacts,
  manifestListByName,
  manifestListsByIdPrefix,
  manifestsOfImage,
  putManifestList,
  tagsOfImage,
} from "../state";
import { collectGarbage, hasBlob, readBlob, whileKept } from "../storage";
import { familiarName } from "./familiar";
import { lookUpImage, type StoredImage } from "./stored";

const configLimitBytes = 8 << 20;

export type ListPlatform = {
  os: string;
  architecture: string;
  variant?: string;
  "os.version"?: string;
  "os.features"?: string[];
  features?: string[];
};

export type ListEntry = {
  mediaType: string;
  digest: string;
  size: number;
  artifactType?: string;
  platform?: ListPlatform;
  annotations?: Record<string, string>;
  /** Where the rest of it is: `registry/repository`; absent: in this store. */
  source?: string;
};

export type ListDocument = {
  mediaType: string;
  entries: ListEntry[];
  annotations: Record<string, string>;
};

/** A list as it is stored. */
export type ManifestList = { row: ManifestListRow; document: ListDocument };

/** What the user says of an entry; what is absent stays as the image has it. */
export type EntryWishes = {
  os?: string | undefined;
  architecture?: string | undefined;
  variant?: string | undefined;
  osVersion?: string | undefined;
  osFeatures?: readonly string[];
  features?: readonly string[];
  annotations?: Readonly<Record<string, string>>;
};

export type AddOptions = EntryWishes & {
  /** Every entry of an index, not only that of one platform. */
  all: boolean;
  flags: RegistryFlags;
  userAgent: string;
  signal?: AbortSignal | undefined;
};

/**
 * Make an empty list. ISAMENDED: one that has the name already is used as it is.
 *
 * @throws EngineError `name-in-use`, `invalid`
 */
export function createList(
  context: Context,
  text: string,
  isAmended: boolean,
  annotations: Readonly<Record<string, string>>,
): ManifestList {
  const reference = listName(text);
  const name = formatReference(reference);
  const there = manifestListByName(context.db(), name);
  if (there !== null) {
    if (isAmended) return parsed(there);
    const why = "that name is already in use";
    throw new EngineError("name-in-use", "create manifest list", familiarReference(reference), why, {
      exitCode: 125,
      hint: "use --amend to add to it",
    });
  }
  const row = {
    name,
    id: digestOf(crypto.getRandomValues(new Uint8Array(32))).slice("sha256:".length),
    created_ms: context.now(),
    document: "",
  };
  const list = {
    row,
    document: { mediaType: mediaTypes.ociIndex, entries: [], annotations: { ...annotations } },
  };
  return save(context, list);
}

/** The list that TEXT names, by its name or the beginning of its id. Throws `not-found`. */
export function findList(context: Context, text: string): ManifestList {
  const list = lookUpList(context, text);
  if (list !== null) return list;
  throw new EngineError("not-found", "No such manifest list", text, "image not known", {
    exitCode: 125,
    hint: `make it: proa manifest create ${text}`,
  });
}

export function lookUpList(context: Context, text: string): ManifestList | null {
  const hex = /^(?:sha256:)?([0-9a-f]{12,64})$/.exec(text)?.[1];
  if (hex !== undefined) {
    const [first, second] = manifestListsByIdPrefix(context.db(), hex);
    if (first !== undefined && second === undefined) return parsed(first);
    if (hex.length === 64) return null;
  }
  const usual = listName(text);
  const local = { ...usual, domain: "localhost", path: usual.path.replace(/^library\//, "") };
  const row =
    manifestListByName(context.db(), formatReference(usual)) ??
    manifestListByName(context.db(), formatReference(local));
  return row && parsed(row);
}

function listName(text: string): Reference {
  const reference = withDefaultTag(parseReference(text));
  if (reference.digest === undefined) return reference;
  throw new EngineError("invalid", "manifest list", text, "its name cannot have a digest", { exitCode: 125 });
}

function parsed(row: ManifestListRow): ManifestList {
  return { row, document: JSON.parse(row.document) as ListDocument };
}

/** The document as a registry gets it. */
export function indexDocument({ document }: ManifestList): object {
  return {
    schemaVersion: 2,
    mediaType: document.mediaType,
    manifests: document.entries.map(({ source: _source, ...descriptor }) => descriptor),
    ...(Object.keys(document.annotations).length === 0 ? {} : { annotations: document.annotations }),
  };
}

/** Write it, and hold the blobs of this store that it refers to. */
function save(context: Context, { row, document }: ManifestList): ManifestList {
  const db = context.db();
  const blobs = document.entries.flatMap(({ digest, source }) =>
    source === undefined ? heldBlobs(context, digest) : [],
  );
  const saved = { ...row, document: JSON.stringify(document) };
  putManifestList(db, saved, [...new Set(blobs)]);
  return { row: saved, document };
}

/** Of a manifest whose image has gone meanwhile the document tells: the list has kept it. */
function heldBlobs(context: Context, digest: string): string[] {
  const known = blobsOfManifest(context.db(), digest);
  if (known.length > 0 || !hasBlob(context, digest as Digest)) return known;
  const manifest = readManifest(`read manifest: ${digest}`, readBlob(context, digest as Digest));
  if (manifest.kind !== "manifest") return [digest];
  return [digest, manifest.config.digest, ...manifest.layers.map((layer) => layer.digest)];
}

/**
 * Add the image that TEXT names: one of this store, unless TEXT begins with `docker://`, or one of a registry.
 *
 * @returns the entries that were added
 */
export async function addToList(
  context: Context,
  list: ManifestList,
  text: string,
  options: AddOptions,
): Promise<ListEntry[]> {
  return whileKept(context, async () => {
    const name = text.replace(/^(docker|containers-storage):(\/\/)?/, "");
    const local = text.startsWith("docker://") ? null : localEntry(context, name);
    const found = local === null ? await remoteEntries(context, name, options) : [local];
    const added = found.map((entry) => wished(entry, options));
    // somebody else may have changed it while the registry was asked
    const current = manifestListByName(context.db(), list.row.name);
    if (current === null) throw gone(list);
    const { row, document } = parsed(current);
    const digests = new Set(added.map(({ digest }) => digest));
    document.entries = [...document.entries.filter(({ digest }) => !digests.has(digest)), ...added];
    Object.assign(list, save(context, { row, document }));
    return added;
  });
}

function gone({ row }: ManifestList): EngineError {
  return new EngineError("not-found", "No such manifest list", familiarName(row.name), "image not known", {
    exitCode: 125,
  });
}

function localEntry(context: Context, text: string): ListEntry | null {
  const image = lookUpImage(context, text);
  if (image === null) return null;
  const facts = manifestFacts(context.db(), manifestOf(context, image));
  if (facts === null || !hasBlob(context, facts.digest as Digest)) return null; // its documents have been dropped
  return {
    mediaType: facts.media_type,
    digest: facts.digest,
    size: facts.size_bytes,
    platform: platformOf(imageConfig(context.db(), image.id) ?? "{}"),
  };
}

function manifestOf(context: Context, image: StoredImage): string {
  const db = context.db();
  const named = tagsOfImage(db, image.id).find((tag) => familiarName(tag.name) === image.name);
  return named?.manifest ?? manifestsOfImage(db, image.id)[0] ?? "";
}

/** As the image's config says it, also what is implied elsewhere (`v8` of arm64). */
function platformOf(config: string): ListPlatform {
  const said = JSON.parse(config) as Partial<ListPlatform>;
  return {
    os: said.os ?? "",
    architecture: said.architecture ?? "",
    ...(said.variant ? { variant: said.variant } : {}),
    ...(said["os.version"] ? { "os.version": said["os.version"] } : {}),
    ...(said["os.features"] ? { "os.features": said["os.features"] } : {}),
  };
}

function listPlatform({ os, architecture, variant }: Platform): ListPlatform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

/** What a registry has under a name: a manifest, or entries of an index. */
async function remoteEntries(context: Context, text: string, options: AddOptions): Promise<ListEntry[]> {
  const reference = withDefaultTag(parseReference(text));
  const { client, path } = clientFor(context, reference, options);
  const source = repositoryOf(reference);
  const wanted = reference.digest ?? reference.tag ?? "latest";
  const { bytes, digest, contentType } = await client.fetchManifest(path, wanted, options.signal);
  const what = `read manifest: ${text}`;
  const outer = readManifest(what, bytes, contentType);
  if (outer.kind === "manifest") {
    const config = await client.fetchBlob(path, outer.config, configLimitBytes, options.signal);
    readImageConfig(what, config); // what it says is of the form that it should be
    const platform = platformOf(new TextDecoder().decode(config));
    return [{ mediaType: outer.mediaType, digest, size: bytes.length, platform, source }];
  }
  const chosen = options.all ? outer.manifests : [chosenFrom(outer.manifests, options, text)];
  return chosen.map((descriptor) => entryOf(descriptor, source));
}

function chosenFrom(
  manifests: readonly Descriptor[],
  { os, architecture, variant }: AddOptions,
  text: string,
): Descriptor {
  const host = hostPlatform();
  const suffix = variant === undefined ? "" : `/${variant}`;
  const wanted = parsePlatform(`${os ?? host.os}/${architecture ?? host.architecture}${suffix}`);
  const chosen = choosePlatform(manifests, (manifest) => manifest.platform, wanted);
  if (chosen !== undefined) return chosen;
  throw new EngineError(
    "not-found",
    "add to manifest list",
    text,
    `it has none for ${formatPlatform(wanted)}`,
    {
      exitCode: 125,
      hint: "use --all to add those of all platforms",
    },
  );
}

function entryOf({ mediaType, digest, size, platform, annotations }: Descriptor, source: string): ListEntry {
  return {
    mediaType,
    digest,
    size,
    ...(platform === undefined ? {} : { platform: listPlatform(platform) }),
    ...(annotations === undefined ? {} : { annotations }),
    source,
  };
}

export type Asking = Pick<AddOptions, "flags" | "userAgent" | "signal">;

export function clientFor(
  context: Context,
  reference: Reference,
  asking: Asking,
): { client: RegistryClient; path: string } {
  const [first] = pullSources(reference, { env: context.env, ...asking }).filter(({ isMirror }) => !isMirror);
  if (first === undefined) throw new EngineError("registry", "registry", reference.domain, "nobody to ask");
  return { client: new RegistryClient(first.domain, first.options), path: first.path };
}

/** Manifest or index as a registry has it. */
export async function fetchDocument(
  context: Context,
  text: string,
  asking: Asking,
): Promise<{ name: string; bytes: Uint8Array; digest: Digest; mediaType: string }> {
  const reference = withDefaultTag(parseReference(text.replace(/^docker:\/\//, "")));
  const { client, path } = clientFor(context, reference, asking);
  const wanted = reference.digest ?? reference.tag ?? "latest";
  const { bytes, digest, contentType } = await client.fetchManifest(path, wanted, asking.signal);
  const { mediaType } = readManifest(`read manifest: ${text}`, bytes, contentType);
  return { name: formatReference(reference), bytes, digest, mediaType };
}

function wished(entry: ListEntry, wishes: EntryWishes): ListEntry {
  const { os, architecture, variant, osVersion } = wishes;
  const said: Partial<ListPlatform> = {
    ...(os === undefined ? {} : { os }),
    ...(architecture === undefined ? {} : { architecture }),
    ...(variant === undefined ? {} : { variant }),
    ...(osVersion === undefined ? {} : { "os.version": osVersion }),
    ...(wishes.osFeatures?.length ? { "os.features": [...wishes.osFeatures] } : {}),
    ...(wishes.features?.length ? { features: [...wishes.features] } : {}),
  };
  const hasSaid = Object.keys(said).length > 0;
  const annotations = { ...entry.annotations, ...wishes.annotations };
  return {
    ...entry,
    ...(hasSaid ? { platform: { os: "", architecture: "", ...entry.platform, ...said } } : {}),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
  };
}

/** Change what the list says of an entry, named by its digest or the image it is of. Throws `not-found`. */
export async function annotateEntry(
  context: Context,
  list: ManifestList,
  text: string,
  wishes: EntryWishes,
): Promise<void> {
  const at = entryIndex(context, list, text);
  list.document.entries = list.document.entries.map((entry, index) =>
    index === at ? wished(entry, wishes) : entry,
  );
  Object.assign(list, save(context, list));
}

/** Change what the list says of itself. */
export function annotateList(
  context: Context,
  list: ManifestList,
  annotations: Readonly<Record<string, string>>,
): void {
  Object.assign(list.document.annotations, annotations);
  Object.assign(list, save(context, list));
}

/** Take an entry out. Returns its digest. */
export async function removeEntry(context: Context, list: ManifestList, text: string): Promise<string> {
  const at = entryIndex(context, list, text);
  const digest = list.document.entries[at]?.digest ?? "";
  list.document.entries.splice(at, 1);
  Object.assign(list, save(context, list));
  await collectGarbage(context);
  return digest;
}

function entryIndex(context: Context, { row, document }: ManifestList, text: string): number {
  const { entries } = document;
  const byDigest = entries.findIndex(({ digest }) => digest === text);
  if (byDigest >= 0) return byDigest;
  if (!text.startsWith("sha256:")) {
    const local = localEntry(context, text.replace(/^(docker|containers-storage):(\/\/)?/, ""));
    const byImage = entries.findIndex(({ digest }) => digest === local?.digest);
    if (byImage >= 0) return byImage;
    const reference = parseReference(text.replace(/^docker:\/\//, ""));
    const bySource = entries.findIndex(
      ({ digest, source }) =>
        source === repositoryOf(reference) && (reference.digest === undefined || reference.digest === digest),
    );
    if (bySource >= 0) return bySource;
  }
  throw new EngineError("not-found", "manifest list", familiarName(row.name), `no entry ${text}`, {
    exitCode: 125,
    hint: `see what it has: proa manifest inspect ${familiarName(row.name)}`,
  });
}

/** Remove a list; what it alone held goes with it. */
export async function removeList(context: Context, list: ManifestList): Promise<void> {
  if (!deleteManifestList(context.db(), list.row)) throw gone(list);
  await collectGarbage(context);
}

/** Docker's longer form: a document with its name and descriptor, or one for each entry of an index. LIST: one of this store, in place of the registry's. */
export async function verboseDocument(
  context: Context,
  text: string,
  list: ManifestList | null,
  asking: Asking,
): Promise<object> {
  const top =
    list === null
      ? await fetchDocument(context, text, asking)
      : {
          name: list.row.name,
          bytes: new TextEncoder().encode(JSON.stringify(indexDocument(list))),
          mediaType: list.document.mediaType,
        };
  const outer = readManifest(`read manifest: ${text}`, top.bytes, top.mediaType);
  if (outer.kind === "manifest") {
    const { mediaType, bytes } = top;
    return verboseEntry(top.name, { mediaType, digest: digestOf(bytes), size: bytes.length }, bytes);
  }
  const answers: object[] = [];
  for (const entry of outer.manifests) {
    const source = list?.document.entries.find(({ digest }) => digest === entry.digest)?.source;
    const from = source ?? top.name.replace(/(:[^/:]*)?(@.*)?$/, "");
    const isHere = list !== null && source === undefined;
    const bytes = isHere
      ? readBlob(context, entry.digest)
      : (await fetchDocument(context, `${from}@${entry.digest}`, asking)).bytes;
    answers.push(verboseEntry(`${from}@${entry.digest}`, entry, bytes));
  }
  return answers;
}

function verboseEntry(name: string, descriptor: object, bytes: Uint8Array): object {
  const document = JSON.parse(new TextDecoder().decode(bytes)) as { mediaType?: string };
  const isDocker = document.mediaType === mediaTypes.dockerManifest;
  return {
    Ref: name,
    Descriptor: descriptor,
    [isDocker ? "SchemaV2Manifest" : "OCIManifest"]: document,
  };
}
