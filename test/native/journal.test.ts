/** The events that the supervisor writes. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseEvent } from "../../src/state/event-reader";
import { Container, helperMissing, makeDirectory, removeDirectories } from "./_container";

setDefaultTimeout(30_000);
afterAll(removeDirectories);

describe.skipIf(helperMissing !== undefined)(`journal${helperMissing ? ` (${helperMissing})` : ""}`, () => {
  const journalIn = (directory: string) => ({
    path: join(directory, "events.jsonl"),
    name: "web",
    attributes: { image: "tiny", label: 'a "b"\n' },
  });
  const eventsOf = (path: string) =>
    readFileSync(path, "utf8")
      .split("\n")
      .slice(0, -1)
      .map((line) => parseEvent(line));
  const none = ["ignore", "pipe", "pipe"] as ["ignore", "pipe", "pipe"];

  test("are start and die, in the form that TypeScript's side reads", async () => {
    const journal = journalIn(makeDirectory());
    const before = BigInt(Date.now()) * 1_000_000n;
    const container = new Container(["sh", "-c", "exit 7"], { journal });
    await container.run(none).exited;
    const events = eventsOf(journal.path);
    expect(events).toMatchObject([
      { Type: "container", Action: "start", scope: "local" },
      { Type: "container", Action: "die", scope: "local" },
    ]);
    for (const event of events) {
      expect(event?.Actor.ID).toBe(container.id);
      expect(event?.Actor.Attributes).toMatchObject({ ...journal.attributes, name: "web" });
      expect(event?.nanoseconds).toBeGreaterThanOrEqual(before);
      expect(event?.nanoseconds.toString().slice(0, 10)).toBe(String(event?.time));
    }
    expect(events[1]?.Actor.Attributes).toMatchObject({
      exitCode: "7",
      execDuration: expect.stringMatching(/^\d+$/),
    });
    expect(statSync(journal.path).mode & 0o777).toBe(0o600);
  });

  test("with --rm end in destroy; the name is the one in the run directory", async () => {
    const journal = journalIn(makeDirectory());
    const container = new Container(["sh", "-c", "true"], { journal, remove: true });
    writeFileSync(join(container.runDir, "name"), "renamed");
    await container.run(none).exited;
    const events = eventsOf(journal.path);
    expect(events.map((event) => event?.Action)).toEqual(["start", "die", "destroy"]);
    expect(events.map((event) => event?.Actor.Attributes.name)).toEqual(["renamed", "renamed", "renamed"]);
  });

  test("begin a new file behind 8 MiB, and keep three", async () => {
    const journal = journalIn(makeDirectory());
    for (const i of [1, 2, 3]) {
      writeFileSync(journal.path, "");
      appendFileSync(journal.path, `${`${i}`.repeat(1023)}\n`.repeat(8 << 10));
      await new Container(["true"], { journal }).run(none).exited;
    }
    const text = (end: string) => readFileSync(journal.path + end, "utf8");
    expect(text(".2").startsWith("2")).toBe(true);
    expect(text(".1").startsWith("3")).toBe(true);
    expect(text(".1")).toContain('"Action":"start"'); // who had it open writes where it is
    expect(text("").startsWith('{"Type":"container","Action":"die"')).toBe(true);
    expect(existsSync(`${journal.path}.3`)).toBe(false);
  });

  test("that find no place cost nothing but themselves", async () => {
    const journal = { ...journalIn("/nowhere"), path: "/nowhere/events.jsonl" };
    const container = new Container(["echo", "out"], { journal });
    const child = container.run(none);
    expect(await child.stdout.text()).toBe("out\n");
    expect(await child.exited).toBe(0);
  });
});
