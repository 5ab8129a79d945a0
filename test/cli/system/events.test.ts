/** `proa events`: what commands and supervisors tell, and how it is asked for. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fromNow, missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, removeAll, SLEEP, supervisorOf } from "../container/_shell";

type Message = {
  status?: string;
  id?: string;
  from?: string;
  Type: string;
  Action: string;
  Actor: { ID: string; Attributes: Record<string, string> };
  scope: string;
  time: number;
  timeNano: number;
};

describe.skipIf(missing !== null)("events", () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  /** What happens while `work` is done, as `TYPE ACTION`. */
  const during = async (work: () => Promise<unknown>, ...args: string[]): Promise<Message[]> => {
    const since = fromNow();
    await work();
    const text = await engine.ok(["events", "--since", since, "--until", "0s", "--format", "json", ...args]);
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };
  const words = (messages: Message[]) => messages.map(({ Type, Action }) => `${Type} ${Action}`);

  test("and stats end where there is no standard output to print on", () => {
    for (const command of ["events", "stats"]) {
      const script = `timeout 20 "$0" ${command} >&-`;
      const { exitCode } = Bun.spawnSync(["bash", "-c", script, proaPath], { env: engine.sandbox.env });
      expect([command, exitCode]).toEqual([command, 0]);
    }
  });

  test("tell the life of a container, in docker's words and order", async () => {
    const work = () =>
      engine.proa([
        "run",
        "--rm",
        "--name",
        "web",
        "--network",
        "none",
        "--label",
        "a=b",
        place.tiny,
        "sh",
        "-c",
        "exit 3",
      ]);
    const told = await during(work);
    expect(words(told)).toEqual([
      "container create",
      "container attach",
      "container start",
      "container die",
      "container destroy",
    ]);
    const [id] = told.map(({ Actor }) => Actor.ID);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    for (const { Actor, scope, status, id: legacy, from, Action, time, timeNano } of told) {
      expect(Actor.ID).toBe(id as string);
      expect(Actor.Attributes).toMatchObject({ name: "web", image: place.tiny, a: "b" });
      expect({ scope, status, legacy, from }).toEqual({
        scope: "local",
        status: Action,
        legacy: id as string,
        from: place.tiny,
      });
      expect(Math.floor(timeNano / 1e9)).toBe(time);
    }
    const died = told.find(({ Action }) => Action === "die");
    expect(died?.Actor.Attributes).toMatchObject({
      exitCode: "3",
      execDuration: expect.stringMatching(/^\d+$/),
    });
  });

  test("tell of each verb", async () => {
    const told = await during(async () => {
      await engine.ok(["create", "--name", "web", "--network", "none", place.tiny, ...SLEEP]);
      await engine.ok(["start", "web"]);
      await engine.ok(["rename", "web", "other"]);
      await engine.ok(["exec", "other", "true"]);
      await engine.ok(["kill", "--signal", "WINCH", "other"]);
      await engine.ok(["stop", "--time", "0", "other"]);
      await engine.ok(["rm", "other"]);
    });
    const exec = told.map(({ Action }) => Action).filter((action) => action.startsWith("exec"));
    expect(exec).toEqual(["exec_create: true", "exec_start: true", "exec_die"]);
    expect(words(told.filter(({ Action }) => !Action.startsWith("exec")))).toEqual([
      "container create",
      "container start",
      "container rename",
      "container kill",
      "container kill",
      "container die",
      "container stop",
      "container destroy",
    ]);
    const of = (action: string) =>
      told.filter(({ Action }) => Action === action).map(({ Actor }) => Actor.Attributes);
    expect(of("rename")).toMatchObject([{ name: "other", oldName: "/web" }]);
    expect(of("kill")).toMatchObject([{ signal: "28" }, { signal: "15" }]);
    expect(of("exec_die")).toMatchObject([{ exitCode: "0" }]);
    // the supervisor, which was started under the old name
    expect(of("die")).toMatchObject([{ name: "other", exitCode: "137" }]);
  });

  test("tell of rm -f", async () => {
    const told = await during(async () => {
      await detach(place, "web", SLEEP, ["--network", "none"]);
      await engine.ok(["rm", "-f", "web"]);
    });
    expect(words(told)).toEqual([
      "container create",
      "container start",
      "container kill",
      "container die",
      "container destroy",
    ]);
  });

  test("tell of the end of one whose supervisor was killed when it is seen, once, and invent no status", async () => {
    const told = await during(async () => {
      const id = await detach(place, "web", SLEEP, ["--network", "none"]);
      process.kill(supervisorOf(place, id), "SIGKILL");
      await waitUntil(async () => (await engine.ok(["ps", "-q"])) === "");
      await engine.ok(["ps", "-a"]);
      await engine.ok(["rm", "web"]);
    });
    expect(words(told)).toEqual([
      "container create",
      "container start",
      "container die",
      "container destroy",
    ]);
    expect(told[2]?.Actor.Attributes).not.toHaveProperty("exitCode");
  });

  test("tell of images", async () => {
    const told = await during(async () => {
      await engine.ok(["rmi", place.tiny]);
      await engine.ok(["pull", "--quiet", place.tiny]);
    });
    expect(words(told)).toEqual(["image untag", "image untag", "image delete", "image pull"]);
    expect(told.at(-1)).toMatchObject({
      status: "pull",
      id: place.tiny,
      Actor: { ID: place.tiny, Attributes: { name: place.tiny } },
    });
    expect(told.at(-1)?.from).toBeUndefined();
    expect(told[0]?.Actor).toMatchObject({ Attributes: { name: place.tiny } });
    expect(told[2]?.Actor.ID).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test("tell of networks", async () => {
    const told = await during(
      async () => {
        await engine.ok(["network", "create", "quiet"]);
        await engine.ok(["create", "--name", "web", "--network", "none", place.tiny, ...SLEEP]);
        await engine.ok(["network", "connect", "quiet", "web"]);
        await engine.ok(["network", "disconnect", "quiet", "web"]);
        await engine.ok(["network", "rm", "quiet"]);
      },
      "--filter",
      "type=network",
    );
    expect(words(told)).toEqual([
      "network create",
      "network connect",
      "network disconnect",
      "network destroy",
    ]);
    expect(told[1]?.Actor.Attributes).toMatchObject({ name: "quiet", type: "bridge" });
    expect(told[1]?.Actor.Attributes.container).toMatch(/^[0-9a-f]{64}$/);
    expect(told[1]?.status).toBeUndefined();
  });

  test("the line is docker's, its time local with nine digits", async () => {
    const since = fromNow();
    const id = await engine.ok(["create", "--name", "web", "--label", "z=1", place.tiny]);
    const args = ["events", "--since", since, "--until", "0s"];
    const utc = await engine.ok(args, { env: { TZ: "UTC" } });
    expect(utc).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z /);
    expect(utc.slice(utc.indexOf(" ") + 1)).toBe(
      `container create ${id} (image=${place.tiny}, name=web, z=1)`,
    );
    const tokyo = await engine.ok(args, { env: { TZ: "Asia/Tokyo" } });
    expect(Date.parse(tokyo.split(" ")[0] ?? "")).toBe(Date.parse(utc.split(" ")[0] ?? ""));
    const short = await engine.ok([...args, "--no-trunc=false"]);
    expect(short).toContain(`create ${id.slice(0, 12)} (`);
  });

  test("--format takes a template with docker's fields", async () => {
    const since = fromNow();
    const id = await engine.ok(["create", "--name", "web", place.tiny]);
    const show = (format: string) =>
      engine.ok(["events", "--since", since, "--until", "0s", "--format", format]);
    expect(await show("{{.Type}}|{{.Action}}|{{.Status}}|{{.ID}}|{{.From}}|{{.Scope}}")).toBe(
      `container|create|create|${id}|${place.tiny}|local`,
    );
    expect(await show('{{.Actor.ID}} {{.Actor.Attributes.name}} {{index .Actor.Attributes "image"}}')).toBe(
      `${id} web ${place.tiny}`,
    );
    expect(await show("{{.Name}} {{.Image}}")).toBe(`web ${place.tiny}`);
    const [time = "", nano = ""] = (await show("{{.Time}} {{.TimeNano}}")).split(" ");
    expect(nano).toMatch(/^\d{19}$/);
    expect(nano.startsWith(time)).toBe(true);
    expect(JSON.parse(await show("{{json .}}"))).toMatchObject({ status: "create", id, Type: "container" });
    expect((await engine.proa(["events", "--stream=false", "--format", "{{.Nothing}}"])).exitCode).not.toBe(
      0,
    );
  });

  test("--filter chooses by container, event, image, label and type", async () => {
    const since = fromNow();
    const one = await engine.ok(["create", "--name", "one", "--label", "team=a", place.tiny]);
    await engine.ok(["create", "--name", "two", "--label", "team=b", place.tiny]);
    await engine.ok(["rm", "one"]);
    const names = async (...filters: string[]): Promise<string[]> => {
      const flags = filters.flatMap((filter) => ["--filter", filter]);
      const format = ["--format", "{{.Action}} {{.Actor.Attributes.name}}"];
      const text = await engine.ok(["events", "--since", since, "--until", "0s", ...flags, ...format]);
      return text.split("\n").filter(Boolean);
    };
    const all = ["create one", "create two", "destroy one"];
    expect(await names()).toEqual(all);
    expect(await names("container=one")).toEqual(["create one", "destroy one"]);
    expect(await names(`container=${one.slice(0, 12)}`)).toEqual(["create one", "destroy one"]);
    expect(await names("container=one", "container=two")).toEqual(all);
    expect(await names("event=create")).toEqual(["create one", "create two"]);
    expect(await names("event=remove")).toEqual(["destroy one"]); // podman's name of it
    expect(await names("label=team=b")).toEqual(["create two"]);
    expect(await names("label=team")).toEqual(all);
    expect(await names("label=team=a", "event=destroy")).toEqual(["destroy one"]);
    expect(await names(`image=${place.tiny}`)).toEqual(all);
    expect(await names(`image=${place.tiny.replace(/:latest$/, "")}`)).toEqual(all);
    expect(await names("image=other")).toEqual([]);
    expect(await names("type=image")).toEqual([]);
    const wrong = await engine.proa(["events", "--stream=false", "--filter", "colour=red"]);
    expect(wrong.stderr).toContain('invalid filter "colour"');
    expect(wrong.exitCode).toBe(125);
  });

  test("stream from now on, and end at --until", async () => {
    await engine.ok(["create", "--name", "old", place.tiny]);
    const stream = engine.start(["events", "--format", "{{.Action}} {{.Actor.Attributes.name}}"]);
    const reader = stream.stdout.getReader();
    // it watches when it shows something: what comes is told as often as it takes
    let shown = "";
    const seen = (async () => {
      while (!shown.includes("destroy new")) {
        const { value, done } = await reader.read();
        if (done) return;
        shown += new TextDecoder().decode(value);
      }
    })();
    await waitUntil(async () => {
      await engine.ok(["create", "--name", "new", place.tiny]);
      await engine.ok(["rm", "new"]);
      return shown.includes("destroy new");
    });
    await seen;
    expect(shown).not.toContain("old");
    stream.kill();
    const ends = engine.start(["events", "--until", "-300ms"]); // in the future
    expect(await ends.exited).toBe(0);
    expect(await ends.stdout.text()).toContain("container create");
  });

  test("outlive the containers, the runtime directory and the database", async () => {
    const since = fromNow();
    await engine.ok(["run", "--rm", "--name", "gone", "--network", "none", place.tiny, "true"]);
    const places = [join(engine.sandbox.runtimeDir, "proa")].filter((path) => existsSync(path));
    expect(places).toHaveLength(1);
    for (const path of places) rmSync(path, { recursive: true });
    const text = await engine.ok([
      "events",
      "--since",
      since,
      "--stream=false",
      "--filter",
      "container=gone",
    ]);
    expect(text.split("\n")).toHaveLength(5);
  });

  test("times that are none are refused", async () => {
    const result = await engine.proa(["events", "--since", "whenever"]);
    expect(result.stderr).toStartWith("Error: since: whenever: expected a time");
    expect(result.exitCode).not.toBe(0);
  });
});
