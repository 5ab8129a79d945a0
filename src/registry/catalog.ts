import { EngineError } from "../error";
import { Access, type RegistryOptions } from "./_access";
import { discardBody } from "./_http";
import { errorOfResponse, RegistryError, readBounded } from "./error";

/**
 * What a registry has: its search (version 1 of the protocol, which Docker Hub and some others still answer), else its list of repositories (`/v2/_catalog`), in which
 * the term is looked for here.
 */

export type SearchHit = {
  name: string;
  description: string;
  stars: number;
  isOfficial: boolean;
  isAutomated: boolean;
};

const answerLimitBytes = 8 << 20;
const patienceMs = 120_000; // for one page
const pagesLimit = 100;
const pageSize = 1000;
const hubIndex = "index.docker.io"; // Docker Hub searches under another name than it serves images

/**
 * Repositories whose name or description has TERM, at most LIMIT of them.
 *
 * @throws RegistryError, EngineError `unsupported` where the registry has neither way
 */
export async function searchRegistry(
  domain: string,
  term: string,
  limit: number,
  options: RegistryOptions,
): Promise<SearchHit[]> {
  const access = new Access(domain === "docker.io" ? hubIndex : domain, options);
  const root = (await access.root(options.signal)).replace(/\/v2$/, "");
  const found = await searchV1(access, root, term, limit);
  if (found !== null) return found.slice(0, limit);
  return searchCatalog(access, root, term, limit);
}

/** Null where the registry does not know this search. */
async function searchV1(
  access: Access,
  root: string,
  term: string,
  limit: number,
): Promise<SearchHit[] | null> {
  const purpose = { what: "search", on: access.domain };
  const at = new URL(`${root}/v1/search`);
  at.searchParams.set("q", term);
  at.searchParams.set("n", String(limit));
  const headers = { accept: "application/json" };
  const { signal } = access.options;
  const answer = await access.request({ purpose, repository: "", at, headers, scopes: [], signal });
  const { status } = answer.response;
  if ([400, 404, 405, 501].includes(status)) {
    await discardBody(answer.response);
    return null;
  }
  if (status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
  const document = await jsonOf(answer.response);
  const results = (document as { results?: unknown } | undefined)?.results;
  if (!Array.isArray(results)) {
    if (document === undefined) return null; // a web page: no search
    const why = "its answer holds no results";
    throw new RegistryError("registry", purpose.what, purpose.on, why, answer.request, status);
  }
  return results.flatMap(hitOf);
}

async function searchCatalog(
  access: Access,
  root: string,
  term: string,
  limit: number,
): Promise<SearchHit[]> {
  const purpose = { what: "search", on: access.domain };
  const { signal } = access.options;
  const hits: SearchHit[] = [];
  let last = "";
  for (let page = 0; page < pagesLimit && hits.length < limit; page++) {
    const at = new URL(`${root}/v2/_catalog`);
    at.searchParams.set("n", String(pageSize));
    if (last !== "") at.searchParams.set("last", last);
    const scopes = ["registry:catalog:*"];
    const answer = await access.request({ purpose, repository: "", at, scopes, signal });
    if (answer.response.status === 404 || answer.response.status === 405) {
      await discardBody(answer.response);
      throw new EngineError("unsupported", "search", access.domain, "the registry offers no search", {
        exitCode: 1,
        hint: `list the tags of a repository: proa search --list-tags ${access.domain}/NAME`,
      });
    }
    if (answer.response.status !== 200) throw await errorOfResponse(purpose, answer.request, answer.response);
    const list = (await jsonOf(answer.response)) as { repositories?: unknown } | undefined;
    const names = Array.isArray(list?.repositories)
      ? list.repositories.filter((name): name is string => typeof name === "string")
      : [];
    for (const name of names) if (name.includes(term)) hits.push(hitNamed(name));
    const end = names.at(-1);
    if (end === undefined || end === last || names.length < pageSize) break;
    last = end;
  }
  return hits.slice(0, limit);
}

function hitNamed(name: string): SearchHit {
  return { name, description: "", stars: 0, isOfficial: false, isAutomated: false };
}

function hitOf(value: unknown): SearchHit[] {
  const hit = value as Record<string, unknown> | null;
  if (hit === null || typeof hit["name"] !== "string") return [];
  const { name, description, star_count: stars, is_official, is_automated } = hit;
  return [
    {
      name: name as string,
      description: typeof description === "string" ? description : "",
      stars: typeof stars === "number" ? stars : 0,
      isOfficial: is_official === true,
      isAutomated: is_automated === true,
    },
  ];
}

/** Undefined where it is no JSON. */
async function jsonOf(response: Response): Promise<unknown> {
  const bytes = await readBounded(response, answerLimitBytes, patienceMs);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}
