/** `--filter` of the commands that choose containers. */
import { findContainer, type ListedContainer, shownStatus, startsAtBoot } from "../../container";
import { EngineError } from "../../error";
import { lookUpImage } from "../../image";
import { DEFAULT_NETWORK } from "../../network";
import { allNetworks, imagesUpon } from "../../state";
import { timeOf } from "../_moment";
import type { App } from "../app";
import { type Filters, hasLabel, isTrue, matchesName } from "../output/filter";

/** docker's words, then podman's, which mean one of those, or what no container here is ever in. */
const STATUSES: Record<string, string> = {
  created: "created",
  restarting: "restarting",
  running: "running",
  removing: "removing",
  paused: "paused",
  exited: "exited",
  dead: "dead",
  configured: "created",
  initialized: "initialized",
  stopped: "exited",
  stopping: "stopping",
  unknown: "unknown",
};
const HEALTHS = ["starting", "healthy", "unhealthy", "none"];

const wrongValue = (key: string, value: string, why: string): EngineError =>
  new EngineError("invalid", "filter", `${key}=${value}`, why);

function checkValues(filters: Filters, key: string, isValid: (value: string) => boolean, why: string): void {
  const wrong = filters.get(key)?.find((value) => !isValid(value));
  if (wrong !== undefined) throw wrongValue(key, wrong, why);
}

/** The container's ports that are published, each as `80/tcp`. */
function publishedOf({ spec }: ListedContainer): string[] {
  return Object.keys(spec.HostConfig.PortBindings);
}

type Test = (value: string) => boolean;

/** For each container, whether it has the values that were asked for. Throws `invalid`, `not-found`. */
export async function containerTests(
  app: App,
  filters: Filters,
): Promise<(row: ListedContainer) => Record<string, Test>> {
  checkValues(
    filters,
    "status",
    (value) => Object.hasOwn(STATUSES, value),
    `a status is one of ${Object.keys(STATUSES).join(", ")}`,
  );
  checkValues(filters, "health", (value) => HEALTHS.includes(value), `it is one of ${HEALTHS.join(", ")}`);
  checkValues(filters, "exited", (value) => /^\d{1,3}$/.test(value), "expected an exit status, 0 to 255");
  const until = filters.get("until")?.map((value) => timeOf("filter until", value, app.context.now())) ?? [];
  const isOfBoot = filters.get("should-start-on-boot")?.map((value) => isTrue("should-start-on-boot", value));
  const isTask = filters.get("is-task")?.some((value) => isTrue("is-task", value));
  const origins = await originsOf(app, filters.get("ancestor") ?? []);
  const networks = networksOf(app, filters.get("network") ?? []);
  const edge = async (key: string) => {
    const name = filters.get(key)?.at(-1);
    return name === undefined ? undefined : (await findContainer(app.context, "filter", name)).created_ms;
  };
  const before = await edge("before");
  const since = await edge("since");
  const ports = new Map<string, readonly string[]>(); // what a filter means: each as `80/tcp`
  for (const value of [...(filters.get("publish") ?? []), ...(filters.get("expose") ?? [])]) {
    const { parseExposed } = await import("../../oci");
    ports.set(value, parseExposed(value));
  }
  const hasPort = (value: string, all: readonly string[]) =>
    (ports.get(value) ?? []).some((port) => all.includes(port));
  return (row) => ({
    id: (value) => row.id.startsWith(value.replace(/^\^/, "")),
    name: (value) => matchesName(row.name, value) || matchesName(`/${row.name}`, value), // docker's names begin with a slash
    status: (value) => shownStatus(row, row.live) === STATUSES[value],
    command: (value) => row.command === value || row.command.split(" ", 1)[0] === value,
    "is-task": () => isTask === false, // nothing here is a task of a swarm
    isolation: (value) => value === "default",
    pod: () => false, // there are none
    until: () => until.every((time) => row.created_ms < time),
    volume: (value) =>
      row.mounts.some(({ Name, Source, Destination }) => value === Destination || value === (Name || Source)),
    exited: (value) => row.status === "exited" && row.exit_code === Number(value),
    health: (value) => healthOf(row) === value,
    "restart-policy": (value) => row.spec.HostConfig.RestartPolicy.Name === value,
    "should-start-on-boot": () =>
      isOfBoot?.includes(startsAtBoot(row, row.spec.HostConfig.RestartPolicy)) ?? true,
    label: (value) => hasLabel(row.spec.Labels, value),
    "label!": (value) => !hasLabel(row.spec.Labels, value),
    network: (value) => row.networks.includes(networks.get(value) ?? value),
    publish: (value) => hasPort(value, publishedOf(row)),
    expose: (value) => hasPort(value, [...Object.keys(row.spec.ExposedPorts), ...publishedOf(row)]),
    ancestor: (value) => isFrom(row, value, origins),
    before: () => before !== undefined && row.created_ms < before,
    since: () => since !== undefined && row.created_ms > since,
  });
}

/** What the checks found last; `none` where there are none. */
function healthOf(row: ListedContainer): string {
  if (row.status === "running") return row.live?.health?.status ?? "none";
  return row.health === "" ? "none" : (JSON.parse(row.health) as { status: string }).status;
}

/** The name of each network that is asked for by its id, or by the name that docker has for the default one. */
function networksOf(app: App, values: readonly string[]): Map<string, string> {
  const names = new Map([["bridge", DEFAULT_NETWORK]]);
  const ids = values.filter((value) => /^[0-9a-f]{12,64}$/.test(value));
  if (ids.length === 0) return names;
  for (const { id, name } of allNetworks(app.context.db())) {
    for (const value of ids) if (id.startsWith(value)) names.set(value, name);
  }
  return names;
}

type Origin = { id: string; descendants: ReadonlySet<string> };

/** The images that are asked for, each with those that were built upon it. */
async function originsOf(app: App, values: readonly string[]): Promise<Map<string, Origin>> {
  const origins = new Map<string, Origin>();
  for (const value of values) {
    const image = lookUpImage(app.context, value);
    if (image) origins.set(value, { id: image.id, descendants: imagesUpon(app.context.db(), image.id) });
  }
  return origins;
}

/** An image that has been removed by force is still the name that its containers were made by. */
function isFrom(row: ListedContainer, image: string, origins: ReadonlyMap<string, Origin>): boolean {
  const origin = origins.get(image);
  const id = row.image_id ?? "";
  if (origin) return id === origin.id || origin.descendants.has(id);
  const asked = image.replace("sha256:", "");
  return (
    row.image_ref === image ||
    row.image_ref === `${image}:latest` ||
    (/^[0-9a-f]{6,}$/.test(asked) && id.replace("sha256:", "").startsWith(asked))
  );
}
