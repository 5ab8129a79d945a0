/** Figures of the network: shares of the same traffic without a container, with pasta alone beside it where it is installed. */
import { rmSync } from "node:fs";
import { connect } from "node:net";
import { cpuSeconds, netImage, processesOf, pssKib, pushImage } from "../harness";
import type { BenchEngine } from "./engines";
import type { Bench, Figure, Row } from "./figures";
import { median, settle } from "./measure";

const FLOOR = "floor";
const SECONDS = 2;
const OUT_PORT = freePort(); // iperf3 on the host's loopback
const IN_PORT = freePort(); // iperf3 in a container, published
const WEB_PORT = freePort(); // nginx in a container, published

/** A port of the loopback that nobody listens on. */
function freePort(): number {
  const server = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  server.stop(true);
  return server.port;
}

/** A directory of its own name: other users' files of an earlier run may lie in /tmp. */
const NGINX_DIR = `/tmp/nginx-${WEB_PORT}`;
const NGINX_CONF = `daemon off; user root root; worker_processes 1; pid ${NGINX_DIR}/pid; error_log /dev/null;
events { worker_connections 1024; } http { access_log off; client_body_temp_path ${NGINX_DIR}/b;
proxy_temp_path ${NGINX_DIR}/p; fastcgi_temp_path ${NGINX_DIR}/f; uwsgi_temp_path ${NGINX_DIR}/u;
scgi_temp_path ${NGINX_DIR}/s; keepalive_requests 100000000;
server { listen ${WEB_PORT}; location / { return 200 "ok"; } } }`;
const NGINX = [
  "sh",
  "-c",
  `mkdir -p ${NGINX_DIR}; echo '${NGINX_CONF}' >${NGINX_DIR}/conf; exec nginx -e /dev/null -c ${NGINX_DIR}/conf`,
];

/** Who carries the traffic: the host itself, an engine, or pasta with nothing around it. */
type Carrier = {
  name: string;
  /** The command of a client that reaches the host's loopback as HOST; null: left out. */
  client: ((...command: string[]) => Spawned) | null;
  /** Start a server that the host's loopback reaches at `port`; resolves to its end. */
  serve: (port: number, ...command: string[]) => Promise<() => Promise<void>>;
  /** Seconds of CPU that its own processes have used so far; null: it has none. */
  cpuSeconds: (() => number) | null;
};

type Spawned = { argv: string[]; env: Record<string, string> };

const PLAIN_ENV = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/" };

function spawn({ argv, env }: Spawned): Bun.Subprocess<"ignore", "pipe", "ignore"> {
  return Bun.spawn(argv, { env, stdin: "ignore", stdout: "pipe", stderr: "ignore", cwd: "/" });
}

async function output(command: Spawned): Promise<string> {
  const child = spawn(command);
  const text = await child.stdout.text();
  const status = await child.exited;
  if (status !== 0) throw new Error(`${command.argv.join(" ")}: exit status ${status}: ${text.slice(-300)}`);
  return text;
}

/** A server in a process group of its own, so that pasta's program ends with pasta. */
function serve(argv: string[]): { pid: number; stop: () => Promise<void> } {
  const child = Bun.spawn(argv, {
    env: PLAIN_ENV,
    stdio: ["ignore", "ignore", "ignore"],
    cwd: "/",
    detached: true,
  });
  return {
    pid: child.pid,
    async stop() {
      process.kill(-child.pid, "SIGTERM");
      await child.exited;
    },
  };
}

const host: Carrier = {
  name: FLOOR,
  client: (...argv) => ({ argv: argv.map((word) => (word === "HOST" ? "127.0.0.1" : word)), env: PLAIN_ENV }),
  async serve(_port, ...argv) {
    return serve(argv).stop;
  },
  cpuSeconds: null,
};

/** User and system time of processes, in seconds. */
function cpuOf(pids: readonly number[]): number {
  return pids.map(cpuSeconds).reduce((sum, seconds) => sum + seconds, 0);
}

/** Options of an engine's client that may reach the host's loopback, and the address it finds it at. */
const LOOPBACK: Record<string, { options: string[]; address: string }> = {
  proa: { options: ["--network", "bridge:host-loopback"], address: "169.254.1.2" },
  podman: { options: ["--network", "slirp4netns:allow_host_loopback=true"], address: "10.0.2.2" },
};

