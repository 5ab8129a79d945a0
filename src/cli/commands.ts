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
  { path: "container kill", aliases: ["kill"], load: () => import("./container/kill") },
  { path: "container rm", aliases: ["rm", "container remove"], load: () => import("./container/rm") },
  { path: "container wait", aliases: ["wait"], load: () => import("./container/wait") },
  { path: "container attach", aliases: ["attach"], load: () => import("./container/attach") },
  { path: "container logs", aliases: ["logs"], load: () => import("./container/logs") },
  { path: "container inspect", aliases: [], load: () => import("./container/inspect") },
  { path: "image pull", aliases: ["pull"], load: () => import("./image/pull") },
  { path: "image ls", aliases: ["images", "image list"], load: () => import("./image/ls") },
  { path: "image rm", aliases: ["rmi", "image remove"], load: () => import("./image/rm") },
  { path: "image inspect", aliases: [], load: () => import("./image/inspect") },
  { path: "image history", aliases: ["history"], load: () => import("./image/history") },
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
  { name: "system", description: "Manage proa itself" },
];
