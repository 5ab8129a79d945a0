/** What `images --filter` knows. */
import { EngineError } from "../../error";
import { type ImageSummary, isBelowAnother } from "../../image";
import type { Context } from "../../state";
import { timeOf } from "../_moment";
import { hasLabel, isTrue } from "../output/filter";
import type { Brief, Line } from "./_ls-lines";

export const FILTERS = [
  "after",
  "before",
  "containers",
  "dangling",
  "digest",
  "id",
  "intermediate",
  "label",
  "label!",
  "readonly",
  "reference",
  "since",
  "until",
];

export function testsFor(
  context: Context,
  line: Line,
  images: readonly ImageSummary[],
): Record<string, (value: string) => boolean> {
  const createdOf = (name: string): number => {
    const found = images.find(
      ({ id, tags }) => tags.includes(name) || tags.includes(`${name}:latest`) || isIdOf(id, name),
    );
    if (found) return found.createdMs;
    throw new EngineError("not-found", "filter: No such image", name, "image not known", { exitCode: 1 });
  };
  const isAfter = (value: string): boolean => line.createdMs > createdOf(value);
  return {
    before: (value) => line.createdMs < createdOf(value),
    since: isAfter,
    after: isAfter, // podman's older word
    until: (value) => line.createdMs < timeOf("filter until", value, context.now()),
    dangling: (value) => (line.tags.length === 0) === isTrue("dangling", value),
    label: (value) => hasLabel(line.labels, value),
    "label!": (value) => !hasLabel(line.labels, value),
    reference: (value) => matchesName(line, value),
    id: (value) => line.id.slice("sha256:".length).startsWith(value.replace(/^sha256:/, "")),
    digest: (value) => line.digest.startsWith(value) || line.digest.slice(7).startsWith(value),
    containers: (value) => hasContainers(line, value),
    intermediate: (value) =>
      (line.tags.length === 0 && isBelowAnother(context, line.id)) === isTrue("intermediate", value),
    readonly: (value) => !isTrue("readonly", value), // no image here is of a store that only root may write
  };
}

/** podman's third word asks for containers of other programs in the same store, of which there are none. */
function hasContainers(line: Line, value: string): boolean {
  if (value === "external") return false;
  return line.containers > 0 === isTrue("containers", value);
}

let last: { pattern: string; glob: Bun.Glob } | undefined; // a list asks for the same again and again

/** A name, a name with its tag, or a pattern in which * does not match a slash; docker.io and library may be written out. */
export function matchesName(
  { repository, tag }: Pick<Brief, "repository" | "tag">,
  pattern: string,
): boolean {
  if (last?.pattern !== pattern) last = { pattern, glob: new Bun.Glob(pattern) };
  const { glob } = last;
  const matches = (name: string): boolean =>
    name === pattern || `${name}:${tag}` === pattern || glob.match(name) || glob.match(`${name}:${tag}`);
  return matches(repository) || matches(fullName(repository));
}

function fullName(repository: string): string {
  const first = repository.slice(0, repository.indexOf("/") + 1);
  if (first === "") return `docker.io/library/${repository}`;
  return /[.:]|^localhost\/$/.test(first) ? repository : `docker.io/${repository}`;
}

function isIdOf(id: string, text: string): boolean {
  return (
    /^(sha256:)?[0-9a-f]{6,}$/.test(text) &&
    id.slice("sha256:".length).startsWith(text.replace("sha256:", ""))
  );
}
