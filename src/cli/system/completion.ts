import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Print the completion script of a shell",
    details:
      "The script asks proa for what may follow, so that it knows the names of containers and images, and need not be made anew for a new version.",
    examples: [
      { command: "source <(proa completion bash)", does: "completion in this bash" },
      {
        command: "proa completion fish > ~/.config/fish/completions/proa.fish",
        does: "completion in every fish",
      },
    ],
  },
  args: {
    shell: {
      type: "positional",
      value: { oneOf: ["bash", "zsh", "fish"] },
      description: "bash, zsh or fish",
    },
  },
  async run({ app, args }) {
    const { completionScript } = await import("../completion-scripts");
    app.io.stdout.write(completionScript(args.shell));
  },
});
