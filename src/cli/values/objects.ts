import type { Provider } from "./candidates";
import { containersOf } from "./containers";
import { images } from "./images";
import { networks, secrets, volumes } from "./names";

/** Whatever has a name, or what --type says. */
export const objects: Provider = async (request) => {
  const all: Record<string, Provider> = {
    container: containersOf("any"),
    image: images,
    network: networks,
    volume: volumes,
    secret: secrets,
  };
  const asked = request.flags.get("type")?.at(-1);
  const chosen = asked === undefined || asked === "all" ? Object.values(all) : [all[asked] ?? (() => [])];
  return (await Promise.all(chosen.map((provider) => provider(request)))).flat();
};
