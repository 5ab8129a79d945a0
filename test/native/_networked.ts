/** Containers that are connected to a netd of their own: one runtime directory, with the helper's `run` and nothing of proa's TypeScript between. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Facts, LivePort, NetdStatus, PortPlan } from "../../src/helper/protocol";
import { flock, LOCK_EX, LOCK_NB } from "../../src/helper/syscalls";
import { waitUntil } from "../harness/wait";
import { type Config, makeConfig, makePlace, type Place, requestFd } from "./_bundle";
import { helperPath } from "./_container";

const helperEnv = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin" };

/** A file for `network.json`, as far as the tests change it. */
export type Plan = ReturnType<typeof makePlan>;

const networkId = (name: string): string => new Bun.CryptoHasher("sha256").update(name).digest("hex");

/** A plan for the container numbered NUMBER in the networks NAMES; the first one leads out. */
function makePlan(id: string, name: string, number: number, names: string[], ports: PortPlan[]) {
  const block = (network: string): number => 88 + networks.indexOf(network);
  const networks = ["proa", "back", "third"];
  return {
    container: id,
    name,
    networks: names.map((network) => ({
      id: networkId(network),
      name: network,
      bridge: `proa${networks.indexOf(network)}`,
      gateways: [
        { address: `10.${block(network)}.0.1`, prefix: 16 },
        { address: `fd00:${block(network)}::1`, prefix: 64 },
      ],
      mtu: 1500,
      internal: false,
      isolated: false,
      names: true,
      resolvers: [] as string[],
    })),
    endpoints: names.map((network, i) => ({
      network: networkId(network),
      interface: `eth${i}`,
      mac: `02:42:0a:${block(network)}:00:${number.toString(16).padStart(2, "0")}`,
      ipv4: { address: `10.${block(network)}.0.${number}`, prefix: 16 },
      ipv6: { address: `fd00:${block(network)}::${number.toString(16)}`, prefix: 64 },
      gateway4: i === 0 ? `10.${block(network)}.0.1` : null,
      gateway6: i === 0 ? `fd00:${block(network)}::1` : null,
      hostLoopback: true,
      names: [name, id.slice(0, 12)],
      routes: [] as { destination: string; gateway: string }[],
    })),
    ports,
    resolvers: [] as string[],
  };
}

export type StartOptions = {
  /** Of its addresses: 10.88.0.NUMBER. */
  number?: number;
  networks?: string[];
  ports?: PortPlan[];
  plan?: (plan: Plan) => void;
  config?: (config: Config) => void;
  runtime?: string;
  required?: boolean;
  deny?: string[];
  /** False: without networks. */
  connected?: boolean;
  /** A command in front of the helper's, which passes descriptors 3 and 4 on. */
  wrap?: string[];
};

export type Networked = {
  readonly id: string;
  readonly runDir: string;
  readonly address: string;
  /** The plan in force, or the next one before reload(). */
  readonly plan: Plan;
  /** Status of `run`, which is detached: 0 when the container has started. */
  readonly exitCode: number;
  /** What was reported where it did not start. */
  readonly facts: Facts | undefined;
  /** Pid of the supervisor. */
  supervisor(): number;
  log(): string;
  ports(): LivePort[];
  /** Run a program in it to its end: what it printed. */
  exec(...args: string[]): Promise<string>;
  /** Write the plan and have it put in force. */
  reload(): Promise<Facts | undefined>;
  /** End it as its user would; resolves when the lock is free. */
  end(): Promise<void>;
  isRunning(): boolean;
};

/** Call a verb of the helper. */
async function call<R>(verb: string, request: object): Promise<{ ok?: R; error?: Facts }> {
  const fd = requestFd(request);
  const child = Bun.spawn([helperPath, verb, "3"], { stdio: ["ignore", "pipe", "inherit", fd] });
  closeSync(fd);
  const text = await new Response(child.stdout).text();
  await child.exited;
  return JSON.parse(text);
}

function isLocked(runDir: string): boolean {
  const fd = openSync(runDir, "r");
  try {
    return !flock(fd, LOCK_EX | LOCK_NB);
  } finally {
    closeSync(fd);
  }
}

