import { copyFiles, findContainer, type Place, textOfPlace } from "../../container";
import { EngineError } from "../../error";
import { isBrokenPipe } from "../../helper";
import type { App } from "../app";
import { BrokenPipe } from "../broken-pipe";
import { humanSize } from "../output";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Copy files between a container and the host, or between containers",
    details: `A file in a container is written CONTAINER:PATH; PATH starts at the container's root, whether it begins with a slash or not. A path of the host that has a colon in it is
written with a slash before it: ./a:b. As SOURCE or DESTINATION "-" is a tar archive on stdin or stdout.

A directory that goes to one that is there is put into it; with "/." behind it, its content is. A file that is there already is replaced. The container may run, be
paused, or be stopped, and its volumes are seen as it sees them.

What comes to the host belongs to the user, and what goes to a container to its root, unless --archive keeps owners: as the ids that containers have. Modes and times are always kept.`,
    examples: [
      { command: "proa cp web:/etc/nginx/nginx.conf .", does: "fetch a file" },
      {
        command: "proa cp site/. web:/usr/share/nginx/html",
        does: "put what is in a directory into another",
      },
      { command: "proa cp web:/var/log - | tar -t", does: "list a directory as an archive" },
    ],
    exitStatuses: [{ status: "1", meaning: "it could not be copied" }],
    seeAlso: ["proa-export(1)", "proa-diff(1)"],
    usage: "[OPTIONS] SOURCE|- DESTINATION|-",
  },
  args: {
    archive: { type: "boolean", alias: "a", description: "Keep owners" },
    "follow-link": {
      type: "boolean",
      alias: "L",
      description: "Copy what a symbolic link given as SOURCE leads to",
    },
    quiet: { type: "boolean", alias: "q", description: "Do not say what was copied" },
    overwrite: {
      type: "boolean",
      description: "Let a directory be replaced by a file, and a file by a directory",
    },
    source: {
      type: "positional",
      valueHint: "SOURCE",
      value: "copy-path",
      description: "[CONTAINER:]PATH, or - for an archive on stdin",
    },
    destination: {
      type: "positional",
      valueHint: "DESTINATION",
      value: "copy-path",
      description: "[CONTAINER:]PATH, or - for an archive on stdout",
    },
  },
  async run({ app, args, given }) {
    if (args.source === "") throw refused("source can not be empty");
    if (args.destination === "") throw refused("destination can not be empty");
    const from = await placeOf(app, args.source, app.io.stdin.fd);
    if (from.kind === "container" && from.path === "") throw refused("source can not be empty");
    const to = await placeOf(app, args.destination, 1);
    if (to.kind === "container" && to.path === "") throw refused("destination can not be empty");
    if (from.kind !== "container" && to.kind !== "container") {
      throw refused("must specify at least one container source");
    }
    if (to.kind === "stream" && app.io.stdout.isTTY) {
      throw refused("an archive is not written to a terminal");
    }
    const options = { archive: args.archive, followLink: args["follow-link"], overwrite: args.overwrite };
    const copied = await copyFiles(app.context, from, to, options).catch((error) => {
      throw to.kind === "stream" && isBrokenPipe(error) ? new BrokenPipe() : error;
    });
    const isQuiet = given.has("quiet") ? args.quiet : !app.io.stdout.isTTY;
    if (isQuiet || to.kind === "stream") return;
    app.io.stderr.write(`Successfully copied ${humanSize(copied.sizeBytes)} to ${textOfPlace(to)}\n`);
  },
});

function refused(why: string): EngineError {
  return new EngineError("usage", "cp", "", why, { exitCode: 1 });
}

async function placeOf(app: App, text: string, fd: number): Promise<Place> {
  if (text === "-") return { kind: "stream", fd };
  const cut = text.startsWith("/") || text.startsWith(".") ? -1 : text.indexOf(":");
  if (cut <= 0) return { kind: "host", path: text.startsWith("/") ? text : `${process.cwd()}/${text}` };
  return {
    kind: "container",
    row: await findContainer(app.context, "cp", text.slice(0, cut)),
    path: text.slice(cut + 1),
  };
}