function carrierOf(engine: BenchEngine, image: string): Carrier {
  const loopback = LOOPBACK[engine.name];
  return {
    name: engine.name,
    client:
      loopback === undefined
        ? null
        : (...argv) => {
            const words = argv.map((word) => (word === "HOST" ? loopback.address : word));
            const command = engine.command("run", "--rm", ...loopback.options, image, ...words);
            return { argv: [...command.argv], env: { ...command.env } };
          },
    async serve(port, ...argv) {
      const publish = ["-p", `127.0.0.1:${port}:${port}`, "-p", `127.0.0.1:${port}:${port}/udp`];
      engine.run("run", "-d", ...publish, image, ...argv);
      return async () => engine.clear();
    },
    cpuSeconds:
      engine.name === "proa"
        ? () =>
            cpuOf(
              processesOf(engine.sandbox)
                .filter(({ command }) => command.startsWith("proa-net"))
                .map(({ pid }) => pid),
            )
        : null,
  };
}

/** pasta's tap device outward, its spliced sockets inward. */
function pasta(program: string): Carrier {
  const options = [
    "--config-net",
    "-4",
    "-q",
    "-f",
    "-a",
    "10.9.9.2",
    "-n",
    "255.255.255.0",
    "-g",
    "10.9.9.1",
  ];
  const closed = ["-t", "none", "-u", "none", "-T", "none", "-U", "none"];
  const running = new Set<number>();
  return {
    name: "pasta alone",
    client: (...argv) => ({
      argv: [
        program,
        ...options,
        ...closed,
        "--",
        ...argv.map((word) => (word === "HOST" ? "10.9.9.1" : word)),
      ],
      env: PLAIN_ENV,
    }),
    async serve(port, ...argv) {
      const inward = [`-t`, `127.0.0.1/${port}`, `-u`, `127.0.0.1/${port}`, "-T", "none", "-U", "none"];
      const { pid, stop } = serve([program, ...options, ...inward, "--", ...argv]);
      running.add(pid);
      return async () => {
        running.delete(pid);
        await stop();
      };
    },
    cpuSeconds: () => cpuOf([...running]),
  };
}

/** A TCP connection to a port of the loopback succeeds, and where `request` is given an answer comes. */
function answers(port: number, request?: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => {
      if (request !== undefined) return void socket.write(request);
      socket.destroy();
      resolve(true);
    });
    socket.on("data", () => {
      socket.destroy();
      resolve(true);
    });
    socket.on("error", () => resolve(false));
    socket.on("close", () => resolve(false));
  });
}

async function awaitServer(who: string, port: number, request?: string): Promise<void> {
  for (const end = performance.now() + 10_000; performance.now() < end; await Bun.sleep(1)) {
    if (await answers(port, request)) return;
  }
  throw new Error(`${who}: nothing answers on port ${port}`);
}

/** Gbit/s that arrived. */
async function iperf(command: Spawned): Promise<number> {
  type End = {
    sum_received?: { bits_per_second: number };
    sum?: { bits_per_second: number; lost_percent?: number };
  };
  const { end } = JSON.parse(await output(command)) as { end: End };
  const received = end.sum_received?.bits_per_second;
  if (received !== undefined && received > 0) return received / 1e9;
  return ((end.sum?.bits_per_second ?? Number.NaN) * (1 - (end.sum?.lost_percent ?? 0) / 100)) / 1e9;
}

const clientOf = (port: number, ...more: string[]): string[] => [
  ...["iperf3", "-J", "-t", String(SECONDS), "-p", String(port)],
  ...more,
];

const UDP = ["-u", "-b", "0", "-l", "1400"]; // as much as goes, datagrams that fit an Ethernet frame

/** Requests a second of `wrk`, and the median latency in microseconds. */
async function wrk(connections: number, ...more: string[]): Promise<{ rate: number; p50Us: number }> {
  const url = `http://127.0.0.1:${WEB_PORT}/`;
  const argv = ["wrk", "-t1", `-c${connections}`, `-d${SECONDS}s`, "--latency", ...more, url];
  const text = await output({ argv, env: PLAIN_ENV });
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1] ?? Number.NaN);
  const [, value = "", unit = ""] = /50%\s+([\d.]+)(us|ms|s)/.exec(text) ?? [];
  return { rate, p50Us: Number(value) * ({ us: 1, ms: 1e3, s: 1e6 }[unit] ?? Number.NaN) };
}

