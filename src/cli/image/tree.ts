import { findImage, layerTree, namesOfTop } from "../../image";
import { imageSize } from "../output/size";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Show the layers of an image",
    details: "The lowest first, each with its size and the names of the images that end with it.",
    examples: [
      { command: "proa image tree app", does: "its layers" },
      { command: "proa image tree --whatrequires debian", does: "the images that build upon it" },
    ],
    seeAlso: ["proa-history(1)", "proa-images(1)"],
  },
  args: {
    whatrequires: { type: "boolean", description: "Show what builds upon the image in place of its layers" },
    image: { type: "positional", value: "image", description: "Name or id" },
  },
  run({ app, args }) {
    const image = findImage(app.context, args.image);
    const tree = layerTree(app.context, image);
    const head = [
      `Image ID: ${image.id.slice(7, 19)}`,
      `Tags:     [${tree.tags.join(" ")}]`,
      `Size:     ${imageSize(tree.sizeBytes)}`,
      tree.layers.length > 0 ? "Image Layers" : "No Image Layers",
    ];
    const lines = args.whatrequires
      ? tree.upon.map(({ id, tags }) => `ID: ${id.slice(7, 19)}${topOf(tags)}`)
      : tree.layers.map(
          ({ chainId, sizeBytes }) =>
            `ID: ${chainId.slice(7, 19)} Size: ${imageSize(sizeBytes).padStart(7)}${topOf(namesOfTop(app.context, chainId))}`,
        );
    const branches = lines.map((line, at) => `${at === lines.length - 1 ? "└──" : "├──"} ${line}`);
    app.io.stdout.write(`${[...head, ...branches].join("\n")}\n`);
  },
});

function topOf(tags: readonly string[]): string {
  return tags.length === 0 ? "" : ` Top Layer of: [${tags.join(" ")}]`;
}
