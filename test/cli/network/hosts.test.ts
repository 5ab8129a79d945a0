/** /etc/hosts and /etc/hostname of a container: its own names and addresses, and those that it was given. */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { missing, useTiny } from "../../harness";
import { removeAll, SLEEP } from "../_network";
import { inspect, shell } from "../container/_shell";

const HOST = "host.containers.internal host.docker.internal";

describe.skipIf(missing !== null)("/etc/hosts", () => {
  const place = useTiny();
  const { engine } = place;
  /** The lines behind the six that are the same everywhere. */
  const linesOf = (text: string) => text.split("\n").slice(6);
  const hosts = async (...options: string[]) => linesOf(await shell(place, options, "cat /etc/hosts"));
  afterEach(async () => {
    if (missing === null) await removeAll(place);
  });

  test("has the container's addresses with its host name first, and the host's for containers", async () => {
    const text = await shell(
      place,
      ["--name", "web", "-h", "front", "--domainname", "example.org", "--network-alias", "www"],
      "cat /etc/hosts; ip -o addr show eth0 scope global | awk '{print $4}' | cut -d/ -f1",
    );
    const lines = linesOf(text);
    const addresses = lines.slice(-2);
    expect(lines.slice(0, -2)).toEqual([
      ...addresses.map((address) => `${address}\tfront.example.org front web www`),
      `169.254.1.2\t${HOST}`,
    ]);
  });

  test("has the lines of --add-host, and the host's addresses for host-gateway", async () => {
    const options = [
      "--add-host",
      "a:1.2.3.4",
      "--add-host=b=fd00::9",
      "--add-host",
      "c:[::9]",
      "--add-host",
      "d:host-gateway",
    ];
    expect((await hosts(...options)).slice(0, 4)).toEqual([
      "1.2.3.4\ta",
      "fd00::9\tb",
      "::9\tc",
      "169.254.1.2\td",
    ]);
  });

  test("has no way to the host on an internal network", async () => {
    await engine.ok(["network", "create", "--internal", "inside"]);
    expect((await hosts("--network", "inside")).join("\n")).not.toContain("host.docker.internal");
    const result = await engine.proa([
      ...["run", "--rm", "--network", "inside", "--add-host", "a:host-gateway", place.tiny, "true"],
    ]);
    expect(result.stderr).toContain(
      "extra host: a:host-gateway: the container's network has no way to the host",
    );
    await engine.ok(["network", "rm", "inside"]);
  });

  test("is the host's with --network host, with the lines of --add-host", async () => {
    const text = await shell(place, ["--network", "host", "--add-host", "a:1.2.3.4"], "cat /etc/hosts");
    expect(text).toStartWith(readFileSync("/etc/hosts", "utf8").trimEnd());
    expect(text).toContain("\n1.2.3.4\ta\n");
  });

  test("of the user's own, bound over it, wins; so do the others", async () => {
    const path = join(engine.sandbox.home, "mine");
    writeFileSync(path, "mine\n");
    const binds = ["hosts", "hostname", "resolv.conf"].flatMap((name) => ["-v", `${path}:/etc/${name}`]);
    expect(await shell(place, binds, "cat /etc/hosts /etc/hostname /etc/resolv.conf")).toBe(
      "mine\nmine\nmine",
    );
  });

  test("can be written by the container, and is made anew at its next start", async () => {
    await engine.ok([
      "run",
      "-d",
      "--name",
      "web",
      place.tiny,
      "sh",
      "-c",
      "echo 9.9.9.9 nine >>/etc/hosts; sleep 1000",
    ]);
    const count = () =>
      engine.ok([
        "exec",
        "web",
        "sh",
        "-c",
        "until grep -q nine /etc/hosts; do sleep 0.01; done; grep -c nine /etc/hosts",
      ]);
    expect(await count()).toBe("1");
    await engine.ok(["stop", "-t", "0", "web"]);
    await engine.ok(["start", "web"]);
    expect(await count()).toBe("1");
  });

  test("follows the container's connections while it runs, in the file that is mounted", async () => {
    await engine.ok(["network", "create", "--subnet", "10.93.0.0/24", "more"]);
    await engine.ok(["run", "-d", "--name", "web", place.tiny, ...SLEEP]);
    const own = async () => linesOf(await engine.ok(["exec", "web", "cat", "/etc/hosts"])).length;
    const before = await own();
    await engine.ok(["network", "connect", "--ip", "10.93.0.9", "--alias", "db", "more", "web"]);
    expect(await engine.ok(["exec", "web", "grep", "-w", "db", "/etc/hosts"])).toMatch(
      /^10\.93\.0\.9\t\w+ web db$/,
    );
    await engine.ok(["network", "disconnect", "more", "web"]);
    expect(await own()).toBe(before);
    await engine.ok(["rm", "-f", "web"]);
    await engine.ok(["network", "rm", "more"]);
  });

  test("is where inspect says, with /etc/hostname and /etc/resolv.conf", async () => {
    await engine.ok(["run", "-d", "--name", "web", "-h", "front", place.tiny, ...SLEEP]);
    const paths = await inspect(place, "web", "{{.HostsPath}} {{.HostnamePath}} {{.ResolvConfPath}}");
    const [hostsPath = "", hostnamePath = "", resolvPath = ""] = paths.split(" ");
    expect(readFileSync(hostsPath, "utf8")).toContain("\tfront web\n");
    expect(readFileSync(hostnamePath, "utf8")).toBe("front\n");
    expect(readFileSync(resolvPath, "utf8")).toStartWith("nameserver ");
  });
});
