/** `proa network create` and the commands that need no container. */
import { describe, expect, test } from "bun:test";
import { type ProaResult, useEngine } from "../../harness";

const engine = useEngine();
const create = (...args: string[]): Promise<ProaResult> => engine.proa(["network", "create", ...args]);
const inspect = (name: string, template: string): Promise<string> =>
  engine.ok(["network", "inspect", "-f", template, name]);

describe("bad input", () => {
  test.each([
    [["one", "two"], '"two" is one too many'],
    [["--nope", "net"], "unknown flag: --nope"],
    [["-x"], "unknown shorthand flag: 'x'"],
    [["a/b"], 'create network: "a/b": it cannot be the name of a network'],
    [[""], 'create network: "": it cannot be the name of a network'],
    [["host"], "create network: host: a predefined network has this name"],
    [["--subnet", "10.90.0.0/33", "net"], 'create network: "10.90.0.0/33": it is no subnet'],
    [
      ["--subnet", "10.90.0.0/24", "--gateway", "10.91.0.1", "net"],
      "create network: 10.91.0.1: it is in no subnet that was given",
    ],
    [["--gateway", "10.91.0.1", "net"], "create network: 10.91.0.1: it is in no subnet that was given"],
    [
      ["--ip-range", "10.91.0.0/28", "net"],
      "create network: 10.91.0.0/28: it is in no subnet that was given",
    ],
    [
      ["--subnet", "10.90.0.0/24", "--aux-address", "10.90.0.9", "net"],
      'create network: "": it is no address',
    ],
    [["-o", "=1", "net"], 'network option: "=1": it has no name before the ='],
    [["-o", "nope=1", "net"], "network option: nope=1: there is no such option"],
    [["-o", "mtu=9", "net"], "network option: mtu=9: expected a number of bytes from 68 to 65535"],
    [["--label", "=x", "net"], 'label: "=x": it has no name before the ='],
    [["--dns", "name", "net"], 'create network: "name": it is no address of a name server'],
    [["--route", "10.1.0.0/16", "net"], "create network: route 10.1.0.0/16: expected DESTINATION,GATEWAY"],
    [["--ipv4=false", "net"], "create network: --ipv4=false: the network would have no addresses"],
    [["--ipv6=false", "--subnet", "fd00:7::/64", "net"], "--ipv6=false: an IPv6 subnet was given"],
    [["-d", "macvlan", "net"], 'create network: driver "macvlan": it needs an interface of the host'],
    [["-d", "overlay", "net"], 'create network: driver "overlay": it spans the machines of a swarm'],
    [
      ["-d", "", "--scope", "swarm", "net"],
      "create network: --scope swarm: a network is of this machine alone",
    ],
    [
      ["--ipam-driver", "dhcp", "net"],
      "create network: --ipam-driver dhcp: addresses are given out by proa itself",
    ],
    [["--ipam-opt", "a=b", "net"], "create network: --ipam-opt a=b: giving out addresses has no options"],
    [["--ingress", "net"], "create network: --ingress: it is the network of a swarm"],
    [["--config-only", "net"], "create network: --config-only: a configuration without a network"],
    [
      ["--config-from", "x", "net"],
      "create network: --config-from x: there are no networks of configuration only",
    ],
  ])("%p is refused with the reason, exit status 125", async (args, why) => {
    const { stdout, stderr, exitCode } = await create(...(args as string[]));
    expect(stderr).toContain(why as string);
    expect(stdout).toBe("");
    expect(exitCode).toBe(125);
  });

  test("nothing of it is left", async () => {
    expect(await engine.ok(["network", "ls", "--format", "{{.Name}}"])).toBe("host\nnone\nproa");
  });
});

