import { closeSync } from "node:fs";
import { forgetChanges, waitReadable, watchDirectory } from "../../helper";
import { EventReader, type JournalEvent, makePrivateDirectory } from "../../state";
import { needStdout } from "../_closed";
import { filterFlag } from "../_flags";
import { type Moment, momentOf } from "../_moment";
import type { App } from "../app";
import { type Filters, hasLabel, parseFilters, passesFilters } from "../output/filter";
import { formatter } from "../output/format";
import { oneLine, printableJson } from "../output/table";
import { defineCommand } from "../tree";

const KEYS =
  "config container daemon event image label network node plugin pod scope secret service type volume".split(
    " ",
  );

export const command = defineCommand({
  meta: {
    description: "Show what happens to containers, images, networks and volumes",
    details:
      "Every command and every supervisor writes what it has done into a journal, so that what has happened can also be asked for later: after the containers have gone, and after a reboot. Without --since and --until it begins now. The newest 24 MB are kept.",
    examples: [
      { command: "proa events", does: "show it as it happens" },
      { command: "proa events --since 1h --until 0s", does: "what happened in the last hour" },
      {
        command: "proa events --filter event=die --format '{{.Actor.Attributes.exitCode}}'",
        does: "how containers end",
      },
    ],
    seeAlso: ["proa-logs(1)"],
  },
  args: {
    filter: filterFlag(KEYS, "events"),
    format: {
      type: "string",
      valueHint: "FORMAT",
      value: "format",
      description: "json, or a Go template",
    },
    since: {
      type: "string",
      valueHint: "TIME",
      value: "none",
      description: "What came later: a time, or a duration such as 10m",
    },
    until: {
      type: "string",
      valueHint: "TIME",
      value: "none",
      description: "What came earlier; one that is to come is waited for",
    },
    stream: {
      type: "boolean",
      default: true,
      description: "Go on as it happens; --stream=false ends with the last event",
    },
    "no-trunc": {
      type: "boolean",
      default: true,
      description: "Do not shorten; --no-trunc=false shortens ids",
    },
  },
  fields: async () => (await import("../document-fields")).fieldsOf("event"),
  async run({ app, args }) {
    const { context, io } = app;
    const now = context.now();
    const since = args.since === undefined ? undefined : momentOf("since", args.since, now);
    const until = args.until === undefined ? undefined : momentOf("until", args.until, now);
    const filters = parseFilters(args.filter.map(inDockersWords), KEYS);
    const show = await lineFormat(args.format, args["no-trunc"]);
    const [first, last] = [since && nanosecondsOf(since), until && nanosecondsOf(until)];
    const fromNow = since === undefined && until === undefined && args.stream;
    if (args.stream) needStdout();
    const reader = new EventReader(context.paths.events, fromNow, first);
    let text = "";
    const flush = (): void => {
      if (text !== "") io.stdout.write(text);
      text = "";
    };
    const take = (event: JournalEvent): void => {
      if ((last !== undefined && event.nanoseconds > last) || !isWanted(event, filters)) return;
      text += show(event);
      if (text.length > BATCH) flush();
    };
    stream(app, reader, args.stream, last, take, flush);
  },
});

const BATCH = 64 << 10; // characters: one call to write for many events

/** Take what there is, and with `follow` what comes, up to `last`. */
function stream(
  { context }: App,
  reader: EventReader,
  follow: boolean,
  last: bigint | undefined,
  take: (event: JournalEvent) => void,
  flush: () => void,
): void {
  makePrivateDirectory(context.paths.data, context.uid); // there is something to watch, also before the first event
  const changes = follow ? watchDirectory(context.paths.data) : null;
  const leftMs = (): number =>
    last === undefined ? Number.POSITIVE_INFINITY : Number(last / 1_000_000n) + 1 - context.now();
  try {
    for (;;) {
      const left = leftMs(); // asked before reading: what comes meanwhile counts
      reader.read(take);
      flush();
      if (changes === null || left <= 0) return;
      waitReadable(changes, Number.isFinite(left) ? Math.min(left, LONGEST_WAIT_MS) : -1);
      forgetChanges(changes);
    }
  } finally {
    reader.close();
    if (changes !== null) closeSync(changes);
  }
}

const LONGEST_WAIT_MS = 1 << 30;

function nanosecondsOf({ seconds, nanoseconds }: Moment): bigint {
  return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
}

/** podman's names of what docker calls otherwise. */
const podmansNames: Record<string, string> = {
  died: "die",
  exited: "die",
  remove: "destroy",
  exec: "exec_start",
  exec_died: "exec_die",
  untag: "untag",
};

function inDockersWords(filter: string): string {
  const event = /^event=(.*)$/.exec(filter)?.[1];
  return event !== undefined && Object.hasOwn(podmansNames, event) ? `event=${podmansNames[event]}` : filter;
}

