/** Names of images. */
import type { Database } from "bun:sqlite";
import { familiarName } from "../../image";
import { imageIds, tagNames, tagSizes } from "../../state";
import type { App } from "../app";
import { imageSize } from "../output/size";
import { type Candidate, type Provider, told } from "./candidates";
import { database } from "./database";

/**
 * Names with their tags; those of this machine without `localhost/` where that is how they are typed; ids where it can only be one.
 *
 * @param rows names, and what `described` makes a description of, once for all that are alike
 */
function imagesOf<Fact>(
  rows: (db: Database) => readonly (readonly [string, Fact?])[],
  described: (fact: Fact) => string,
): Provider {
  return ({ app, prefix }) => {
    const db = database(app);
    if (db === null) return [];
    const found: Candidate[] = [];
    const descriptions = new Map<Fact | undefined, string>();
    for (const [full, fact] of rows(db)) {
      const name = full.startsWith("docker.io/") ? familiarName(full) : full; // a call for each takes its time
      const value = name.startsWith(prefix) ? name : shortName(name, prefix);
      if (value === undefined) continue;
      let description = descriptions.get(fact);
      if (description === undefined) {
        description = described(fact as Fact);
        descriptions.set(fact, description);
      }
      found.push({ value, description });
    }
    return found.length > 0 || !/^(sha256:)?[0-9a-f]{2,64}$/.test(prefix) ? found : imagesById(app, prefix);
  };
}

/** Told by their sizes. */
export const images: Provider = imagesOf(tagSizes, imageSize);

/** Where other things are offered, too. */
export const imagesAmongOthers: Provider = imagesOf(tagNames, () => "image");

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
