/** Names of images. */
import type { Database } from "bun:sqlite";
import { familiarName } from "../../image";
import { imageIds, type ToldName, tagNames, tagSizes } from "../../state";
import type { App } from "../app";
import { imageSize } from "../output/size";
import { type Candidate, type Provider, told } from "./candidates";
import { database } from "./database";

/** Names with their tags; those of this machine without `localhost/` where that is how they are typed; ids where it can only be one. */
function imagesOf(names: (db: Database) => ToldName[]): Provider {
  return ({ app, prefix }) => {
    const db = database(app);
    if (db === null) return [];
    const all = names(db);
    for (const each of all) if (each.value.startsWith("docker.io/")) each.value = familiarName(each.value);
    const found = prefix === "" ? all : begunWith(all, prefix);
    return found.length > 0 || !/^(sha256:)?[0-9a-f]{2,64}$/.test(prefix) ? found : imagesById(app, prefix);
  };
}

const OWN = "localhost/";

function begunWith(all: readonly Candidate[], prefix: string): Candidate[] {
  const found: Candidate[] = [];
  for (const each of all) {
    const { value, description } = each;
    if (value.startsWith(prefix)) found.push(each);
    else if (value.startsWith(OWN) && value.startsWith(prefix, OWN.length))
      found.push(told(value.slice(OWN.length), description));
  }
  return found;
}

/** Told by their sizes. */
export const images: Provider = imagesOf((db) => {
  const texts = new Map<number, string>(); // of many that are alike once
  return tagSizes(db).map(({ value, description: bytes }) => {
    let description = texts.get(bytes);
    if (description === undefined) {
      description = imageSize(bytes);
      texts.set(bytes, description);
    }
    return { value, description };
  });
});

/** Where other things are offered, too. */
export const imagesAmongOthers: Provider = imagesOf((db) => tagNames(db, "image"));

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
