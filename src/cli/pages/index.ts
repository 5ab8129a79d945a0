/** The pages about subjects. Their texts are loaded when they are asked for. */
import { type Page, sectionsOf } from "../page";

export type Subject = {
  /** What `proa help` finds it by. */
  readonly names: readonly string[];
  /** The name of the page. */
  readonly name: string;
  readonly number: 5 | 7;
  readonly summary: string;
  /** The commands whose pages name it. */
  readonly commands: RegExp;
};

export const subjects: readonly Subject[] = [
  {
    names: ["config", "proa.toml", "config.toml", "configuration"],
    name: "proa.toml",
    number: 5,
    summary: "settings of proa, the file config.toml",
    commands: /^(container (run|create)|network create|system (info|df))$/,
  },
  {
    names: ["networks", "networking"],
    name: "proa-networks",
    number: 7,
    summary: "how containers reach each other, the world and the host",
    commands: /^(network .*|container (run|create|port))$/,
  },
  {
    names: ["rootless"],
    name: "proa-rootless",
    number: 7,
    summary: "containers of an ordinary user, and what they rest on",
    commands: /^(container (run|create)|unshare|system (info|enable|boot))$/,
  },
];

export async function pageOfSubject({ name, number, summary }: Subject): Promise<Page> {
  return { name, number, summary, sections: await sectionsAbout(name) };
}

async function sectionsAbout(name: string): Promise<Page["sections"]> {
  if (name === "proa-networks") return sectionsOf((await import("./networks")).networksMarkup);
  if (name === "proa-rootless") return sectionsOf((await import("./rootless")).rootlessMarkup);
  return (await import("./config")).configSections();
}
