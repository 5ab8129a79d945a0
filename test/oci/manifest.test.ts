import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import {
  assertIsImage,
  digestOf,
  type Manifest,
  mediaTypes,
  readImageConfig,
  readManifest,
} from "../../src/oci";
import { forSeeds } from "./_random";

const bytes = (document: unknown) => Buffer.from(JSON.stringify(document));
const descriptor = (mediaType: string, text: string) => ({
  mediaType,
  digest: digestOf(text),
  size: text.length,
});
const ociManifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociManifest,
  config: descriptor(mediaTypes.ociConfig, "config"),
  layers: [descriptor(mediaTypes.ociLayerGzip, "one"), descriptor(mediaTypes.ociLayerZstd, "two")],
};
const dockerManifest = {
  schemaVersion: 2,
  mediaType: mediaTypes.dockerManifest,
  config: descriptor(mediaTypes.dockerConfig, "config"),
  layers: [descriptor(mediaTypes.dockerLayerGzip, "one")],
};
const index = {
  schemaVersion: 2,
  mediaType: mediaTypes.ociIndex,
  manifests: [
    {
      ...descriptor(mediaTypes.ociManifest, "amd64"),
      platform: { os: "linux", architecture: "amd64", "os.features": [] },
    },
    descriptor(mediaTypes.ociManifest, "anything"),
  ],
};

describe("readManifest()", () => {
  test("reads a manifest of OCI and of Docker", () => {
    for (const document of [ociManifest, dockerManifest]) {
      const manifest = readManifest("read", bytes(document)) as Manifest;
      expect(manifest.kind).toBe("manifest");
      expect(manifest.config.digest).toBe(digestOf("config"));
      expect(manifest.layers).toHaveLength(document.layers.length);
      assertIsImage("read", manifest);
    }
  });

  test("reads an index with its platforms", () => {
    const read = readManifest("read", bytes(index), "application/vnd.oci.image.index.v1+json; charset=utf-8");
    if (read.kind !== "index") throw new Error("no index");
    expect(read.manifests[0]?.platform).toEqual({ os: "linux", architecture: "amd64", variant: undefined });
    expect(read.manifests[1]?.platform).toBeUndefined();
  });

  test("takes the type from the registry, or from the shape, where the document is silent", () => {
    const { mediaType: _, ...silent } = dockerManifest;
    expect(readManifest("read", bytes(silent), mediaTypes.dockerManifest).mediaType).toBe(
      mediaTypes.dockerManifest,
    );
    expect(readManifest("read", bytes(silent), "text/plain").mediaType).toBe(mediaTypes.ociManifest);
    expect(readManifest("read", bytes({ schemaVersion: 2, manifests: [] })).mediaType).toBe(
      mediaTypes.ociIndex,
    );
  });

  const bad: [string, unknown, string][] = [
    ["schema 1", { schemaVersion: 1 }, "schema 1 is not supported"],
    ["no version", {}, "schemaVersion: not 2"],
    ["an array", [], "not an object"],
    ["null", null, "not an object"],
    ["both kinds at once", { ...ociManifest, manifests: [] }, "both an index and a manifest"],
    ["an index that calls itself a manifest", { ...index, mediaType: mediaTypes.ociManifest }, "on an index"],
    [
      "a manifest that calls itself an index",
      { ...ociManifest, mediaType: mediaTypes.ociIndex },
      "on a manifest",
    ],
    ["a foreign type", { ...ociManifest, mediaType: "text/html" }, "on a manifest"],
    ["no config", { ...ociManifest, config: undefined }, "config: not an object"],
    ["layers that are no list", { ...ociManifest, layers: {} }, "layers: not an array"],
    [
      "too many layers",
      { ...ociManifest, layers: Array(501).fill(ociManifest.layers[0]) },
      "the limit is 500",
    ],
    [
      "a bad digest",
      { ...ociManifest, config: { ...ociManifest.config, digest: "sha256:../../x" } },
      "config.digest",
    ],
    ["a negative size", { ...ociManifest, config: { ...ociManifest.config, size: -1 } }, "config.size"],
    ["a huge size", { ...ociManifest, config: { ...ociManifest.config, size: 2 ** 60 } }, "config.size"],
    [
      "a size that is text",
      { ...ociManifest, layers: [{ ...ociManifest.layers[0], size: "3" }] },
      "layers[0].size",
    ],
  ];
  test.each(bad)("refuses %s", (_, document, why) => {
    expect(() => readManifest("read", bytes(document))).toThrow(why);
  });

  test("refuses a registry that calls it something else", () => {
    expect(() => readManifest("read", bytes(ociManifest), mediaTypes.dockerManifest)).toThrow(
      "the registry calls it",
    );
    expect(() => readManifest("read", bytes(ociManifest), mediaTypes.ociIndex)).toThrow(
      "the registry calls it",
    );
  });

  test("refuses what is too long, too deep, no JSON, no UTF-8", () => {
    expect(() => readManifest("read", Buffer.alloc(5 << 20, " "))).toThrow("the limit is");
    expect(() => readManifest("read", Buffer.from("[".repeat(100_000)))).toThrow("nested more than 64");
    expect(() => readManifest("read", Buffer.from("<html>"))).toThrow("not JSON");
    expect(() => readManifest("read", Buffer.from([0x22, 0xff, 0x22]))).toThrow("not UTF-8");
  });

  test("does not count brackets inside strings as depth", () => {
    const document = { ...ociManifest, annotations: { a: `${"[".repeat(1000)}\\"` } };
    expect(readManifest("read", bytes(document)).annotations["a"]).toHaveLength(1002);
  });

  test("keeps a key named __proto__ from becoming a prototype", () => {
    const text = JSON.stringify(ociManifest).replace("{", '{"annotations":{"__proto__":"x"},');
    const { annotations } = readManifest("read", Buffer.from(text));
    expect(Object.getPrototypeOf(annotations)).toBe(Object.prototype);
  });
});

