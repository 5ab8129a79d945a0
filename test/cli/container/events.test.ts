/** What `proa events` tells of containers: every action that docker documents, and podman's own, each provoked. */
import { afterEach, describe, expect, test } from "bun:test";
import { fromNow, missing, proaPath, useTiny, waitUntil } from "../../harness";
import { detach, inspect, removeAll, SLEEP } from "./_shell";

type Message = { Action: string; Actor: { ID: string; Attributes: Record<string, string> } };

const DETACH_KEYS = "\x10\x11";

describe.skipIf(missing !== null)(`events of containers${missing ? ` (${missing})` : ""}`, () => {
  const place = useTiny();
  const { engine } = place;
  afterEach(() => removeAll(place));

  const told = async (since: string): Promise<Message[]> => {
    const range = ["--since", since, "--until", "0s", "--filter", "type=container"];
    const text = await engine.ok(["events", ...range, "--format", "json"]);
    return text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  };

  /** The events of ACTION (`exec_create` is also `exec_create: ls`) since then; waits for the first. */
  const of = async (since: string, action: string): Promise<Message[]> => {
    const found = async () =>
      (await told(since)).filter(({ Action }) => Action === action || Action.startsWith(`${action}:`));
    await waitUntil(async () => (await found()).length > 0, { what: `the event ${action}` });
    return found();
  };

  /** A container that was created, and one that runs, for the verbs that need them. */
  const idle = () => engine.ok(["create", "--name", "web", "--network", "none", place.tiny, ...SLEEP]);
  const busy = (...options: string[]) => detach(place, "web", SLEEP, ["--network", "none", ...options]);

  const provoked: [string, () => Promise<unknown>, Record<string, string>?][] = [
    ["create", idle],
    ["start", () => busy()],
    ["attach", () => engine.proa(["run", "--name", "web", "--network", "none", place.tiny, "true"])],
    [
      "die",
      () => engine.proa(["run", "--name", "web", "--network", "none", place.tiny, "sh", "-c", "exit 3"]),
      { exitCode: "3" },
    ],
    ["destroy", async () => idle().then(() => engine.ok(["rm", "web"]))],
    ["rename", async () => idle().then(() => engine.ok(["rename", "web", "other"])), { oldName: "/web" }],
    ["update", async () => idle().then(() => engine.ok(["update", "--restart", "on-failure:2", "web"]))],
    [
      "commit",
      async () => idle().then(() => engine.ok(["commit", "-m", "why", "web", "made"])),
      { comment: "why" },
    ],
    ["export", async () => idle().then(() => engine.ok(["export", "-o", "/dev/null", "web"]))],
    [
      "archive-path",
      async () => idle().then(() => engine.proa(["cp", "web:/etc/passwd", "-"])),
      { path: "/etc/passwd" },
    ],
    [
      "extract-to-dir",
      async () => idle().then(() => engine.ok(["cp", "/etc/hostname", "web:/tmp"])),
      { path: "/tmp" },
    ],
    ["init", async () => idle().then(() => engine.ok(["init", "web"]))],
    ["mount", async () => idle().then(() => engine.ok(["unshare", "sh", "-c", `${proaPath} mount web`]))],
    [
      "unmount",
      async () =>
        idle().then(() =>
          engine.ok(["unshare", "sh", "-c", `${proaPath} mount web && ${proaPath} unmount web`]),
        ),
    ],
    ["top", async () => busy().then(() => engine.ok(["top", "web"]))],
    ["kill", async () => busy().then(() => engine.ok(["kill", "-s", "WINCH", "web"])), { signal: "28" }],
    ["pause", async () => busy().then(() => engine.ok(["pause", "web"]))],
    [
      "unpause",
      async () =>
        busy()
          .then(() => engine.ok(["pause", "web"]))
          .then(() => engine.ok(["unpause", "web"])),
    ],
    ["stop", async () => busy().then(() => engine.ok(["stop", "-t", "0", "web"]))],
    ["restart", async () => busy().then(() => engine.ok(["restart", "-t", "0", "web"]))],
    ["exec_create", async () => busy().then(() => engine.ok(["exec", "web", "true"]))],
    ["exec_start", async () => busy().then(() => engine.ok(["exec", "web", "true"]))],
    [
      "exec_die",
      async () => busy().then(() => engine.proa(["exec", "web", "sh", "-c", "exit 4"])),
      { exitCode: "4" },
    ],
    ["health_status", () => busy("--health-cmd", "true", "--health-interval", "1s")],
  ];

  test.each(provoked)("%s", async (action, provoke, attributes = {}) => {
    const since = fromNow();
    await provoke();
    const [event] = await of(since, action);
    const name = action === "rename" ? "other" : "web";
    expect(event?.Actor.Attributes).toMatchObject({ name, image: place.tiny, ...attributes });
    expect(event?.Actor.ID).toEqual(
      action === "destroy" ? expect.stringMatching(/^[0-9a-f]{64}$/) : await inspect(place, name, "{{.Id}}"),
    );
  });

  test("prune", async () => {
    await idle();
    const since = fromNow();
    await engine.ok(["container", "prune", "-f"]);
    expect((await of(since, "prune")).map(({ Actor }) => Actor)).toEqual([
      { ID: "", Attributes: { reclaimed: expect.stringMatching(/^\d+$/) } },
    ]);
  });

  test("resize, with the terminal's new size, and detach; not of one whose client has merely gone", async () => {
    const since = fromNow();
    const options = ["-it", "--name", "web", "--network", "none"];
    const pty = engine.pty(["run", ...options, place.tiny, "sh", "-c", "echo rea''dy; sleep 1000"]);
    await pty.waitFor("ready");
    const sizes = async () =>
      (await of(since, "resize")).map(({ Actor: { Attributes } }) => [Attributes.height, Attributes.width]);
    expect(await sizes()).toEqual([["24", "80"]]); // that of its start, as docker's client asks for it
    pty.resize(91, 33);
    await waitUntil(async () => (await sizes()).length > 1);
    expect((await sizes()).at(-1)).toEqual(["33", "91"]);
    pty.write(DETACH_KEYS);
    expect(await pty.exited).toBe(0);
    expect(await of(since, "detach")).toMatchObject([{ Actor: { Attributes: { name: "web" } } }]);

    const again = engine.pty(["attach", "web"]);
    await waitUntil(async () => (await told(since)).filter(({ Action }) => Action === "attach").length === 2);
    again.kill("SIGKILL");
    await again.exited;
    expect(await inspect(place, "web", "{{.State.Status}}")).toBe("running");
    await engine.ok(["rm", "-f", "web"]); // its supervisor has seen by then who left, and how
    expect(await of(since, "detach")).toHaveLength(1);
  });

  test("exec_detach, of the session whose keys were typed; its terminal's size is nobody's business", async () => {
    await busy();
    const since = fromNow();
    const pty = engine.pty(["exec", "-it", "web", "sh", "-c", "echo rea''dy; sleep 1000"]);
    await pty.waitFor("ready");
    pty.resize(91, 33);
    pty.write(DETACH_KEYS);
    expect(await pty.exited).toBe(0);
    const [left] = await of(since, "exec_detach");
    const [created] = await of(since, "exec_create");
    expect(left?.Actor.Attributes).toMatchObject({ name: "web", image: place.tiny });
    expect(left?.Actor.Attributes["execID"]).toBe(created?.Actor.Attributes["execID"] as string);
    const actions = (await told(since)).map(({ Action }) => Action.replace(/:.*/, ""));
    expect(actions.sort()).toEqual(["exec_create", "exec_detach", "exec_start"]);
  });
});
