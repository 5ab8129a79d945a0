import { containerSize } from "../../container";
import type { Context } from "../../state";
import type { PsRow } from "./ps-fields";

/** Work out how much each container takes. */
export async function measure(context: Context, rows: readonly PsRow[]): Promise<void> {
  for (const row of rows) row.size = await containerSize(context, row);
}
