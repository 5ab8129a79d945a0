/** The life of netd, and what a container has of it when netd, its factory or a supervisor dies. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { pssKib } from "../harness/process";
import { waitUntil } from "../harness/wait";
import { type Config, removePlaces } from "./_bundle";
import { helperMissing } from "./_container";
import { makeNet, type Net } from "./_networked";

const nets: Net[] = [];

function net(): Net {
  const made = makeNet();
  nets.push(made);
  return made;
}

afterEach(async () => {
  for (const each of nets.splice(0)) await each.close();
  removePlaces();
});

const sleep = ["sleep", "1000"];

/** Bytes that reached the container named NAME. */
async function received(on: Net, name: string): Promise<number> {
  const status = await on.status();
  return status?.containers.find((each) => each.name === name)?.endpoints[0]?.rxBytes ?? 0;
}

/** A server on the host's loopback that greets, for what containers reach at 169.254.1.2. */
function hostServer() {
  return Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { open: (socket) => void socket.end("hello\n"), data: () => {} },
  });
}

/** The factory of netd PID: its only child. */
function factoryOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ")[0]);
}

const why = helperMissing ? ` (${helperMissing})` : "";

describe.skipIf(helperMissing !== undefined)(`netd${why}`, () => {
  test("has the container connected before its program runs", async () => {
    const on = net();
    const container = await on.start("a", ["sh", "-c", "ip addr show dev eth0; ip route"]);
    expect(container.facts).toBeUndefined();
    await waitUntil(() => !container.isRunning());
    expect(container.log()).toContain("inet 10.88.0.2/16");
    expect(container.log()).toContain("inet6 fd00:88::2/64");
    expect(container.log()).toContain("default via 10.88.0.1 dev eth0");
  });

  test.each(["/usr/bin/crun", "/usr/sbin/runc"].filter((path) => existsSync(path)))(
    "has the container of %s connected before its program runs",
    async (runtime) => {
      const on = net();
      const config = (each: { linux: { sysctl: Record<string, string> } }): void => {
        each.linux.sysctl = { "net.ipv4.ip_unprivileged_port_start": "70" };
      };
      const script =
        "ip addr show dev eth0; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip link show lo";
      const container = await on.start("a", ["sh", "-c", script], { runtime, config });
      expect(container.facts).toBeUndefined();
      await waitUntil(() => !container.isRunning());
      expect(container.log()).toContain("inet 10.88.0.2/16");
      expect(container.log()).toContain("\n70\n");
      expect(container.log()).toContain("LOOPBACK,UP");
    },
  );

  test("is one, however many containers start at once, and all reach each other", async () => {
    const on = net();
    const started = await Promise.all(
      Array.from({ length: 30 }, (_, i) => on.start(`c${i}`, ["netprobe", "greet", "80"])),
    );
    expect(started.map((each) => each.facts)).toEqual(started.map(() => undefined));
    const status = await on.connected(30);
    expect(on.netds()).toEqual([status.pid]);
    expect(new Set(status.containers.map((each) => each.endpoints[0]?.ipv4)).size).toBe(30);
    expect(await started[7]?.exec("netprobe", "dial", started[23]?.address ?? "", "80")).toContain(
      `connected\nyou are ${started[7]?.address}:`,
    );
  });

  test("ends with its last container, and leaves no socket", async () => {
    const on = net();
    const [a, b] = [await on.start("a", sleep), await on.start("b", sleep)];
    await a.end();
    expect((await on.connected(1)).containers[0]?.name).toBe("b");
    await b.end();
    await waitUntil(() => on.netds().length === 0);
    expect(existsSync(on.socket)).toBe(false);
    expect(await on.status()).toBeNull();
  });

  test("is found or started by each of a row of containers, also while it is leaving", async () => {
    const on = net();
    for (const pauseMs of [0, 0, 290, 295, 300, 305, 310, 320, 0]) {
      const container = await on.start("a", ["true"], { number: 2 });
      expect(container.facts).toBeUndefined();
      await waitUntil(() => !container.isRunning());
      await Bun.sleep(pauseMs);
    }
    await waitUntil(() => on.netds().length === 0);
  });

  test("that is killed is followed by the next at once; bridged traffic does not stop, new connections work", async () => {
    const on = net();
    const server = await on.start("server", ["netprobe", "serve", "5000"]);
    const client = await on.start("client", ["netprobe", "pump", server.address, "5000"]);
    using host = hostServer();
    await waitUntil(async () => (await received(on, "server")) > 1_000_000);
    for (let i = 0; i < 3; i++) {
      await on.killNetd(2);
      const before = await received(on, "server");
      await waitUntil(async () => (await received(on, "server")) > before + 1_000_000);
    }
    expect(client.isRunning()).toBe(true);
    expect(client.log()).toBe("");
    expect(await client.exec("netprobe", "dial", "169.254.1.2", String(host.port))).toBe("connected\nhello");
    expect(await server.exec("netprobe", "dial", "169.254.1.2", "1")).toBe("ECONNREFUSED");
    expect(on.netds()).toHaveLength(1);
  });

  test("and its factory, killed together, are followed by both", async () => {
    const on = net();
    const container = await on.start("a", sleep);
    using host = hostServer();
    const { pid } = await on.connected(1);
    const factory = factoryOf(pid);
    process.kill(factory, "SIGKILL"); // which ends by itself when netd has
    process.kill(pid, "SIGKILL");
    await on.connected(1, pid);
    expect(await container.exec("netprobe", "dial", "169.254.1.2", String(host.port))).toBe(
      "connected\nhello",
    );
  });

  test("makes another factory when that alone is killed", async () => {
    const on = net();
    const container = await on.start("a", sleep);
    using host = hostServer();
    const { pid } = await on.connected(1);
    process.kill(factoryOf(pid), "SIGKILL");
    for (let i = 0; i < 20; i++)
      expect(await container.exec("netprobe", "dial", "169.254.1.2", String(host.port))).toBe(
        "connected\nhello",
      );
    const second = await on.start("b", ["netprobe", "greet", "80"]);
    expect(await container.exec("netprobe", "dial", second.address, "80")).toContain("connected");
    expect((await on.status())?.pid).toBe(pid);
  });

  test("that is told to end (SIGTERM) is followed by the next; the containers do not notice", async () => {
    const on = net();
    const container = await on.start("a", sleep);
    await on.killNetd(1, "SIGTERM");
    expect(container.isRunning()).toBe(true);
    expect(on.netds()).toHaveLength(1);
  });

  test("takes down what a killed supervisor had, and nothing else", async () => {
    const on = net();
    const [a, b] = [await on.start("a", sleep), await on.start("b", ["netprobe", "greet", "80"])];
    process.kill(a.supervisor(), "SIGKILL");
    expect((await on.connected(1)).containers[0]?.id).toBe(b.id);
    const again = await on.start("c", sleep, { number: 2 });
    expect(again.facts).toBeUndefined();
    expect(await again.exec("netprobe", "dial", b.address, "80")).toContain("connected\nyou are 10.88.0.2");
  });

  test("started by a container while others live takes their network over", async () => {
    const on = net();
    const old = await on.start("old", ["netprobe", "greet", "80"]);
    // Its supervisor stands still, so that only the newcomer can start the next netd. It gets N when the old one goes on.
    const [supervisor, { pid }] = [old.supervisor(), await on.connected(1)];
    process.kill(supervisor, "SIGSTOP");
    process.kill(pid, "SIGKILL");
    setTimeout(() => process.kill(supervisor, "SIGCONT"), 300);
    const fresh = await on.start("fresh", sleep);
    expect(fresh.facts).toBeUndefined();
    await on.connected(2, pid);
    expect(await fresh.exec("netprobe", "dial", old.address, "80")).toContain("connected");
    expect(on.netds()).toHaveLength(1);
  });

  test("of two directories are two: same addresses, and no way from the one to the other", async () => {
    const [here, there] = [net(), net()];
    const a = await here.start("a", sleep);
    await there.start("a", sleep, { number: 2 });
    await there.start("b", ["netprobe", "greet", "80"], { number: 3 });
    expect((await here.status())?.pid).not.toBe((await there.status())?.pid);
    expect(await a.exec("netprobe", "dial", "10.88.0.3", "80")).toBe("EHOSTUNREACH");
  });

  test("gives a container the same free host port again when it was killed", async () => {
    const on = net();
    const port = {
      protocol: "tcp",
      hostAddress: "127.0.0.1",
      hostFirst: 0,
      hostLast: 0,
      containerPort: 80,
    } as const;
    const container = await on.start("a", ["netprobe", "greet", "80"], { ports: [port] });
    const before = container.ports();
    expect(before).toEqual([
      { protocol: "tcp", hostAddress: "127.0.0.1", hostPort: expect.any(Number), containerPort: 80 },
    ]);
    await on.killNetd(1);
    expect(container.ports()).toEqual(before);
    const answer = await new Promise<string>((resolve) => {
      void Bun.connect({
        hostname: "127.0.0.1",
        port: before[0]?.hostPort ?? 0,
        socket: { data: (_, data) => resolve(data.toString()) },
      });
    });
    expect(answer).toMatch(/^you are /);
    await container.end();
    expect(existsSync(`${container.runDir}/ports.json`)).toBe(false);
  });

  test("keeps all from what the configuration denied when one of those that live was started, also after it was killed", async () => {
    const on = net();
    using host = hostServer();
    const container = await on.start("a", sleep);
    const dial = () => container.exec("netprobe", "dial", "169.254.1.2", String(host.port));
    expect(await dial()).toBe("connected\nhello");
    const careful = await on.start("b", sleep, { deny: ["127.0.0.0/8", "192.0.2.0/24"] });
    expect(await dial()).not.toContain("connected");
    await on.killNetd(2);
    expect(await dial()).not.toContain("connected");
    await careful.end();
    await on.connected(1);
    expect(await dial()).toBe("connected\nhello");
    expect((await on.start("c", sleep, { deny: ["nonsense"] })).facts?.object).toBe("deny");
  });

  test("with 50 containers, and each supervisor, costs little memory", async () => {
    const on = net();
    const started = await Promise.all(Array.from({ length: 50 }, (_, i) => on.start(`c${i}`, sleep)));
    expect(started.filter((each) => each.facts)).toEqual([]);
    const { pid } = await on.connected(50);
    const factory = factoryOf(pid);
    await waitUntil(() => pssKib(pid) + pssKib(factory) < 1024, { what: "netd to be below 1 MiB" });
    await waitUntil(() => started.every((each) => pssKib(each.supervisor()) < 300), {
      what: "supervisors to be below 300 KiB",
    });
  });
});

