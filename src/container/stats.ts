/** What containers use: counted by their control groups, or by their processes, and by netd. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { callHelper, HelperError, type UsageRecord, type UsageReply } from "../helper";
import { netdStatus } from "../network";
import type { ContainerRow, Context } from "../state";
import { runDirectory } from "./places";

/** What a container has used up to a moment. */
export type Usage = UsageRecord & {
  /** Over all its networks since its start; null where netd does not count it, or does not answer. */
  network: { rxBytes: number; txBytes: number } | null;
};

/** Of those that live, by id. */
export type Usages = {
  /** When they were looked at, by a clock that runs evenly. */
  atMicroseconds: number;
  of: ReadonlyMap<string, Usage>;
};

type Traffic = Map<string, { rxBytes: number; txBytes: number }>;

/** The usage of these containers at one moment. */
export async function usageOf(context: Context, rows: readonly ContainerRow[]): Promise<Usages> {
  const [traffic, reply] = await Promise.all([trafficOf(context), ask(context, placesOf(context, rows))]);
  return usages(traffic, reply.atMicroseconds, reply.containers);
}

/** The containers that `list` finds, and their usage: who lives is looked at beside this process, which lists them meanwhile. */
export async function listWithUsage<Row extends ContainerRow>(
  context: Context,
  list: () => Promise<Row[]>,
): Promise<{ rows: Row[]; usage: Usages }> {
  const { running } = context.paths;
  const [reply, traffic, rows] = await Promise.all([ask(context, running), trafficOf(context), list()]);
  const elsewhere = placesOf(context, rows).filter((place) => dirname(place) !== running);
  const others = elsewhere.length === 0 ? {} : (await ask(context, elsewhere)).containers;
  return { rows, usage: usages(traffic, reply.atMicroseconds, { ...reply.containers, ...others }) };
}

function placesOf(context: Context, rows: readonly ContainerRow[]): string[] {
  return rows.filter(({ status }) => status === "running").map(({ id }) => runDirectory(context, id));
}

function usages(traffic: Traffic, atMicroseconds: number, containers: UsageReply["containers"]): Usages {
  const of = Object.entries(containers).map(([id, usage]): [string, Usage] => [
    id,
    { ...usage, network: traffic.get(id) ?? null },
  ]);
  return { atMicroseconds, of: new Map(of) };
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