test("assertIsImage() refuses artifacts and layers that cannot be unpacked", () => {
  const chart = { ...ociManifest, config: descriptor("application/vnd.cncf.helm.config.v1+json", "x") };
  expect(() => assertIsImage("read", readManifest("read", bytes(chart)) as Manifest)).toThrow(
    "not a container image",
  );
  const secret = {
    ...ociManifest,
    layers: [descriptor("application/vnd.oci.image.layer.v1.tar+encrypted", "x")],
  };
  expect(() => assertIsImage("read", readManifest("read", bytes(secret)) as Manifest)).toThrow(
    "no layer that can be",
  );
});

const config = {
  architecture: "amd64",
  os: "linux",
  created: "2024-01-02T03:04:05Z",
  config: {
    User: "app:app",
    Env: ["A=b"],
    Cmd: ["/bin/sh", "-c", "echo"],
    Entrypoint: null,
    ExposedPorts: { "80/tcp": {} },
    Volumes: { "/data": {} },
    Labels: { a: "b" },
    StopSignal: "SIGQUIT",
    Healthcheck: { Test: ["CMD", "true"], Interval: 1_000_000_000 },
  },
  rootfs: { type: "layers", diff_ids: [digestOf("one")] },
  history: [{ created_by: "ADD x" }, { created_by: "ENV A=b", empty_layer: true }],
};

describe("readImageConfig()", () => {
  test("reads what containers need", () => {
    const read = readImageConfig("read", bytes(config));
    expect(read.config).toMatchObject({
      User: "app:app",
      Env: ["A=b"],
      Cmd: ["/bin/sh", "-c", "echo"],
      Entrypoint: [],
      ExposedPorts: ["80/tcp"],
      Volumes: ["/data"],
      Labels: { a: "b" },
      StopSignal: "SIGQUIT",
      WorkingDir: "",
    });
    expect(read.config.Healthcheck).toMatchObject({ Test: ["CMD", "true"], Interval: 1e9, Retries: 0 });
    expect(read.history.map((step) => step.emptyLayer)).toEqual([false, true]);
    expect(read.diffIds).toEqual([digestOf("one")]);
  });

  test("takes an image without a config", () => {
    const read = readImageConfig(
      "read",
      bytes({ os: "linux", architecture: "arm64", rootfs: { type: "layers", diff_ids: null } }),
    );
    expect(read.config.Cmd).toEqual([]);
    expect(read.platform).toEqual({ os: "linux", architecture: "arm64", variant: undefined });
  });

  const bad: [string, unknown, string][] = [
    ["no rootfs", { os: "linux" }, "rootfs: not an object"],
    ["a rootfs of another type", { rootfs: { type: "base" } }, 'rootfs.type: not "layers"'],
    ["a bad diff id", { rootfs: { type: "layers", diff_ids: ["x"] } }, "rootfs.diff_ids[0]"],
    ["an Env of numbers", { ...config, config: { Env: [1] } }, "config.Env[0]: not a string"],
    ["a Cmd that is text", { ...config, config: { Cmd: "sh" } }, "config.Cmd: not an array"],
    ["labels of objects", { ...config, config: { Labels: { a: {} } } }, "config.Labels.a: not a string"],
  ];
  test.each(bad)("refuses %s", (_, document, why) => {
    expect(() => readImageConfig("read", bytes(document))).toThrow(why);
  });
});

test("whatever is cut or changed in a document, reading it gives a document or `invalid`, nothing else", () => {
  const texts = [ociManifest, dockerManifest, index, config].map((document) => JSON.stringify(document));
  forSeeds(3000, (random) => {
    const chars = [...random.pick(texts)];
    for (let n = 1 + random.below(5); n > 0; n--) {
      chars.splice(random.below(chars.length), random.below(4), random.text('{}[]",:0an\\\u0000', 0, 3));
    }
    for (const read of [readManifest, readImageConfig]) {
      try {
        read("read", Buffer.from(chars.join("")));
      } catch (error) {
        expect(error).toBeInstanceOf(EngineError);
        expect((error as EngineError).code).toBe("invalid");
      }
    }
  });
});
