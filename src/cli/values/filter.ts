/** `--filter KEY=VALUE`: the values that a key can have, by what the command lists. */
import { ask, cutFirst, offer, type Provider } from "./candidates";
import { containersOf } from "./containers";
import { images } from "./images";
import { labelsOf, networks, secrets, volumes } from "./names";

type Thing = "container" | "image" | "network" | "volume" | "secret";

const any = containersOf("any");
const truths: Provider = () => offer(["true", "false"]);
const words =
  (text: string): Provider =>
  () =>
    offer(text.split(" "));

const namesOf: Readonly<Record<Thing, Provider>> = {
  container: any,
  image: images,
  network: networks,
  volume: volumes,
  secret: secrets,
};

/** Values of keys that mean the same everywhere. */
const everywhere: Readonly<Record<string, Provider>> = {
  ancestor: images,
  network: networks,
  volume: volumes,
  container: any,
  image: images,
  secret: secrets,
  status: words("created restarting running removing paused exited dead"),
  health: words("starting healthy unhealthy none"),
  isolation: words("default"),
  "restart-policy": words("no always unless-stopped on-failure"),
  scope: words("local swarm global"),
  dangling: truths,
  intermediate: truths,
  readonly: truths,
  containers: truths,
  anonymous: truths,
  all: truths,
  "is-task": truths,
  "should-start-on-boot": truths,
  "is-automated": truths,
  "is-official": truths,
};

const EVENTS =
  "attach checkpoint commit connect copy create delete destroy detach die disconnect exec_create exec_detach exec_die exec_start " +
  "export health_status import kill load mount oom pause prune pull push reload remove rename resize restart restore save start " +
  "stop tag top unmount unpause untag update";

/** And those that differ. */
const byThing: Readonly<Record<string, Readonly<Record<string, Provider>>>> = {
  container: { before: any, since: any, id: any, name: any },
  image: { before: images, since: images, after: images, reference: images, id: images },
  network: { driver: words("bridge host null"), type: words("custom builtin"), name: networks, id: networks },
  volume: { driver: words("local"), name: volumes },
  secret: { name: secrets, id: secrets },
  system: {
    type: words("container image network volume secret system builder daemon plugin config pod"),
    event: words(EVENTS),
  },
};

/** What the commands are about whose path does not say it. */
const thingOf = (path: string): string =>
  path.startsWith("healthcheck") ? "container" : (path.split(" ")[0] ?? "");

/** @param keys those that the command knows */
export function filterValues(keys: readonly string[]): Provider {
  return async (request) => {
    const { prefix, path } = request;
    const cut = cutFirst(prefix, "=");
    if (cut === undefined) return offer(keys.map((key) => `${key}=`));
    const [head] = cut;
    const key = head.slice(0, -1);
    const thing = thingOf(path);
    const provider =
      key === "label" || key === "label!" ? labelOf(thing) : (byThing[thing]?.[key] ?? everywhere[key]);
    return keys.includes(key) && provider !== undefined ? ask(provider, request, head) : [];
  };
}

function labelOf(thing: string): Provider {
  const known = Object.hasOwn(namesOf, thing) ? [thing as Thing] : (Object.keys(namesOf) as Thing[]);
  return async (request) => (await Promise.all(known.map((each) => labelsOf(each)(request)))).flat();
}
