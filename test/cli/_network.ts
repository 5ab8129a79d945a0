/** What tests of networks share. */
import type { Engine } from "../harness";

export type Place = { readonly engine: Engine; readonly tiny: string };

/** A command that does nothing until it is killed. */
export const SLEEP = ["sleep", "1000"];

/** Remove every container, then see that nothing is left. */
export async function removeAll({ engine }: Pick<Place, "engine">): Promise<void> {
  const ids = (await engine.ok(["ps", "-aq"])).split("\n").filter(Boolean);
  if (ids.length > 0) await engine.ok(["rm", "-f", ...ids]);
  await engine.assertNothingLeft();
}
