/** The tags that a registry has of a repository. */
import { EngineError } from "../error";
import { formatReference, parseReference, repositoryOf } from "../oci";
import { pullSources, RegistryClient, type RegistryFlags } from "../registry";
import type { Context } from "../state";

export type RemoteTagsOptions = {
  userAgent: string;
  flags?: RegistryFlags;
  signal?: AbortSignal | undefined;
};

/**
 * Full names of everything that TEXT, a repository without a tag, has in its registry, in order.
 *
 * @throws EngineError `invalid` for a name with a tag or a digest, `not-found` where there is no tag
 */
export async function remoteTags(
  context: Context,
  text: string,
  { userAgent, flags = {}, signal }: RemoteTagsOptions,
): Promise<string[]> {
  const reference = parseReference(text);
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new EngineError("invalid", "pull image", text, "a tag cannot be used with --all-tags", {
      exitCode: 1,
    });
  }
  let failure: unknown;
  for (const { domain, path, options } of pullSources(reference, {
    env: context.env,
    userAgent,
    flags,
    signal,
  })) {
    try {
      const tags = await new RegistryClient(domain, options).fetchTags(path, signal);
      if (tags.length > 0) return tags.sort().map((tag) => formatReference({ ...reference, tag }));
      failure = "the repository has no tag";
    } catch (error) {
      signal?.throwIfAborted();
      failure = error;
    }
  }
  throw new EngineError("not-found", "pull image", repositoryOf(reference), failure, { exitCode: 1 });
}
