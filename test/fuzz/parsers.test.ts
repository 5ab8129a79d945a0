/**
 * What src/ reads of strangers and of users' files, on mutations of valid input: a parser returns what it says, or throws an EngineError of a line; nothing else, and in no time.
 * FUZZ_SECONDS for each and a seed of the clock with `npm run fuzz`; else some hundred fixed seeds. FUZZ_SEED tries one again.
 */
import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import { parsePolicy } from "../../src/image/policy";
import {
  formatReference,
  parseDigest,
  parsePlatform,
  parseReference,
  readArchiveManifest,
  readImageConfig,
  readManifest,
} from "../../src/oci";
import { parseChallenges, refreshTokenIn, tokenIn, tokenUrl } from "../../src/registry/_auth";
import { keysFor } from "../../src/registry/auth-files";
import { parseRegistriesConf } from "../../src/registry/registries-conf";
import { Random } from "../oci/_random";

const digest = `sha256:${"a".repeat(64)}`;
const descriptor = (mediaType: string) => ({ mediaType, digest, size: 5, annotations: { a: "b" } });
const OCI = "application/vnd.oci.image";

const words = [
  ..."\"'{}[]:,.@/\\=*-_#\n\0\u202e\u00e9\ud800",
  "null",
  "-1",
  "1e999",
  "9007199254740993",
  "__proto__",
  "constructor",
  "toString",
  "sha256:",
  "../../",
  "a".repeat(300),
  "[".repeat(200),
  '{"a":'.repeat(100),
  "true",
  "\ufeff",
];

/** TEXT with some of it changed, taken away, doubled, or exchanged for a word. */
function mutated(random: Random, text: string): string {
  let result = text;
  for (let times = 1 + random.below(5); times > 0; times--) {
    const at = random.below(result.length + 1);
    const end = Math.min(result.length, at + random.below(20));
    const piece = result.slice(at, end);
    switch (random.below(5)) {
      case 0:
        result = result.slice(0, at) + random.pick(words) + result.slice(end);
        break;
      case 1:
        result = result.slice(0, at) + result.slice(end);
        break;
      case 2:
        result = result.slice(0, end) + piece.repeat(1 + random.below(3)) + result.slice(end);
        break;
      case 3:
        result = result.slice(0, at) + String.fromCharCode(random.below(0x180)) + result.slice(at + 1);
        break;
      default:
        result = result.slice(0, at) + random.pick(words) + result.slice(at);
    }
  }
  return result;
}

const encode = (text: string): Uint8Array => new TextEncoder().encode(text);

