/** `--secret` of `run` and `create`. */
import { EngineError } from "../../error";
import type { ContainerSpec, SecretUse } from "../../oci";
import type { Args, Values } from "../tree";

export const secretArgs = {
  secret: {
    type: "string",
    multiple: true,
    valueHint: "NAME[,OPTION...]",
    value: "secret-use",
    description: "Give the container a secret",
    details:
      "It is a file in /run/secrets, with mode 0444 and owned by root, or elsewhere with target=PATH; uid=NUMBER, gid=NUMBER and mode=OCTAL say otherwise. With type=env it is the environment variable of its name, or of target. What the container sees is the secret as it was when the container was created; it does not become part of an image.",
  },
} as const satisfies Args;

/** Fields of HostConfig. Throws `invalid`. */
export function secretOptionsFrom(
  args: Values<typeof secretArgs>,
): Pick<ContainerSpec["HostConfig"], "Secrets"> {
  return args.secret.length > 0 ? { Secrets: args.secret.map(parseSecret) } : {};
}

const fail = (text: string, why: string): EngineError => new EngineError("invalid", "secret", text, why);

function parseSecret(text: string): SecretUse {
  const use: SecretUse = { Name: "", Type: "mount", Target: "", UID: 0, GID: 0, Mode: 0o444 };
  const [first = "", ...rest] = text.split(",");
  const options = first.includes("=") ? [first, ...rest] : rest;
  if (!first.includes("=")) use.Name = first;
  for (const option of options) {
    const cut = option.indexOf("=");
    const key = cut < 0 ? option : option.slice(0, cut);
    readOption(text, use, key, cut < 0 ? "" : option.slice(cut + 1));
  }
  if (use.Name === "") throw fail(text || '""', "no secret is named");
  const isFileOption = use.UID !== 0 || use.GID !== 0 || use.Mode !== 0o444;
  if (use.Type === "env" && isFileOption) throw fail(text, "uid, gid and mode are of files");
  if (use.Type === "env" && use.Target.includes("=")) throw fail(text, "the target is no name of a variable");
  return use;
}

function readOption(text: string, use: SecretUse, key: string, value: string): void {
  switch (key) {
    case "source":
      use.Name = value;
      return;
    case "type":
      if (value !== "mount" && value !== "env") throw fail(text, `type "${value}" is neither mount nor env`);
      use.Type = value;
      return;
    case "target":
      use.Target = value;
      return;
    case "uid":
    case "gid":
      if (!/^\d{1,9}$/.test(value)) throw fail(text, `${key} "${value}" is not a number`);
      use[key === "uid" ? "UID" : "GID"] = Number(value);
      return;
    case "mode":
      if (!/^[0-7]{1,4}$/.test(value)) throw fail(text, `mode "${value}" is not an octal number`);
      use.Mode = Number.parseInt(value, 8);
      return;
    default:
      throw fail(text, `unknown option "${key}": known are source, type, target, uid, gid, mode`);
  }
}
