/** proa.toml(5), made of the table that the reader of the file uses. */
import { configKeys, configTables } from "../../state";
import { bold, itemOf, plain, type Section, sectionsOf } from "../page";

const intro = `
# DESCRIPTION

Settings of proa for one user, in TOML. The file is \`config.toml\` in \`$XDG_CONFIG_HOME/proa\`, which is \`~/.config/proa\` where that variable is not set, and
\`/etc/proa\` for root. \`proa --config DIRECTORY\` reads the one in another directory, which must be there. There need be no file: then every setting has its
default.

A setting that does not exist, and a value that does not fit, is an error that names it: nothing of the file is passed over. Commands that have no use for
settings do not read it. What a command line says is stronger than the file.

Where registries are, who has logged in, and whose signatures count stands in other files, which proa has in common with other programs: see FILES in proa(1).
`;

export function configSections(): Section[] {
  return [
    ...sectionsOf(intro),
    ...configTables.map(
      ({ name, meaning }): Section => ({
        heading: name === "" ? "SETTINGS ABOVE ALL TABLES" : `TABLE ${name.toUpperCase()}`,
        blocks: [
          { kind: "text", text: [plain(`${meaning}.`)] },
          ...configKeys
            .filter(({ key }) => (key.includes(".") ? key.split(".")[0] : "") === name)
            .map(({ key, kind, usual, meaning: says, example }) => {
              const short = key.split(".").at(-1) ?? key;
              const text = `${says} It is ${kind}. Default: ${usual}.\n\nExample: \`${short} = ${example}\``;
              return itemOf([bold(short)], text);
            }),
        ],
      }),
    ),
    exampleSection(),
    ...sectionsOf("# SEE ALSO\n\n`proa`(1), `proa-run`(1), `proa-network-create`(1), `proa-networks`(7)"),
  ];
}

/** A whole file of every example. */
function exampleSection(): Section {
  const lines = configTables.flatMap(({ name }) => [
    ...(name === "" ? [] : [`[${name}]`]),
    ...configKeys
      .filter(({ key }) => (key.includes(".") ? key.split(".")[0] : "") === name)
      .map(({ key, example }) => `${key.split(".").at(-1)} = ${example}`),
  ]);
  return { heading: "EXAMPLE", blocks: [{ kind: "lines", lines: lines.map((line) => [bold(line)]) }] };
}