describe.skipIf(helperMissing !== undefined)(`a plan${why}`, () => {
  test("that is reloaded adds and removes networks, and touches nothing else", async () => {
    const on = net();
    const server = await on.start("server", ["netprobe", "serve", "5000"], { networks: ["proa", "back"] });
    const client = await on.start("client", ["netprobe", "pump", server.address, "5000"]);
    const wider = await on.start("wider", sleep, { number: 9, networks: ["proa", "back", "third"] });
    await waitUntil(async () => (await received(on, "server")) > 1_000_000);

    client.plan.networks = structuredClone(wider.plan.networks);
    client.plan.endpoints.push(
      ...wider.plan.endpoints.slice(1).map((each) => ({
        ...each,
        mac: each.mac.replace(/..$/, "0a"),
        ipv4: { address: each.ipv4.address.replace(/9$/, "10"), prefix: 16 },
        ipv6: { address: each.ipv6.address.replace(/9$/, "a"), prefix: 64 },
      })),
    );
    expect(await client.reload()).toBeUndefined();
    expect(await client.exec("ip", "addr")).toMatch(/10\.89\.0\.10\/16[\s\S]*10\.90\.0\.10\/16/);

    client.plan.endpoints.splice(1, 1);
    client.plan.networks.splice(1, 1);
    expect(await client.reload()).toBeUndefined();
    const links = await client.exec("ip", "addr");
    expect(links).not.toContain("10.89.0.10");
    expect(links).toContain("10.90.0.10");
    const before = await received(on, "server");
    await waitUntil(async () => (await received(on, "server")) > before + 1_000_000);
    expect(client.log()).toBe("");
  });

  test("that cannot be put in force leaves the one before, also for the next netd", async () => {
    const on = net();
    const other = await on.start("other", sleep);
    const container = await on.start("a", ["netprobe", "greet", "80"]);
    const good = structuredClone(container.plan);
    Object.assign(container.plan.endpoints[0] ?? {}, { ipv4: { address: other.address, prefix: 16 } });
    expect(await container.reload()).toMatchObject({
      step: "give address",
      object: other.address,
      errno: "EADDRINUSE",
    });
    expect(await other.exec("netprobe", "dial", container.address, "80")).toContain("connected");

    Object.assign(container.plan, { unknown: 1 });
    expect((await container.reload())?.detail).toContain("unknown");
    Object.assign(container.plan, good, {
      ports: [{ ...portOne, hostFirst: 1, hostLast: 1 }],
      unknown: undefined,
    });
    expect(await container.reload()).toMatchObject({ errno: "EACCES" });
    expect(container.ports()).toEqual([]);
    Object.assign(container.plan, good);
    expect(await container.reload()).toBeUndefined();
    expect(await other.exec("netprobe", "dial", container.address, "80")).toContain("connected");
  });

  const portOne = {
    protocol: "tcp",
    hostAddress: "127.0.0.1",
    hostFirst: 1,
    hostLast: 1,
    containerPort: 80,
  } as const;

  test("of a container that was started without networks, or has ended, is refused", async () => {
    const on = net();
    const container = await on.start("a", sleep, { connected: false });
    expect(await container.reload()).toMatchObject({
      step: "reload networks",
      detail: "the container was started without networks of its own",
    });
    await container.end();
    expect(await container.reload()).toMatchObject({ step: "reload networks" });
    expect(await on.status()).toBeNull();
  });

  test("that fails at the start keeps the container from starting, and leaves nothing", async () => {
    const on = net();
    const container = await on.start("a", sleep, { ports: [portOne] });
    expect(container.exitCode).toBe(0); // of the program that reports: echo
    expect(container.facts).toMatchObject({ errno: "EACCES", exit: 125 });
    expect(container.isRunning()).toBe(false);
    await waitUntil(() => on.netds().length === 0);
    expect(readdirSync(container.runDir)).toEqual(["network.json"]);
  });

  test("that fails and is not required leaves the container with loopback only", async () => {
    const on = net();
    const container = await on.start("a", sleep, { ports: [portOne], required: false });
    expect(container.facts).toBeUndefined();
    expect(await container.exec("ip", "addr")).not.toContain("eth0");
    await waitUntil(() => on.netds().length === 0);
    expect(container.isRunning()).toBe(true);
  });

  test("is in force before the settings of the network namespace", async () => {
    const on = net();
    const container = await on.start("a", sleep, {
      config: (config) => {
        config.linux.sysctl = {
          "net.ipv6.conf.eth0.disable_ipv6": "1",
          "net.ipv4.conf.eth0.log_martians": "1",
        };
      },
    });
    expect(container.facts).toBeUndefined();
    const addresses = await container.exec("ip", "addr", "show", "dev", "eth0");
    expect(addresses).toContain("10.88.0.2");
    expect(addresses).not.toContain("inet6");
  });
});

