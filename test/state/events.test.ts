/** The journal of events: what is written is read, once each, whatever happens to the file meanwhile. */
import { afterAll, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Context, createContext, EventReader, emit, type JournalEvent } from "../../src/state";

const places: string[] = [];
afterAll(() => {
  for (const place of places) rmSync(place, { recursive: true, force: true });
});

function newContext(): Context {
  const home = mkdtempSync(join(tmpdir(), "proa-events-"));
  places.push(home);
  const context = createContext({ env: { XDG_DATA_HOME: home, HOME: home }, warn: () => {} });
  mkdirSync(context.paths.data, { recursive: true });
  return context;
}

const started = (ID: string) =>
  ({ Type: "container", Action: "start", ID, Attributes: { name: `n${ID}` } }) as const;

function readAll(context: Context): JournalEvent[] {
  const reader = new EventReader(context.paths.events, false);
  const events: JournalEvent[] = [];
  reader.read((event) => events.push(event));
  reader.close();
  return events;
}

const idsOf = (events: JournalEvent[]): string[] => events.map(({ Actor }) => Actor.ID);

/** As many bytes of records as make the next one begin a new file. */
function fill(context: Context, ID = "fill"): void {
  emit(context, started(ID));
  const line = readFileSync(context.paths.events, "utf8").split("\n").at(-2) as string;
  appendFileSync(context.paths.events, `${line}\n`.repeat(Math.ceil((8 << 20) / (line.length + 1))));
}

describe("the journal", () => {
  test("is one JSON object a line, with docker's fields and all digits of the time", () => {
    const context = newContext();
    const before = Date.now();
    emit(context, {
      Type: "volume",
      Action: "create",
      ID: "data",
      Attributes: { driver: "local", odd: 'a"\n' },
    });
    const text = readFileSync(context.paths.events, "utf8");
    expect(text.split("\n")).toHaveLength(2);
    expect(JSON.parse(text)).toMatchObject({
      Type: "volume",
      Action: "create",
      Actor: { ID: "data", Attributes: { driver: "local", odd: 'a"\n' } },
      scope: "local",
    });
    const [event] = readAll(context);
    const { time, nanoseconds } = event as JournalEvent;
    expect(nanoseconds / 1_000_000_000n).toBe(BigInt(time));
    expect(Number(nanoseconds / 1_000_000n)).toBeWithin(before, Date.now() + 1);
    expect(text).toContain(`"timeNano":${nanoseconds}}`);
    expect(statSync(context.paths.events).mode & 0o777).toBe(0o600);
  });

  test("of a directory that is not there is no failure", () => {
    const context = newContext();
    rmSync(context.paths.data, { recursive: true });
    emit(context, started("a"));
    expect(existsSync(context.paths.events)).toBe(false);
    expect(readAll(context)).toEqual([]);
  });

  test("goes on behind a torn line, and behind zeros that a power cut left", () => {
    const context = newContext();
    emit(context, started("a"));
    appendFileSync(context.paths.events, '{"Type":"container","Action":"st');
    emit(context, started("b"));
    appendFileSync(context.paths.events, "\0\0\0\0");
    emit(context, started("c"));
    appendFileSync(context.paths.events, '{"Type":"container","Action":"start","Actor":{"ID":"\n');
    emit(context, { ...started("d"), Attributes: { quoted: '{"Type":"container"' } });
    expect(idsOf(readAll(context))).toEqual(["a", "b", "c", "d"]);
  });

  test("a reader is given nothing that is older than it asks for", () => {
    const context = newContext();
    for (const id of ["a", "b", "c"]) emit(context, started(id));
    const [, second] = readAll(context);
    const reader = new EventReader(context.paths.events, false, second?.nanoseconds);
    const seen: string[] = [];
    reader.read(({ Actor }) => seen.push(Actor.ID));
    reader.close();
    expect(seen).toEqual(["b", "c"]);
  });

  test("a reader that waits gets each event once, also over two rotations", () => {
    const context = newContext();
    emit(context, started("before"));
    const reader = new EventReader(context.paths.events, true);
    const seen: string[] = [];
    const read = () => reader.read(({ Actor }) => seen.push(Actor.ID));
    read();
    emit(context, started("a"));
    read();
    fill(context, "x");
    emit(context, started("b")); // in a file of its own
    fill(context, "x");
    emit(context, started("c")); // in the third
    read();
    read();
    emit(context, started("d"));
    read();
    reader.close();
    expect(seen.filter((id) => id !== "x")).toEqual(["a", "b", "c", "d"]);
    expect(existsSync(`${context.paths.events}.2`)).toBe(true);
  });

  test("keeps three files, and the newest events in them", () => {
    const context = newContext();
    for (const id of ["1", "2", "3", "4"]) {
      fill(context, id);
      emit(context, started(`behind ${id}`));
    }
    emit(context, started("last"));
    const files = ["", ".1", ".2", ".3"].map((end) => existsSync(context.paths.events + end));
    expect(files).toEqual([true, true, true, false]);
    expect(new Set(idsOf(readAll(context)))).toEqual(new Set(["3", "behind 3", "4", "behind 4", "last"]));
  });

  test("loses nothing when 50 processes write at once while it is rotated", async () => {
    const context = newContext();
    fill(context);
    rmSync(context.paths.events);
    emit(context, started("first"));
    const size = statSync(context.paths.events).size;
    appendFileSync(context.paths.events, `${"x".repeat((8 << 20) - size - 20_000)}\n`); // 20 KB of room: a tenth of what comes
    const script = join(dirname(context.paths.data), "writer.ts");
    writeFileSync(
      script,
      `import { createContext, emit } from ${JSON.stringify(join(import.meta.dir, "../../src/state/index.ts"))};
       const context = createContext({ env: process.env, warn: () => {} });
       for (let i = 0; i < 20; i++)
         emit(context, { Type: "container", Action: "start", ID: process.argv[2] + "-" + i, Attributes: { text: "é".repeat(100) } });`,
    );
    const env = { ...process.env, XDG_DATA_HOME: dirname(context.paths.data) };
    const writers = Array.from({ length: 50 }, (_, i) =>
      Bun.spawn([process.execPath, script, String(i)], { env, stdout: "ignore", stderr: "pipe" }),
    );
    for (const writer of writers) {
      expect(await writer.stderr.text()).toBe("");
      expect(await writer.exited).toBe(0);
    }
    const wanted = writers.flatMap((_, i) => Array.from({ length: 20 }, (_, j) => `${i}-${j}`));
    const found = idsOf(readAll(context)).filter((id) => id !== "first");
    expect(found.toSorted()).toEqual(wanted.toSorted());
    expect(existsSync(`${context.paths.events}.1`)).toBe(true);
    expect(existsSync(`${context.paths.events}.2`)).toBe(false); // only one of them has renamed it
  }, 60_000);
});
