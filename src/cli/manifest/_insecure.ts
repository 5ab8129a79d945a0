/** docker's word for `--tls-verify=false`. */
import type { RegistryFlags } from "../../image";
import { registryArgs, registryFlagsFrom } from "../image/registry";
import type { Args, Values } from "../tree";

export const askingArgs = {
  ...registryArgs,
  insecure: { type: "boolean", description: "The same as --tls-verify=false" },
} as const satisfies Args;

export async function askingFlags(
  args: Values<typeof askingArgs>,
  given: ReadonlySet<string>,
): Promise<RegistryFlags> {
  const flags = await registryFlagsFrom(args, given);
  return args.insecure ? { ...flags, tlsVerify: false } : flags;
}