describe.skipIf(helperMissing !== undefined)(`a client of netd that${why}`, () => {
  test.each([
    ["sends what is no JSON", "not JSON", "not a JSON object", true],
    ["sends a list", "[]", "not a JSON object", true],
    ["speaks another version", '{"v":2,"do":"status"}', "protocol 2 is asked for, and 1 is spoken", true],
    ["names no version", '{"do":"status"}', "protocol -1", true],
    ["asks for what there is not", '{"v":1,"do":"dance"}', "unknown", true],
    ["sends too much", `{"v":1,"do":"status","x":"${"x".repeat(140_000)}"}`, "longer than 128 KiB", true],
    ["attaches without a plan", '{"v":1,"do":"attach"}', "plan", false],
    ["attaches with a wrong plan", '{"v":1,"do":"attach","plan":{"container":1}}', "network plan", false],
  ])("%s is told so, and no other is harmed", async (_, message, words, closed) => {
    const on = net();
    const container = await on.start("a", sleep);
    const answer = on.probe(["say", on.socket], message);
    expect(answer).toContain(words);
    expect(answer.endsWith("closed\n")).toBe(closed);
    expect((await on.status())?.containers.map((each) => each.id)).toEqual([container.id]);
  });

  test("attaches for a container without its namespace, or for one that is connected, is refused", async () => {
    const on = net();
    const container = await on.start("a", sleep);
    const attach = JSON.stringify({ v: 1, do: "attach", plan: container.plan });
    expect(on.probe(["say", on.socket], attach)).toContain("without the namespace and its socket");
    expect(on.probe(["say", on.socket, "/dev/null"], attach)).toContain("it is connected already");
    const other = {
      ...container.plan,
      container: "b".repeat(64),
      endpoints: [{ ...container.plan.endpoints[0] }],
    };
    Object.assign(other.endpoints[0] ?? {}, { ipv4: { address: "10.88.0.77", prefix: 16 }, ipv6: null });
    expect(
      on.probe(["say", on.socket, "/dev/null"], JSON.stringify({ v: 1, do: "attach", plan: other })),
    ).toContain("error");
    expect((await on.status())?.containers.map((each) => each.id)).toEqual([container.id]);
    expect(await container.exec("ip", "addr")).toContain(container.address);
  });

  test("never reads its answers is dropped", async () => {
    const on = net();
    await on.start("a", sleep);
    expect(on.probe(["nag", on.socket], "")).toBe("dropped\n");
    expect((await on.status())?.containers).toHaveLength(1);
  });

  test("takes all of its descriptors is outlived", async () => {
    const on = net();
    const wrap = ["prlimit", "--nofile=90:90"];
    const container = await on.start("a", ["netprobe", "greet", "80"], { wrap });
    expect(container.facts).toBeUndefined();
    const crowd = Bun.spawn([on.probePath, "crowd", on.socket, "200"], { stdin: "pipe", stdout: "pipe" });
    await crowd.stdout.getReader().read();
    expect(container.isRunning()).toBe(true);
    crowd.stdin.end();
    await crowd.exited;
    await on.connected(1);
    const second = await on.start("b", sleep, { wrap });
    expect(second.facts).toBeUndefined();
    expect(await second.exec("netprobe", "dial", container.address, "80")).toContain("connected");
  });
});

