/** Looking for images in registries. */
import { EngineError } from "../error";
import { formatReference, hasDomain, parseReference, repositoryOf } from "../oci";
import {
  entryFor,
  pullSources,
  RegistryClient,
  type RegistryFlags,
  readRegistriesConf,
  registryOptions,
  type SearchHit,
  searchRegistry,
} from "../registry";
import type { Context } from "../state";

export type SearchOptions = {
  limit: number;
  flags: RegistryFlags;
  userAgent: string;
  signal?: AbortSignal | undefined;
};

/** `name`: as it can be pulled. `index`: the registry. */
export type Hit = SearchHit & { index: string };

const defaultIndex = "docker.io";

/**
 * What registries have for TERM: the one that it begins with (`HOST/TERM`), else those that registries.conf names to be searched, else Docker Hub. One that fails is no
 * failure as long as another answers.
 */
export async function searchImages(context: Context, term: string, options: SearchOptions): Promise<Hit[]> {
  const conf = readRegistriesConf(context.env);
  const slash = term.indexOf("/");
  const isOfOne = hasDomain(term);
  const registries = isOfOne ? [term.slice(0, slash)] : (conf.search ?? [defaultIndex]);
  const words = isOfOne ? term.slice(slash + 1) : term;
  const hits: Hit[] = [];
  const failures: unknown[] = [];
  for (const index of registries.length > 0 ? registries : [defaultIndex]) {
    try {
      const entry = entryFor(conf, `${index}/${words}`);
      if (entry?.isBlocked)
        throw new EngineError("unauthorized", "search", index, "registries.conf has it blocked", {
          exitCode: 1,
        });
      const { flags, userAgent, signal } = options;
      const asking = { env: context.env, flags, userAgent, signal };
      const found = await searchRegistry(
        index,
        words,
        options.limit,
        registryOptions(index, entry?.isInsecure ?? false, asking),
      );
      hits.push(...found.map((hit) => ({ ...hit, index, name: pullable(index, hit.name) })));
    } catch (error) {
      options.signal?.throwIfAborted();
      failures.push(error);
    }
  }
  if (hits.length === 0 && failures.length > 0) throw failures[0];
  return hits;
}

function pullable(index: string, name: string): string {
  return index === defaultIndex || name.startsWith(`${index}/`) ? name : `${index}/${name}`;
}

/** The tags of a repository in its registry, in order: the repository's full name, and at most LIMIT of them. */
export async function tagsInRegistry(
  context: Context,
  text: string,
  { limit, flags, userAgent, signal }: SearchOptions,
): Promise<{ name: string; tags: string[] }> {
  const reference = parseReference(text.replace(/^docker:\/\//, ""));
  if (reference.tag !== undefined || reference.digest !== undefined) {
    throw new EngineError("invalid", "search", formatReference(reference), "write it without a tag", {
      exitCode: 1,
    });
  }
  const sources = pullSources(reference, { env: context.env, flags, userAgent, signal });
  const own = sources.find(({ isMirror }) => !isMirror);
  if (own === undefined) throw new EngineError("registry", "search", text, "nobody to ask", { exitCode: 1 });
  const tags = await new RegistryClient(own.domain, own.options).fetchTags(own.path, signal);
  return { name: repositoryOf(reference), tags: tags.sort().slice(0, limit) };
}
