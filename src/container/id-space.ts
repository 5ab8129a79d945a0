/** The id map of a container: the usual one, or one of its own. */
import { EngineError } from "../error";
import type { Mappings } from "../helper";
import type { JoinedNamespaces } from "../oci";
import {
  type ContainerSpec,
  hostLines,
  type IdRanges,
  idCount,
  isIdentity,
  isolationOf,
  keepIdRanges,
  mapLineRanges,
  mergeRanges,
  type NetworkNamespace,
  nomapRanges,
  parseUserNamespace,
  rangesOf,
} from "../oci";
import { type Context, takeIdRange } from "../state";
import type { RootSource } from "../storage";
import { sharedNamespaces } from "./namespace";
import { sharesNothing } from "./sharing";

export type IdSpace = {
  mappings: Mappings;
  /** How its ids lie in the usual map; null: it is the usual one. */
  ranges: IdRanges | null;
  joined: JoinedNamespaces | undefined;
};

/** Decide it for a start, under the container's lock. Throws `invalid`, `unsupported`, and what `sharedNamespaces` throws. */
export async function idSpaceFor(
  context: Context,
  id: string,
  spec: ContainerSpec,
  source: RootSource,
  network: NetworkNamespace,
): Promise<IdSpace> {
  const { mappings: usual } = context.host();
  const isShared = !sharesNothing(spec) || network.kind === "joined";
  const shared = isShared ? await sharedNamespaces(context, spec, network) : undefined;
  const joined = shared?.joined;
  if (shared?.mappings) {
    const { mappings } = shared;
    const ranges = {
      uid: mergeRanges(rangesOf(mappings.uid, usual.uid)),
      gid: mergeRanges(rangesOf(mappings.gid, usual.gid)),
    };
    return { mappings, ranges: orUsual(ranges, usual), joined };
  }
  const ranges = orUsual(await ownRanges(context, id, spec, source), usual);
  if (ranges === null) return { mappings: usual, ranges, joined };
  const mappings = {
    uid: hostLines("--uidmap", ranges.uid, usual.uid),
    gid: hostLines("--gidmap", ranges.gid, usual.gid),
  };
  return { mappings, ranges, joined };
}

function orUsual(ranges: IdRanges | null, usual: Mappings): IdRanges | null {
  if (ranges === null || (isIdentity(ranges.uid, usual.uid) && isIdentity(ranges.gid, usual.gid)))
    return null;
  return ranges;
}

async function ownRanges(
  context: Context,
  id: string,
  spec: ContainerSpec,
  source: RootSource,
): Promise<IdRanges | null> {
  const { UsernsMode, IdMapLines } = isolationOf(spec.HostConfig);
  const host = context.host();
  const counts = { uid: idCount(host.mappings.uid), gid: idCount(host.mappings.gid) };
  if (IdMapLines.uid.length + IdMapLines.gid.length > 0) return mapLineRanges(IdMapLines, host.mappings);
  const mode = parseUserNamespace(UsernsMode);
  const refuse = (why: string): EngineError => new EngineError("unsupported", "--userns", UsernsMode, why);
  switch (mode.kind) {
    case "keep-id": {
      if (context.uid === 0) throw refuse("root's own id is never mapped into a container");
      return {
        uid: keepIdRanges(mode.uid ?? context.uid, counts.uid, mode.size),
        gid: keepIdRanges(mode.gid ?? process.getegid?.() ?? 0, counts.gid, mode.size),
      };
    }
    case "nomap":
      if (context.uid === 0) return null;
      if (host.kind === "single") throw refuse("you have no subordinate ids");
      return { uid: nomapRanges(counts.uid), gid: nomapRanges(counts.gid) };
    case "auto": {
      if (host.kind === "single") throw refuse("you have no subordinate ids");
      const size = mode.size ?? (await (await import("./auto-size")).autoSize(context, source, spec));
      const first = context.uid === 0 ? 0 : 1; // the caller's own id is nobody's range
      const start = takeIdRange(context, id, size, first, Math.min(counts.uid, counts.gid));
      const own = mapLineRanges({ uid: mode.uid, gid: mode.gid }, host.mappings);
      const range = { containerID: 0, parentID: start, size };
      return {
        uid: mode.uid.length > 0 ? overlaid(range, own.uid) : [range],
        gid: mode.gid.length > 0 ? overlaid(range, own.gid) : [range],
      };
    }
    default:
      return null;
  }
}

/** Lines of the user's own over the range that was found: they take its ids' places. */
function overlaid(range: IdRanges["uid"][number], lines: IdRanges["uid"]): IdRanges["uid"] {
  let rest = [range];
  for (const line of lines) {
    rest = rest.flatMap((part) => {
      const from = Math.max(part.containerID, line.containerID);
      const to = Math.min(part.containerID + part.size, line.containerID + line.size);
      if (from >= to) return [part];
      const after = to - part.containerID;
      return [
        { ...part, size: from - part.containerID },
        { containerID: to, parentID: part.parentID + after, size: part.size - after },
      ].filter(({ size }) => size > 0);
    });
  }
  return mergeRanges([...rest, ...lines]);
}