/** A runtime directory. Everything that runs in it ends with close(). */
export function makeNet() {
  const place: Place = makePlace();
  const runtime = realpathSync(mkdtempSync(join(process.env["PROA_TEST_TMP"] ?? tmpdir(), "net-")));
  const [socket, lock, containers] = [
    join(runtime, "netd.sock"),
    join(runtime, "netd.lock"),
    join(runtime, "containers"),
  ];
  const probe = join(runtime, "netprobe");
  const made = Bun.spawnSync(
    ["gcc", "-O1", "-static", "-D_GNU_SOURCE", "-o", probe, join(import.meta.dir, "netprobe.c")],
    { stderr: "inherit" },
  );
  if (made.exitCode !== 0) throw new Error(`compile netprobe.c: exit ${made.exitCode}`);
  copyFileSync(probe, join(place.rootfs, "bin/netprobe"));
  mkdirSync(containers);
  let count = 0;

  async function start(name: string, args: string[], options: StartOptions = {}): Promise<Networked> {
    const number = options.number ?? ++count + 1;
    const id = new Bun.CryptoHasher("sha256").update(`${runtime}/${name}`).digest("hex");
    const [bundle, runDir] = [join(runtime, `b-${name}`), join(containers, id)];
    for (const path of [runDir, ...["rootfs", "upper", "work"].map((each) => join(bundle, each))])
      mkdirSync(path, { recursive: true });
    const config = makeConfig(args);
    options.config?.(config);
    writeFileSync(join(bundle, "config.json"), JSON.stringify(config));
    const plan = makePlan(id, name, number, options.networks ?? ["proa"], options.ports ?? []);
    options.plan?.(plan);
    writeFileSync(join(runDir, "network.json"), JSON.stringify(plan));
    const lockFd = openSync(runDir, "r");
    flock(lockFd, LOCK_EX | LOCK_NB);
    const log = join(bundle, "log");
    const fd = requestFd({
      id,
      proa: "/bin/echo",
      bundle,
      runDir,
      lockFd: 3,
      rootfs: {
        driver: "overlay",
        lower: [place.rootfs],
        upper: join(bundle, "upper"),
        work: join(bundle, "work"),
        volatile: false,
      },
      runtime: options.runtime ?? null,
      log: { path: log, maxSizeBytes: 0, maxFiles: 1 },
      stdin: false,
      stdinOnce: false,
      attach: null,
      printId: false,
      remove: [],
      exitFile: join(bundle, "exit.json"),
      seccompCache: null,
      network:
        options.connected === false
          ? null
          : {
              plan: join(runDir, "network.json"),
              socket,
              lock,
              resolvConf: "/etc/resolv.conf",
              deny: options.deny ?? [],
              required: options.required ?? true,
            },
    });
    const child = Bun.spawn([...(options.wrap ?? []), helperPath, "run", "4"], {
      // A file: a tracer (`wrap`) would keep a pipe open for as long as the container lives.
      stdio: ["ignore", Bun.file(join(bundle, "output")), "inherit", lockFd, fd],
      env: helperEnv,
    });
    closeSync(fd);
    closeSync(lockFd);
    const exitCode = await child.exited;
    const output = readFileSync(join(bundle, "output"), "utf8");
    const facts = output.includes("{") ? (JSON.parse(output.slice(output.indexOf("{"))) as Facts) : undefined;
    const state = (): { pid: number } => JSON.parse(readFileSync(join(runDir, "state.json"), "utf8"));
    return {
      id,
      runDir,
      address: plan.endpoints[0]?.ipv4?.address ?? "",
      plan,
      exitCode,
      facts,
      supervisor: () =>
        Number(readFileSync(`/proc/${state().pid}/stat`, "utf8").split(") ")[1]?.split(" ")[1]),
      log: () =>
        readFileSync(log, "utf8")
          .split("\n")
          .filter(Boolean)
          .map((line) => JSON.parse(line).log)
          .join(""),
      ports: () => JSON.parse(readFileSync(join(runDir, "ports.json"), "utf8")),
      exec: async (...words) => {
        const request = requestFd({
          proa: "/bin/echo",
          runDir,
          bundle,
          process: { ...config.process, args: words },
          stdin: false,
          detach: false,
          attach: { stdin: false, stdout: true, stderr: true, detachKeys: [], sigProxy: true },
          seccompCache: null,
        });
        const program = Bun.spawn([helperPath, "exec", "3"], {
          stdio: ["ignore", "pipe", "inherit", request],
        });
        closeSync(request);
        const text = await new Response(program.stdout).text();
        await program.exited;
        return text.trimEnd();
      },
      reload: async () => {
        writeFileSync(join(runDir, "network.json"), JSON.stringify(plan));
        return (await call("network-reload", { runDir })).error;
      },
      end: async () => {
        process.kill(state().pid, "SIGKILL");
        await waitUntil(() => !isLocked(runDir), { what: `${name} to end` });
      },
      isRunning: () => existsSync(join(runDir, "state.json")) && isLocked(runDir),
    };
  }

  async function status(): Promise<NetdStatus | null> {
    const { ok, error } = await call<NetdStatus | null>("netd-status", { socket });
    if (error) throw new Error(JSON.stringify(error));
    return ok ?? null;
  }

  /** Processes that hold the lock file: a netd of this directory, and nobody else for long. */
  function netds(): number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .filter((pid) => {
        try {
          return readdirSync(`/proc/${pid}/fd`).some((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === lock);
        } catch {
          return false; // it has ended, or is another's
        }
      })
      .map(Number);
  }

  /** Resolves with the status when CONTAINERS are connected, to a netd that is not BEFORE. */
  const connected = (containersWanted: number, before = 0): Promise<NetdStatus> =>
    waitUntil(
      async () => {
        const now = await status();
        return now !== null && now.pid !== before && now.containers.length === containersWanted ? now : null;
      },
      { what: `${containersWanted} containers to be connected` },
    );

  return {
    runtime,
    socket,
    start,
    status,
    netds,
    connected,
    /** Run the probe on the host. */
    probe: (args: string[], stdin: string): string =>
      Bun.spawnSync([probe, ...args], { stdin: Buffer.from(stdin), timeout: 10_000 }).stdout.toString(),
    probePath: probe,
    /** Kill netd as the kernel would; resolves when COUNT containers are connected to the next. */
    killNetd: async (count: number, signal: NodeJS.Signals = "SIGKILL"): Promise<NetdStatus> => {
      const pid = (await status())?.pid ?? 0;
      process.kill(pid, signal);
      return connected(count, pid);
    },
    close: async (): Promise<void> => {
      for (const id of readdirSync(containers)) {
        try {
          const { pid } = JSON.parse(readFileSync(join(containers, id, "state.json"), "utf8"));
          if (isLocked(join(containers, id))) process.kill(pid, "SIGKILL");
        } catch {
          // it never started, or has ended
        }
      }
      await waitUntil(() => netds().length === 0, { what: "netd to end" });
      const script = 'chmod -R u+rwX "$1" 2>/dev/null; rm -rf "$1"';
      Bun.spawnSync(["sh", "-c", script, "sh", runtime], { stderr: "ignore" });
      if (existsSync(runtime))
        Bun.spawnSync(["unshare", "--map-root-user", "--map-auto", "rm", "-rf", runtime]);
    },
  };
}

export type Net = ReturnType<typeof makeNet>;
