/** What the journal says of networks. */
import { type Context, emit, type Network } from "../state";

/** Write down that ACTION (`create`, `connect`) happened to a network; `container` is the id of whom it concerns. */
export function tellNetwork(
  context: Context,
  { id, name, driver }: Pick<Network, "id" | "name" | "driver">,
  Action: string,
  container?: string,
): void {
  const Attributes = { ...(container === undefined ? {} : { container }), name, type: driver };
  emit(context, { Type: "network", Action, ID: id, Attributes });
}
