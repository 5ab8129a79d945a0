import { existsSync } from "node:fs";
import { EngineError } from "../../error";
import { defineCommand } from "../tree";

export const command = defineCommand({
  meta: {
    description: "Log out of a registry",
    details: "Without a registry, the one that `proa login` means without one.",
    usage: "[OPTIONS] [REGISTRY]",
    examples: [
      { command: "proa logout registry.example.com", does: "forget one password" },
      { command: "proa logout --all", does: "forget all of them" },
    ],
    seeAlso: ["proa-login(1)"],
  },
  args: {
    all: { type: "boolean", alias: "a", description: "Forget every log-in" },
    authfile: { type: "string", valueHint: "FILE", value: "file", description: "Where the log-ins are" },
    "compat-auth-file": {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Where they are, in a file of docker's form",
    },
    registry: {
      type: "positional",
      required: false,
      valueHint: "REGISTRY",
      value: "registry",
      description: "HOST[:PORT][/PATH]",
    },
  },
  async run({ app, args }) {
    const { readRegistriesConf, registryKey, removeAllCredentials, removeCredentials } = await import(
      "../../registry"
    );
    const { env, io } = app;
    const authFile = args["compat-auth-file"] ?? args.authfile;
    if (authFile !== undefined && !existsSync(authFile)) {
      throw new EngineError("not-found", "credentials", authFile, "no such file", { exitCode: 1 });
    }
    const place = { env, authFile };
    if (args.all) {
      if (args.registry !== undefined) {
        throw new EngineError("usage", "log out", "", "--all takes no registry", { exitCode: 1 });
      }
      await removeAllCredentials(place);
      io.stdout.write("Removed login credentials for all registries\n");
      return;
    }
    const searched = args.registry === undefined ? readRegistriesConf(env).search?.[0] : undefined;
    const key = registryKey(args.registry ?? searched ?? "docker.io");
    const became = await removeCredentials(place, key);
    if (became === "removed") {
      io.stdout.write(`Removed login credentials for ${key}\n`);
      return;
    }
    if (became === "none") throw new EngineError("not-found", "not logged into", key, "", { exitCode: 1 });
    throw new EngineError("not-found", "not logged into", key, "the log-in is another program's", {
      exitCode: 1,
      hint: `it is in ${became}: proa logout --authfile ${became} ${key}`,
    });
  },
});
