import { findContainer, listContainers, openPorts, portLine } from "../../container";
import { EngineError } from "../../error";
import { formatPlace, parsePort } from "../../oci";
import type { App } from "../app";
import { usageError } from "../args";
import { defineCommand } from "../tree";
import { latestArg, newest, targetNames } from "./_targets";

export const command = defineCommand({
  meta: {
    description: "Show where the ports of a container are published",
    details: "Without a port all of them, a line each; with one only the places on the host that lead to it.",
    examples: [
      { command: "proa port web", does: "all published ports, as 80/tcp -> 0.0.0.0:8080" },
      { command: "proa port web 80", does: "where port 80 is reached, as 0.0.0.0:8080" },
    ],
    seeAlso: ["proa-run(1)", "proa-ps(1)"],
  },
  args: {
    all: {
      type: "boolean",
      alias: "a",
      description: "Of all containers that run, with their short ids in front",
    },
    latest: latestArg,
    container: { type: "positional", required: false, value: "running-container", description: "Name or id" },
    port: {
      type: "positional",
      required: false,
      valueHint: "PORT[/PROTOCOL]",
      value: "open-port",
      description: "Port in the container; tcp where no protocol is named",
    },
  },
  async run({ app, args }): Promise<undefined> {
    if (args.all) {
      if (args.container !== undefined || args.latest)
        throw usageError("names and --all cannot be used together");
      return printAll(app);
    }
    const given = targetNames(
      "port",
      args.latest || args.container === undefined ? [] : [args.container],
      args,
    );
    const port = args.latest ? args.container : args.port;
    const asked = port === undefined ? null : parsePort(port);
    const row = args.latest
      ? await newest(app, "port")
      : await findContainer(app.context, "port", given[0] ?? "");
    const open = openPorts(app.context, row.id);
    if (asked === null) {
      app.io.stdout.write(open.map((port) => `${portLine(port)}\n`).join(""));
      return;
    }
    const places = open.filter(
      ({ containerPort, protocol }) => containerPort === asked.port && protocol === asked.protocol,
    );
    if (places.length === 0) {
      throw new EngineError(
        "not-found",
        "port",
        row.name,
        `${asked.port}/${asked.protocol} is not published`,
        {
          exitCode: 1,
          hint:
            row.status === "running" ? `what is: proa port ${row.name}` : `start it: proa start ${row.name}`,
        },
      );
    }
    app.io.stdout.write(places.map((port) => `${formatPlace(port.hostAddress, port.hostPort)}\n`).join(""));
  },
});

async function printAll({ context, io }: App): Promise<undefined> {
  for (const row of await listContainers(context, false)) {
    const lines = row.openPorts.map((port) => `${row.id.slice(0, 12)}\t${portLine(port)}\n`);
    io.stdout.write(lines.join(""));
  }
}
