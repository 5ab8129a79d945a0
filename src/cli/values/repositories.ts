/** Names of images with what else can stand in their place: registries, hosts, manifest lists. */
import { familiarName, lookUpList } from "../../image";
import { manifestListNames } from "../../state";
import { offer, openWith, type Provider, told } from "./candidates";
import { database } from "./database";
import { sshHosts } from "./host";
import { images } from "./images";
import { registries } from "./registries";

/** Names of images, and the registries that more may come from. */
export const repositories: Provider = async (request) => {
  const found = await images(request);
  return [...found, ...(request.prefix === "" ? [] : openWith("/", await registries(request)))];
};

/** [HOST::]IMAGE, hosts as ssh knows them. */
export const imagesAtHosts: Provider = async (request) => {
  if (request.prefix.includes("::")) return [];
  const hosts = sshHosts(request.app.env).map((host) => ({ value: `${host}::`, isOpen: true }));
  return [...(await images(request)), ...hosts];
};

/** `localhost/app` as `app` too, where that is how it is typed. */
export const manifests: Provider = async ({ app, prefix }) => {
  const db = database(app);
  if (db === null) return [];
  const names = manifestListNames(db).map(familiarName);
  const short = names.map((name) => name.replace(/^localhost\//, ""));
  return offer(prefix === "" ? names : [...names, ...short]);
};

/** Digests of the manifests that are in the list. */
export const manifestEntries: Provider = async ({ app, before }) => {
  if (database(app) === null || before[0] === undefined) return [];
  const list = lookUpList(app.context, before[0]);
  return (list?.document.entries ?? []).map(({ digest, platform }) =>
    told(digest, [platform?.os, platform?.architecture, platform?.variant].filter(Boolean).join("/")),
  );
};
