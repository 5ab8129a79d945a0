/** Lines of `images`: an image has one a name; and what formats know of a line. */
import type { ImageSummary, NamedImage } from "../../image";
import type { Field } from "../output/format";
import { imageSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";

export type Line = ImageSummary & { repository: string; tag: string; digest: string };

export const NONE = "<none>";

/** What the usual table shows of a line. */
export type Brief = Pick<Line, "id" | "repository" | "tag" | "createdMs" | "sizeBytes">;

/** Lines of the usual table, made of what was read for it alone. */
export function briefLines(images: NamedImage[]): Brief[] {
  for (const image of images) {
    if (image.repository === "") image.repository = NONE;
    if (image.tag === "") image.tag = NONE;
  }
  return images;
}

export type More = {
  nowMs: number;
  /** Every name that an image has had, the newest first. */
  history: (id: string) => string[];
};

const extra = (value: (line: Line) => unknown): Field<Line> => ({ header: "", value, isExtra: true });

export const briefFields = (nowMs: number) =>
  ({
    Repository: { header: "REPOSITORY", value: ({ repository }) => repository },
    Tag: { header: "TAG", value: ({ tag }) => tag },
    ID: {
      header: "IMAGE ID",
      isWhole: true,
      value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice(7, 19)), // behind "sha256:"
    },
    CreatedSince: {
      header: "CREATED",
      value: ({ createdMs }) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs)),
    },
    Size: { header: "SIZE", value: ({ sizeBytes }) => imageSize(sizeBytes) },
  }) satisfies Record<string, Field<Brief>>;

export const fieldsOf = ({ nowMs, history }: More): Record<string, Field<Line>> => {
  const { Repository, Tag, ID, CreatedSince, Size } = briefFields(nowMs);
  return {
    Repository,
    Tag,
    Digest: { header: "DIGEST", value: ({ digest }) => digest },
    ID,
    CreatedSince,
    CreatedAt: {
      header: "CREATED AT",
      value: ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs)),
    },
    Size,
    // docker's list knows none of the next two either
    SharedSize: { header: "SHARED SIZE", value: () => "N/A" },
    UniqueSize: { header: "UNIQUE SIZE", value: () => "N/A" },
    VirtualSize: { header: "SIZE", value: ({ sizeBytes }) => imageSize(sizeBytes) },
    Containers: { header: "CONTAINERS", value: ({ containers }) => String(containers) },
    Platform: { header: "PLATFORM", value: ({ platform }) => platform },
    // podman's names
    Id: extra(({ id }) => id.slice("sha256:".length)),
    Created: {
      header: "CREATED",
      value: ({ createdMs }) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs)),
      isExtra: true,
    },
    CreatedTime: extra(({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs))),
    Dangling: extra(({ tags }) => tags.length === 0),
    Names: extra(({ tags }) => tags),
    RepoTags: extra(({ tags }) => tags),
    RepoDigests: extra(({ repositoryDigests }) => repositoryDigests),
    Labels: extra(({ labels }) => labels),
    ReadOnly: extra(() => false),
    Arch: extra(({ platform }) => platform.split("/")[1] ?? ""),
    Os: extra(({ platform }) => platform.split("/")[0] ?? ""),
    History: { header: "HISTORY", value: ({ id }) => history(id).join(", "), isExtra: true },
  };
};

/** A line a tag, and one for each repository that it was pulled from by digest alone; an image without a name has a line of its own. */
export function linesOf(image: ImageSummary): Line[] {
  const { tags, repositoryDigests } = image;
  const lines: Line[] = [];
  const repositories: string[] = [];
  for (const name of tags) {
    const cut = name.lastIndexOf(":"); // a port stands before a slash, and every name here has its tag
    const repository = name.slice(0, cut);
    const known = repositoryDigests.find((each) => each.startsWith(`${repository}@`));
    const digest = known === undefined ? NONE : known.slice(repository.length + 1);
    repositories.push(repository);
    lines.push({ ...image, repository, tag: name.slice(cut + 1), digest });
  }
  for (const name of repositoryDigests) {
    const [repository = NONE, digest = NONE] = name.split("@");
    if (!repositories.includes(repository)) lines.push({ ...image, repository, tag: NONE, digest });
  }
  if (lines.length === 0) lines.push({ ...image, repository: NONE, tag: NONE, digest: NONE });
  return lines;
}

const sorters: Record<string, (a: Brief, b: Brief) => number> = {
  created: (a, b) => b.createdMs - a.createdMs,
  id: (a, b) => order(a.id, b.id),
  repository: (a, b) => order(a.repository, b.repository) || order(a.tag, b.tag),
  size: (a, b) => a.sizeBytes - b.sizeBytes,
  tag: (a, b) => order(a.tag, b.tag),
};

export const sortKeys = ["created", "id", "repository", "size", "tag"] as const;

export function sorted<L extends Brief>(lines: L[], key: (typeof sortKeys)[number]): L[] {
  return lines.toSorted(sorters[key]);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
