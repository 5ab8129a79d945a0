/** Names and ids of containers. */
import { EngineError } from "../error";
import { randomBytes } from "../helper";

const ADJECTIVES =
  "agile amber ardent austere azure balmy bold brave brisk bright calm candid clever cosmic crisp daring deft eager early earnest fair fleet fond frank free fresh gentle glad golden grand happy hardy hasty honest humble jolly keen kind lively lucid lucky merry mild modest nimble noble patient placid polite proud quick quiet rapid ready robust rosy serene sharp silent sleek smart snug solid sound spry stark steady stoic sunny swift tidy trim true vivid warm wise witty young zesty".split(
    " ",
  );

/** Boats, bays and winds: a proa is an outrigger that sails either way. */
const NOUNS =
  "atoll bay beacon bilge boom bosun bow breeze buoy cape cleat clipper coast compass coral current cutter cove deck delta dhow dinghy drift dory eddy fathom ferry fjord gale galley gull harbor haven helm hull island jetty jib junk kayak keel ketch knot lagoon ledge lugger mast moor oar outrigger paddle pier pilot pinnace port prow quay raft reef rigger rudder sail sampan schooner shoal skiff skipper sloop sound spar spray squall stern strait surf swell tern tide tiller trade trimaran wake wave wharf wind yawl".split(
    " ",
  );

/** What Docker accepts, so that names can move between engines. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;
const NAME_LIMIT = 255;

export function checkName(name: string): void {
  if (NAME.test(name) && name.length <= NAME_LIMIT) return;
  throw new EngineError(
    "invalid",
    "container name",
    JSON.stringify(name),
    "use letters, digits, _ . and -, two or more, a letter or digit first",
  );
}

function pick(words: string[]): string {
  return words[Math.floor(Math.random() * words.length)] ?? "proa";
}

/** `adjective_noun`; with a number behind from the second attempt on. */
export function randomName(attempt: number): string {
  const name = `${pick(ADJECTIVES)}_${pick(NOUNS)}`;
  return attempt === 0 ? name : `${name}${Math.floor(Math.random() * 1000)}`;
}

const SHOWN_DIGITS = 12;

/**
 * 64 hexadecimal digits. The first 12 are shown, and are the host name: they never read as a number, which one in 280 would, for to a resolver that is an
 * address and no name.
 */
export function randomId(random: (bytes: number) => Uint8Array = randomBytes): string {
  for (;;) {
    const id = random(32).toHex();
    if (Number.isNaN(Number(id.slice(0, SHOWN_DIGITS)))) return id;
  }
}
