import { type Context, createContext } from "../state";
import type { Globals } from "./globals";
import type { Io } from "./io";

/** What a command gets besides its arguments. Everything that costs is made when it is first asked for. */
export type App = {
  io: Io;
  globals: Globals;
  env: Readonly<Record<string, string | undefined>>;
  /** Paths, database and id maps: what the rooms below cli/ work on. */
  context: Context;
};

/** Levels that warnings are below. */
function isSilent(level: Globals["logLevel"]): boolean {
  return level === "error" || level === "fatal" || level === "panic";
}

/**
 * The app of a real process.
 *
 * @param isGlance nothing is made, mended or waited for: somebody is typing
 */
export function createApp(io: Io, globals: Globals, isGlance = false): App {
  let context: Context | undefined;
  const env = globals.places === undefined ? io.env : withPlaces(io.env, globals.places);
  return {
    io,
    globals,
    env,
    get context() {
      context ??= createContext({
        env,
        config: globals.config,
        storageDriver: globals.storageDriver,
        cgroupManager: globals.cgroupManager,
        isGlance,
        warn: (message) => {
          if (!isSilent(globals.logLevel)) io.stderr.write(`Warning: ${message}\n`);
        },
      });
      return context;
    },
  };
}

/** The environment with the directories that were named: what this process starts has to find the same ones. */
function withPlaces(env: Io["env"], places: NonNullable<Globals["places"]>): Io["env"] {
  const { resolve } = require("node:path") as typeof import("node:path");
  const named = Object.entries(places).map(([name, directory]) => [name, resolve(directory)]);
  const all = Object.fromEntries(named) as Record<string, string>;
  Object.assign(process.env, all);
  return { ...env, ...all };
}
