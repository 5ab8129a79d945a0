import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCredentials, registryKey, removeCredentials, storeCredentials } from "../../src/registry";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function fileWith(document: unknown): { env: Record<string, string>; authFile: string } {
  const directory = mkdtempSync(join(tmpdir(), "auth-"));
  made.push(directory);
  const authFile = join(directory, "auth.json");
  writeFileSync(authFile, JSON.stringify(document));
  return { env: { HOME: directory }, authFile };
}

const auth = (text: string) => ({ auth: btoa(text) });

test("findCredentials() takes the entry of the longest prefix, whole components only", async () => {
  const place = fileWith({
    auths: { "r.test": auth("host:1"), "r.test/a": auth("a:2"), "r.test/a/b": auth("ab:3") },
  });
  const user = async (path: string) => (await findCredentials(place, "r.test", path))?.username;
  expect(await user("a/b/c")).toBe("ab");
  expect(await user("a/c")).toBe("a");
  expect(await user("ab")).toBe("host");
  expect(await user("")).toBe("host");
  expect(await findCredentials(place, "other.test", "a")).toBeUndefined();
});

test.each(["https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io"])(
  "an entry for %s is Docker Hub's",
  async (key) => {
    const place = fileWith({ auths: { [key]: auth("hub:p:w") } });
    expect(await findCredentials(place, "docker.io", "library/debian")).toEqual({
      username: "hub",
      password: "p:w",
      identityToken: undefined,
    });
  },
);

test("an identity token comes with its user, and alone", async () => {
  const place = fileWith({
    auths: { "a.test": { ...auth("me:"), identitytoken: "t" }, "b.test": { identitytoken: "u" } },
  });
  expect(await findCredentials(place, "a.test", "x")).toMatchObject({ username: "me", identityToken: "t" });
  expect(await findCredentials(place, "b.test", "x")).toMatchObject({ identityToken: "u" });
});

test("an entry without a colon is an error that does not show it", async () => {
  const place = fileWith({ auths: { "a.test": { auth: btoa("geheim") } } });
  await expect(findCredentials(place, "a.test", "x")).rejects.toThrow(
    '"auth" of "a.test" is not USER:PASSWORD',
  );
});

test("storeCredentials() takes the place of an entry by another spelling, removeCredentials() takes it away", async () => {
  const place = fileWith({
    auths: { "https://index.docker.io/v1/": auth("old:1") },
    HttpHeaders: { a: "b" },
  });
  await storeCredentials(place, "docker.io", { username: "new", password: "2" });
  const read = () => JSON.parse(readFileSync(place.authFile, "utf8")) as unknown;
  expect(read()).toEqual({ auths: { "docker.io": auth("new:2") }, HttpHeaders: { a: "b" } });
  expect(await removeCredentials(place, "docker.io")).toBe("removed");
  expect(read()).toEqual({ auths: {}, HttpHeaders: { a: "b" } });
  expect(await removeCredentials(place, "docker.io")).toBe("none");
});

test.each([
  ["https://r.test/v2/", "r.test"],
  ["r.test:5000/team", "r.test:5000/team"],
  ["index.docker.io", "docker.io"],
  ["[::1]:5000", "[::1]:5000"],
])("registryKey(%j) is %j", (text, key) => {
  expect(registryKey(text)).toBe(key);
});

test.each(["", "http://", "a b", "user@host", "ho_st/%"])("registryKey(%j) is refused", (text) => {
  expect(() => registryKey(text)).toThrow("HOST[:PORT][/PATH]");
});
