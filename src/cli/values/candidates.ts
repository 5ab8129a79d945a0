/** What providers are told and what they answer with. */
import type { App } from "../app";

export type Candidate = {
  readonly value: string;
  readonly description?: string | undefined;
  /** More must follow: no blank is to be put behind it. Ends with one of `= : / , . @`. */
  readonly isOpen?: boolean | undefined;
};

export type CompletionRequest = {
  app: App;
  /** What stands before the cursor; candidates that do not begin with it are left out afterwards. */
  prefix: string;
  /** Positionals before this one: the container of `exec`, the image of `run`. */
  before: readonly string[];
  /** Positionals behind the cursor. */
  after: readonly string[];
  /** The command's path, "container run"; "" in front of it. */
  path: string;
  /** What a template for the command may name. */
  fields(): Promise<readonly string[]>;
  /** Values of flags that are on the line, by their names in the definition. */
  flags: ReadonlyMap<string, readonly string[]>;
};

/** Finds the values of a kind. May throw: then nothing is offered. */
export type Provider = (request: CompletionRequest) => Promise<readonly Candidate[]> | readonly Candidate[];

/** Plain words; those that end in a sign that asks for more are open. */
export function offer(values: Iterable<string>): Candidate[] {
  return Array.from(values, (value) => (/[=:/,]$/.test(value) ? { value, isOpen: true } : { value }));
}

/** A word that is whole, and what it means. */
export function told(value: string, description: string | undefined): Candidate {
  return { value, description };
}

/** The same behind what stands before them. */
export function behind(head: string, candidates: readonly Candidate[]): Candidate[] {
  const all: Candidate[] = []; // of a thousand each copy by `...` costs a microsecond
  for (const { value, description, isOpen } of candidates)
    all.push({ value: head + value, description, isOpen });
  return all;
}

/** The same with more to follow: `name` as `name:`. */
export function openWith(sign: ":" | "=" | "/" | ",", candidates: readonly Candidate[]): Candidate[] {
  return candidates.map((each) => ({ ...each, value: each.value + sign, isOpen: true }));
}

/** What is behind the last SIGN, and all in front of that, the sign with it. */
export function cutLast(text: string, sign: string): [head: string, tail: string] {
  const at = text.lastIndexOf(sign) + 1;
  return [text.slice(0, at), text.slice(at)];
}

/** What is behind the first SIGN, and all in front of that, the sign with it; undefined where there is none. */
export function cutFirst(text: string, sign: string): [head: string, tail: string] | undefined {
  const at = text.indexOf(sign) + 1;
  return at === 0 ? undefined : [text.slice(0, at), text.slice(at)];
}

/** Ask PROVIDER for what is behind HEAD, which the request's prefix begins with. */
export async function ask(
  provider: Provider,
  request: CompletionRequest,
  head: string,
): Promise<Candidate[]> {
  return behind(head, await provider({ ...request, prefix: request.prefix.slice(head.length) }));
}

/** A provider of lists with commas, whose items are each named once. */
export function listOf(provider: Provider): Provider {
  return async (request) => {
    const [head] = cutLast(request.prefix, ",");
    const named = new Set(head.split(","));
    const found = await ask(provider, request, head);
    return found.filter(({ value }) => !named.has(value.slice(head.length)));
  };
}
