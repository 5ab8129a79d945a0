import { lostContainers, removeContainers } from "../../container";
import { EngineError, reasonOf } from "../../error";
import { checkImages, tidyStore } from "../../image";
import { version } from "../_version";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Check that the store holds what it should",
    details:
      "Every blob is read and its digest taken, and every unpacked layer is compared with what its blob unpacks to. With --repair damaged blobs are fetched again from where their image came from, damaged layers are unpacked again, and files that belong to nothing are removed. Each problem is a line on stdout.",
    exitStatuses: [
      { status: "0", meaning: "nothing is wrong, or all was repaired" },
      { status: "1", meaning: "something is wrong and was not repaired" },
    ],
    examples: [
      { command: "proa system check --quick", does: "whether everything is there, without reading it" },
      { command: "proa system check --repair", does: "read all, and put right what is wrong" },
    ],
    seeAlso: ["proa-system-df(1)", "proa-system-prune(1)"],
  },
  args: {
    repair: { type: "boolean", alias: "r", description: "Put right what is wrong" },
    force: {
      type: "boolean",
      alias: "f",
      description: "With --repair: remove containers whose files are gone",
    },
    quick: { type: "boolean", alias: "q", description: "Do not read blobs and layers" },
    max: {
      type: "string",
      alias: "m",
      valueHint: "DURATION",
      value: "none",
      default: "0",
      description: "Check nothing more after this time (30m, 24h); 0: no limit",
    },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const maxMs = durationMs(args.max);
    let found = 0;
    let left = 0;
    const tell = async (text: string, repair: () => Promise<string>): Promise<void> => {
      found++;
      let end = "";
      if (args.repair) {
        try {
          end = `: ${await repair()}`;
        } catch (error) {
          end = `: not repaired: ${reasonOf(error)}`;
          left++;
        }
      } else left++;
      io.stdout.write(`${text}${end}\n`);
    };
    const checked = await checkImages(
      context,
      {
        isQuick: args.quick,
        untilMs: maxMs > 0 ? context.now() + maxMs : undefined,
        refetch: { userAgent: `proa/${version}` },
      },
      ({ subject, why, images, repair }) => {
        const of = images.length > 0 ? ` (image ${images.join(", ")})` : "";
        return tell(`${subject} ${why}${of}`, repair);
      },
    );
    for (const row of await lostContainers(context)) {
      await tell(`container ${row.name}: its files are gone`, async () => {
        if (!args.force) throw new EngineError("in-use", "", "", "--force removes it", { exitCode: 1 });
        const failed = await removeContainers(context, [row], true);
        for (const error of failed.values()) throw error;
        return "removed";
      });
    }
    if (args.repair) await tidyStore(context);
    if (!checked.isComplete) context.warn(`not all was checked: the time of --max ${args.max} is over`);
    if (left > 0) {
      const hint = args.repair ? undefined : "repair what can be: proa system check --repair";
      const why = `${left} ${left === 1 ? "problem" : "problems"}`;
      throw new EngineError("invalid", "check store", "", why, { exitCode: 1, hint });
    }
    const sums = `${checked.images} images, ${checked.blobs} blobs, ${checked.layers} layers checked`;
    io.stderr.write(`${sums}: ${found === 0 ? "all is well" : `${found} repaired`}\n`);
  },
});

const UNITS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** A duration of Go's: `1h30m`, `45s`, `0`. */
function durationMs(text: string): number {
  if (text === "0") return 0;
  if (!/^(\d+(\.\d+)?(ms|s|m|h))+$/.test(text)) {
    throw new EngineError("usage", "max", text, "not a duration such as 30m, 24h or 1h30m");
  }
  let sum = 0;
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|s|m|h)/g))
    sum += Number(number) * (UNITS[unit ?? ""] ?? 0);
  return sum;
}
