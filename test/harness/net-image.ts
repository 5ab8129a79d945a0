/** The image that network tests run: the tiny image with real servers and clients, taken from this machine with their libraries. */
import { beforeAll } from "bun:test";
import { existsSync, mkdirSync, readFileSync, realpathSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Engine, useEngine } from "./engine";
import { makeImage, makeLayer, pushImage, type TestImage } from "./image";
import { tinyLayer } from "./images";
import { useRegistry } from "./registry";
import { testCacheDir } from "./sandbox";
import { missing } from "./tiny";

/** Packages of .dev/packages have them. */
const PROGRAMS = [
  "/bin/dash", // busybox's sh would run its own ping and ip
  "/bin/ping",
  "/sbin/ip",
  "/usr/bin/curl",
  "/usr/bin/dig",
  "/usr/bin/iperf3",
  "/usr/bin/python3",
  "/usr/bin/redis-cli",
  "/usr/bin/redis-server",
  "/usr/sbin/nginx",
];

/** Null where `useNet` works, otherwise what is missing. */
export const netMissing: string | null =
  missing ?? PROGRAMS.find((path) => !existsSync(path))?.replace(/$/, " is not installed") ?? null;

/** Absolute paths of a program's libraries and of its loader. */
function librariesOf(program: string): string[] {
  const listed = Bun.spawnSync(["ldd", program]).stdout.toString();
  return [...listed.matchAll(/(\/\S+) \(0x/g)].map(([, path = ""]) => path);
}

function pythonLibrary(): string {
  const version = /python(3\.\d+)$/.exec(realpathSync("/usr/bin/python3"))?.[1] ?? "3";
  return `/usr/lib/python${version}`;
}

/** The archive of programs and libraries, made anew when one of the programs is another. */
function netTar(): Uint8Array {
  const python = pythonLibrary();
  const modules = Bun.spawnSync(["find", join(python, "lib-dynload"), "-name", "*.so"])
    .stdout.toString()
    .split("\n")
    .filter((name) => /_(socket|ssl|ctypes|struct|hashlib|json|posixsubprocess|asyncio)\b/.test(name));
  const files = [
    ...new Set([...PROGRAMS, ...[...PROGRAMS, ...modules].flatMap((program) => librariesOf(program))]),
  ];
  const stamp = new Bun.CryptoHasher("sha256");
  for (const file of files) stamp.update(`${file} ${statSync(file).size} ${statSync(file).mtimeMs}\n`);
  const path = join(testCacheDir(), `net-${stamp.digest("hex").slice(0, 16)}.tar`);
  if (!existsSync(path)) {
    mkdirSync(testCacheDir(), { recursive: true });
    const temporary = `${path}.${process.pid}`;
    const left = ["test", "idlelib", "lib2to3", "ensurepip", "pydoc_data", "tkinter", "__pycache__"];
    const made = Bun.spawnSync([
      ...["tar", "-C", "/", "-chf", temporary, "--owner=0", "--group=0", "--mode=u+rw,a+rX,u-s,g-s"],
      ...left.map((name) => `--exclude=${name}`),
      ...[...files, python].map((file) => file.slice(1)),
    ]);
    if (made.exitCode !== 0) throw new Error(`tar: ${made.stderr.toString().trim().slice(-500)}`);
    renameSync(temporary, path);
  }
  return new Uint8Array(readFileSync(path));
}

let net: Promise<TestImage> | undefined;

/** busybox and, in its place where both have it, dash, ping, ip, curl, dig, iperf3, python3, redis-server, redis-cli and nginx (user nobody). */
export function netImage(): Promise<TestImage> {
  net ??= (async () =>
    makeImage({
      layers: [
        await tinyLayer(),
        await makeLayer(netTar(), { compression: "none" }),
        await makeLayer({
          "bin/sh": { type: "symlink", target: "dash" },
          "var/log/nginx/": "",
          "var/lib/nginx/": "",
        }),
      ],
      config: { Cmd: ["sh"], Env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"] },
    }))();
  return net;
}

/** The start of a network test's file: an engine that has the image. `net`: the reference that it was pulled by. */
export function useNet(): { engine: Engine; registry: { readonly host: string }; readonly net: string } {
  const registry = useRegistry();
  const engine = useEngine();
  let reference = "";
  beforeAll(async () => {
    reference = await pushImage(`${registry.host}/net:latest`, await netImage());
    await engine.ok(["pull", "--quiet", reference]);
  });
  return {
    engine,
    registry,
    get net() {
      return reference;
    },
  };
}