const strace = "/usr/bin/strace";

const noFaults = helperMissing ?? (existsSync(strace) ? undefined : "strace is not installed");

describe.skipIf(noFaults !== undefined)(
  `a netd in which a system call fails${noFaults ? ` (${noFaults})` : ""}`,
  () => {
    /** newuidmap has no rights under strace. */
    const singleId = (config: Config): void => {
      config.linux.uidMappings = [{ containerID: 0, hostID: process.getuid?.() ?? 0, size: 1 }];
      config.linux.gidMappings = [{ containerID: 0, hostID: process.getgid?.() ?? 0, size: 1 }];
      config.mounts = config.mounts.filter(({ destination }) => destination !== "/dev/pts");
    };
    const failing = (fault: string): string[] => [
      strace,
      "-D",
      "-f",
      "-qq",
      "-o",
      "/dev/null",
      "-e",
      `inject=${fault}`,
    ];

    test("all along, as on a kernel without it, refuses with the reason and leaves", async () => {
      const on = net();
      const wrap = failing("setsockopt:error=ENOPROTOOPT");
      const container = await on.start("a", sleep, { config: singleId, wrap });
      expect(container.facts).toMatchObject({ errno: "ENOPROTOOPT", exit: 125 });
      expect(container.isRunning()).toBe(false);
      await waitUntil(() => on.netds().length === 0);
      expect(existsSync(on.socket)).toBe(false);
    });

    test.each([
      "socketpair",
      "epoll_create1",
      "signalfd4",
      "sendto",
      "memfd_create",
      "recvmsg",
      "accept4",
      "setns",
      "unshare",
    ])("%s, once: the container starts connected, or not at all and with the reason", async (name) => {
      const on = net();
      for (const when of [1, 2, 4]) {
        const wrap = failing(`${name}:error=ENOMEM:when=${when}`);
        const container = await on.start(`a${when}`, sleep, { config: singleId, wrap });
        if (container.facts)
          expect(container.facts).toMatchObject({ exit: expect.any(Number), step: expect.any(String) });
        else {
          expect((await on.status())?.containers[0]?.endpoints[0]?.ipv4).toBe(container.address);
          await container.end();
        }
        expect(container.isRunning()).toBe(false);
      }
      await waitUntil(() => on.netds().length === 0);
    });
  },
);
