import type { Context } from "../../state";
import { examine } from "./checks";
import type { Finding } from "./finding";
import { readHost } from "./read";

/** What is right and wrong with this host, for this user. Changes nothing that lasts. */
export async function diagnose(context: Context): Promise<Finding[]> {
  return examine(await readHost(context));
}
