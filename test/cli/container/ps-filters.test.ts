/** `proa ps`: filters, fields and columns beyond the usual ones. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, useTiny, waitUntil } from "../../harness";
import { detach, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("ps", () => {
  const place = useTiny();
  const { engine } = place;
  const ids: Record<string, string> = {};
  const ps = (...args: string[]) => engine.ok(["ps", ...args]);
  const names = async (...filters: string[]) =>
    (await ps("-a", "--format", "{{.Names}}", ...filters.flatMap((filter) => ["-f", filter])))
      .split("\n")
      .filter(Boolean)
      .sort();

  beforeAll(async () => {
    if (missing !== null) return;
    // oldest first
    ids["ended"] = await detach(place, "ended", ["sh", "-c", "exit 3"], ["-l", "tier=back"]);
    await engine.ok(["wait", "ended"]);
    ids["made"] = await engine.ok(["create", "--name", "made", "-l", "tier=front", place.tiny, "true"]);
    const more = [
      "-v",
      "/etc:/host:ro",
      "--tmpfs",
      "/t",
      "-l",
      "tier=front",
      "-l",
      "k.x=1",
      "--restart",
      "on-failure:2",
    ];
    ids["runs"] = await detach(place, "runs", SLEEP, more);
    await engine.ok(["network", "create", "back"]);
    ids["far"] = await detach(place, "far", SLEEP, ["--network", "back", "-p", "0:80"]);
  });

  test.each([
    [["status=running"], ["far", "runs"]],
    [["status=stopped"], ["ended"]],
    [["status=removing"], []],
    [
      ["status=exited", "status=created"],
      ["ended", "made"],
    ],
    [["status=created", "label=tier=front"], ["made"]],
    [["label=tier=front", "label=k.x"], ["runs"]],
    [["label!=tier"], ["far"]],
    [["name=^/runs$"], ["runs"]],
    [
      ["name=^runs$", "name=far"],
      ["far", "runs"],
    ],
    [["exited=3"], ["ended"]],
    [["exited=0"], []],
    [["network=back"], ["far"]],
    [["network=bridge"], ["ended", "made", "runs"]],
    [["publish=80"], ["far"]],
    [["publish=81"], []],
    [["volume=/host"], ["runs"]],
    [["volume=/etc"], ["runs"]],
    [["volume=/nowhere"], []],
    [["health=none"], ["ended", "far", "made", "runs"]],
    [["health=healthy"], []],
    [["is-task=true"], []],
    [["is-task=false", "name=far"], ["far"]],
    [["restart-policy=on-failure"], ["runs"]],
    [["should-start-on-boot=true"], ["runs"]],
    [["should-start-on-boot=false"], ["ended", "far", "made"]],
    [["command=sleep"], ["far", "runs"]],
    [["until=1h"], []],
    [["until=2100-01-01"], ["ended", "far", "made", "runs"]],
    [["since=made"], ["far", "runs"]],
    [["before=runs", "since=ended"], ["made"]],
    [["pod=any"], []],
  ])("--filter %p", async (filters, expected) => {
    expect(await names(...filters)).toEqual(expected);
  });

  test("a network is also named by its id, an image by its id and by what was built upon it", async () => {
    const network = await engine.ok(["network", "inspect", "-f", "{{.Id}}", "back"]);
    expect(await names(`network=${network}`)).toEqual(["far"]);
    expect(await names(`network=${network.slice(0, 12)}`)).toEqual(["far"]);
    const image = await engine.ok(["image", "inspect", "-f", "{{.Id}}", place.tiny]);
    expect(await names(`ancestor=${image}`)).toHaveLength(4);
    expect(await names(`ancestor=${image.slice("sha256:".length, 19)}`)).toHaveLength(4);
    expect(await names("ancestor=nosuch")).toEqual([]);
  });

  test.each([
    "colour=red",
    "status=sleeping",
    "health=fine",
    "exited=x",
    "is-task=perhaps",
    "should-start-on-boot=2",
    "before=nosuch",
  ])("--filter %s is refused", async (filter) => {
    const result = await engine.proa(["ps", "-f", filter]);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain(filter.split("=")[0] === "before" ? "no such container" : "filter");
    expect(result.exitCode).not.toBe(0);
  });

  test("--format has docker's fields and podman's", async () => {
    const fields = [
      "ID",
      "Image",
      "Command",
      "State",
      "Names",
      "Networks",
      "Mounts",
      "LocalVolumes",
      "Platform",
    ];
    const format = fields.map((field) => `{{.${field}}}`).join("|");
    const [id, image, command, state, name, networks, mounts, volumes, platform] = (
      await ps("-f", "name=^runs$", "--format", format)
    ).split("|");
    expect([image, command, state, name, networks, mounts, volumes]).toEqual([
      place.tiny,
      '"sleep 1000"',
      "running",
      "runs",
      "proa",
      "/etc",
      "0",
    ]);
    expect(ids["runs"]).toStartWith(id as string);
    expect(platform).toMatch(/^linux\//);
    const pid = await engine.ok(["inspect", "-f", "{{.State.Pid}}", "runs"]);
    expect(await ps("-f", "name=^runs$", "--format", "{{.Pid}} {{.ExitCode}} {{.Restarts}}")).toBe(
      `${pid} 0 0`,
    );
    expect(await ps("-a", "-f", "name=ended", "--format", "{{.ExitCode}} {{.Exited}}")).toBe("3 true");
  });

  test("--format json is a document a line with docker's fields", async () => {
    const lines = (await ps("-a", "--no-trunc", "--format", "json")).split("\n");
    expect(lines).toHaveLength(4);
    const document = JSON.parse(lines.find((line) => line.includes('"runs"')) ?? "{}");
    expect(Object.keys(document)).toEqual([
      "Command",
      "CreatedAt",
      "ID",
      "Image",
      "Labels",
      "LocalVolumes",
      "Mounts",
      "Names",
      "Networks",
      "Platform",
      "Ports",
      "RunningFor",
      "Size",
      "State",
      "Status",
    ]);
    expect(document).toMatchObject({ ID: ids["runs"], State: "running", Size: "0B" });
    expect(document.Labels.split(",").sort()).toEqual(["k.x=1", "tier=front"]);
  });

  test("-s tells what a container has written", async () => {
    await engine.ok(["exec", "far", "sh", "-c", "head -c 3000000 /dev/zero > /file"]);
    expect(await ps("-s", "-f", "name=far", "--format", "{{.Size}}")).toMatch(/^3MB \(virtual [0-9.]+MB\)$/);
    expect(await ps("-f", "name=far", "--format", "{{.Size}}")).toMatch(/^3MB/);
    expect((await ps("-s")).split("\n")[0]).toEndWith("NAMES     SIZE");
    expect((await ps()).split("\n")[0]).not.toContain("SIZE");
  });

  test("--sort orders, --noheading leaves the titles out, --ns shows namespaces", async () => {
    const sorted = async (field: string) =>
      (await ps("-a", "--sort", field, "--format", "{{.Names}}")).split("\n");
    expect(await sorted("names")).toEqual(["ended", "far", "made", "runs"]);
    expect(await sorted("created")).toEqual(["ended", "made", "runs", "far"]);
    expect((await ps("-a", "--noheading")).split("\n")).toHaveLength(4);
    expect(await ps("-n", "1", "--noheading", "-q")).toBe((ids["far"] as string).slice(0, 12));
    const [titles = "", line = ""] = (await ps("--ns", "-f", "name=far")).split("\n");
    expect(titles.split(/ {2,}/)).toEqual([
      "CONTAINER ID",
      "NAMES",
      "PID",
      "CGROUPNS",
      "IPC",
      "MNT",
      "NET",
      "PIDNS",
      "USERNS",
      "UTS",
    ]);
    const inside = await engine.ok(["exec", "far", "readlink", "/proc/1/ns/uts"]);
    expect(inside).toBe(`uts:[${line.split(/ {2,}/)[9]}]`);
  });

  test("--watch shows the list again and again", async () => {
    const child = engine.start(["ps", "-w", "1", "--format", "{{.Names}}", "-f", "name=far"]);
    let text = "";
    void (async () => {
      for await (const chunk of child.stdout) text += new TextDecoder().decode(chunk);
    })();
    await waitUntil(() => text.split("far").length > 2);
    child.kill("SIGTERM");
    await child.exited;
  });

  test("nothing is left of all these", async () => {
    await removeAll(place);
  });
});
