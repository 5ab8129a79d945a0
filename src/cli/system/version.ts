import { arch, release } from "node:os";
import { documentFlags } from "../_flags";
import { version } from "../_version";
import { formatDocuments } from "../output/format";
import { defineCommand } from "../tree";

/** One program is both halves of what docker calls client and server; scripts ask for either. */
type Half = { Version: string; Os: string; Arch: string; KernelVersion: string; BunVersion: string };

export const command = defineCommand({
  meta: {
    description: "Show the version of proa",
    examples: [
      { command: "proa version", does: "print the version, and what it runs on" },
      {
        command: "proa version -f '{{.Server.Version}}'",
        does: "the bare number, as scripts for docker ask for it",
      },
    ],
    seeAlso: ["proa-info(1)"],
  },
  args: {
    ...documentFlags,
  },
  fields: async () => (await import("../document-fields")).fieldsOf("version"),
  async run({ app, args }) {
    const half = gather();
    const { format } = args;
    const document = { Client: half, Server: half };
    app.io.stdout.write(
      format === undefined || format === ""
        ? textOf(half)
        : format === "json"
          ? `${JSON.stringify(document)}\n`
          : await formatDocuments([document], format),
    );
  },
});

function gather(): Half {
  return {
    Version: version,
    Os: "linux",
    Arch: arch() === "x64" ? "amd64" : arch(),
    KernelVersion: release(),
    BunVersion: Bun.version,
  };
}

function textOf(half: Half): string {
  const lines = [
    ["Platform", `${half.Os}/${half.Arch}`],
    ["Kernel", half.KernelVersion],
    ["Bun", half.BunVersion],
  ];
  return `proa version ${half.Version}\n${lines.map(([name, value]) => ` ${`${name}:`.padEnd(10)}${value}\n`).join("")}`;
}
