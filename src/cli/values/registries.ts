/** Registries that this user knows: logged in to, or pulled from. */
import { knownRegistries } from "../../registry";
import { tagNames } from "../../state";
import { offer, type Provider } from "./candidates";
import { database } from "./database";

export const registries: Provider = ({ app, path }) => {
  const known = knownRegistries({ env: app.env });
  if (path === "logout") return offer(known);
  const db = database(app);
  const used = db === null ? [] : tagNames(db, "").map(({ value }) => value.slice(0, value.indexOf("/")));
  return offer(new Set([...known, ...used.filter((name) => name !== "localhost"), "docker.io"]));
};
