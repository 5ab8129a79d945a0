/** Names of images. */
import { familiarName } from "../../image";
import { imageIds, tagNames } from "../../state";
import type { App } from "../app";
import { imageSize } from "../output/size";
import { type Candidate, type Provider, told } from "./candidates";
import { database } from "./database";

/** Names with their tags; those of this machine without `localhost/` where that is how they are typed; ids where it can only be one. */
export const images: Provider = ({ app, prefix }) => {
  const db = database(app);
  if (db === null) return [];
  const found: Candidate[] = [];
  const sizes = new Map<number, string>(); // of a thousand tags many are of one size
  for (const [full, sizeBytes] of tagNames(db)) {
    const name = full.startsWith("docker.io/") ? familiarName(full) : full; // a call for each takes its time
    const value = name.startsWith(prefix) ? name : shortName(name, prefix);
    if (value === undefined) continue;
    let description = sizes.get(sizeBytes);
    if (description === undefined) {
      description = imageSize(sizeBytes);
      sizes.set(sizeBytes, description);
    }
    found.push({ value, description });
  }
  return found.length > 0 || !/^(sha256:)?[0-9a-f]{2,64}$/.test(prefix) ? found : imagesById(app, prefix);
};

const OWN = "localhost/";

function shortName(name: string, prefix: string): string | undefined {
  return name.startsWith(OWN) && name.startsWith(prefix, OWN.length) ? name.slice(OWN.length) : undefined;
}

function imagesById(app: App, prefix: string): Candidate[] {
  const head = prefix.startsWith("sha256:") ? "sha256:" : "";
  const typed = prefix.slice(head.length);
  return imageIds(app.context.db(), typed).map(({ id, name }) => {
    const hex = id.slice("sha256:".length);
    return told(
      head + (head !== "" || typed.length > 12 ? hex : hex.slice(0, 12)),
      name === "" ? "<none>" : familiarName(name),
    );
  });
}
