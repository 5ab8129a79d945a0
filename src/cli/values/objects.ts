import type { Provider } from "./candidates";
import { containersOf } from "./containers";
import { images, imagesAmongOthers } from "./images";
import { networks, secrets, volumes } from "./names";

/** Whatever has a name, or what --type says. */
export const objects: Provider = async (request) => {
  const asked = request.flags.get("type")?.at(-1);
  const all: Record<string, Provider> = {
    container: containersOf("any"),
    image: asked === "image" ? images : imagesAmongOthers,
    network: networks,
    volume: volumes,
    secret: secrets,
  };
  const chosen = asked === undefined || asked === "all" ? Object.values(all) : [all[asked] ?? (() => [])];
  return (await Promise.all(chosen.map((provider) => provider(request)))).flat();
};
