/** `UsernsMode`: docker's `host`, and podman's modes. */
import { EngineError } from "../error";

export type UserNamespaceMode =
  /** The usual map: the caller is root. */
  | { kind: "usual" }
  /** The caller is itself inside, or these ids. */
  | { kind: "keep-id"; uid: number | undefined; gid: number | undefined; size: number | undefined }
  /** A range of its own. */
  | { kind: "auto"; size: number | undefined; uid: string[]; gid: string[] }
  /** The caller is not there. */
  | { kind: "nomap" }
  | { kind: "container"; reference: string }
  | { kind: "ns"; path: string };

const KNOWN =
  "known: host, keep-id[:uid=,gid=,size=], auto[:size=,uidmapping=,gidmapping=], nomap, container:NAME, ns:/PATH, private";

/** @throws `invalid` */
export function parseUserNamespace(text: string): UserNamespaceMode {
  const cut = text.indexOf(":");
  const word = cut < 0 ? text : text.slice(0, cut);
  const rest = cut < 0 ? "" : text.slice(cut + 1);
  const fail = (why: string): EngineError =>
    new EngineError("invalid", "--userns", text, why, { hint: KNOWN });
  switch (word) {
    case "":
    case "host":
    case "private":
      if (cut >= 0) throw new EngineError("invalid", "--userns", "", "invalid USER mode", { hint: KNOWN });
      return { kind: "usual" };
    case "nomap":
      if (cut >= 0) throw fail('"nomap" takes no options');
      return { kind: "nomap" };
    case "keep-id": {
      const options = optionsOf(rest, ["uid", "gid", "size"], fail);
      const number = (name: string) => numberOf(options.get(name)?.[0], fail);
      return { kind: "keep-id", uid: number("uid"), gid: number("gid"), size: number("size") };
    }
    case "auto": {
      const options = optionsOf(rest, ["size", "uidmapping", "gidmapping"], fail);
      return {
        kind: "auto",
        size: numberOf(options.get("size")?.[0], fail),
        uid: options.get("uidmapping") ?? [],
        gid: options.get("gidmapping") ?? [],
      };
    }
    case "container":
      if (rest === "") throw fail("expected container:NAME");
      return { kind: "container", reference: rest };
    case "ns":
      if (!rest.startsWith("/")) throw fail("expected ns:/PATH of a user namespace");
      return { kind: "ns", path: rest };
    default:
      throw new EngineError("invalid", "--userns", "", "invalid USER mode", { hint: KNOWN });
  }
}

type Fail = (why: string) => EngineError;

function optionsOf(text: string, known: readonly string[], fail: Fail): Map<string, string[]> {
  const options = new Map<string, string[]>();
  for (const part of text.split(",").filter(Boolean)) {
    const [name = "", value] = [
      part.split("=", 1)[0],
      part.includes("=") ? part.slice(part.indexOf("=") + 1) : undefined,
    ];
    if (!known.includes(name)) throw fail(`unknown option specified: "${part}"`);
    if (!value) throw fail(`option "${name}" has no value`);
    options.set(name, [...(options.get(name) ?? []), value]);
  }
  return options;
}

function numberOf(text: string | undefined, fail: Fail): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,10}$/.test(text) || Number(text) > 0xffff_fffe) throw fail(`"${text}" is not a number of ids`);
  return Number(text);
}
