import { findImage, tagImage } from "../../image";
import { formatReference, parseReference, withDefaultTag } from "../../oci";
import { usageError } from "../args";
import type { Io } from "../io";
import { defineCommand } from "../tree";
import { anyEngineAt, check, exchange, proaAt, started } from "./_exchange";

export const command = defineCommand({
  meta: {
    description: "Copy an image to another host, or from one, over ssh",
    details: `HOST:: is another host with proa, as ssh knows it, [USER@]HOST[:PORT]::. What has no HOST:: is here. Behind the destination's HOST:: a name can stand that the
image gets there, too. Layers that the other host has are not sent. Where it has an older proa, or podman or docker instead, the whole image is.`,
    usage: "[OPTIONS] [HOST::]IMAGE [[HOST::][NAME]]",
    examples: [
      { command: "proa image scp app:1 me@server::", does: "from here to there" },
      { command: "proa image scp server:2222::app:1", does: "from there to here" },
      {
        command: "proa image scp one::app:1 two::app:copy",
        does: "from one host to another, with a further name",
      },
    ],
    exitStatuses: [{ status: "125", meaning: "ssh, or proa on the other host, failed." }],
    seeAlso: ["proa-save(1)", "proa-load(1)"],
  },
  args: {
    quiet: { type: "boolean", alias: "q", description: "Print nothing but errors" },
    source: {
      type: "positional",
      valueHint: "[HOST::]IMAGE",
      value: "image-at-host",
      description: "What to copy",
    },
    target: {
      type: "positional",
      required: false,
      valueHint: "[HOST::][NAME]",
      value: "image-at-host",
      description: "Where to; here where it is left out",
    },
  },
  async run({ app, args }) {
    const { context, io } = app;
    const source = placeOf(args.source);
    const target = placeOf(args.target ?? "");
    if (source.name === "") throw usageError(`${JSON.stringify(args.source)} names no image`);
    if (source.host === undefined && target.host === undefined)
      throw usageError("one of the two has to be on another host", "write HOST:: in front of it");
    // here an id may be short or long; there the name is a word of a shell's command line
    const image = source.host === undefined ? findImage(context, source.name).name : undefined;
    const asked = source.host === undefined ? source.name : safeName(source.name);
    const more = target.name === "" ? undefined : safeName(target.name);
    const quiet = args.quiet ? ["-q"] : [];
    const naming = more === undefined ? [] : ["--name", more];
    const text = await exchange(
      io,
      await proaAt(app, source.host, ["__send", "--", asked]),
      await proaAt(app, target.host, ["__receive", ...quiet, ...naming]),
    );
    if (text !== null) {
      if (!args.quiet) io.stdout.write(text);
      return 0;
    }
    const save = await anyEngineAt(app, source.host, ["save", asked]);
    const loaded = await pipe(io, save, await anyEngineAt(app, target.host, ["load", ...quiet]), args.quiet);
    if (more !== undefined) {
      const copied = idOrName(image ?? asked, loaded);
      if (target.host === undefined) await tagImage(context, copied, more);
      else await run(io, await anyEngineAt(app, target.host, ["tag", safeName(copied), more]));
    }
    return 0;
  },
});

type Place = { host: string | undefined; name: string };

function placeOf(text: string): Place {
  const cut = text.indexOf("::");
  if (cut < 0) return { host: undefined, name: text };
  const host = text.slice(0, cut);
  // ssh must not read it as an option, nor a shell as a command
  if (!/^[\w.][\w.@-]*(:\d{1,5})?$/.test(host))
    throw usageError(`${JSON.stringify(host)} is no host for ssh`);
  return { host, name: text.slice(cut + 2) };
}

/** A name or an id: nothing in it means anything to a shell. */
function safeName(text: string): string {
  if (/^(sha256:)?[0-9a-f]{6,64}$/.test(text)) return text;
  return formatReference(withDefaultTag(parseReference(text)));
}

/** What the other side calls the image: `Loaded image: NAME`, or `Loaded image ID: sha256:…`. */
function idOrName(asked: string, loaded: string): string {
  return /^Loaded image(?: ID)?: (\S+)/m.exec(loaded)?.[1] ?? asked;
}

/** The first one's output into the second; returns what that prints. */
async function pipe(io: Io, from: string[], to: string[], quiet: boolean): Promise<string> {
  const reader = started(from, "ignore", "inherit");
  const writer = started(to, reader.stdout, "inherit");
  const [text, read, written] = await Promise.all([
    new Response(writer.stdout).text(),
    reader.exited,
    writer.exited,
  ]);
  check(from, read);
  check(to, written);
  if (!quiet) io.stdout.write(text);
  return text;
}

async function run(io: Io, words: string[]): Promise<void> {
  const child = started(words, "ignore", "inherit");
  io.stdout.write(await new Response(child.stdout).text());
  check(words, await child.exited);
}
