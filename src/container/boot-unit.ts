/**
 * The unit that has systemd start containers at boot. It is a file and a link beside the user's other units, as `systemctl enable` makes them, so that it can be
 * laid where no systemd can be asked (in an image, over ssh without a session); one that runs is told to read its units again.
 */
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { EngineError } from "../error";
import { type Context, replaceFile } from "../state";
import { ownExecutable } from "./places";

const UNIT = "proa-restart.service";
const STOP_SECONDS = 20; // for all containers together, when the host goes down

/** What the unit must know of the environment to find the same containers. */
const VARIABLES = ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "PROA_ROOT", "PROA_RUNROOT"];

type Place = { file: string; link: string; target: string };

/** Root's containers are started by the host's own systemd, everybody else's by the user's. */
function placeOf(context: Context): Place {
  const isRoot = context.uid === 0;
  const directory = isRoot ? "/etc/systemd/system" : join(configHome(context), "systemd", "user");
  const target = isRoot ? "multi-user.target" : "default.target";
  return { file: join(directory, UNIT), link: join(directory, `${target}.wants`, UNIT), target };
}

function configHome({ env }: Context): string {
  return env.XDG_CONFIG_HOME?.startsWith("/") ? env.XDG_CONFIG_HOME : join(env.HOME ?? "/", ".config");
}

/** The unit as a file, for who lays it where systemd finds it but does not have it start: `proa system install`. */
export function bootUnit(context: Context): { name: string; text: string } {
  return { name: UNIT, text: unitText(context, placeOf(context).target) };
}

export type Enabled = {
  /** Path of the unit. */
  file: string;
  /** Whether a systemd that runs knows of it; false: it will when it starts. */
  isKnown: boolean;
  /** The user whose systemd ends with the last session, and starts with the first; null where it lives from boot on. */
  lingersNot: string | null;
};

/** Have containers with a restart policy started at boot. Doing so again brings the unit up to date. Throws `io`. */
export async function enableBoot(context: Context): Promise<Enabled> {
  const { file, link, target } = placeOf(context);
  try {
    mkdirSync(join(link, ".."), { recursive: true });
    replaceFile(file, unitText(context, target));
    rmSync(link, { force: true });
    symlinkSync(`../${UNIT}`, link);
  } catch (error) {
    throw new EngineError("io", "enable at boot", file, error, { exitCode: 1 });
  }
  return { file, isKnown: await readAgain(context), lingersNot: userWithoutLingering(context) };
}

/** Take the unit away. Returns its path, or null where there was none. Throws `io`. */
export async function disableBoot(context: Context): Promise<string | null> {
  const { file, link } = placeOf(context);
  const wasThere = existsSync(file);
  try {
    rmSync(link, { force: true });
    rmSync(file, { force: true });
  } catch (error) {
    throw new EngineError("io", "disable at boot", file, error, { exitCode: 1 });
  }
  if (wasThere) await readAgain(context);
  return wasThere ? file : null;
}

/**
 * The service stays active when its command has ended: what it has started lives in it, or in scopes of its own where systemd makes the control groups, and gets TERM
 * when the host goes down. A container that ends so has not been stopped by its user.
 */
function unitText(context: Context, target: string): string {
  const environment = VARIABLES.flatMap((name) => {
    const value = context.env[name];
    return value?.startsWith("/") ? [`Environment="${name}=${escaped(value)}"`] : [];
  });
  return `${[
    "[Unit]",
    "Description=Containers of proa that have a restart policy",
    ...(context.uid === 0 ? ["Wants=network-online.target", "After=network-online.target"] : []),
    "",
    "[Service]",
    "Type=oneshot",
    "RemainAfterExit=yes",
    "Delegate=yes",
    ...environment,
    `ExecStart="${escaped(ownExecutable())}" system boot`,
    `TimeoutStopSec=${STOP_SECONDS}`,
    "",
    "[Install]",
    `WantedBy=${target}`,
  ].join("\n")}\n`;
}

/** Inside double quotes of systemd.syntax(7), where % and $ have meanings too. */
function escaped(text: string): string {
  return text.replace(/["\\]/g, "\\$&").replace(/%/g, "%%").replace(/\$/g, "$$$$");
}

async function readAgain(context: Context): Promise<boolean> {
  const program = Bun.which("systemctl");
  if (!program) return false;
  const user = context.uid === 0 ? [] : ["--user"];
  const child = Bun.spawn([program, ...user, "daemon-reload"], {
    env: process.env,
    stdio: ["ignore", "ignore", "ignore"],
    timeout: 10_000,
  });
  return (await child.exited) === 0;
}

/** logind keeps a file for each user whose services run without a session. */
function userWithoutLingering({ uid }: Context): string | null {
  if (uid === 0) return null;
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((each) => each.split(":")[2] === String(uid));
  const user = line?.split(":")[0] ?? String(uid);
  return existsSync(join("/var/lib/systemd/linger", user)) ? null : user;
}
