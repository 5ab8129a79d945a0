import { type CommandDef as CittyCommandDef, defineCommand as define } from "citty";
import type { App } from "./app";

/**
 * What a command is. One definition feeds the argv reader (`args.ts`), `--help` (`help.ts`), the man pages (`man.ts`) and
 * the completions (`completion.ts`); where a command hangs in the tree and its other names are in `commands.ts`.
 *
 * The shape is citty's `CommandDef` with what docker's grammar needs on top. citty's `defineCommand` is the identity and
 * the bundler leaves nothing of citty behind it; its `runCommand` loads `node:util` and parses argv a second time, which
 * costs 2 to 3 ms in a compiled executable whose empty program takes 4, so `args.ts` calls `run` itself.
 */

/** What a value is, for completion. Where the values of each kind come from is in `providers.ts`. */
export type NamedKind =
  | "none" // free text, a number, a time: nothing can be offered
  | "file"
  | "directory"
  | "container" // any container, by name or id; so are the four that follow
  | "running-container"
  | "active-container" // runs, and is not paused
  | "paused-container"
  | "stopped-container"
  | "container-option" // CONTAINER[:OPTIONS], whose volumes are taken
  | "container-link" // CONTAINER[:ALIAS]
  | "containers" // CONTAINER[,CONTAINER...]
  | "container-filter" // KEY=VALUE, with the keys of `ps`
  | "image" // a local image, by name or id
  | "image-at-host" // [HOST::]IMAGE
  | "manifest" // a manifest list
  | "manifest-entry" // of the list in front of it
  | "artifact"
  | "network"
  | "volume"
  | "secret"
  | "object" // what has a name: that of --type, or any
  | "host-command" // a program of this host
  | "command" // a program inside the container or image in front of it
  | "user" // USER[:GROUP] inside the container or image
  | "group"
  | "directory-inside" // absolute, inside the container or image
  | "copy-path" // [CONTAINER:]PATH
  | "mount" // --mount
  | "volume-mount" // --volume
  | "tmpfs-mount" // --tmpfs
  | "device" // --device
  | "device-limit" // DEVICE:NUMBER
  | "published-port" // --publish
  | "open-port" // PORT[/PROTOCOL] of the container in front of it
  | "exposed-port" // --expose
  | "network-use" // --network
  | "secret-use" // --secret
  | "cgroupns-mode"
  | "ipc-mode"
  | "pid-mode"
  | "userns-mode"
  | "uts-mode"
  | "security-option"
  | "sysctl"
  | "ulimit"
  | "log-driver"
  | "log-option"
  | "restart-policy"
  | "signal"
  | "capability"
  | "platform"
  | "os"
  | "architecture"
  | "architecture-variant"
  | "runtime"
  | "environment" // NAME[=VALUE] of this process
  | "label" // KEY[=VALUE], keys that are in use
  | "host-name" // NAME:ADDRESS
  | "host-user"
  | "subuid-name"
  | "time-zone"
  | "cpu-list"
  | "instruction" // --change
  | "registry"
  | "repository" // REPOSITORY[:TAG], of a local image or of a registry
  | "format" // a Go template, by the fields of the definition
  | "row-format" // the same, of rows that can be a table
  | "topic"; // the words of a command

/** `oneOf` is checked by the reader and typed; `suggest` is only offered; `filter` has the keys of a --filter. */
export type ValueKind =
  | NamedKind
  | { readonly oneOf: readonly string[] }
  | { readonly suggest: readonly string[] }
  | { readonly filter: readonly string[] };

type FlagCommon = {
  /** One line, capital first letter, no full stop. Shown in help, completion and man page. */
  readonly description: string;
  /** Further sentences for the man page: units, limits, what else it changes. */
  readonly details?: string;
  /** The one-letter name, without the dash. */
  readonly alias?: string;
  /** Other long spellings that are accepted and never shown (`--net`). */
  readonly hiddenNames?: readonly string[];
  /** Accepted, but in no help, man page or completion. */
  readonly hidden?: boolean;
  /** Heading in help; flags without one come first, under "Options". */
  readonly group?: string;
};

export type BooleanArg = FlagCommon & { readonly type: "boolean"; readonly default?: boolean };

type ValueCommon = FlagCommon & {
  /** Name of the value in help and man page: `MEMORY`, `KEY=VALUE`; written without brackets. */
  readonly valueHint: string;
  readonly value?: ValueKind;
};

export type StringArg = ValueCommon & {
  readonly type: "string";
  readonly default?: string;
  /** May be repeated; the result is a list, empty when the flag is absent. */
  readonly multiple?: boolean;
  /** The value that the flag has when it is written without `=VALUE`; then a value needs the `=`. */
  readonly optional?: string;
};

export type IntArg = ValueCommon & {
  readonly type: "int";
  readonly default?: number;
  readonly min?: number;
  readonly max?: number;
};