/** Samples by figure and carrier, in the order of their first appearance. */
class Samples {
  readonly #taken = new Map<string, { unit: Row["unit"]; goal: string; of: Map<string, number[]> }>();

  add(figure: string, unit: Row["unit"], goal: string, carrier: string, value: number): void {
    const entry = this.#taken.get(figure) ?? { unit, goal, of: new Map<string, number[]>() };
    this.#taken.set(figure, entry);
    entry.of.set(carrier, [...(entry.of.get(carrier) ?? []), value]);
  }

  rows(): Row[] {
    return [...this.#taken].map(([figure, { unit, goal, of }]) => {
      const values = Object.fromEntries([...of].map(([name, taken]) => [name, median(taken)]));
      const { [FLOOR]: floor, ...others } = values;
      return { figure, unit, floor, values: others, goal };
    });
  }
}

const TCP_FLOWS: [name: string, options: string[]][] = [
  ["one stream", []],
  ["one stream, reversed", ["-R"]],
  ["four streams", ["-P", "4"]],
];

/** One round of one carrier. `note` drops what the first round, which warms up, has measured. */
async function measureCarrier(
  carrier: Carrier,
  note: (figure: string, unit: Row["unit"], goal: string, value: number) => void,
): Promise<void> {
  if (carrier.client !== null) {
    for (const [name, options] of TCP_FLOWS) {
      await settle();
      const rate = await iperf(carrier.client(...clientOf(OUT_PORT, "-c", "HOST", ...options)));
      note(`TCP to the host, ${name}`, "Gbit/s", "≥ 0.5", rate);
    }
    await settle();
    const rate = await iperf(carrier.client(...clientOf(OUT_PORT, "-c", "HOST", ...UDP)));
    note("UDP to the host", "Gbit/s", "≥ 0.9", rate);
  }

  const stopIperf = await carrier.serve(IN_PORT, "iperf3", "-s", "-p", String(IN_PORT));
  try {
    await awaitServer(carrier.name, IN_PORT);
    await Bun.sleep(200); // the server takes that connection for a client that has left
    const command = (...more: string[]): Spawned => ({
      argv: clientOf(IN_PORT, "-c", "127.0.0.1", ...more),
      env: PLAIN_ENV,
    });
    for (const [name, options] of TCP_FLOWS) {
      await settle();
      const cpu = carrier.cpuSeconds?.() ?? 0;
      const rate = await iperf(command(...options));
      note(`TCP through a published port, ${name}`, "Gbit/s", "≥ 0.55", rate);
      if (carrier.cpuSeconds !== null && options.length === 0) {
        const gigabytes = (rate * SECONDS) / 8;
        const used = ((carrier.cpuSeconds() - cpu) * 1000) / gigabytes;
        note("CPU time a GB through a published port", "ms", "≤ half of pasta's", used);
      }
    }
    await settle();
    note("UDP through a published port", "Gbit/s", "≥ 0.9", await iperf(command(...UDP)));
  } finally {
    await stopIperf();
  }

  await settle();
  const began = performance.now();
  const stopNginx = await carrier.serve(WEB_PORT, ...NGINX);
  try {
    await awaitServer(carrier.name, WEB_PORT, "GET / HTTP/1.0\r\n\r\n");
    note("from the command to the first answer", "ms", "≤ 60 ms", performance.now() - began);
    await settle();
    const kept = await wrk(1);
    note("requests on one kept connection", "1/s", "≥ 0.5", kept.rate);
    note("their median latency", "µs", "", kept.p50Us);
    await settle();
    note("requests on 32 kept connections", "1/s", "≥ 0.5", (await wrk(32)).rate);
    await settle();
    const connects = await wrk(8, "-H", "Connection: close");
    note("connections, eight at once", "1/s", "≥ 0.45", connects.rate);
  } finally {
    await stopNginx();
  }
}

