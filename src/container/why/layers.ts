/** A container whose image was started from its tables of contents (`--lazy`), and whose layers are not all here. */
import { join } from "node:path";
import type { ContainerRow, Context } from "../../state";
import { isFetching, lazyDirectory, lazyFailure, readPlan } from "../../storage";
import { type Claim, seen } from "./claim";

export function layersClaims(context: Context, row: ContainerRow): Claim[] {
  if (row.image_id === null || readPlan(context, row.image_id) === null) return [];
  const directory = lazyDirectory(context, row.image_id);
  const plan = seen("the image is used by its tables of contents", join(directory, "plan.json"));
  if (isFetching(context, row.image_id))
    return [{ claim: "the layers of its image are still coming", evidence: [plan], mend: "" }];
  const failure = lazyFailure(context, row.image_id);
  const why = failure === undefined ? [] : [seen(failure, join(directory, "failure"))];
  return [
    {
      claim: `the layers of its image are not all here, and ${failure === undefined ? "nobody fetches them until they are read" : "could not be fetched: reading what is missing tries again, and fails with EIO"}`,
      evidence: [plan, ...why],
      mend: `proa pull --lazy ${row.image_ref}: the fetching goes on, for this container too`,
    },
  ];
}