const parsers: Record<string, { seeds: string[]; parse: (text: string) => unknown }> = {
  parseReference: {
    seeds: ["debian", "localhost:5000/a/b:v1", `quay.io/team/app:1.2@${digest}`, "[::1]:5000/x_y/z-0"],
    parse: (text) => {
      const once = formatReference(parseReference(text));
      expect(formatReference(parseReference(once))).toBe(once); // the whole name means itself
    },
  },
  parseDigest: { seeds: [digest, `sha512:${"0".repeat(128)}`], parse: parseDigest },
  parsePlatform: { seeds: ["linux/amd64", "linux/arm/v7", "arm64"], parse: parsePlatform },
  readManifest: {
    seeds: [
      JSON.stringify({
        schemaVersion: 2,
        mediaType: `${OCI}.manifest.v1+json`,
        config: descriptor(`${OCI}.config.v1+json`),
        layers: [descriptor(`${OCI}.layer.v1.tar+gzip`)],
        annotations: { x: "y" },
      }),
      JSON.stringify({
        schemaVersion: 2,
        manifests: [
          {
            ...descriptor(`${OCI}.manifest.v1+json`),
            platform: { os: "linux", architecture: "arm64", variant: "v8" },
          },
        ],
      }),
    ],
    parse: (text) => {
      const manifest = readManifest("fuzz", encode(text));
      const all = manifest.kind === "index" ? manifest.manifests : [manifest.config, ...manifest.layers];
      for (const each of all) {
        expect(each.digest).toMatch(/^sha(256:[0-9a-f]{64}|512:[0-9a-f]{128}|384:[0-9a-f]{96})$/);
        expect(Number.isSafeInteger(each.size) && each.size >= 0).toBe(true);
      }
    },
  },
  readImageConfig: {
    seeds: [
      JSON.stringify({
        created: "2024-01-02T03:04:05Z",
        os: "linux",
        architecture: "amd64",
        config: {
          Env: ["A=b"],
          Cmd: ["sh"],
          Labels: { a: "b" },
          ExposedPorts: { "80/tcp": {} },
          Healthcheck: { Test: ["CMD", "x"], Interval: 1e9 },
        },
        rootfs: { type: "layers", diff_ids: [digest] },
        history: [{ created_by: "x", empty_layer: true }],
      }),
    ],
    parse: (text) => readImageConfig("fuzz", encode(text)),
  },
  readArchiveManifest: {
    seeds: [JSON.stringify([{ Config: "x.json", RepoTags: ["a:b"], Layers: ["y/layer.tar"] }])],
    parse: (text) => readArchiveManifest("fuzz", encode(text)),
  },
  parseRegistriesConf: {
    seeds: [
      `unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "*.example.com"\ninsecure = true\n[[registry]]\nlocation = "a.io/x"\nblocked = false\n[[registry.mirror]]\nlocation = "b.io"\npull-from-mirror = "tag-only"\n[aliases]\n"x" = "y.io/x"\n`,
    ],
    parse: (text) => parseRegistriesConf(text, "/fuzz"),
  },
  parsePolicy: {
    seeds: [
      JSON.stringify({
        default: [{ type: "reject" }],
        transports: {
          docker: {
            "": [{ type: "insecureAcceptAnything" }],
            "quay.io/a": [
              {
                type: "sigstoreSigned",
                keyPath: "/k",
                signedIdentity: { type: "remapIdentity", prefix: "a", signedPrefix: "b" },
              },
            ],
          },
        },
      }),
    ],
    parse: (text) => parsePolicy(text, "/fuzz"),
  },
  parseChallenges: {
    seeds: ['Bearer realm="https://auth.io/token",service="x",scope="repository:a/b:pull", Basic realm="y"'],
    parse: (text) => {
      for (const challenge of parseChallenges(text)) {
        const url = tokenUrl(challenge, ["repository:a:pull"], true);
        if (url !== undefined) expect(url.protocol).toBe("https:"); // what is asked for over TLS is not sent in the clear
      }
      expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
    },
  },
  tokens: {
    seeds: [JSON.stringify({ token: "abc", refresh_token: "def", expires_in: 5 })],
    parse: (text) => {
      let document: unknown;
      try {
        document = JSON.parse(text);
      } catch {
        return;
      }
      for (const token of [tokenIn(document), refreshTokenIn(document)])
        if (token !== undefined) expect(token).toMatch(/^[\x21-\x7e]+$/); // goes into a header as it is
    },
  },
  keysFor: {
    seeds: ["docker.io library/debian", "[::1]:5000 a/b"],
    parse: (text) => keysFor(text.split(" ")[0] ?? "", text.split(" ")[1] ?? ""),
  },
};

const seconds = Number(process.env["FUZZ_SECONDS"] ?? 0);
const only = process.env["FUZZ_SEED"];

function tryOne(name: string, seed: number): void {
  const parser = parsers[name];
  if (parser === undefined) throw new Error(name);
  const random = new Random(seed);
  const text = mutated(random, random.pick(parser.seeds));
  const begin = performance.now();
  try {
    parser.parse(text);
  } catch (error) {
    const isRefused = error instanceof EngineError && error.message.length < 5000;
    if (!isRefused) throw new Error(`FUZZ_SEED=${seed}: ${JSON.stringify(text)}: ${error}`, { cause: error });
  }
  const took = performance.now() - begin;
  if (took > 1000) throw new Error(`FUZZ_SEED=${seed}: it took ${took} ms: ${JSON.stringify(text)}`);
}

describe("parsers of what strangers write", () => {
  test.each(Object.keys(parsers))("%s takes it or refuses it", (name) => {
    for (const seed of parsers[name]?.seeds ?? []) parsers[name]?.parse(seed); // as it is, it is taken
    if (only !== undefined) return tryOne(name, Number(only));
    const first = seconds > 0 ? Date.now() % 2 ** 31 : 1;
    const end = performance.now() + seconds * 1000;
    for (let count = 0; seconds > 0 ? performance.now() < end : count < 400; count++)
      tryOne(name, first + count);
  });
});
