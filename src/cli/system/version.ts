import { arch, release } from "node:os";
import { documentFlags } from "../_flags";
import { version } from "../_version";
import { formatDocuments } from "../output/format";
import { defineCommand } from "../tree";

/** One program is both halves of what docker calls client and server; scripts ask for either. */
type Half = ReturnType<typeof gather>;

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
    const document = {
      Client: { ...half, DefaultAPIVersion: version, Context: "default" },
      Server: { ...half, Components: [{ Name: "Engine", Version: version, Details: half }] },
    };
    app.io.stdout.write(
      format === undefined || format === ""
        ? textOf(half)
        : format === "json"
          ? `${JSON.stringify(document)}\n`
          : await formatDocuments([document], format),
    );
  },
});

function gather() {
  const cpu = arch() === "x64" ? "amd64" : arch();
  return {
    Version: version,
    APIVersion: version, // as podman's: what both halves speak is proa's own
    Os: "linux",
    Arch: cpu,
    OsArch: `linux/${cpu}`,
    KernelVersion: release(),
    BunVersion: Bun.version,
    Platform: { Name: "proa" },
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
