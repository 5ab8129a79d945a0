/** The Bearer token flow of registries (distribution: docs/spec/auth/token and oauth): the words of it, without the requests. */

export type Challenge = { scheme: string; parameters: Record<string, string> };

/** Reads `WWW-Authenticate` (RFC 9110, 11.6.1): one or more challenges in a line. Bad parts are passed over. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: Challenge[] = [];
  let rest = header.slice(0, 8192).trim();
  while (rest !== "") {
    const scheme = /^([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s+|$)/.exec(rest);
    if (scheme === null) break;
    rest = rest.slice(scheme[0].length);
    const challenge: Challenge = { scheme: (scheme[1] ?? "").toLowerCase(), parameters: {} };
    challenges.push(challenge);
    for (;;) {
      const pair = /^([A-Za-z0-9_-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*/.exec(rest);
      if (pair === null) break;
      const value = pair[2] === undefined ? (pair[3] ?? "") : pair[2].replace(/\\(.)/g, "$1");
      const name = (pair[1] ?? "").toLowerCase();
      if (name !== "__proto__") challenge.parameters[name] = value;
      rest = rest.slice(pair[0].length).replace(/^,\s*/, "");
    }
    if (rest.startsWith(",")) rest = rest.slice(1).trim();
  }
  return challenges;
}

/**
 * Where to ask for a token: the realm with service and scopes. Undefined where the challenge is no use.
 *
 * @param scopes what we are going to do; a registry may name more than one of them, but only what the request at hand needs
 */
export function tokenUrl(
  challenge: Challenge,
  scopes: readonly string[],
  isSecure: boolean,
): URL | undefined {
  const { realm, service, scope } = challenge.parameters;
  if (realm === undefined || !URL.canParse(realm)) return undefined;
  const url = new URL(realm);
  // The realm is the registry's to choose: not a file, not another scheme, and never in the clear for a registry that is not.
  if (url.protocol !== "https:" && (url.protocol !== "http:" || isSecure)) return undefined;
  if (service !== undefined) url.searchParams.set("service", service);
  const isOne = scopes.length === 1 && !scopes[0]?.includes("push");
  for (const each of isOne && scope !== undefined ? [scope] : scopes) url.searchParams.append("scope", each);
  return url;
}

/** The token in a token server's answer: `token`, or OAuth2's `access_token`. */
export function tokenIn(document: unknown): string | undefined {
  const { token, access_token: accessToken } = (document ?? {}) as {
    token?: unknown;
    access_token?: unknown;
  };
  return printable(typeof token === "string" && token !== "" ? token : accessToken);
}

/** OAuth2's refresh token, where there is one. */
export function refreshTokenIn(document: unknown): string | undefined {
  return printable(((document ?? {}) as { refresh_token?: unknown }).refresh_token);
}

function printable(found: unknown): string | undefined {
  // A line break would let a token write headers of its own.
  return typeof found === "string" && /^[\x21-\x7e]+$/.test(found) ? found : undefined;
}