/**
 * docker's rules: an id or name by its beginning, an image with or without its tag, an action that says more
 * by its first word.
 */
function isWanted(event: JournalEvent, filters: Filters): boolean {
  const { ID, Attributes } = event.Actor;
  const begins = (type: string) => (value: string) =>
    event.Type === type && (ID.startsWith(value) || (Attributes.name ?? "").startsWith(value));
  const untagged = (name: string) => name.replace(/(@.*|:[^/:]*)$/, "");
  const image = Attributes.image ?? "";
  const things = ["config", "daemon", "network", "node", "plugin", "pod", "secret", "service", "volume"];
  return passesFilters(filters, {
    ...Object.fromEntries(things.map((type) => [type, begins(type)])),
    container: (value) => begins("container")(value) || Attributes.container?.startsWith(value) === true,
    event: (value) => event.Action === value || event.Action.startsWith(`${value}:`),
    image: (value) =>
      (event.Type === "image" &&
        [ID, untagged(ID), Attributes.name, untagged(Attributes.name ?? "")].includes(value)) ||
      (image !== "" && [image, untagged(image)].includes(value)),
    label: (value) => hasLabel(Attributes, value),
    scope: (value) => event.scope === value,
    type: (value) => event.Type === value,
  });
}

type Shown = (event: JournalEvent) => string;

async function lineFormat(format: string | undefined, noTrunc: boolean): Promise<Shown> {
  const shownId = (id: string) => (noTrunc || !/^[0-9a-f]{64}$/.test(id) ? id : id.slice(0, 12));
  if (format === undefined || format === "") return (event) => plainLine(event, shownId(event.Actor.ID));
  if (/^(json|\{\{\s*json \.\s*\}\})$/.test(format)) return jsonLine;
  const print = await formatter(format);
  return (event) => print(fieldsOf(event, shownId(event.Actor.ID)));
}

function plainLine(event: JournalEvent, id: string): string {
  const attributes = Object.entries(event.Actor.Attributes)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${value}`);
  const more = attributes.length > 0 ? ` (${attributes.join(", ")})` : "";
  return `${oneLine(`${timeOf(event.nanoseconds)} ${event.Type} ${event.Action} ${id}${more}`)}\n`;
}

/** RFC 3339 in the user's zone, always with nine digits. */
function timeOf(nanoseconds: bigint): string {
  const date = new Date(Number(nanoseconds / 1_000_000n));
  const two = (value: number) => String(Math.trunc(value)).padStart(2, "0");
  const offset = -date.getTimezoneOffset();
  const zone =
    offset === 0
      ? "Z"
      : `${offset < 0 ? "-" : "+"}${two(Math.abs(offset) / 60)}:${two(Math.abs(offset) % 60)}`;
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day}T${time}.${String(nanoseconds % 1_000_000_000n).padStart(9, "0")}${zone}`;
}

/** What docker's older clients read, of containers and images. */
function legacyOf({ Type, Action, Actor }: JournalEvent): { status?: string; id?: string; from?: string } {
  if (Type === "image") return { status: Action, id: Actor.ID };
  if (Type !== "container") return {};
  return {
    status: Action,
    id: Actor.ID,
    ...(Actor.Attributes.image ? { from: Actor.Attributes.image } : {}),
  };
}

function jsonLine(event: JournalEvent): string {
  const { Type, Action, Actor, scope, time } = event;
  const Attributes = Object.fromEntries(
    Object.entries(Actor.Attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  const message = { ...legacyOf(event), Type, Action, Actor: { ID: Actor.ID, Attributes }, scope, time };
  return `${printableJson(JSON.stringify(message)).slice(0, -1)},"timeNano":${event.nanoseconds}}\n`;
}

/** docker's names in a template, and podman's that are none of docker's. */
function fieldsOf(event: JournalEvent, id: string): Record<string, unknown> {
  const { Type, Action, Actor, scope, time } = event;
  const { Attributes } = Actor;
  const attributes = new Map(Object.entries(Attributes));
  return {
    Status: Action,
    ID: id,
    From: Attributes.image ?? "",
    Type,
    Action,
    Actor: { ID: id, Attributes: attributes },
    Scope: scope,
    Time: time,
    TimeNano: event.nanoseconds,
    Attributes: attributes,
    Name: Attributes.name ?? "",
    Image: Attributes.image ?? "",
    Network: Type === "network" ? (Attributes.name ?? "") : "",
    HealthStatus: /^health_status: (.*)$/.exec(Action)?.[1] ?? "",
    ContainerExitCode: Number(Attributes.exitCode ?? 0),
    TimeUnix: time,
  };
}
