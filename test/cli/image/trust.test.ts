/** policy.json, and signatures beside images: what is not accepted does not come; what proa signs skopeo verifies. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  makeImage,
  makeIndex,
  pushImage,
  registryMissing,
  tinyLayer,
  useEngine,
  useRegistry,
} from "../../harness";
import { digestOf } from "../../harness/image";
import { strayFiles } from "./_spoilt";

describe.skipIf(registryMissing !== null)("trust", () => {
  const registry = useRegistry();
  const engine = useEngine();
  const config = () => join(engine.sandbox.env["XDG_CONFIG_HOME"] ?? "", "containers");
  const place = (name: string) => join(engine.sandbox.home, name);
  let app: string;
  let digest: string;

  const accept = [{ type: "insecureAcceptAnything" }];
  const reject = [{ type: "reject" }];
  const signed = (more: object = {}) => [{ type: "sigstoreSigned", keyPath: place("key.pub"), ...more }];

  function policy(docker: Record<string, object[]>, other: object = {}): void {
    mkdirSync(config(), { recursive: true });
    const document = { default: accept, transports: { docker, ...other } };
    writeFileSync(join(config(), "policy.json"), JSON.stringify(document));
  }

  beforeAll(async () => {
    if (registryMissing !== null) return;
    for (const name of ["key", "other"]) {
      const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      writeFileSync(place(`${name}.pem`), privateKey.export({ type: "pkcs8", format: "pem" }));
      writeFileSync(place(`${name}.pub`), publicKey.export({ type: "spki", format: "pem" }));
    }
    const image = await makeImage({
      layers: [await tinyLayer(), { said: "trusted" }],
      config: { Env: ["PATH=/bin"] },
    });
    app = await pushImage(`${registry.host}/team/app:1`, image);
    digest = image.top.digest;
  });
  beforeEach(async () => {
    rmSync(config(), { recursive: true, force: true });
    await engine.proa(["rmi", "-af"]);
  });
  afterAll(async () => {
    rmSync(config(), { recursive: true, force: true });
    await engine.assertNothingLeft();
  });

  async function refused(name: string, words: string): Promise<void> {
    const result = await engine.proa(["pull", "-q", name]);
    expect(result.stderr).toContain(words);
    expect(result.stderr).toStartWith("Error: pull image: ");
    expect(result.stdout).toBe("");
    expect(result.exitCode).not.toBe(0);
    expect(await engine.ok(["images", "-q"])).toBe("");
    expect(strayFiles(engine)).toEqual([]);
  }

  describe("policy.json", () => {
    test("rejects by the most specific scope", async () => {
      policy({ [registry.host]: reject });
      await refused(app, "Source image rejected: Running image docker://");
      const run = await engine.proa(["run", "--rm", app, "true"]);
      expect(run.stderr).toContain("is rejected by policy");
      expect(run.exitCode).toBe(125);
      policy({ [registry.host]: reject, [`${registry.host}/team`]: accept });
      await engine.ok(["pull", "-q", app]);
      policy({ [registry.host]: accept, [app]: reject });
      await engine.ok(["rmi", app]);
      await refused(app, "is rejected by policy");
      policy({ "": reject });
      await refused(app, "is rejected by policy");
    });

    test("every requirement of a scope counts", async () => {
      policy({ [registry.host]: [...accept, ...reject] });
      await refused(app, "is rejected by policy");
    });

    test.each([
      ["{", "it is not JSON"],
      ["{}", "default: not a list of requirements"],
      ['{"default":[]}', "default: not a list of requirements"],
      ['{"default":[{"type":"reject"}],"more":1}', 'unknown key "more"'],
      ['{"default":[{"type":"trustMe"}]}', '"trustMe" is no type of requirement'],
      ['{"default":[{"type":"sigstoreSigned"}]}', "exactly one of keyPath"],
      ['{"default":[{"type":"sigstoreSigned","keyPath":"/k","fulcio":{}}]}', "fulcio is not supported"],
      [
        '{"default":[{"type":"sigstoreSigned","keyPath":"/k","signedIdentity":{"type":"any"}}]}',
        "no type of identity",
      ],
    ])("that cannot be understood lets nothing in: %s", async (text, words) => {
      mkdirSync(config(), { recursive: true });
      writeFileSync(join(config(), "policy.json"), text);
      await refused(app, words);
    });

    test("--signature-policy takes its place, for files too", async () => {
      const file = place("strict.json");
      writeFileSync(file, JSON.stringify({ default: reject }));
      const pull = await engine.proa(["pull", "-q", "--signature-policy", file, app]);
      expect(pull.stderr).toContain("is rejected by policy");
      await engine.ok(["pull", "-q", app]);
      const archive = place("app.tar");
      await engine.ok(["save", "-o", archive, app]);
      const load = await engine.proa(["load", "-i", archive, "--signature-policy", file]);
      expect(load.stderr).toContain("Running image docker-archive:");
      expect(load.exitCode).toBe(1);
      policy({}, { "docker-archive": { "": signed() } });
      const needs = await engine.proa(["pull", "-q", `docker-archive:${archive}`]);
      expect(needs.stderr).toContain("A signature was required, but no signature exists");
      policy({}, { "docker-archive": { "": accept } });
      await engine.ok(["load", "-i", archive]);
    });

    test("signedBy is refused with the reason", async () => {
      policy({ "": [{ type: "signedBy", keyType: "GPGKeys", keyPath: "/k.gpg" }] });
      await refused(app, "GPG signature (signedBy), which proa does not verify");
    });
  });

  describe("sigstoreSigned", () => {
    test("without a signature nothing comes; with one it does, and runs", async () => {
      policy({ [registry.host]: signed() });
      await refused(app, "A signature was required, but no signature exists");
      await engine.ok(["image", "sign", "--sign-by-sigstore-private-key", place("key.pem"), app]);
      expect(await engine.ok(["run", "--rm", app, "cat", "/said"])).toBe("trusted");
      await engine.ok(["rmi", app]);
      policy({ [registry.host]: [{ type: "sigstoreSigned", keyPath: place("other.pub") }] });
      await refused(app, "it is by none of the keys");
      const keyData = Buffer.from(readFileSync(place("key.pub"))).toString("base64");
      policy({ [registry.host]: [{ type: "sigstoreSigned", keyData }] });
      await engine.ok(["pull", "-q", `${app.replace(":1", "")}@${digest}`]);
      policy({ [registry.host]: [{ type: "sigstoreSigned", keyPath: "/nosuch" }] });
      await engine.ok(["rmi", "-af"]);
      await refused(app, "read public key: /nosuch");
    });

    test("a signature of one name is none of another's, unless the policy says so", async () => {
      const copy = `${registry.host}/other/app:2`;
      await engine.ok(["pull", "-q", app]);
      await engine.ok(["push", "-q", "--sign-by-sigstore-private-key", place("key.pem"), app, copy]);
      await engine.ok(["rmi", "-af"]);
      // the same digest under another tag of the repository
      const { text, type } = await fetch(`http://${registry.host}/v2/other/app/manifests/2`, {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      }).then(async (got) => ({ text: await got.text(), type: got.headers.get("content-type") ?? "" }));
      await fetch(`http://${registry.host}/v2/other/app/manifests/3`, {
        method: "PUT",
        headers: { "content-type": type },
        body: text,
      });
      const third = copy.replace(":2", ":3");
      policy({ "": signed() });
      await refused(third, "is not accepted");
      await engine.ok(["pull", "-q", copy]);
      for (const identity of [
        { type: "matchRepository" },
        { type: "exactReference", dockerReference: copy },
        { type: "exactRepository", dockerRepository: copy.replace(":2", "") },
      ]) {
        await engine.ok(["rmi", "-af"]);
        policy({ "": signed({ signedIdentity: identity }) });
        await engine.ok(["pull", "-q", third]);
      }
      await engine.ok(["rmi", "-af"]);
      for (const identity of [
        { type: "matchExact" },
        { type: "exactReference", dockerReference: third },
        { type: "exactRepository", dockerRepository: app.replace(":1", "") },
        { type: "remapIdentity", prefix: registry.host, signedPrefix: "elsewhere.example" },
      ]) {
        policy({ "": signed({ signedIdentity: identity }) });
        await refused(third, "is not accepted");
      }
      const prefix = `${registry.host}/other/app`;
      policy({
        "": signed({ signedIdentity: { type: "remapIdentity", prefix, signedPrefix: prefix } }),
      });
      await engine.ok(["pull", "-q", copy]);
    });

    test("a good signature of another image's digest does not help", async () => {
      const image = await makeImage({ layers: [{ said: "evil" }] });
      const evil = await pushImage(`${registry.host}/team/evil:1`, image);
      const statement = Buffer.from(
        JSON.stringify({
          critical: {
            identity: { "docker-reference": evil },
            image: { "docker-manifest-digest": digest },
            type: "cosign container image signature",
          },
          optional: null,
        }),
      );
      const key = createPrivateKey(readFileSync(place("key.pem")));
      const config = Buffer.from("{}");
      const base = `http://${registry.host}/v2/team/evil`;
      for (const bytes of [statement, config]) {
        const begun = await fetch(`${base}/blobs/uploads/`, { method: "POST" });
        const url = new URL(begun.headers.get("location") ?? "", base);
        url.searchParams.set("digest", digestOf(bytes));
        await fetch(url, { method: "PUT", body: bytes });
      }
      const descriptor = (mediaType: string, bytes: Buffer) => ({
        mediaType,
        digest: digestOf(bytes),
        size: bytes.length,
      });
      const manifest = {
        schemaVersion: 2,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        config: descriptor("application/vnd.oci.image.config.v1+json", config),
        layers: [
          {
            ...descriptor("application/vnd.dev.cosign.simplesigning.v1+json", statement),
            annotations: {
              "dev.cosignproject.cosign/signature": sign("sha256", statement, key).toString("base64"),
            },
          },
        ],
      };
      const put = await fetch(`${base}/manifests/${image.top.digest.replace(":", "-")}.sig`, {
        method: "PUT",
        headers: { "content-type": manifest.mediaType },
        body: JSON.stringify(manifest),
      });
      expect(put.status).toBe(201);
      policy({ "": signed() });
      await refused(evil, "does not match");
    });

    test("of an image of several platforms the one that is pulled must be signed", async () => {
      const image = await makeImage({
        layers: [await tinyLayer(), { said: "indexed" }],
        config: { Env: ["PATH=/bin"] },
      });
      const name = await pushImage(`${registry.host}/team/multi:1`, makeIndex([image]));
      policy({ "": signed() });
      await refused(name, "no signature exists");
      await engine.ok(["image", "sign", "--sign-by-sigstore-private-key", place("key.pem"), name]);
      expect(await engine.ok(["run", "--rm", name, "cat", "/said"])).toBe("indexed");
    });

    test("registries.d can say that a registry keeps no signatures", async () => {
      policy({ "": signed() });
      mkdirSync(join(config(), "registries.d"), { recursive: true });
      const file = join(config(), "registries.d/x.yaml");
      writeFileSync(file, `docker:\n  "${registry.host}":\n    use-sigstore-attachments: false\n`);
      await refused(app, "no signature exists");
      const sign = await engine.proa([
        "image",
        "sign",
        "--sign-by-sigstore-private-key",
        place("key.pem"),
        app,
      ]);
      expect(sign.stderr).toContain("keeps no signatures");
      writeFileSync(file, "default-docker:\n  use-sigstore-attachments: true\n");
      await engine.ok(["pull", "-q", app]);
      writeFileSync(file, "- no\n");
      await engine.ok(["rmi", "-af"]);
      await refused(app, "read places of signatures");
    });

    test("openssl verifies what proa has signed, and skopeo where its sigstore is not switched off (as Debian has it)", async () => {
      const base = `http://${registry.host}/v2/team/app`;
      const got = await fetch(`${base}/manifests/${digest.replace(":", "-")}.sig`, {
        headers: { accept: "application/vnd.oci.image.manifest.v1+json" },
      });
      const { layers } = (await got.json()) as {
        layers: { mediaType: string; digest: string; annotations: Record<string, string> }[];
      };
      const [layer] = layers;
      expect(layer?.mediaType).toBe("application/vnd.dev.cosign.simplesigning.v1+json");
      const statement = await (await fetch(`${base}/blobs/${layer?.digest}`)).bytes();
      expect(JSON.parse(new TextDecoder().decode(statement)).critical).toEqual({
        identity: { "docker-reference": app },
        image: { "docker-manifest-digest": digest },
        type: "cosign container image signature",
      });
      writeFileSync(place("statement"), statement);
      const signature = Buffer.from(layer?.annotations["dev.cosignproject.cosign/signature"] ?? "", "base64");
      writeFileSync(place("signature"), signature);
      const verified = (key: string) =>
        Bun.spawnSync(
          ["openssl", "dgst", "-sha256", "-verify", place(key), "-signature", place("signature")].concat(
            place("statement"),
          ),
        ).exitCode === 0;
      expect(verified("key.pub")).toBe(true);
      expect(verified("other.pub")).toBe(false);

      if (Bun.which("skopeo") === null) return;
      const policyFile = place("skopeo-policy.json");
      const places = place("registries.d");
      mkdirSync(places, { recursive: true });
      writeFileSync(join(places, "x.yaml"), "default-docker:\n  use-sigstore-attachments: true\n");
      const skopeo = (key: string) => {
        const requirement = { type: "sigstoreSigned", keyPath: place(key) };
        const document = { default: reject, transports: { docker: { "": [requirement] } } };
        writeFileSync(policyFile, JSON.stringify(document));
        const copy = ["copy", "--src-tls-verify=false", `docker://${app}`, `dir:${place(`out-${key}`)}`];
        const command = ["skopeo", "--policy", policyFile, "--registries.d", places, ...copy];
        return Bun.spawnSync(command, { env: engine.sandbox.env });
      };
      const good = skopeo("key.pub");
      if (good.stderr.toString().includes("sigstore disabled")) return;
      expect(good.exitCode).toBe(0);
      expect(skopeo("other.pub").exitCode).not.toBe(0);
    });
  });

  describe("keys", () => {
    test.each([
      [["image", "sign", "x.io/a"], "no key to sign with"],
      [["image", "sign", "--sign-by", "me@example.com", "x.io/a"], "proa makes no GPG signatures"],
      [
        ["image", "sign", "--sign-by-sigstore-private-key", "/nosuch", "x.io/a"],
        "read private key: /nosuch: no such file",
      ],
      [
        ["image", "sign", "--sign-by-sigstore-private-key", "/etc/hostname", "x.io/a"],
        "no private key in PEM",
      ],
      [
        ["push", "--sign-passphrase-file", "/etc/hostname", "x.io/a"],
        "it needs --sign-by-sigstore-private-key",
      ],
    ])("%j: %s", async (args, words) => {
      const result = await engine.proa(args);
      expect(result.stderr).toContain(words);
      expect(result.exitCode).toBe(125);
    });

    test("one that cosign has encrypted is refused with what to use in its place", async () => {
      const file = place("cosign.key");
      writeFileSync(
        file,
        "-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----\nZXk=\n-----END ENCRYPTED COSIGN PRIVATE KEY-----\n",
      );
      const result = await engine.proa(["image", "sign", "--sign-by-sigstore-private-key", file, app]);
      expect(result.stderr).toContain("encrypted by cosign's own scheme");
      expect(result.stderr).toContain("hint: use a PEM key");
    });

    test("an encrypted PEM needs its passphrase, and works with it", async () => {
      const key = createPrivateKey(readFileSync(place("key.pem")));
      const file = place("encrypted.pem");
      writeFileSync(
        file,
        key.export({ type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "open" }),
      );
      const sign = ["image", "sign", "--sign-by-sigstore-private-key", file];
      expect((await engine.proa([...sign, app])).stderr).toContain("it is encrypted");
      writeFileSync(place("wrong"), "shut\n");
      expect((await engine.proa([...sign, "--sign-passphrase-file", place("wrong"), app])).stderr).toContain(
        "the passphrase is wrong",
      );
      writeFileSync(place("right"), "open\n");
      await engine.ok([...sign, "--sign-passphrase-file", place("right"), app]);
    });
  });

  describe("image trust", () => {
    test("set writes the user's policy.json, show tells it, and pulls heed it", async () => {
      await engine.ok(["image", "trust", "set", "-t", "reject", "default"]);
      await engine.ok(["image", "trust", "set", "-t", "accept", `${registry.host}/team`]);
      await engine.ok(["image", "trust", "set", "-t", "sigstoreSigned", "-f", place("key.pub"), "quay.io"]);
      expect(await engine.ok(["image", "trust", "show"])).toMatch(
        /^TRANSPORT +NAME +TYPE +ID +STORE\nall +default +reject *\nrepository +127\.0\.0\.1:\d+\/team +accept *\nrepository +quay\.io +sigstoreSigned +N\/A *$/,
      );
      expect(JSON.parse(await engine.ok(["image", "trust", "show", "--json"]))).toEqual([
        { transport: "all", name: "* (default)", repo_name: "default", type: "reject" },
        {
          transport: "repository",
          name: `${registry.host}/team`,
          repo_name: `${registry.host}/team`,
          type: "accept",
        },
        {
          transport: "repository",
          name: "quay.io",
          repo_name: "quay.io",
          keys: [place("key.pub")],
          type: "sigstoreSigned",
          gpg_id: "N/A",
        },
      ]);
      expect(await engine.ok(["image", "trust", "show", "-n", "quay.io/team/app"])).not.toContain("/team ");
      const raw = JSON.parse(await engine.ok(["image", "trust", "show", "--raw"]));
      expect(raw.default).toEqual(reject);
      await engine.ok(["pull", "-q", app]);
      const other = await pushImage(
        `${registry.host}/elsewhere:1`,
        await makeImage({ layers: [{ a: "b" }] }),
      );
      expect((await engine.proa(["pull", "-q", other])).stderr).toContain("is rejected by policy");
    });

    test.each([
      [
        ["-t", "sigstoreSigned", "quay.io"],
        "at least one public key must be defined for type 'sigstoreSigned'",
      ],
      [["quay.io"], "at least one public key must be defined for type 'signedBy'"],
      [["-t", "accept", "-f", "/etc/hostname", "quay.io"], "--pubkeysfile is not for the type accept"],
      [["-t", "sigstoreSigned", "-f", "/nosuch", "quay.io"], "read public key: /nosuch: no such file"],
      [["-t", "trust", "quay.io"], "--type"],
      [["-t", "accept", "Quay io"], "invalid reference"],
    ])("set %j is refused, and nothing is written", async (args, words) => {
      const result = await engine.proa(["image", "trust", "set", ...args]);
      expect(result.stderr).toContain(words);
      expect(result.exitCode).toBe(125);
      expect(existsSync(join(config(), "policy.json"))).toBe(false);
    });
  });
});
