import type { CommandEntry, Noun } from "./tree";

/**
 * Every command: its path, its other names, and where its definition is. A module is loaded when its command runs (or when
 * help, man pages and completions walk the whole tree), and exports the definition as `command`.
 */
export const commands: readonly CommandEntry[] = [
  { path: "container run", aliases: ["run"], load: () => import("./container/run") },
  { path: "container exec", aliases: ["exec"], load: () => import("./container/exec") },
  {
    path: "container ls",
    aliases: ["ps", "container ps", "container list"],
    load: () => import("./container/ps"),
  },
  { path: "container create", aliases: ["create"], load: () => import("./container/create") },
  { path: "container start", aliases: ["start"], load: () => import("./container/start") },
  { path: "container stop", aliases: ["stop"], load: () => import("./container/stop") },
  { path: "container restart", aliases: ["restart"], load: () => import("./container/restart") },
  { path: "container kill", aliases: ["kill"], load: () => import("./container/kill") },
  { path: "container rm", aliases: ["rm", "container remove"], load: () => import("./container/rm") },
  { path: "container rename", aliases: ["rename"], load: () => import("./container/rename") },
  { path: "container wait", aliases: ["wait"], load: () => import("./container/wait") },
  { path: "container attach", aliases: ["attach"], load: () => import("./container/attach") },
  { path: "container top", aliases: ["top"], load: () => import("./container/top") },
  { path: "container stats", aliases: ["stats"], load: () => import("./container/stats") },
  { path: "container logs", aliases: ["logs"], load: () => import("./container/logs") },
  { path: "container port", aliases: ["port"], load: () => import("./container/port") },
  { path: "container inspect", aliases: [], load: () => import("./container/inspect") },
  { path: "image pull", aliases: ["pull"], load: () => import("./image/pull") },
  { path: "image ls", aliases: ["images", "image list"], load: () => import("./image/ls") },
  { path: "image rm", aliases: ["rmi", "image remove"], load: () => import("./image/rm") },
  { path: "image inspect", aliases: [], load: () => import("./image/inspect") },
  { path: "image history", aliases: ["history"], load: () => import("./image/history") },
  { path: "network create", aliases: [], load: () => import("./network/create") },
  { path: "network ls", aliases: ["network list"], load: () => import("./network/ls") },
  { path: "network inspect", aliases: [], load: () => import("./network/inspect") },
  { path: "network rm", aliases: ["network remove"], load: () => import("./network/rm") },
  { path: "network prune", aliases: [], load: () => import("./network/prune") },
  { path: "network connect", aliases: [], load: () => import("./network/connect") },
  { path: "network disconnect", aliases: [], load: () => import("./network/disconnect") },
  { path: "network update", aliases: [], load: () => import("./network/update") },
  { path: "network reload", aliases: [], load: () => import("./network/reload") },
  { path: "network stats", aliases: [], load: () => import("./network/stats") },
  { path: "network exists", aliases: [], load: () => import("./network/exists") },
  { path: "inspect", aliases: [], load: () => import("./system/inspect") },
  { path: "system info", aliases: ["info"], load: () => import("./system/info") },
  { path: "__report", aliases: [], load: () => import("./system/report") },
  { path: "version", aliases: [], load: () => import("./system/version") },
  { path: "help", aliases: [], load: () => import("./system/help") },
  { path: "completion", aliases: [], load: () => import("./system/completion") },
  { path: "__complete", aliases: [], load: () => import("./system/complete") },
];

/** What the first words of the paths are about, in the order of help. */
export const nouns: readonly Noun[] = [
  { name: "container", description: "Manage containers" },
  { name: "image", description: "Manage images" },
  { name: "network", description: "Manage networks" },
  { name: "system", description: "Manage proa itself" },
];