describe("network create", () => {
  test("without a name takes the first that is free, and prints it", async () => {
    expect(await engine.ok(["network", "create"])).toBe("proa1");
    expect(await engine.ok(["network", "create", "--internal"])).toBe("proa2");
    expect(await inspect("proa2", "{{.Internal}}")).toBe("true");
    await engine.ok(["network", "rm", "proa1"]);
    expect(await engine.ok(["network", "create"])).toBe("proa1");
    await engine.ok(["network", "rm", "proa1", "proa2"]);
  });

  test("prints the id, and the network has what was asked for", async () => {
    const id = await engine.ok([
      ...[
        "network",
        "create",
        "--subnet",
        "10.90.5.0/24",
        "--gateway",
        "10.90.5.254",
        "--ip-range",
        "10.90.5.128/25",
      ],
      ...[
        "--subnet",
        "fd00:90::/64",
        "--aux-address",
        "router=10.90.5.7",
        "--internal",
        "--label",
        "tier=back",
        "--label",
        "bare",
      ],
      ...[
        "-o",
        "com.docker.network.driver.mtu=1400",
        "--interface-name",
        "back0",
        "--dns",
        "9.9.9.9,fd00::53",
        "--attachable",
      ],
      "back",
    ]);
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const [document] = JSON.parse(await engine.ok(["network", "inspect", "back"]));
    expect(document).toMatchObject({
      Name: "back",
      Id: id,
      Scope: "local",
      Driver: "bridge",
      EnableIPv4: true,
      EnableIPv6: true,
      IPAM: {
        Driver: "default",
        Config: [
          {
            Subnet: "10.90.5.0/24",
            IPRange: "10.90.5.128/25",
            Gateway: "10.90.5.254",
            AuxiliaryAddresses: { router: "10.90.5.7" },
          },
          { Subnet: "fd00:90::/64", Gateway: "fd00:90::1" },
        ],
      },
      Internal: true,
      Attachable: true,
      Ingress: false,
      ConfigOnly: false,
      Containers: {},
      Options: { "com.docker.network.driver.mtu": "1400" },
      Labels: { tier: "back", bare: "" },
      Interface: "back0",
      MTU: 1400,
      DNSServers: ["9.9.9.9", "fd00::53"],
    });
    expect(Math.abs(Date.parse(document.Created) - Date.now())).toBeLessThan(60_000);
    await engine.ok(["network", "rm", "back"]);
  });

  test("takes flags behind the name, and IPv6 on a prefix of the user's own", async () => {
    await engine.ok(["network", "create", "six", "--ipv6", "--ipv4=false"]);
    expect(await inspect("six", "{{.EnableIPv4}} {{.EnableIPv6}} {{len .IPAM.Config}}")).toBe("false true 1");
    expect(await inspect("six", "{{(index .IPAM.Config 0).Subnet}}")).toMatch(/^fd.*::\/64$/);
    await engine.ok(["network", "rm", "six"]);
  });

  test("refuses a name that is taken, without printing; --ignore prints the name instead", async () => {
    await engine.ok(["network", "create", "twice"]);
    const again = await create("twice");
    expect(again.stderr).toMatch(
      /^Error: create network: twice: the name is used by network [0-9a-f]{12}\nhint: remove it/,
    );
    expect([again.stdout, again.exitCode]).toEqual(["", 125]);
    const ignored = await create("--ignore", "twice");
    expect([ignored.stdout, ignored.stderr, ignored.exitCode]).toEqual(["twice\n", "", 0]);
    const overlapping = await create(
      "--subnet",
      await inspect("twice", "{{(index .IPAM.Config 0).Subnet}}"),
      "other",
    );
    expect(overlapping.stderr).toContain("of network twice");
    await engine.ok(["network", "rm", "twice"]);
  });

  test("of two at once with one name, one wins", async () => {
    const results = await Promise.all(Array.from({ length: 4 }, () => create("race")));
    expect(results.map(({ exitCode }) => exitCode).sort()).toEqual([0, 125, 125, 125]);
    expect(results.filter(({ stderr }) => stderr.includes("the name is used by network"))).toHaveLength(3);
    await engine.ok(["network", "rm", "race"]);
  });

  test("many at once get subnets and bridges of their own, and the default network is made once", async () => {
    const names = Array.from({ length: 12 }, (_, at) => `many${at}`);
    await Promise.all(names.map((name) => engine.ok(["network", "create", "--ipv6", name])));
    const lines = await Promise.all(
      [...names, "proa"].map((name) =>
        inspect(name, "{{.Interface}} {{range .IPAM.Config}}{{.Subnet}} {{end}}"),
      ),
    );
    const words = lines.flatMap((line) => line.trim().split(" "));
    expect(words).toHaveLength(39);
    expect(new Set(words).size).toBe(39);
    await engine.ok(["network", "rm", ...names]);
  });

  test("the default network is there without being made, under docker's names for it too", async () => {
    const ids = await Promise.all(
      ["proa", "bridge", "default"].map((name) => inspect(name, "{{.Id}} {{.Name}}")),
    );
    expect(new Set(ids).size).toBe(1);
    expect(ids[0]).toEndWith(" proa");
  });
});

describe("network exists", () => {
  test("tells by its exit status, and prints nothing", async () => {
    const exists = async (name: string) => {
      const { stdout, stderr, exitCode } = await engine.proa(["network", "exists", name]);
      return [stdout, stderr, exitCode];
    };
    expect(await exists("nope")).toEqual(["", "", 1]);
    expect(await exists("proa")).toEqual(["", "", 0]);
    expect(await exists("host")).toEqual(["", "", 0]);
  });
});
