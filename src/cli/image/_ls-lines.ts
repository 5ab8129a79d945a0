/** Lines of `images`: an image has one a name; and what formats know of a line. */
import type { ImageSummary } from "../../image";
import type { Field } from "../output/format";
import { imageSize } from "../output/size";
import { localTime, timeAgo } from "../output/time";

export type Line = ImageSummary & { repository: string; tag: string; digest: string };

export const NONE = "<none>";

export type More = {
  nowMs: number;
  /** Every name that an image has had, the newest first. */
  history: (id: string) => string[];
};

const extra = (value: (line: Line) => unknown): Field<Line> => ({ header: "", value, isExtra: true });

export const fieldsOf = ({ nowMs, history }: More): Record<string, Field<Line>> => ({
  Repository: { header: "REPOSITORY", value: ({ repository }) => repository },
  Tag: { header: "TAG", value: ({ tag }) => tag },
  Digest: { header: "DIGEST", value: ({ digest }) => digest },
  ID: {
    header: "IMAGE ID",
    isWhole: true,
    value: ({ id }, { noTrunc }) => (noTrunc ? id : id.slice("sha256:".length).slice(0, 12)),
  },
  CreatedSince: {
    header: "CREATED",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : timeAgo(createdMs, nowMs)),
  },
  CreatedAt: {
    header: "CREATED AT",
    value: ({ createdMs }) => (createdMs === 0 ? "N/A" : localTime(createdMs)),
  },
  Size: { header: "SIZE", value: ({ sizeBytes }) => imageSize(sizeBytes) },
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
});

/** A line a tag, and one for each repository that it was pulled from by digest alone; an image without a name has a line of its own. */
export function linesOf(image: ImageSummary): Line[] {
  const digests = image.repositoryDigests.map((name) => {
    const [repository = NONE, digest = NONE] = name.split("@");
    return { repository, digest };
  });
  const tags = image.tags.map((name) => {
    const cut = name.lastIndexOf(":"); // a port stands before a slash, and every name here has its tag
    return { repository: name.slice(0, cut), tag: name.slice(cut + 1) };
  });
  const named = tags.map((tag) => ({
    ...tag,
    digest: digests.find(({ repository }) => repository === tag.repository)?.digest ?? NONE,
  }));
  const bare = digests
    .filter(({ repository }) => !tags.some((tag) => tag.repository === repository))
    .map((each) => ({ ...each, tag: NONE }));
  const names = [...named, ...bare];
  return (names.length > 0 ? names : [{ repository: NONE, tag: NONE, digest: NONE }]).map((name) => ({
    ...image,
    ...name,
  }));
}

const sorters: Record<string, (a: Line, b: Line) => number> = {
  created: (a, b) => b.createdMs - a.createdMs,
  id: (a, b) => order(a.id, b.id),
  repository: (a, b) => order(a.repository, b.repository) || order(a.tag, b.tag),
  size: (a, b) => a.sizeBytes - b.sizeBytes,
  tag: (a, b) => order(a.tag, b.tag),
};

export const sortKeys = ["created", "id", "repository", "size", "tag"] as const;

export function sorted(lines: Line[], key: (typeof sortKeys)[number]): Line[] {
  return lines.toSorted(sorters[key]);
}

function order(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
