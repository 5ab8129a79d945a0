import { familiarRepository } from "../oci";

/** A name from the tag table as people know it. Names there are whole and have been checked: of a hundred none is parsed again. */
export function familiarName(name: string): string {
  if (!name.startsWith("docker.io/")) return name; // another registry's, which nobody leaves out
  const last = name.lastIndexOf("/") + 1; // a port stands before it, a tag and a digest behind
  const suffix = /[:@].*/.exec(name.slice(last))?.[0] ?? "";
  return familiarRepository(name.slice(0, name.length - suffix.length)) + suffix;
}
