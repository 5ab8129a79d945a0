/** Options of docker's and podman's `run` and `create` that cannot be had here: each is known, and answered with the reason. */
import { EngineError } from "../../error";
import type { Args, BooleanArg, StringArg } from "../tree";

type Refusal = { readonly why: string; readonly hint?: string; readonly isSwitch?: boolean };

const WINDOWS: Refusal = { why: "it is for containers of Windows" };
const NO_API: Refusal = { why: "proa has no API socket yet" };
const NO_PODS: Refusal = { why: "proa has no pods yet", hint: "--network container:NAME shares a network" };

const refusals = {
  "storage-opt": {
    why: "the size of a container's layer cannot be limited by an ordinary user",
    hint: "--tmpfs and --mount type=tmpfs have a size",
  },
  "use-api-socket": { ...NO_API, isSwitch: true },
  "cpu-count": WINDOWS,
  "cpu-percent": WINDOWS,
  "io-maxbandwidth": WINDOWS,
  "io-maxiops": WINDOWS,
  pod: NO_PODS,
  "pod-id-file": NO_PODS,
  "init-ctr": NO_PODS,
  "decryption-key": { why: "encrypted images cannot be read" },
  "rdt-class": { why: "an ordinary user cannot assign resources of the CPU's caches" },
  "shm-size-systemd": {
    why: "it has the size that the kernel gives a tmpfs",
    hint: "--tmpfs /run:size=BYTES",
  },
} as const satisfies Record<string, Refusal>;

/** docker's other technologies of isolation are Windows' own. */
export const isolationArgs = {
  isolation: {
    type: "string",
    valueHint: "TECHNOLOGY",
    value: { oneOf: ["default"] },
    default: "default",
    description: "How containers are kept apart: there is one way",
  },
} as const satisfies Args;

type RefusedArgs = { readonly [K in keyof typeof refusals]: StringArg | BooleanArg };

export const refusedArgs = Object.fromEntries(
  (Object.entries(refusals) as [string, Refusal][]).map(([key, { why, isSwitch }]) => {
    const common = { hidden: true, description: `Refused: ${why}` };
    const arg: StringArg | BooleanArg = isSwitch
      ? { type: "boolean", ...common }
      : { type: "string", multiple: true, valueHint: "VALUE", ...common };
    return [key, arg];
  }),
) as RefusedArgs satisfies Args;

/** Throws `unsupported` for the first one that was typed. */
export function refuseOptions(given: ReadonlySet<string>): void {
  for (const key of given) {
    if (!Object.hasOwn(refusals, key)) continue;
    const { why, hint }: Refusal = refusals[key as keyof typeof refusals];
    throw new EngineError("unsupported", "option", `--${key}`, why, { hint });
  }
}
