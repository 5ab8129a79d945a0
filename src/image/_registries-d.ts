/** registries.d (containers-registries.d(5)): where registries keep signatures. Of its settings the one for sigstore's attachments is heeded. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { EngineError } from "../error";
import type { Reference } from "../oci";
import { scopesOf } from "./policy";

type Environment = Readonly<Record<string, string | undefined>>;

function directoryOf(env: Environment): string {
  const config = env["XDG_CONFIG_HOME"] || join(env["HOME"] || homedir(), ".config");
  const own = join(config, "containers", "registries.d");
  return existsSync(own) ? own : "/etc/containers/registries.d";
}

/** Whether signatures of REFERENCE are looked for, and kept, beside it in its registry. Yes, where no file says otherwise. Throws `invalid`. */
export function usesAttachments(env: Environment, reference: Reference): boolean {
  const settings = new Map<string, unknown>();
  let usual: unknown;
  for (const path of filesIn(directoryOf(env))) {
    const document = documentOf(path);
    usual = document["default-docker"] ?? usual;
    for (const [scope, setting] of Object.entries((document["docker"] ?? {}) as object))
      settings.set(scope, setting);
  }
  const found = scopesOf(reference).find((scope) => settings.has(scope));
  for (const setting of [found === undefined ? undefined : settings.get(found), usual]) {
    const uses = (setting as { "use-sigstore-attachments"?: unknown } | undefined)?.[
      "use-sigstore-attachments"
    ];
    if (typeof uses === "boolean") return uses;
  }
  return true;
}

function filesIn(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".yaml"));
    return names.sort().map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function documentOf(path: string): Record<string, unknown> {
  try {
    const document: unknown = Bun.YAML.parse(readFileSync(path, "utf8"));
    if (document === null) return {};
    if (typeof document === "object" && !Array.isArray(document)) return document as Record<string, unknown>;
    throw new Error("not a map");
  } catch (error) {
    throw new EngineError("invalid", "read places of signatures", path, error);
  }
}
