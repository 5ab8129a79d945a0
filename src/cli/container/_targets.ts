/** Which containers a command is for: those that are named, or podman's ways of choosing them. */
import { readFileSync } from "node:fs";
import { findContainer, newestContainer } from "../../container";
import { EngineError, isNotFound } from "../../error";
import type { ContainerRow } from "../../state";
import type { App } from "../app";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import type { Args } from "../tree";

export const latestArg = {
  type: "boolean",
  alias: "l",
  description: "The newest container, in place of names",
} as const;

export const targetArgs = {
  all: {
    type: "boolean",
    alias: "a",
    description: "All containers that it can be done to, in place of names",
  },
  latest: latestArg,
  filter: {
    type: "string",
    alias: "f",
    multiple: true,
    valueHint: "KEY=VALUE",
    value: "container-filter",
    description: "All containers that match, in place of names",
    details: "The keys are those of proa ps.",
  },
  cidfile: {
    type: "string",
    multiple: true,
    valueHint: "FILE",
    value: "file",
    description: "Read the id of a container from a file that --cidfile of run has written",
  },
} as const satisfies Args;

/** The names that are left out where a command has these options. */
export const optionalNames = { type: "positional", rest: true, required: false } as const;

/** What was given of them; a command may have only some. */
export type Choice = {
  names: readonly string[];
  all?: boolean;
  latest?: boolean;
  filter?: readonly string[];
  cidfile?: readonly string[];
  /** One that is not there is no failure. */
  ignore?: boolean;
};

/** A container, and what it was called by; its id where it was not named. */
export type Target = { name: string; row: ContainerRow };

/**
 * The containers that were chosen. A name that is none is reported, and the others are gone on with.
 *
 * @param what the verb, for errors
 * @param suits which of them `all` and `filter` mean
 * @returns `status` 1 where something was reported
 * @throws usage where nothing is chosen, or in two ways at once
 */
export async function chooseContainers(
  app: App,
  what: string,
  choice: Choice,
  suits: (row: ContainerRow) => boolean = () => true,
): Promise<{ targets: Target[]; status: number }> {
  const { all = false, latest = false, filter = [], ignore = false } = choice;
  checkChoice(what, choice);
  if (latest) return { targets: [named(await newest(app, what))], status: 0 };
  if (all || filter.length > 0) {
    const rows = await matching(app, filter);
    return { targets: rows.filter(suits).map(named), status: 0 };
  }
  const targets: Target[] = [];
  const names = [...choice.names, ...(choice.cidfile ?? []).flatMap((path) => idIn(path, ignore))];
  const status = await forEachTarget(app.io, names, async (name) => {
    try {
      targets.push({ name, row: await findContainer(app.context, what, name) });
    } catch (error) {
      if (!ignore || !isNotFound(error)) throw error;
    }
  });
  return { targets, status };
}

function checkChoice(what: string, { names, all, latest, filter, cidfile }: Choice): void {
  const ways = [
    names.length > 0 ? "names" : "",
    (cidfile?.length ?? 0) > 0 ? "--cidfile" : "",
    latest ? "--latest" : "",
    all || (filter?.length ?? 0) > 0 ? (all ? "--all" : "--filter") : "",
  ].filter(Boolean);
  if (ways.length === 0) {
    throw usageError(`"proa ${what}" requires at least 1 argument: no CONTAINER given`);
  }
  const isOneWay = ways.length === 1 || ways.join() === "names,--cidfile";
  if (!isOneWay) throw usageError(`${ways.join(" and ")} cannot be used together`);
}

/** The names, for commands that choose in no other way than by `--latest`. Throws usage as `chooseContainers()`. */
export function targetNames(what: string, names: readonly string[], choice: Omit<Choice, "names">): string[] {
  checkChoice(what, { ...choice, names });
  return [...names];
}

function named(row: ContainerRow): Target {
  return { name: row.id, row };
}

/** The container that was created last. Throws `not-found`. */
export function newest(app: App, what: string): Promise<ContainerRow> {
  return newestContainer(app.context, what);
}

async function matching(app: App, texts: readonly string[]): Promise<ContainerRow[]> {
  const { listContainers } = await import("../../container");
  const rows = await listContainers(app.context, true);
  if (texts.length === 0) return rows;
  const [{ CONTAINER_FILTERS }, { containerTests }, { parseFilters, passesFilters }] = await Promise.all([
    import("./filter-keys"),
    import("./_filters"),
    import("../output/filter"),
  ]);
  const filters = parseFilters(texts, CONTAINER_FILTERS);
  const tests = await containerTests(app, filters);
  return rows.filter((row) => passesFilters(filters, tests(row)));
}

/** The first line of the file: none with `ignore`, where there is no such file. */
function idIn(path: string, ignore: boolean): string[] {
  try {
    const [id = ""] = readFileSync(path, "utf8").split("\n");
    if (id !== "") return [id];
    throw new EngineError("invalid", "read container id", path, "there is none in it");
  } catch (error) {
    if (ignore) return [];
    if (error instanceof EngineError) throw error;
    throw new EngineError("io", "read container id", path, error);
  }
}
