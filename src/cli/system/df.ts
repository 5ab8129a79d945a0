import { containerSize, listContainers } from "../../container";
import { EngineError } from "../../error";
import { imagesUse } from "../../image";
import { allVolumes, type Context, volumeUseCounts } from "../../state";
import { mountpointOf, volumeSize } from "../../volume";
import type { App } from "../app";
import { type Field, formatDocuments, formatRows } from "../output/format";
import { humanSize } from "../output/size";
import { defineCommand } from "../tree";
import { type DiskUse, verboseDocument, verboseTables } from "./_df-tables";

/** A line of the list. Bytes. */
type Line = {
  type: string;
  total: number;
  active: number;
  sizeBytes: number;
  reclaimableBytes: number;
  /** The share of what can be freed stands behind it. */
  hasShare: boolean;
};

const fields: Record<string, Field<Line>> = {
  Type: { header: "TYPE", value: ({ type }) => type },
  TotalCount: { header: "TOTAL", value: ({ total }) => String(total) },
  Active: { header: "ACTIVE", value: ({ active }) => String(active) },
  Size: { header: "SIZE", value: ({ sizeBytes }) => humanSize(sizeBytes) },
  Reclaimable: { header: "RECLAIMABLE", value: reclaimable },
  // podman's
  Total: { header: "TOTAL", isExtra: true, value: ({ total }) => total },
  RawSize: { header: "RAW SIZE", isExtra: true, value: ({ sizeBytes }) => sizeBytes },
  RawReclaimable: {
    header: "RAW RECLAIMABLE",
    isExtra: true,
    value: ({ reclaimableBytes }) => reclaimableBytes,
  },
};

function reclaimable({ sizeBytes, reclaimableBytes, hasShare }: Line): string {
  const size = humanSize(reclaimableBytes);
  return hasShare && sizeBytes > 0 ? `${size} (${Math.trunc((reclaimableBytes * 100) / sizeBytes)}%)` : size;
}

export const command = defineCommand({
  meta: {
    description: "Show what takes how much of the disk",
    details:
      "Images count with their unpacked layers and their stored blobs, each once however many images have it. Containers count what they have written themselves, volumes all their files. RECLAIMABLE is what `proa system prune --all --volumes` could free; ACTIVE is what is in use: images with containers, containers that run, volumes that a container mounts.",
    examples: [
      { command: "proa system df", does: "a line for images, containers, volumes and the build cache" },
      { command: "proa system df -v", does: "each of them, and what images share" },
      { command: "proa system df --format json", does: "an object a line" },
    ],
    seeAlso: ["proa-system-prune(1)", "proa-system-check(1)"],
  },
  args: {
    verbose: { type: "boolean", alias: "v", description: "Each image, container and volume" },
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: "row-format",
      description: "json, table, or a Go template",
    },
  },
  fields: () => Object.keys(fields),
  async run({ app, args }) {
    const format = args.format?.trim() ?? "";
    const nowMs = app.context.now();
    if (args.verbose && format.startsWith("table ")) {
      throw new EngineError("usage", "format", format, "--verbose prints several tables, not one");
    }
    const { lines, use } = await measure(app);
    if (!args.verbose) {
      const columns = ["Type", "TotalCount", "Active", "Size", "Reclaimable"];
      app.io.stdout.write(
        await formatRows(lines, { fields, columns, quietField: "Type", format, on: app.io.stdout }),
      );
    } else if (format === "" || format === "table") {
      app.io.stdout.write(await verboseTables(use, nowMs, app.io.stdout));
    } else {
      const template = format === "json" ? "{{json .}}" : format;
      app.io.stdout.write(await formatDocuments([verboseDocument(use, nowMs)], template, 1));
    }
  },
});

async function measure({ context }: App): Promise<{ lines: Line[]; use: DiskUse }> {
  const rows = await listContainers(context, true);
  const containers = await inParallel(rows, async (row) =>
    Object.assign(row, { size: await containerSize(context, row) }),
  );
  const images = imagesUse(context);
  const volumes = await measureVolumes(context);
  const sum = (sizes: number[]): number => sizes.reduce((all, size) => all + size, 0);
  const idle = containers.filter(({ status }) => status !== "running");
  return {
    lines: [
      {
        type: "Images",
        total: images.images.length,
        active: images.images.filter(({ image }) => image.containers > 0).length,
        sizeBytes: images.totalBytes,
        reclaimableBytes: images.reclaimableBytes,
        hasShare: true,
      },
      {
        type: "Containers",
        total: containers.length,
        active: containers.length - idle.length,
        sizeBytes: sum(containers.map(({ size }) => size.own)),
        reclaimableBytes: sum(idle.map(({ size }) => size.own)),
        hasShare: true,
      },
      {
        type: "Local Volumes",
        total: volumes.length,
        active: volumes.filter(({ links }) => links > 0).length,
        sizeBytes: sum(volumes.map(({ sizeBytes }) => sizeBytes)),
        reclaimableBytes: sum(volumes.filter(({ links }) => links === 0).map(({ sizeBytes }) => sizeBytes)),
        hasShare: true,
      },
      { type: "Build Cache", total: 0, active: 0, sizeBytes: 0, reclaimableBytes: 0, hasShare: false },
    ],
    use: { images: images.images, containers, volumes },
  };
}

async function measureVolumes(context: Context): Promise<DiskUse["volumes"]> {
  const links = volumeUseCounts(context.db());
  return inParallel(allVolumes(context.db()), async ({ name, driver, labels }) => ({
    name,
    driver,
    labels: Object.entries(labels)
      .map((pair) => pair.join("="))
      .join(","),
    mountpoint: mountpointOf(context, name),
    links: links.get(name) ?? 0,
    sizeBytes: await volumeSize(context, name),
  }));
}

const AT_ONCE = 4; // each is a process that walks a tree

async function inParallel<T, R>(all: readonly T[], work: (each: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  for (let at = 0; at < all.length; at += AT_ONCE) {
    results.push(...(await Promise.all(all.slice(at, at + AT_ONCE).map(work))));
  }
  return results;
}
