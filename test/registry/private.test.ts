import { describe, expect, test } from "bun:test";
import { parseChallenges, tokenUrl } from "../../src/registry/_auth";
import { endpointOf, redacted } from "../../src/registry/_endpoint";
import { proxyFor } from "../../src/registry/_proxy";
import { delayMs, retryAfterMs } from "../../src/registry/_retry";

describe("parseChallenges()", () => {
  test("reads quoted and bare values, escapes, and several challenges", () => {
    const header =
      'Basic realm="a\\"b", Bearer realm="https://t/x",service=r.example,scope="repository:a:pull,push"';
    expect(parseChallenges(header)).toEqual([
      { scheme: "basic", parameters: { realm: 'a"b' } },
      {
        scheme: "bearer",
        parameters: { realm: "https://t/x", service: "r.example", scope: "repository:a:pull,push" },
      },
    ]);
  });

  test.each(["", ",,,", '"', "Bearer", "Bearer realm=", 'Bearer realm="x'])("ends on %j", (header) => {
    expect(parseChallenges(header).length).toBeLessThanOrEqual(2);
  });
});

test("tokenUrl() does not go from https to http", () => {
  const challenge = (realm: string) => ({ scheme: "bearer", parameters: { realm } });
  expect(tokenUrl(challenge("http://t/"), ["s"], true)).toBeUndefined();
  expect(tokenUrl(challenge("http://t/"), ["s"], false)?.href).toBe("http://t/?scope=s");
  expect(tokenUrl(challenge("https://t/?a=b"), ["s"], true)?.href).toBe("https://t/?a=b&scope=s");
});

describe("endpointOf()", () => {
  test.each([
    ["docker.io", "https://registry-1.docker.io/v2"],
    ["localhost:5000", "http://localhost:5000/v2"],
    ["127.1.2.3", "http://127.1.2.3/v2"],
    ["[::1]:5000", "http://[::1]:5000/v2"],
    ["localhost.example.com", "https://localhost.example.com/v2"],
    ["127.0.0.1.example.com:5000", "https://127.0.0.1.example.com:5000/v2"],
    ["10.0.0.1:5000", "https://10.0.0.1:5000/v2"],
  ])("of %s is %s", (domain, url) => {
    expect(endpointOf(domain)).toBe(url);
  });
});

test("redacted() leaves out users, passwords and queries", () => {
  expect(redacted("https://u:p@h:1/x?sig=1#f")).toBe("https://h:1/x");
  expect(redacted("nonsense")).toBe("(no URL)");
});

describe("proxyFor()", () => {
  const env = { HTTP_PROXY: "plain:1", https_proxy: "http://u:p@secure:2" };
  test.each([
    ["http://a.example/", "", "http://plain:1"],
    ["https://a.example/", "", "http://u:p@secure:2"],
    ["http://localhost:5000/", "", undefined],
    ["http://127.0.0.1:5000/", "", undefined],
    ["http://[::1]:5000/", "", undefined],
    ["https://a.example/", "*", undefined],
    ["https://a.example/", "example", undefined],
    ["https://a.example/", ".example", undefined],
    ["https://a.example/", " b , a.example ", undefined],
    ["https://a.example:5000/", "a.example:5000", undefined],
    ["https://a.example:5001/", "a.example:5000", "http://u:p@secure:2"],
    ["https://aexample/", "example", "http://u:p@secure:2"],
    ["https://10.1.2.3/", "10.0.0.0/8", undefined],
    ["https://11.1.2.3/", "10.0.0.0/8", "http://u:p@secure:2"],
    ["https://10.1.2.3/", "10.0.0.0/99", "http://u:p@secure:2"],
    ["https://10.1.2.3/", "10.1.2.3", undefined],
  ])("%s with NO_PROXY %j is %s", (url, noProxy, proxy) => {
    expect(proxyFor(new URL(url), { ...env, NO_PROXY: noProxy })).toBe(proxy as string);
  });

  test("takes ALL_PROXY for what has none of its own", () => {
    expect(proxyFor(new URL("https://a.example/"), { ALL_PROXY: "http://all:3" })).toBe("http://all:3");
    expect(proxyFor(new URL("https://a.example/"), {})).toBeUndefined();
  });
});

test("retryAfterMs() reads seconds and dates", () => {
  expect(retryAfterMs("3", 0)).toBe(3000);
  expect(retryAfterMs("Thu, 01 Jan 1970 00:00:05 GMT", 2000)).toBe(3000);
  expect(retryAfterMs("Thu, 01 Jan 1970 00:00:05 GMT", 9000)).toBe(0);
  expect(retryAfterMs("soon", 0)).toBeUndefined();
  expect(retryAfterMs(null, 0)).toBeUndefined();
});

test("delayMs() doubles, with some chance in it, and has an end", () => {
  const policy = { attempts: 9, firstDelayMs: 100 };
  for (let attempt = 1; attempt <= 20; attempt++) {
    const full = Math.min(100 * 2 ** (attempt - 1), 10_000);
    const delay = delayMs(policy, attempt, undefined) ?? -1;
    expect(delay).toBeGreaterThanOrEqual(full / 2);
    expect(delay).toBeLessThanOrEqual(full);
  }
  expect(delayMs(policy, 1, 59_000)).toBe(59_000);
  expect(delayMs(policy, 1, 61_000)).toBeUndefined();
});
