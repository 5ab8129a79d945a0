import { EngineError } from "../error";
import { anonymousVolumesByPrefix, type Context, type Volume, volumeByName } from "../state";
import { noSuchVolume } from "./remove";

const HEX = /^[0-9a-f]{2,64}$/;

/**
 * The volume of this name. Names are whole: a beginning finds only what nobody has named, so that the removal of one that is not there cannot
 * take another.
 *
 * @throws EngineError `not-found`, `ambiguous`
 */
export function findVolume(context: Context, what: string, name: string): Volume {
  const db = context.db();
  const [first, second] = HEX.test(name) ? anonymousVolumesByPrefix(db, name) : [];
  const volume = volumeByName(db, name) ?? first;
  if (volume === undefined) throw noSuchVolume(what, name);
  if (volume === first && second !== undefined && volume.name !== name)
    throw new EngineError("ambiguous", what, name, "several volumes have names that begin so", {
      exitCode: 1,
    });
  return volume;
}
