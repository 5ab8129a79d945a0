/** Names of networks, volumes, secrets, and of anything; labels. */
import { allNetworks, artifactNames, labelsInUse, secretNames, volumeNames } from "../../state";
import { type CompletionRequest, offer, openWith, type Provider, told } from "./candidates";
import { database } from "./database";

/** Networks that cannot be changed. */
const predefined = (path: string): readonly string[] =>
  path === "network rm" || path === "network update" ? [] : ["bridge", "host", "none"];

/** Names, those of the three that are always there too; ids where it can only be one. */
export const networks: Provider = ({ app, path, prefix }) => {
  const always = predefined(path)
    .filter((name) => name.startsWith(prefix))
    .map((value) => ({ value }));
  const db = database(app);
  if (db === null) return always;
  const all = allNetworks(db).map(({ id, name, driver, subnets }) => ({
    id,
    name,
    description: [driver, ...subnets.map(({ subnet }) => subnet)].join(", "),
  }));
  const named = all.filter(({ name }) => name.startsWith(prefix));
  if (named.length > 0 || always.length > 0 || !/^[0-9a-f]{2,64}$/.test(prefix))
    return [...named.map(({ name, description }) => told(name, description)), ...always];
  return all.map(({ id, name, description }) =>
    told(prefix.length > 12 ? id : id.slice(0, 12), `${name}, ${description}`),
  );
};

export const volumes: Provider = ({ app }) => {
  const db = database(app);
  if (db === null) return [];
  return volumeNames(db).map(({ name, driver, users }) =>
    told(
      name,
      users === 0 ? `${driver}, unused` : `${driver}, of ${users} container${users === 1 ? "" : "s"}`,
    ),
  );
};

export const artifacts: Provider = ({ app }) => {
  const db = database(app);
  if (db === null) return [];
  return artifactNames(db).map(({ name, digest }) => told(name, digest.slice(7, 19)));
};

export const secrets: Provider = ({ app }) => {
  const db = database(app);
  if (db === null) return [];
  return offer(secretNames(db));
};

/** How many different labels are looked at. */
const LABELS = 500;

/** KEY[=VALUE] of labels in use. */
export function labelsOf(of: "container" | "image" | "network" | "volume" | "secret"): Provider {
  return ({ app, prefix }: CompletionRequest) => {
    const db = database(app);
    if (db === null) return [];
    const used = labelsInUse(db, of, LABELS);
    if (prefix.includes("=")) return used.map(({ key, value }) => ({ value: `${key}=${value}` }));
    return openWith(
      "=",
      [...new Set(used.map(({ key }) => key))].map((value) => ({ value })),
    );
  };
}

/** Labels of things of the sort that the command makes. */
export const ownLabels: Provider = (request) => {
  const [noun] = request.path.split(" ");
  const of = noun === "network" || noun === "volume" || noun === "secret" ? noun : "container";
  return labelsOf(of)(request);
};
