import { removeContainers, stopContainers } from "../../container";
import { withReserve } from "../../state";
import { usageError } from "../args";
import { forEachTarget } from "../report";
import { defineCommand } from "../tree";
import { chooseContainers, optionalNames, targetArgs } from "./_targets";

const { latest, filter, ...targets } = targetArgs;
const { alias: _link, ...longLatest } = latest; // -l is --link, -f is --force, as docker has it
const { alias: _force, ...longFilter } = filter;

export const command = defineCommand({
  meta: {
    description: "Remove containers",
    details: "The container's writable layer and log go with it. One that runs is only removed with --force.",
    examples: [
      { command: "proa rm job", does: "remove a container that has ended" },
      { command: "proa rm -fv $(proa ps -aq)", does: "remove every container, with its anonymous volumes" },
    ],
    seeAlso: ["proa-stop(1)", "proa-ps(1)"],
  },
  args: {
    force: {
      type: "boolean",
      alias: "f",
      description: "Kill it first where it runs; one that is not there is no error",
    },
    volumes: { type: "boolean", alias: "v", description: "Remove its anonymous volumes, too" },
    link: {
      type: "boolean",
      alias: "l",
      description: "Remove a link in place of a container: /CONTAINER/ALIAS",
    },
    depend: { type: "boolean", description: "Remove those that need it, too" },
    ignore: { type: "boolean", alias: "i", description: "One that is not there is no error" },
    time: {
      type: "int",
      alias: "t",
      hiddenNames: ["timeout"],
      valueHint: "SECONDS",
      description: "With --force: ask it to stop first, and wait that long",
    },
    ...targets,
    latest: longLatest,
    filter: longFilter,
    container: { ...optionalNames, value: "container", description: "Name or id" },
  },
  async run({ app, args }) {
    if (args.link) return (await import("./_rm-more")).removeLinks(app, args.container);
    if (args.time !== undefined && !args.force) throw usageError("--time needs --force");
    const { context, io } = app;
    const choice = { ...args, names: args.container, ignore: args.ignore || args.force };
    const chosen = await withReserve(context, () => chooseContainers(app, "rm", choice));
    const found = args.depend
      ? await (await import("./_rm-more")).withDependents(app, chosen.targets)
      : chosen.targets;
    const rows = [...new Map(found.map(({ row }) => [row.id, row])).values()];
    if (args.time !== undefined)
      await stopContainers(context, rows, { signal: undefined, timeoutSeconds: args.time });
    const failed = await withReserve(context, () =>
      removeContainers(context, rows, args.force, { volumes: args.volumes }),
    );
    const removed = await forEachTarget(io, found, ({ name, row }) => {
      const error = failed.get(row.id);
      if (error) throw error;
      return name;
    });
    return chosen.status || removed;
  },
});
