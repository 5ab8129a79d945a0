/** A context with a database and directories of its own, and containers that "live" by a held lock. */
import { closeSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AskedNetwork, createNetwork } from "../../src/network";
import {
  type ContainerRow,
  type Context,
  createContext,
  insertContainer,
  type Network,
  tryLock,
} from "../../src/state";

export type Place = {
  context: Context;
  /** The same place, read anew. */
  again(): Context;
  configure(toml: string): void;
  /** A container with a row, that lives until `end()`. */
  container(name: string): { id: string; end(): void };
  dispose(): void;
};

export function makePlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), "proa-network-"));
  const below = (name: string): string => {
    const path = join(directory, name);
    mkdirSync(path, { mode: 0o700 });
    return path;
  };
  const env = {
    HOME: below("h"),
    XDG_DATA_HOME: below("d"),
    XDG_RUNTIME_DIR: below("r"),
    XDG_CONFIG_HOME: below("c"),
    XDG_CACHE_HOME: below("k"),
  };
  const again = (): Context => createContext({ env, warn: () => undefined });
  const context = again();
  const held = new Set<number>();
  let count = 0;
  return {
    context,
    again,
    configure(toml) {
      mkdirSync(context.paths.config, { recursive: true });
      writeFileSync(join(context.paths.config, "config.toml"), toml);
    },
    container(name) {
      const id = (++count).toString(16).padStart(64, "0");
      insertContainer(context.db(), rowOf(id, name), "{}");
      const run = join(context.paths.running, id);
      mkdirSync(run, { recursive: true });
      const fd = tryLock(run);
      if (fd === null) throw new Error("the lock is held");
      held.add(fd);
      return {
        id,
        end: () => {
          if (held.delete(fd)) closeSync(fd);
        },
      };
    },
    dispose() {
      for (const fd of held) closeSync(fd);
      context.db().close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function rowOf(id: string, name: string): ContainerRow {
  return {
    id,
    name,
    image_id: null,
    image_ref: "tiny",
    command: "true",
    created_ms: 1,
    status: "running",
    started_ms: 1,
    finished_ms: 0,
    exit_code: 0,
    error: "",
    auto_remove: 0,
    user_stopped: 0,
    restart_count: 0,
    oom_killed: 0,
    health: "",
  };
}

export function askedNetwork(name: string, more: Partial<AskedNetwork> = {}): AskedNetwork {
  return {
    name,
    driver: "bridge",
    internal: false,
    attachable: false,
    ipv4: true,
    ipv6: undefined,
    subnets: [],
    names: true,
    resolvers: [],
    routes: [],
    labels: {},
    options: {},
    bridge: undefined,
    ...more,
  };
}

export function networkOn(place: Place, subnet: string, more: Partial<AskedNetwork> = {}): Network {
  return createNetwork(place.context, askedNetwork("net", { subnets: [{ subnet }], ...more }));
}
