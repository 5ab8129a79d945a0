/** `proa ps`, `proa inspect`, and how a container is named. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, useTiny } from "../../harness";
import { detach, removeAll, SLEEP } from "./_shell";

describe.skipIf(missing !== null)("ps", () => {
  const place = useTiny();
  const { engine } = place;
  const ids: Record<string, string> = {};
  const ps = (...args: string[]) => engine.ok(["ps", ...args]);
  const names = async (...args: string[]) =>
    (await ps("-a", "--format", "{{.Names}}", ...args)).split("\n").filter(Boolean);

  beforeAll(async () => {
    if (missing !== null) return;
    // oldest first: ended, created, running
    ids["ended"] = await detach(place, "ended", ["sh", "-c", "exit 3"], ["-l", "tier=back", "-l", "bare"]);
    await engine.ok(["wait", "ended"]);
    ids["made"] = await engine.ok([
      "create",
      "--name",
      "made",
      "-l",
      "tier=front",
      "--network",
      "host",
      place.tiny,
      "true",
    ]);
    ids["runs"] = await detach(place, "runs", SLEEP, ["-l", "tier=front"]);
  });

  test("shows what runs; -a all, newest first; -n and -l the newest", async () => {
    expect(await ps("--format", "{{.Names}}")).toBe("runs");
    expect(await names()).toEqual(["runs", "made", "ended"]);
    expect(await ps("-n", "2", "--format", "{{.Names}}")).toBe("runs\nmade");
    expect(await ps("-l", "--format", "{{.Names}}")).toBe("runs");
    expect(await ps("-n", "0", "-q")).toBe("");
  });

  test("is a table with a header, and its columns are aligned", async () => {
    const [header = "", ...rows] = (await ps("-a")).split("\n");
    expect(header.split(/ {2,}/)).toEqual([
      "CONTAINER ID",
      "IMAGE",
      "COMMAND",
      "CREATED",
      "STATUS",
      "PORTS",
      "NAMES",
    ]);
    expect(rows).toHaveLength(3);
    for (const row of rows) expect(row.indexOf('"')).toBe(header.indexOf("COMMAND"));
    expect(rows[0]).toMatch(/ Up .* runs$/);
    expect(rows[1]).toMatch(/ Created .* made$/);
    expect(rows[2]).toMatch(/ Exited \(3\) .* ago .* ended$/);
  });

  test("-q prints short ids, --no-trunc whole ones and whole commands", async () => {
    expect(await ps("-aq")).toBe(
      [ids["runs"], ids["made"], ids["ended"]].map((id) => id?.slice(0, 12)).join("\n"),
    );
    expect(await ps("-q", "--no-trunc")).toBe(String(ids["runs"]));
    const long = await engine.ok(["create", "--name", "long", place.tiny, "echo", "a command that is long"]);
    expect(await ps("-l", "--format", "{{.Command}}")).toBe('"echo a command that…"');
    expect(await ps("-l", "--no-trunc", "--format", "{{.Command}} {{.ID}}")).toBe(
      `"echo a command that is long" ${long}`,
    );
    await engine.ok(["rm", "long"]);
  });

  test("--format json is a document a line, a template may be a table", async () => {
    const documents = (await ps("-a", "--format", "json")).split("\n").map((line) => JSON.parse(line));
    expect(documents.map(({ Names, State, Image }) => [Names, State, Image])).toEqual([
      ["runs", "running", place.tiny],
      ["made", "created", place.tiny],
      ["ended", "exited", place.tiny],
    ]);
    expect(JSON.parse(await ps("--format", "{{json .}}")).Names).toBe("runs");
    expect(await ps("--format", "table {{.Names}}\t{{.State}}")).toMatch(/^NAMES +STATE\nruns +running$/);
    expect(
      await ps(
        "-a",
        "--filter",
        "name=ended",
        "--format",
        '{{.Label "tier"}} {{upper .Names}} {{.Networks}}',
      ),
    ).toBe("back ENDED proa");
    const wrong = await engine.proa(["ps", "--format", "{{.NoSuch}}"]);
    expect(wrong.stderr).toContain("NoSuch");
    expect(wrong.exitCode).not.toBe(0);
  });

  test.each([
    [["status=running"], ["runs"]],
    [
      ["status=exited", "status=created"],
      ["made", "ended"],
    ],
    [["exited=3"], ["ended"]],
    [["exited=0"], []],
    [["name=de"], ["made", "ended"].filter((name) => name.includes("de"))],
    [["name=^e"], ["ended"]],
    [["label=tier"], ["runs", "made", "ended"]],
    [["label=tier=front"], ["runs", "made"]],
    [["label=bare"], ["ended"]],
    [["label=tier=front", "status=running"], ["runs"]],
    [["network=host"], ["made"]],
    [["before=runs"], ["made", "ended"]],
    [["since=ended"], ["runs", "made"]],
  ])("--filter %p", async (filters, expected) => {
    expect(await names(...filters.flatMap((filter) => ["--filter", filter]))).toEqual(expected);
  });

  test("--filter by image and by id", async () => {
    expect(await names("-f", `ancestor=${place.tiny}`)).toHaveLength(3);
    expect(await names("-f", "ancestor=other")).toEqual([]);
    expect(await names("-f", `id=${ids["made"]?.slice(0, 5)}`)).toEqual(["made"]);
  });

  test("--filter by ports, published and exposed", async () => {
    await engine.ok(["create", "--name", "open", "-p", "8080:80", "--expose", "90/udp", place.tiny]);
    for (const [filter, expected] of [
      ["publish=80", ["open"]],
      ["publish=70-85/tcp", ["open"]],
      ["publish=80/udp", []],
      ["publish=90/udp", []],
      ["expose=90/udp", ["open"]],
      ["expose=80", ["open"]],
    ] as const)
      expect([filter, await names("--filter", filter)]).toEqual([filter, [...expected]]);
    expect((await engine.proa(["ps", "--filter", "publish=http"])).exitCode).toBe(125);
    await engine.ok(["rm", "open"]);
  });

  test("a filter that is not known, or has a value that cannot be, is an error", async () => {
    for (const filter of ["colour=red", "status=sleeping", "exited=x"]) {
      const result = await engine.proa(["ps", "--filter", filter]);
      expect([filter, result.exitCode]).toEqual([filter, 125]);
      expect(result.stderr).toStartWith("Error: ");
    }
  });

  test("a container is found by its id, what its id begins with, and its name, also with a slash", async () => {
    const id = String(ids["runs"]);
    for (const reference of [id, id.slice(0, 12), id.slice(0, 7), "runs", "/runs"]) {
      expect(await engine.ok(["inspect", "-f", "{{.Name}}", reference])).toBe("/runs");
    }
  });

  test("an id's beginning that several have is ambiguous, and a name wins over one", async () => {
    const first: string[] = [];
    while (first.length < 17) first.push(await engine.ok(["create", place.tiny])); // of 17 two begin alike
    const digits = first.map((id) => id.slice(0, 1));
    const shared = digits.find((digit, at) => digits.indexOf(digit) !== at) ?? "";
    const result = await engine.proa(["container", "inspect", shared]);
    expect(result.stderr).toBe(
      `Error: inspect: ${shared}: several containers have ids that begin so\nhint: type more of the id: proa ps -a --no-trunc\n`,
    );
    expect(result.exitCode).toBe(1);
    const named = first[0]?.slice(0, 4) ?? "";
    await engine.ok(["create", "--name", named, place.tiny]);
    expect(await engine.ok(["inspect", "-f", "{{.Name}}", named])).toBe(`/${named}`);
    await engine.ok(["rm", named, ...first]);
  });

  test("inspect is docker's document", async () => {
    const [document] = JSON.parse(await engine.ok(["inspect", "runs"]));
    expect(document).toMatchObject({
      Id: ids["runs"],
      Name: "/runs",
      Path: "sleep",
      Args: ["1000"],
      State: { Status: "running", Running: true, Paused: false, ExitCode: 0, Error: "" },
      Config: { Cmd: ["sleep", "1000"], Image: place.tiny, Labels: { tier: "front" }, Tty: false },
      HostConfig: { NetworkMode: "bridge", AutoRemove: false, Binds: null, ShmSize: 64 << 20 },
    });
    expect(document.State.Pid).toBeGreaterThan(1);
    expect(Date.parse(document.State.StartedAt)).toBeGreaterThanOrEqual(Date.parse(document.Created) - 1000);
    expect(document.State.FinishedAt).toBe("0001-01-01T00:00:00Z");
    expect(document.Image).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  test("inspect -f takes templates; several containers, a line each; one that is not there is reported", async () => {
    expect(await engine.ok(["inspect", "-f", "{{.State.ExitCode}} {{.Name}}", "ended", "made"])).toBe(
      "3 /ended\n0 /made",
    );
    expect(await engine.ok(["inspect", "-f", "{{json .Config.Labels}}", "runs"])).toBe('{"tier":"front"}');
    expect(
      await engine.ok(["inspect", "-f", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}};{{end}}", "ended"]),
    ).toBe("bare=;tier=back;");
    const result = await engine.proa(["inspect", "runs", "nothing"]);
    expect(JSON.parse(result.stdout)).toHaveLength(1);
    expect(result.stderr).toContain("nothing");
    expect(result.exitCode).toBe(1);
    expect((await engine.proa(["inspect", "-f", "{{.Nothing}}", "runs"])).exitCode).not.toBe(0);
    expect((await engine.proa(["inspect", "-f", "{{", "runs"])).exitCode).not.toBe(0);
  });

  test("nothing is left of all these", () => removeAll(place));
});
