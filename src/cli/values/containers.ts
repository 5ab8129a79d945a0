/** Names of containers. */
import { existsSync, readdirSync } from "node:fs";
import { foundNearby, liveState, placesOf } from "../../container";
import { type ContainerName, containerNames, isLocked } from "../../state";
import type { App } from "../app";
import { behind, type Candidate, cutFirst, listOf, offer, type Provider, told } from "./candidates";
import { database } from "./database";

export type Wanted = "any" | "running" | "active" | "paused" | "stopped";

/** More rows than this are not asked one by one for their locks, nor whether they are paused: what has a run directory is taken to live, and to be active. */
const LOOKS = 32;

/** Names; ids as well where what was typed can only be one of those. */
export function containersOf(wanted: Wanted): Provider {
  return ({ app, prefix }) => {
    const db = database(app);
    if (db === null) return [];
    const isOfRunning = wanted !== "any" && wanted !== "stopped";
    const rows = containerNames(db, isOfRunning ? "running" : undefined);
    let chosen = prefix === "" ? rows : rows.filter(({ name }) => name.startsWith(prefix));
    const isId = chosen.length === 0 && /^[0-9a-f]{2,64}$/.test(prefix);
    if (isId) chosen = rows.filter(({ id }) => id.startsWith(prefix));
    const lives = liveness(app, chosen);
    const asked = wanted === "active" && chosen.length > LOOKS ? "running" : wanted;
    const found: Candidate[] = [];
    for (const row of chosen) {
      const status = statusOf(app, row, asked, lives);
      if (status === undefined) continue;
      const described = `${row.image_ref || "no image"}, ${status}`;
      if (isId)
        found.push(told(prefix.length > 12 ? row.id : row.id.slice(0, 12), `${row.name}, ${described}`));
      else found.push(told(row.name, described));
    }
    return found;
  };
}

/** Whether a container lives whose row says so, wherever. */
function liveness(app: App, rows: readonly ContainerName[]): (id: string) => boolean {
  const { context } = app;
  const { running } = context.paths;
  if (rows.length <= LOOKS) return (id) => isLocked(`${running}/${id}`) || foundNearby(context, id);
  const near = new Set(entriesOf(running));
  const away = rows.filter(({ id, status }) => status === "running" && !near.has(id)).slice(0, LOOKS);
  const places =
    away.length === 0
      ? []
      : placesOf(
          context,
          away.map(({ id }) => id),
        );
  const far = new Set(places.flatMap(entriesOf));
  return (id) => near.has(id) || far.has(id);
}

function entriesOf(directory: string): string[] {
  try {
    return existsSync(directory) ? readdirSync(directory) : [];
  } catch {
    return []; // closed to us
  }
}

/** In a word; undefined where it is none of those that are wanted. */
function statusOf(
  app: App,
  row: ContainerName,
  wanted: Wanted,
  lives: (id: string) => boolean,
): string | undefined {
  const isRunning = row.status === "running" && lives(row.id);
  if (wanted === "stopped" && isRunning) return undefined;
  if (wanted === "any" || wanted === "stopped")
    return isRunning ? "running" : row.status === "running" ? "exited" : row.status;
  if (!isRunning) return undefined;
  if (wanted === "running") return "running";
  const live = liveState(app.context, row)?.status ?? "running";
  return (live === "paused") === (wanted === "paused") ? live : undefined;
}

/** CONTAINER[:OPTIONS]. */
export const containerOption: Provider = (request) => {
  const named = cutFirst(request.prefix, ":");
  return named === undefined ? containersOf("any")(request) : behind(named[0], offer(["ro", "rw", "z"]));
};

/** CONTAINER[,CONTAINER...]. */
export const containerList: Provider = listOf(containersOf("any"));
