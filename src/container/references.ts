/** What a new container names by names that may change: ids take their place. */
import type { ContainerSpec } from "../oci";
import type { Context } from "../state";

/** Throws `not-found`, `invalid`. */
export async function withReferences(context: Context, asked: ContainerSpec): Promise<ContainerSpec> {
  const { Links, Secrets, Requires } = asked.HostConfig;
  let spec = asked;
  if (Links) spec = await (await import("./links")).withLinkedIds(context, spec);
  if (Secrets) spec = (await import("./secrets")).withSecretIds(context, spec);
  if (Requires) spec = await (await import("./required")).withRequiredIds(context, spec);
  return spec;
}
