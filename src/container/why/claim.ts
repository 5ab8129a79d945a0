/** What `proa why` says: claims, each with what it was concluded from. */

export type Evidence = {
  /** What stands there. */
  found: string;
  /** Where it was read: a path, in the container or on the host, or what was asked. */
  source: string;
};

export type Claim = {
  claim: string;
  evidence: Evidence[];
  /** What to type or to change; "" where there is nothing to mend. */
  mend: string;
};

export type Explanation = {
  id: string;
  name: string;
  status: string;
  /** One sentence. */
  summary: string;
  /** The likeliest first. */
  claims: Claim[];
  /** The last lines of the log. */
  log: string[];
};

export function seen(found: string, source: string): Evidence {
  return { found, source };
}
