import { expect, test } from "bun:test";
import { readSpec } from "../../src/container/spec";

test("readSpec() fills in what a record lacks that was written before there were networks", () => {
  const old = { Image: "tiny", HostConfig: { NetworkMode: "none", Binds: ["/a:/b"] } };
  expect(readSpec(JSON.stringify(old))).toMatchObject({
    Image: "tiny",
    ExposedPorts: {},
    NetworkingConfig: { EndpointsConfig: {} },
    HostConfig: {
      NetworkMode: "none",
      Binds: ["/a:/b"],
      PortBindings: {},
      PublishAllPorts: false,
      Dns: [],
      DnsSearch: [],
      DnsOptions: [],
    },
  });
  const own = { ExposedPorts: { "80/tcp": {} }, HostConfig: { Dns: ["1.1.1.1"] } };
  expect(readSpec(JSON.stringify(own))).toMatchObject(own);
});
