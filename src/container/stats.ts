/** What containers use: counted by their control groups, or by their processes, and by netd. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { callHelper, HelperError, type UsageRecord, type UsageReply } from "../helper";
import { netdStatus } from "../network";
import { type ContainerRow, type Context, checkRuntimeDirectory } from "../state";
import { runDirectory } from "./places";

/** What a container has used up to a moment. */
export type Usage = UsageRecord & {
  /** That moment, by a clock that runs evenly. */
  atMicroseconds: number;
  /** Over all its networks since its start; null where netd does not count it, or does not answer. */
  network: { rxBytes: number; txBytes: number } | null;
};

/** Of those that live, by id. */
export type Usages = ReadonlyMap<string, Usage>;

type Traffic = Map<string, { rxBytes: number; txBytes: number }>;

/** The usage of these containers. */
export async function usageOf(context: Context, rows: readonly ContainerRow[]): Promise<Usages> {
  const running = rows.filter(({ status }) => status === "running");
  if (running.length === 0) return new Map();
  const [traffic, reply] = await Promise.all([trafficOf(context), askOf(context, running)]);
  return usages(traffic, running, [reply]);
}

/** The containers that `list` finds, and their usage: who lives is looked at beside this process, which lists them meanwhile. */
export async function listWithUsage<Row extends ContainerRow>(
  context: Context,
  list: () => Promise<Row[]>,
): Promise<{ rows: Row[]; usage: Usages }> {
  checkRuntimeDirectory(context.paths, context.uid); // what is in there is believed
  const asked = ask(context, context.paths.running);
  const counting = trafficOf(context);
  counting.catch(() => undefined); // awaited where there is something to count
  const [reply, rows] = await Promise.all([asked, list()]);
  const running = rows.filter(({ status }) => status === "running");
  if (running.length === 0) return { rows, usage: new Map() };
  // elsewhere, or just started
  const missing = running.filter(({ id }) => reply.containers[id] === undefined);
  const replies = missing.length === 0 ? [reply] : [reply, await askOf(context, missing)];
  return { rows, usage: usages(await counting, running, replies) };
}

function usages(traffic: Traffic, rows: readonly ContainerRow[], replies: readonly UsageReply[]): Usages {
  const all = new Map<string, Usage>();
  for (const { atMicroseconds, containers } of replies) {
    for (const { id } of rows) {
      const record = containers[id];
      if (record) all.set(id, { ...record, atMicroseconds, network: traffic.get(id) ?? null });
    }
  }
  return all;
}

function askOf(context: Context, rows: readonly ContainerRow[]): Promise<UsageReply> {
  return ask(
    context,
    rows.map(({ id }) => runDirectory(context, id)),
  );
}

function ask(context: Context, runDirs: readonly string[] | string): Promise<UsageReply> {
  return callHelper(context.paths.cache, "usage", { runDirs });
}

async function trafficOf(context: Context): Promise<Traffic> {
  // while no container is connected there is no netd, and no program is started to ask it
  if (!existsSync(join(context.paths.runtime, "netd.sock"))) return new Map();
  const status = await netdStatus(context).catch((error: unknown) => {
    if (error instanceof HelperError && error.facts.errno === "ETIMEDOUT") return null;
    throw error;
  });
  return new Map(
    (status?.containers ?? []).map(({ id, endpoints }) => [
      id,
      {
        rxBytes: endpoints.reduce((sum, { rxBytes }) => sum + rxBytes, 0),
        txBytes: endpoints.reduce((sum, { txBytes }) => sum + txBytes, 0),
      },
    ]),
  );
}
