import { defineCommand } from "../tree";

export const prefixFlag = {
  type: "string",
  valueHint: "DIR",
  value: "directory",
  description: "Below which everything goes",
  details:
    "DIR/share/man, DIR/share/bash-completion/completions and so on. Default: the user's own directories below $XDG_DATA_HOME; /usr/local for root.",
} as const;

export const command = defineCommand({
  meta: {
    description: "Install manual, completions and systemd unit",
    details:
      "The pages of the manual, the completions of bash, zsh and fish, and a unit of systemd that starts containers at boot (which proa system enable switches on) are written into the directories where man, the shells and systemd look for a user's own. They are in the executable; nothing is fetched. Written again after an update of proa they are those of the new version. The paths of what was written are printed; proa system uninstall removes it again.",
    examples: [
      { command: "proa system install", does: "for oneself" },
      { command: "sudo proa system install --prefix /usr/local", does: "for everybody on this machine" },
    ],
    exitStatuses: [{ status: "1", meaning: "a file could not be written, or is somebody else's" }],
    seeAlso: ["proa-system-uninstall(1)", "proa-system-enable(1)", "proa-completion(1)"],
  },
  args: {
    prefix: prefixFlag,
    force: { type: "boolean", alias: "f", description: "Replace files that proa has not written" },
    quiet: { type: "boolean", alias: "q", description: "Print no paths" },
  },
  async run({ app: { context, io, env }, args }) {
    const { filesFor, lay, placesFor } = await import("./_installation");
    const places = placesFor(context, args.prefix);
    const written = lay(await filesFor(context, places), places, args.force);
    if (!args.quiet) io.stdout.write(written.map((path) => `${path}\n`).join(""));
    const { adviceFor } = await import("./_install-advice");
    for (const line of adviceFor(places, env)) io.stderr.write(`${line}\n`);
  },
});
