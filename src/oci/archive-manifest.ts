import { Checker, parseJson } from "./_check";
import { layersLimit } from "./manifest";

/** `manifest.json` of docker's archives: a list of images, each with the names of its files in the archive. */
export type ArchivedImage = { config: string; repoTags: string[]; layers: string[] };

/** Bytes: 10,000 images of 20 layers. A larger one is not read. */
export const archiveManifestLimitBytes = 16 << 20;

const imagesLimit = 10_000;

/** Null where the document is no list: then it is a manifest, as `dir:` has it. Throws `invalid`. */
export function readArchiveManifest(what: string, bytes: Uint8Array): ArchivedImage[] | null {
  const check = new Checker(what);
  const document = parseJson(what, bytes, archiveManifestLimitBytes);
  if (!Array.isArray(document)) return null;
  return check.array(document, "", imagesLimit).map((entry, at) => {
    const image = check.object(entry, `[${at}]`);
    return {
      config: check.string(image["Config"], `[${at}].Config`),
      repoTags: check.strings(image["RepoTags"], `[${at}].RepoTags`, imagesLimit),
      layers: check
        .optionalArray(image["Layers"], `[${at}].Layers`, layersLimit)
        .map((layer, place) => check.string(layer, `[${at}].Layers[${place}]`)),
    };
  });
}
