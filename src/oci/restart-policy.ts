/** Restart policies: `--restart` as docker reads it, and what stands in a spec. */
import { EngineError } from "../error";

export const POLICIES = ["no", "always", "unless-stopped", "on-failure"] as const;

/** `HostConfig.RestartPolicy` of the Docker Engine API. */
export type RestartPolicy = {
  Name: (typeof POLICIES)[number];
  /** Of on-failure; 0: no limit. */
  MaximumRetryCount: number;
};

export const NO_RESTART: RestartPolicy = { Name: "no", MaximumRetryCount: 0 };

/** `no`, `never`, `always`, `unless-stopped`, `on-failure[:NUMBER]`; "" is no. Throws `invalid`. */
export function parseRestartPolicy(text: string): RestartPolicy {
  const cut = text.indexOf(":");
  const name = cut < 0 ? text : text.slice(0, cut);
  if (name === "" && cut < 0) return NO_RESTART;
  const Name = name === "never" ? "no" : POLICIES.find((each) => each === name); // podman's synonym
  if (Name === undefined) throw invalid(text, `a policy is one of ${POLICIES.join(", ")}`);
  if (cut < 0) return { Name, MaximumRetryCount: 0 };
  const count = text.slice(cut + 1);
  if (!/^\d{1,9}$/.test(count))
    throw invalid(text, "the maximum retry count must be a number that is not negative");
  if (Name !== "on-failure" && Number(count) !== 0)
    throw invalid(text, 'a maximum retry count can only be used with "on-failure"');
  return { Name, MaximumRetryCount: Number(count) };
}

/** As it is typed. */
export function restartPolicyText({ Name, MaximumRetryCount }: RestartPolicy): string {
  return Name === "on-failure" && MaximumRetryCount > 0 ? `${Name}:${MaximumRetryCount}` : Name;
}

function invalid(text: string, why: string): EngineError {
  return new EngineError("invalid", "restart policy", text, why);
}
