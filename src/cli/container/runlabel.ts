import { EngineError } from "../../error";
import { registryArgs, registryFlagsFrom } from "../image/registry-options";
import { defineCommand } from "../tree";

/** Programs that a label may name: all mean this one. */
const OWN_NAMES = new Set(["podman", "docker", "proa", "/proc/self/exe"]);

export const command = defineCommand({
  meta: {
    description: "Run the command that a label of an image holds",
    details:
      "A command of docker or podman is one of proa. IMAGE and NAME in it stand for the image, and for the name of --name, else of the image, and $VARIABLE for one of the environment.",
    usage: "[OPTIONS] LABEL IMAGE [ARG...]",
    examples: [{ command: "proa container runlabel --display install tool", does: "show it only" }],
    seeAlso: ["proa-run(1)"],
  },
  interspersed: false,
  args: {
    display: { type: "boolean", description: "Show the command in place of running it" },
    name: {
      type: "string",
      alias: "n",
      valueHint: "NAME",
      value: "none",
      description: "What NAME stands for",
    },
    quiet: { type: "boolean", alias: "q", description: "Do not show the progress of a pull" },
    ...registryArgs,
    replace: { type: "boolean", description: "Remove the container that has the name" },
    label: { type: "positional", value: "none", description: "Name of the label" },
    image: { type: "positional", value: "image", description: "Image" },
    arguments: {
      type: "positional",
      required: false,
      rest: true,
      valueHint: "ARG",
      value: "none",
      description: "Added to it",
    },
  },
  async run({ app, args, given }): Promise<number> {
    const { obtainImage } = await import("../image/obtain");
    const registry = registryFlagsFrom(args, given);
    const options = { pull: "missing", platform: undefined, quiet: args.quiet, registry } as const;
    const image = await obtainImage(app, args.image, options);
    const text = image.config.Labels?.[args.label];
    if (text === undefined) {
      throw new EngineError("not-found", "run label", args.image, `the image has no label ${args.label}`);
    }
    const short = args.image.replace(/^.*\//, "").replace(/[:@].*$/, "");
    const name = args.name ?? short;
    const values: Record<string, string> = { IMAGE: args.image, NAME: name };
    const words = [...splitWords(text), ...args.arguments].map((word) =>
      word
        .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, bare?: string) => {
          const key = braced ?? bare ?? "";
          return values[key] ?? app.env[key] ?? "";
        })
        .replace(/^(IMAGE|NAME)$/, (key) => values[key] ?? key),
    );
    const [program = "", ...rest] = words;
    if (!OWN_NAMES.has(program.replace(/^\/usr\/bin\//, ""))) {
      const why = `its command is none of proa, docker or podman: ${text}`;
      throw new EngineError("unsupported", "run label", args.image, why);
    }
    if (args.display) {
      app.io.stdout.write(`command: proa ${rest.join(" ")}\n`);
      return 0;
    }
    if (args.replace) await (await import("./_replace")).removeNamesake(app, name);
    const child = Bun.spawn([process.execPath, ...rest], { stdio: ["inherit", "inherit", "inherit"] });
    process.on("SIGINT", () => {}).on("SIGTERM", () => child.kill("SIGTERM"));
    return child.exited;
  },
});

/** As a shell parts them, with quotes and backslashes, and nothing else of a shell. */
function splitWords(text: string): string[] {
  const words: string[] = [];
  for (const [word] of text.matchAll(/(?:[^\s"'\\]+|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/gs)) {
    words.push(
      word.replace(
        /\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/gs,
        (_, escaped?: string, double?: string, single?: string) =>
          escaped ?? double?.replace(/\\(["\\$`])/g, "$1") ?? single ?? "",
      ),
    );
  }
  return words;
}
