/** What a check says. */

export type Status = "ok" | "warn" | "fail";

export type Finding = {
  /** What was looked at, in a word or two. */
  check: string;
  status: Status;
  /** What was found, and why. */
  found: string;
  /** What the user has to do without. "" where nothing is wrong. */
  cost: string;
  /** What to type, or to do. "" where nothing is wrong. */
  mend: string;
};

/** What a check answers: its name stands in the list. */
export type Verdict = Omit<Finding, "check">;

export function ok(found: string): Verdict {
  return { status: "ok", found, cost: "", mend: "" };
}

export function warn(found: string, cost: string, mend: string): Verdict {
  return { status: "warn", found, cost, mend };
}

export function fail(found: string, cost: string, mend: string): Verdict {
  return { status: "fail", found, cost, mend };
}
