import { EngineError } from "../../error";
import { findSecret, secretData } from "../../state";
import { version } from "../_version";
import type { App } from "../app";
import { defineCommand } from "../tree";
import { ask, readSecretFromStdin } from "./_password";

export const command = defineCommand({
  meta: {
    description: "Log in to a registry",
    details:
      "The password is kept in auth.json of the configuration directory, which only this user can read, or by the credential helper that the file names. Without a registry, the first of registries.conf's unqualified-search-registries is meant, or else docker.io.",
    usage: "[OPTIONS] [REGISTRY]",
    examples: [
      { command: "proa login registry.example.com", does: "asks for user and password" },
      {
        command: "pass show registry | proa login -u me --password-stdin localhost:5000",
        does: "from stdin",
      },
      { command: "proa login --get-login docker.io", does: "who is logged in" },
    ],
    seeAlso: ["proa-logout(1)", "proa-push(1)"],
  },
  args: {
    authfile: {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Where the log-in is kept",
    },
    "cert-dir": {
      type: "string",
      valueHint: "DIRECTORY",
      value: "directory",
      description: "Certificates for the registry",
    },
    "compat-auth-file": {
      type: "string",
      valueHint: "FILE",
      value: "file",
      description: "Keep it in a file of docker's form",
    },
    "get-login": { type: "boolean", description: "Print who is logged in" },
    password: {
      type: "string",
      alias: "p",
      valueHint: "PASSWORD",
      value: "none",
      description: "Password, for others to see",
    },
    "password-stdin": { type: "boolean", description: "Read the password from stdin" },
    secret: {
      type: "string",
      valueHint: "NAME",
      value: "secret",
      description: "Take the password from a secret",
    },
    "tls-verify": {
      type: "boolean",
      description: "Ask for TLS and a certificate that is vouched for",
    },
    username: { type: "string", alias: "u", valueHint: "USER", value: "none", description: "User" },
    verbose: { type: "boolean", alias: "v", description: "Say where it is kept" },
    registry: {
      type: "positional",
      required: false,
      valueHint: "REGISTRY",
      value: "registry",
      description: "HOST[:PORT][/PATH]",
    },
  },
  async run({ app, args, given }) {
    const { findCredentials, readRegistriesConf, registryKey, usualAuthFile, storeCredentials } =
      await import("../../registry");
    const { env, context, io } = app;
    if (args.authfile !== undefined && args["compat-auth-file"] !== undefined) {
      throw wrong("--authfile and --compat-auth-file exclude each other");
    }
    const authFile = args["compat-auth-file"] ?? args.authfile;
    const isDockers = args["compat-auth-file"] !== undefined;
    const searched = args.registry === undefined ? readRegistriesConf(env).search?.[0] : undefined;
    const key = registryKey(args.registry ?? searched ?? "docker.io");
    const [domain = key, ...rest] = key.split("/");
    const path = rest.join("/");
    const { existsSync } = await import("node:fs");
    const isThere = authFile === undefined || existsSync(authFile);
    const place = { env, authFile };
    const known = isThere ? await findCredentials(place, domain, path) : undefined;
    if (args["get-login"]) {
      if (known === undefined)
        throw new EngineError("not-found", "not logged into", key, "", { exitCode: 1 });
      io.stdout.write(`${known.username || "<token>"}\n`);
      return;
    }
    const flags = {
      tlsVerify: given.has("tls-verify") ? args["tls-verify"] : undefined,
      certDir: args["cert-dir"],
    };
    const check = (credentials: { username: string; password: string }) =>
      checked(app, domain, path, credentials, flags);
    const asks = args.username === undefined && args.password === undefined && !args["password-stdin"];
    if (known !== undefined && asks && args.secret === undefined) {
      io.stdout.write(`Authenticating with existing credentials for ${key}\n`);
      const isValid = await check(known).then(
        () => true,
        (error: unknown) => {
          if (error instanceof EngineError && error.code === "unauthorized") return false;
          throw error;
        },
      );
      if (isValid) {
        io.stdout.write(`Existing credentials are valid. Already logged in to ${key}\n`);
        return;
      }
      io.stderr.write("Existing credentials are invalid, please enter valid username and password\n");
    }
    const asked = passwordGiven(app, args, known?.username);
    const credentials = { ...asked, identityToken: await check(asked) };
    await storeCredentials(place, key, credentials, isDockers);
    if (args.verbose) io.stdout.write(`Used: ${authFile ?? usualAuthFile(env)}\n`);
    if (args.password !== undefined) {
      context.warn("a password on the command line is seen by everybody on this host: use --password-stdin");
    }
    io.stdout.write("Login Succeeded!\n");
  },
});

type Asked = {
  username: string | undefined;
  password: string | undefined;
  "password-stdin": boolean;
  secret: string | undefined;
};

function passwordGiven(
  app: App,
  args: Asked,
  usual: string | undefined,
): { username: string; password: string } {
  const fromStdin = args["password-stdin"];
  if (fromStdin && args.password !== undefined)
    throw wrong("--password and --password-stdin exclude each other");
  if (fromStdin && args.username === undefined) throw wrong("must provide --username with --password-stdin");
  if (args.secret !== undefined) {
    if (fromStdin || args.password !== undefined)
      throw wrong("--secret excludes --password and --password-stdin");
    return { username: args.username ?? args.secret, password: secretNamed(app, args.secret) };
  }
  const username =
    args.username ?? (ask(app, usual ? `Username (${usual}): ` : "Username: ") || (usual ?? ""));
  if (username === "") throw wrong("the user must not be empty");
  const password = fromStdin ? readSecretFromStdin(app) : (args.password ?? ask(app, "Password: ", true));
  if (password === "") throw wrong("the password must not be empty");
  return { username, password };
}

function secretNamed(app: App, name: string): string {
  const { context } = app;
  const data = secretData(context, findSecret(context, "log in", name));
  return new TextDecoder().decode(data).replace(/\r?\n$/, "");
}

/** See that the registry takes them. Returns the token that it gives in place of the password, where it does. */
async function checked(
  app: App,
  domain: string,
  path: string,
  credentials: { username: string; password: string; identityToken?: string | undefined },
  flags: { tlsVerify: boolean | undefined; certDir: string | undefined },
): Promise<string | undefined> {
  const { Access, entryFor, readRegistriesConf, registryOptions } = await import("../../registry");
  const entry = entryFor(readRegistriesConf(app.env), path === "" ? domain : `${domain}/${path}`);
  const options = registryOptions(domain, entry?.isInsecure ?? false, {
    env: app.env,
    userAgent: `proa/${version}`,
    flags: { ...flags, credentials },
  });
  const access = new Access(domain, options);
  access.wantsIdentityToken = credentials.identityToken === undefined;
  try {
    await access.check();
  } catch (error) {
    if (error instanceof EngineError && error.code === "unauthorized") {
      throw new EngineError("unauthorized", "log in", domain, "invalid username/password", { exitCode: 1 });
    }
    throw new EngineError("registry", "log in", domain, error, {
      exitCode: 1,
      hint: error instanceof EngineError ? error.hint : undefined,
    });
  }
  return access.identityToken;
}

function wrong(why: string): EngineError {
  return new EngineError("usage", "log in", "", why, { exitCode: 1 });
}
