/** `proa network ls`. */
import { beforeAll, describe, expect, test } from "bun:test";
import { useEngine } from "../../harness";

const engine = useEngine();
const ls = (...args: string[]): Promise<string> => engine.ok(["network", "ls", ...args]);
const names = async (...args: string[]): Promise<string[]> =>
  (await ls("--format", "{{.Name}}", ...args)).split("\n").filter(Boolean);

beforeAll(async () => {
  await engine.ok(["network", "create", "--label", "tier=back", "--internal", "back"]);
  await engine.ok(["network", "create", "--label", "tier=front", "--ipv6", "front"]);
});

describe("bad input", () => {
  test.each([
    [["--filter", "nope=1"], 'invalid filter "nope"'],
    [["--filter", "name"], 'invalid filter "name": expected KEY=VALUE'],
    [["--filter", "dangling=maybe"], "filter: dangling=maybe: expected true or false"],
    [["--filter", "type=odd"], "filter: type=odd: a type is custom or builtin"],
    [["--filter", "scope=moon"], "filter: scope=moon: a scope is local, swarm or global"],
    [["--filter", "name=["], "filter: name=["],
    [["--filter", "until=soon"], "filter until: soon: expected a time"],
    [["--format", "{{.Nope}}"], "Nope"],
    [["extra"], '"extra" is one'],
  ])("%p is refused", async (args, why) => {
    const { stdout, stderr, exitCode } = await engine.proa(["network", "ls", ...args]);
    expect(stderr).toContain(why);
    expect([stdout, exitCode]).toEqual(["", args[0] === "--format" ? 1 : 125]); // docker's status of a template
  });
});

describe("network ls", () => {
  test("is docker's table, by name", async () => {
    const [header = "", ...rows] = (await ls()).split("\n");
    expect(header.split(/ {2,}/)).toEqual(["NETWORK ID", "NAME", "DRIVER", "SCOPE"]);
    expect(rows.map((row) => row.replace(/^[0-9a-f]{12} +/, "").split(/ +/))).toEqual([
      ["back", "bridge", "local"],
      ["front", "bridge", "local"],
      ["host", "host", "local"],
      ["none", "null", "local"],
      ["proa", "bridge", "local"],
    ]);
    expect(await engine.ok(["network", "list"])).toBe([header, ...rows].join("\n"));
  });

  test("-q prints short ids, --no-trunc whole ones", async () => {
    expect(await ls("-q")).toMatch(/^([0-9a-f]{12}\n?){5}$/);
    expect(await ls("-q", "--no-trunc")).toMatch(/^([0-9a-f]{64}\n?){5}$/);
  });

  test("--format takes docker's fields", async () => {
    const format = '{{.Name}} {{.Driver}} {{.Scope}} {{.IPv6}} {{.Internal}} {{.Labels}} {{.Label "tier"}}';
    expect(await ls("--filter", "type=custom", "--format", format)).toBe(
      "back bridge local false true tier=back back\nfront bridge local true false tier=front front",
    );
    const bridge = await engine.ok(["network", "inspect", "-f", "{{.Interface}}", "front"]);
    expect(
      await ls(
        "--filter",
        "name=front",
        "--format",
        "{{.NetworkInterface}} {{.DNSEnabled}} {{.IPv6Enabled}}",
      ),
    ).toBe(`${bridge} true true`);
    const line = JSON.parse((await ls("--filter", "name=back", "--format", "json")).split("\n")[0] ?? "");
    expect(line).toMatchObject({ Name: "back", Driver: "bridge", Internal: "true" });
  });

  test.each([
    [["driver=bridge"], ["back", "front", "proa"]],
    [["driver=null"], ["none"]],
    [["type=builtin"], ["host", "none", "proa"]],
    [["name=^ba"], ["back"]],
    [["name=o"], ["front", "host", "none", "proa"]],
    [["label=tier"], ["back", "front"]],
    [["label=tier=back"], ["back"]],
    [["label!=tier=back", "type=custom"], ["front"]],
    [["dangling=true"], ["back", "front"]],
    [["dangling=false"], ["host", "none", "proa"]],
    [["scope=swarm"], []],
    [["until=1h"], []],
    [
      ["driver=bridge", "driver=host"],
      ["back", "front", "host", "proa"],
    ],
    [["driver=bridge", "name=host"], []],
  ])("--filter %p", async (filters, expected) => {
    expect(await names(...filters.flatMap((filter) => ["-f", filter]))).toEqual(expected);
  });

  test("--filter id= takes the beginning of one", async () => {
    const id = await engine.ok(["network", "inspect", "-f", "{{.Id}}", "back"]);
    expect(await names("--filter", `id=${id.slice(0, 20)}`)).toEqual(["back"]);
  });
});

test("completion offers the names of networks", async () => {
  const { stdout } = await engine.proa(["__complete", "network", "rm", "b"]);
  expect(stdout).toContain("back");
});
