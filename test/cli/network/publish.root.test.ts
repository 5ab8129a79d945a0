/**
 * TCP between a container and another machine. Root makes two network namespaces: a "host", in which the unprivileged user runs the engine, and a machine that it reaches
 * by a cable (veth).
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { netImage, netMissing, proaPath, pushImage, startRegistry, waitUntil } from "../../harness";
import { CASES, type Family, peer, startHere } from "./_tcp";

const USER = process.env["PROA_USER"] ?? "proa";
const why = netMissing === null ? "" : ` (${netMissing})`;
const HERE = { 4: "198.18.0.1", 6: "fd01:1::1" } as const;
const THERE = { 4: "198.18.0.2", 6: "fd01:1::2" } as const;
const EACCES = 13;
const ENETUNREACH = 101;
const ECONNREFUSED = 111;
const EHOSTUNREACH = 113;

describe.skipIf(netMissing !== null)(`tcp with another machine${why}`, () => {
  const children: { kill(signal: "SIGKILL"): void }[] = [];
  let directory = "";
  let environment: Record<string, string> = {};
  let host: string[] = [];
  let machine: string[] = [];
  let user: string[] = [];

  const call = async (command: string[]) => {
    const child = Bun.spawn(command, { env: environment, cwd: "/", stdio: ["ignore", "pipe", "pipe"] });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
    return { stdout, stderr, exitCode: await child.exited };
  };
  const ok = async (command: string[]) => {
    const result = await call(command);
    if (result.exitCode !== 0) throw new Error(`${command.join(" ")}: ${result.stderr}`);
    return result.stdout;
  };
  const proa = (...args: string[]) => [...host, ...user, join(directory, "proa"), ...args];
  const start = async (command: string[]): Promise<string> => {
    const { child, first } = await startHere(command);
    children.push(child);
    return first;
  };
  /** A network namespace; returns how to run something in it. */
  const namespace = async (): Promise<{ enter: string[]; pid: string }> => {
    const pid = await start(["unshare", "--net", "sh", "-c", "ip link set lo up; echo $$; exec sleep 1000"]);
    return { enter: ["nsenter", "--target", pid, "--net"], pid };
  };
  const fromContainer = async (to: string, at: number, what: string): Promise<unknown> =>
    JSON.parse(await ok(proa("exec", "web", ...peer("client", to, at, what))));
  const fromMachine = async (to: string, at: number, what: string): Promise<unknown> =>
    JSON.parse(await ok([...machine, ...peer("client", to, at, what)]));

  beforeAll(async () => {
    if (netMissing !== null) return;
    directory = mkdtempSync(join(tmpdir(), "p-"));
    chmodSync(directory, 0o755);
    copyFileSync(proaPath, join(directory, "proa"));
    chmodSync(join(directory, "proa"), 0o755);
    environment = { HOME: directory, PATH: "/usr/bin:/bin:/usr/sbin:/sbin", LANG: "C.UTF-8" };
    const uid = Number(await ok(["id", "-u", USER]));
    for (const name of ["DATA_HOME", "RUNTIME_DIR", "CONFIG_HOME", "CACHE_HOME"]) {
      const path = join(directory, name.slice(0, 2));
      mkdirSync(path, { mode: 0o700 });
      chownSync(path, uid, uid);
      environment[`XDG_${name}`] = path;
    }
    user = ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups"];
    const [a, b] = await Promise.all([namespace(), namespace()]);
    host = a.enter;
    machine = b.enter;
    await ok([
      ...host,
      "ip",
      "link",
      "add",
      "cable",
      "type",
      "veth",
      "peer",
      "name",
      "cable",
      "netns",
      b.pid,
    ]);
    for (const [enter, side] of [
      [host, HERE],
      [machine, THERE],
    ] as const) {
      await ok([...enter, "ip", "address", "add", `${side[4]}/30`, "dev", "cable"]);
      await ok([...enter, "ip", "address", "add", `${side[6]}/64`, "dev", "cable", "nodad"]);
      await ok([...enter, "ip", "link", "set", "cable", "up"]);
    }
    for (const kind of ["unreachable 203.0.113.0/24", "prohibit 198.51.100.0/24"])
      await ok([...host, "ip", "route", "add", ...kind.split(" ")]);
    await ok([...host, "ip", "-6", "route", "add", "unreachable", "2001:db8:1::/48"]);
    await ok([
      ...machine,
      "nft",
      "add table inet t; add chain inet t c { type filter hook input priority 0; };" +
        " add rule inet t c tcp dport 7009 drop",
    ]);
    await using registry = await startRegistry();
    const reference = await pushImage(`${registry.host}/net:latest`, await netImage());
    await ok([...user, join(directory, "proa"), "pull", "--quiet", reference]); // by the real host
    await ok(
      proa(
        ...["run", "-d", "--name", "web", "--stop-signal", "KILL", "-p", "7000:7000", reference],
        ...peer("server", "::", 7000),
      ),
    );
    for (const family of [4, 6] as Family[])
      await start([...machine, ...peer("server", THERE[family], 7000)]);
    await waitUntil(async () => (await ok(proa("logs", "web"))).includes("7000"), {
      what: "the server to listen",
    });
  }, 120_000);
  afterAll(async () => {
    if (directory === "") return;
    await call(proa("rm", "-f", "web"));
    for (const child of children) child.kill("SIGKILL");
    const remove = ["unshare", "--map-root-user", "--map-auto", "rm", "-rf", join(directory, "DA/proa")];
    await call([...user, ...remove]);
    rmSync(directory, { recursive: true, force: true });
  });

  describe.each([4, 6] as Family[])("by IPv%d", (family) => {
    test("a server in a container sees the other machine's address and port", async () => {
      const [address, seen, mine, own] = (await fromMachine(HERE[family], 7000, "who")) as unknown[];
      expect([address, seen]).toEqual([mine, own]);
      expect(address).toBe(THERE[family]);
    });

    test("the other machine sees the host", async () => {
      const [address] = (await fromContainer(THERE[family], 7000, "who")) as unknown[];
      expect(address).toBe(HERE[family]);
    });

    test.each(CASES.filter(([what]) => what !== "urgent" && what !== "slow"))(
      "%s, in both directions",
      async (what, expected) => {
        expect(await fromMachine(HERE[family], 7000, what)).toEqual(expected);
        expect(await fromContainer(THERE[family], 7000, what)).toEqual(expected);
      },
    );

    test("its refusal arrives", async () => {
      expect(await fromContainer(THERE[family], 7008, "connect")).toEqual([ECONNREFUSED, expect.any(Number)]);
    });

    test("its silence stays silence", async () => {
      expect(await fromContainer(THERE[family], 7009, "connect")).toEqual(["no answer", expect.any(Number)]);
    });
  });

  test("what the host has no way to, the container has none to", async () => {
    const error = async (to: string) => ((await fromContainer(to, 80, "connect")) as unknown[])[0];
    expect(await error("192.0.2.1")).toBe(ENETUNREACH);
    expect(await error("2001:db8:2::1")).toBe(ENETUNREACH);
    expect(await error("203.0.113.5")).toBe(EHOSTUNREACH);
    expect(await error("2001:db8:1::1")).toBe(EHOSTUNREACH);
    expect(await error("198.51.100.5")).toBeOneOf([EACCES, EHOSTUNREACH]); // ICMP for "prohibited" is EHOSTUNREACH
  });

  test("without a free port on the host a connection waits, and one to elsewhere does not", async () => {
    await ok([...host, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=50000 50009"]);
    try {
      const many = Bun.spawn(proa("exec", "-i", "web", ...peer("hold", THERE[4], 7000, 10)), {
        env: environment,
        stdio: ["pipe", "pipe", "inherit"],
      });
      const { value } = await many.stdout.getReader().read();
      expect(new TextDecoder().decode(value)).toBe("10\n");
      expect(await fromContainer(THERE[4], 7000, "connect")).toEqual(["no answer", expect.any(Number)]);
      expect(await fromContainer(THERE[4], 7008, "connect")).toEqual([ECONNREFUSED, expect.any(Number)]);
      many.stdin.write("\n");
      many.stdin.end();
      await many.exited;
    } finally {
      await ok([...host, "sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=32768 60999"]);
    }
    expect(await fromContainer(THERE[4], 7000, "many 10")).toBe(10);
  });
});