export type PositionalArg = {
  readonly type: "positional";
  readonly description: string;
  /** Name in help; the key in capitals when absent. */
  readonly valueHint?: string;
  readonly value?: ValueKind;
  /** Default true. */
  readonly required?: boolean;
  /** Takes all that follow: a list. Only the last positional. */
  readonly rest?: boolean;
};

export type FlagArg = BooleanArg | StringArg | IntArg;
export type Arg = FlagArg | PositionalArg;

/** Flags by their long name (kebab-case, as typed), positionals by any key, in order. */
export type Args = Readonly<Record<string, Arg>>;

type OneOf<A> = A extends { value: { oneOf: readonly (infer V)[] } } ? V : string;

/** The typed value of one argument. */
export type ValueOf<A extends Arg> = A extends { type: "boolean" }
  ? boolean
  : A extends { type: "int" }
    ? A extends { default: number }
      ? number
      : number | undefined
    : A extends { type: "string" }
      ? A extends { multiple: true }
        ? OneOf<A>[]
        : A extends { default: string }
          ? OneOf<A>
          : OneOf<A> | undefined
      : A extends { rest: true }
        ? OneOf<A>[]
        : A extends { required: false }
          ? OneOf<A> | undefined
          : OneOf<A>;

/** The result of reading argv: one property an argument, under the key it has in the definition. */
export type Values<A extends Args> = { [K in keyof A]: ValueOf<A[K]> };

export type RunContext<A extends Args> = {
  app: App;
  args: Values<A>;
  /** Keys of the arguments that were on the command line: tells a default from the same value typed. */
  given: ReadonlySet<string>;
  /** As it was typed, "proa run"; for messages. */
  typed: string;
};

export type Example = { readonly command: string; readonly does: string };

export type CommandMeta = {
  /** One line, capital first letter, no full stop. */
  readonly description: string;
  /** Paragraphs of the man page, parted by an empty line. */
  readonly details?: string;
  readonly examples?: readonly Example[];
  /** Besides 0 and 125, which every command has. Status as text: "126", "128+N". */
  readonly exitStatuses?: readonly { readonly status: string; readonly meaning: string }[];
  /** Other pages, as "proa-create(1)". */
  readonly seeAlso?: readonly string[];
  /** Accepted, but in no help, man page or completion. */
  readonly hidden?: boolean;
  /** Shown in place of the usage line made from the positionals, without "proa run": "[OPTIONS] IMAGE [COMMAND] [ARG...]". */
  readonly usage?: string;
};

export type CommandDef<A extends Args = Args> = {
  readonly meta: CommandMeta;
  readonly args: A;
  /** What a template of `--format` may name, nested ones with dots: "State.Status". For completion. */
  readonly fields?: (app: App) => readonly string[] | Promise<readonly string[]>;
  /** False: options end at the first positional (run, exec, create). */
  readonly interspersed?: boolean;
  /** False: argv is handed over unread, all of it in the `rest` positional (`__complete`, `__report`). */
  readonly parsed?: boolean;
  /** Does the work. A number is the exit status; nothing is 0. Throws `EngineError`. */
  run(context: RunContext<A>): Promise<number | undefined> | Promise<void> | number | undefined | void;
};

/** A definition whose arguments are not known here: for walking the tree. */
// biome-ignore lint/suspicious/noExplicitAny: `run` is contravariant in its arguments; only `any` accepts every command
export type AnyCommand = CommandDef<any>;

/** Define a command; infers the types of `args` for `run`. */
export function defineCommand<const A extends Args>(definition: CommandDef<A>): CommandDef<A> {
  return define(definition as unknown as CittyCommandDef) as unknown as CommandDef<A>;
}

/** A flag and its long name. */
export type Flag = { readonly key: string; readonly arg: FlagArg };

/** The flags of a definition, found by their names. */
export type FlagIndex = {
  /** By a long name, the hidden ones too. */
  long(name: string): Flag | undefined;
  short(letter: string): Flag | undefined;
  /** The names that are shown. */
  names(): string[];
};

/** What reads a command line, or completes it, needs of a definition: the arguments without their texts. */
export type Grammar = {
  readonly flags: FlagIndex;
  readonly positionals: readonly (readonly [key: string, arg: PositionalArg])[];
  readonly interspersed?: boolean | undefined;
  readonly parsed?: boolean | undefined;
};

/** A line of the command table: where a command hangs and where its definition is. */
export type CommandEntry = {
  /** The full path, "container run". */
  readonly path: string;
  /** Other full paths: "run". The first top-level one is the name shown in help. */
  readonly aliases: readonly string[];
  readonly load: () => Promise<{ command: AnyCommand }>;
  /** The definition's grammar apart from it, so that what cannot be read loads no more than that. The build writes this (`.dev/grammars.ts`). */
  readonly grammar?: () => Promise<Grammar>;
};

/** A noun: what `proa container` is about. */
export type Noun = { readonly name: string; readonly description: string };
