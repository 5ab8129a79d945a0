import { writeFileSync } from "node:fs";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";

function writeScript(path: string, script: string): void {
  try {
    writeFileSync(path, script);
  } catch (error) {
    throw new EngineError("io", "write completion", path, error);
  }
}

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
    file: {
      type: "string",
      alias: "f",
      valueHint: "FILE",
      value: "file",
      description: "Write it into a file in place of standard output",
    },
    "no-desc": {
      type: "boolean",
      hiddenNames: ["no-descriptions"],
      description: "Have the shell show names without what they are",
    },
    shell: {
      type: "positional",
      value: { oneOf: ["bash", "zsh", "fish"] },
      description: "bash, zsh or fish",
    },
  },
  async run({ app, args }) {
    const { completionScript } = await import("../completion-scripts");
    const script = completionScript(args.shell, args["no-desc"]);
    if (args.file === undefined) app.io.stdout.write(script);
    else writeScript(args.file, script);
  },
});
