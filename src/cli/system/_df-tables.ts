/** The tables of `system df --verbose`, docker's. */
import type { ListedContainer } from "../../container";
import type { ImageUse } from "../../image";
import { psFields } from "../container/ps-fields";
import type { OutStream } from "../io";
import { type Field, formatRows } from "../output/format";
import { humanSize, imageSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";

export type DiskUse = {
  images: ImageUse[];
  containers: (ListedContainer & { size: { own: number; all: number } })[];
  volumes: {
    name: string;
    driver: string;
    links: number;
    sizeBytes: number;
    labels: string;
    mountpoint: string;
  }[];
};

type ImageLine = ImageUse & { repository: string; tag: string; digest: string };

const NONE = "<none>";
const short = (id: string): string => id.slice("sha256:".length).slice(0, 12);

const imageFields = (nowMs: number): Record<string, Field<ImageLine>> => ({
  Repository: { header: "REPOSITORY", value: ({ repository }) => repository },
  Tag: { header: "TAG", value: ({ tag }) => tag },
  ID: { header: "IMAGE ID", value: ({ image }) => short(image.id) },
  CreatedSince: {
    header: "CREATED",
    value: ({ image }) => (image.createdMs === 0 ? "N/A" : timeAgo(image.createdMs, nowMs)),
  },
  CreatedAt: {
    header: "CREATED AT",
    value: ({ image }) => (image.createdMs === 0 ? "N/A" : localTime(image.createdMs)),
  },
  Size: { header: "SIZE", value: ({ allBytes }) => imageSize(allBytes) },
  VirtualSize: { header: "SIZE", value: ({ allBytes }) => imageSize(allBytes) },
  SharedSize: { header: "SHARED SIZE", value: ({ sharedBytes }) => humanSize(sharedBytes) },
  UniqueSize: { header: "UNIQUE SIZE", value: ({ uniqueBytes }) => humanSize(uniqueBytes) },
  Containers: { header: "CONTAINERS", value: ({ image }) => String(image.containers) },
  Digest: { header: "DIGEST", value: ({ digest }) => digest },
});
const imageColumns = "Repository Tag ID CreatedSince Size SharedSize UniqueSize Containers".split(" ");

const volumeFields: Record<string, Field<DiskUse["volumes"][number]>> = {
  Name: { header: "VOLUME NAME", value: ({ name }) => name },
  Links: { header: "LINKS", value: ({ links }) => String(links) },
  Size: { header: "SIZE", value: ({ sizeBytes }) => humanSize(sizeBytes) },
  Driver: { header: "DRIVER", value: ({ driver }) => driver },
  Labels: { header: "LABELS", value: ({ labels }) => labels },
  Mountpoint: { header: "MOUNTPOINT", value: ({ mountpoint }) => mountpoint },
  Scope: { header: "SCOPE", value: () => "local" },
};

function containerFields(nowMs: number): Record<string, Field<DiskUse["containers"][number]>> {
  return {
    ...psFields(nowMs),
    Size: { header: "SIZE", value: ({ size }) => imageSize(size.own) }, // without the image: that has been counted
  };
}
const containerColumns = "ID Image Command LocalVolumes Size RunningFor Status Names".split(" ");

/** The last two columns of a container stand under CREATED and STATUS, as in `ps`. */
export async function verboseTables(use: DiskUse, nowMs: number, on: OutStream): Promise<string> {
  const images = await formatRows(use.images.flatMap(linesOf), {
    fields: imageFields(nowMs),
    columns: imageColumns,
    quietField: "ID",
    on,
  });
  const containers = await formatRows(use.containers, {
    fields: containerFields(nowMs),
    columns: containerColumns,
    quietField: "ID",
    on,
  });
  const volumes = await formatRows(use.volumes, {
    fields: volumeFields,
    columns: ["Name", "Links", "Size"],
    quietField: "Name",
    on,
  });
  const buildCache = "CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED\n";
  const width = on.columns;
  return [
    `Images space usage:\n\n${images}`,
    `Containers space usage:\n\n${containers}`,
    `Local Volumes space usage:\n\n${volumes}`,
    `Build cache usage: 0B\n\n${width === undefined ? buildCache : (await import("../output/narrow")).cutLines(buildCache, width)}`,
  ].join("\n");
}

/** What a template of `--verbose` sees: the fields of the tables' rows, in lists. */
export function verboseDocument(use: DiskUse, nowMs: number): Record<string, unknown> {
  const rowsOf = <T>(rows: readonly T[], fields: Record<string, Field<T>>) =>
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(fields)
          .filter(([name, { isExtra }]) => isExtra !== true && name !== "Label")
          .map(([name, { value }]) => [name, value(row, { noTrunc: false })])
          .sort(([a], [b]) => (String(a) < String(b) ? -1 : 1)),
      ),
    );
  return {
    BuildCache: [],
    Containers: rowsOf(use.containers, containerFields(nowMs)),
    Images: rowsOf(use.images.flatMap(linesOf), imageFields(nowMs)),
    Volumes: rowsOf(use.volumes, volumeFields),
  };
}

/** A line a tag, and one for an image without. */
function linesOf(use: ImageUse): ImageLine[] {
  const digests = use.image.repositoryDigests.map((name) => {
    const [repository = NONE, digest = NONE] = name.split("@");
    return { repository, digest };
  });
  const named = use.image.tags.map((name) => {
    const cut = name.lastIndexOf(":"); // a port stands before a slash, and every name here has its tag
    const repository = name.slice(0, cut);
    const digest = digests.find((each) => each.repository === repository)?.digest ?? NONE;
    return { ...use, repository, tag: name.slice(cut + 1), digest };
  });
  if (named.length > 0) return named;
  const [first] = digests;
  return [{ ...use, repository: first?.repository ?? NONE, tag: NONE, digest: first?.digest ?? NONE }];
}
