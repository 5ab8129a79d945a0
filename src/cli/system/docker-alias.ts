import { usageError } from "../args";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Print what makes a shell's docker mean proa",
    details:
      "Printed are an alias, and what lets the shell complete it, for the shell's start file or for eval. An alias is only seen by who types: scripts, make and programs that run docker need a file of that name in their PATH, which a link is.",
    examples: [
      { command: 'eval "$(proa system docker-alias bash)"', does: "for this bash; in ~/.bashrc for each" },
      { command: 'eval "$(proa system docker-alias zsh)"', does: "the same for zsh, in ~/.zshrc" },
      {
        command: "proa system docker-alias fish > ~/.config/fish/conf.d/docker.fish",
        does: "for every fish",
      },
      {
        command: 'ln -s "$(command -v proa)" ~/.local/bin/docker',
        does: "for scripts too, where ~/.local/bin is in the PATH",
      },
    ],
    seeAlso: ["proa-completion(1)"],
  },
  args: {
    shell: {
      type: "positional",
      required: false,
      value: { oneOf: ["bash", "zsh", "fish", "sh"] },
      description: "bash, zsh, fish or sh; that of $SHELL without one",
    },
  },
  async run({ app, args }) {
    const { dockerAlias, isShell } = await import("../docker-alias");
    const shell = args.shell ?? (app.env["SHELL"] ?? "").split("/").at(-1);
    if (!isShell(shell)) throw usageError("no SHELL given, and $SHELL is none of bash, zsh, fish, sh");
    app.io.stdout.write(dockerAlias(shell));
  },
});