/** Two namespaces, a bridge and an iperf3 in each, by unshare and ip alone: Gbit/s. */
const BARE_BRIDGE = `
ip link add br0 type bridge; ip link set br0 up
for i in 1 2; do
  unshare -n sleep 100 & pid=$!
  while [ "$(readlink /proc/$pid/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do sleep 0.01; done
  ip link add v$i type veth peer name eth0 netns $pid
  ip link set v$i master br0 up
  nsenter -t $pid -n sh -c "ip addr add 10.9.0.$i/24 dev eth0; ip link set eth0 up; ip link set lo up"
  eval pid$i=$pid
done
nsenter -t $pid1 -n iperf3 -s >/dev/null 2>&1 & server=$!
sleep 0.5
nsenter -t $pid2 -n "$@" -c 10.9.0.1
status=$?
kill $pid1 $pid2 $server
exit $status`;

function betweenContainers(engine: BenchEngine, image: string): Promise<number> {
  engine.run("network", "create", "bench");
  engine.run("run", "-d", "--name", "server", "--network", "bench", image, "iperf3", "-s");
  const argv = ["run", "--rm", "--network", "bench", image, ...clientOf(5201, "-c", "server")];
  const command = engine.command(...argv);
  return Bun.sleep(500)
    .then(() => iperf({ argv: [...command.argv], env: { ...command.env } }))
    .finally(() => {
      engine.clear();
      engine.run("network", "rm", "bench");
    });
}

/** What a container costs beyond one without a network, and what the network's processes keep. */
async function measureStart(bench: Bench, image: string, rounds: number, samples: Samples): Promise<void> {
  const timedRun = async (engine: BenchEngine, network: string): Promise<number> => {
    await settle();
    const began = performance.now();
    engine.run("run", "--rm", "--network", network, image, "true");
    return performance.now() - began;
  };
  for (const engine of bench.engines) {
    engine.run("run", "-d", "--network", "bridge", image, "sleep", "1000"); // the network is up, as it mostly is
    for (let round = 0; round <= rounds; round++) {
      const none = await timedRun(engine, "none");
      const bridge = await timedRun(engine, "bridge");
      if (round > 0)
        samples.add(
          "`run` on a bridge, beyond `--network none`",
          "ms",
          "≤ 10 ms",
          engine.name,
          bridge - none,
        );
    }
    engine.clear();
  }
  const proa = bench.engines.find(({ name }) => name === "proa");
  if (proa === undefined) return;
  for (let i = 0; i < 50; i++) proa.run("run", "-d", "--network", "bridge", image, "sleep", "1000");
  await Bun.sleep(3000); // idle: what the starts have used has been given back
  let kib = 0;
  for (const { pid, command } of processesOf(proa.sandbox)) {
    if (!command.startsWith("proa-net")) continue;
    kib += pssKib(pid);
  }
  samples.add("PSS of the network's processes, 50 containers", "KiB", "≤ 1024 KiB", "proa", kib);
  proa.clear();
}

export const network: Figure = {
  name: "network",
  columns: ["pasta alone"],
  async measure(bench) {
    const image = await pushImage(`${bench.registry.host}/net:latest`, await netImage());
    for (const engine of bench.engines) engine.pull(image);
    const program = Bun.which("pasta");
    const carriers = [
      host,
      ...(program === null ? [] : [pasta(program)]),
      ...bench.engines.map((engine) => carrierOf(engine, image)),
    ];
    const rounds = Math.min(3, bench.rounds);
    const samples = new Samples();
    const server = serve(["iperf3", "-s", "-B", "127.0.0.1", "-p", String(OUT_PORT)]);
    try {
      for (let round = 0; round <= rounds; round++) {
        for (const carrier of carriers) {
          await measureCarrier(carrier, (figure, unit, goal, value) => {
            if (round > 0) samples.add(figure, unit, goal, carrier.name, value);
          });
        }
        const bare = ["unshare", "-Urnm", "sh", "-c", BARE_BRIDGE, "sh", ...clientOf(5201)];
        const figure = "TCP between two containers";
        await settle();
        const floor = await iperf({ argv: bare, env: PLAIN_ENV });
        if (round > 0) samples.add(figure, "Gbit/s", "1", FLOOR, floor);
        for (const engine of bench.engines) {
          await settle();
          const rate = await betweenContainers(engine, image);
          if (round > 0) samples.add(figure, "Gbit/s", "1", engine.name, rate);
        }
      }
    } finally {
      await server.stop();
      rmSync(NGINX_DIR, { recursive: true, force: true });
    }
    await measureStart(bench, image, bench.rounds, samples);
    return samples.rows();
  },
};
