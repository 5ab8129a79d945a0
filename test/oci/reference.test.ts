import { describe, expect, test } from "bun:test";
import { EngineError } from "../../src/error";
import {
  type Digest,
  digestOf,
  familiarReference,
  familiarRepository,
  formatReference,
  parseReference,
  type Reference,
  withDefaultTag,
} from "../../src/oci";
import { forSeeds, type Random } from "./_random";

const digest = digestOf("");

describe("parseReference()", () => {
  test.each([
    ["debian", "docker.io/library/debian"],
    ["debian:bookworm", "docker.io/library/debian:bookworm"],
    ["user/app", "docker.io/user/app"],
    ["docker.io/debian", "docker.io/library/debian"],
    ["index.docker.io/library/debian", "docker.io/library/debian"],
    ["localhost/app", "localhost/app"],
    ["localhost:5000/debian:bookworm", "localhost:5000/debian:bookworm"],
    ["127.0.0.1:5000/a/b/c:v1.2-rc_3", "127.0.0.1:5000/a/b/c:v1.2-rc_3"],
    ["[::1]:5000/app", "[::1]:5000/app"],
    ["[2001:db8::1]/app:x", "[2001:db8::1]/app:x"],
    ["registry.example.com/app", "registry.example.com/app"],
    ["REGISTRY/app", "REGISTRY/app"],
    [`debian@${digest}`, `docker.io/library/debian@${digest}`],
    [`localhost:5000/a:tag@${digest}`, `localhost:5000/a:tag@${digest}`],
    ["a__b/c--d.e_f", "docker.io/a__b/c--d.e_f"],
    ["localhost:5000", "docker.io/library/localhost:5000"],
  ])("reads %s as %s", (text, full) => {
    expect(formatReference(parseReference(text))).toBe(full);
  });

  test.each([
    ["", "it is empty"],
    ["Debian", "the repository must be lower case"],
    ["localhost:5000/Debian", "the repository must be lower case"],
    ["debian:", '"" is not a tag'],
    ["debian:.x", '".x" is not a tag'],
    ["debian:a b", "is not a tag"],
    [`debian:${"a".repeat(129)}`, "longer than 128"],
    ["-debian", "is not a part of a repository's name"],
    ["a//b", "is not a part"],
    ["a/../b", "is not a part"],
    ["a/.", "is not a part"],
    ["a/b/", "is not a part"],
    ["/debian", "is not a part"],
    ["a_-b", "is not a part"],
    ["http://localhost/app", "is not a registry's host"],
    ["exa mple.com/app", "is not a registry's host"],
    ["-a.b/app", "is not a registry's host"],
    ["[::1/app", "is not a registry's host"],
    ["localhost:x/app", "is not a registry's host"],
    ["debian@sha256:abc", "sha256 has 64 hexadecimal digits"],
    ["debian@md5:d41d8cd98f00b204e9800998ecf8427e", "unknown algorithm"],
    [`debian@${digest}@${digest}`, "sha256 has 64"],
    ["debian@", "a digest is"],
    [digest.slice("sha256:".length), "an image id, not a name"],
    [`${"a/".repeat(130)}a`, "longer than 255"],
    ["a".repeat(5000), "longer than 4096"],
    ["debian\n", "is not a part"],
    ["ünïcode", "is not a part"],
  ])("refuses %j: %s", (text, why) => {
    expect(() => parseReference(text)).toThrow(why);
    expect(() => parseReference(text)).toThrow(EngineError);
  });
});

describe("familiarReference()", () => {
  test.each([
    ["docker.io/library/debian:bookworm", "debian:bookworm"],
    ["docker.io/user/app", "user/app"],
    ["localhost/app:latest", "localhost/app:latest"],
    ["docker.io/library/a/b", "library/a/b"],
  ])("shows %s as %s", (full, familiar) => {
    expect(familiarReference(parseReference(full))).toBe(familiar);
  });

  test("keeps what would be read as another registry", () => {
    expect(familiarRepository("docker.io/localhost/app")).toBe("docker.io/localhost/app");
  });
});

test("withDefaultTag() adds latest where there is neither tag nor digest", () => {
  expect(withDefaultTag(parseReference("a")).tag).toBe("latest");
  expect(withDefaultTag(parseReference("a:b")).tag).toBe("b");
  expect(withDefaultTag(parseReference(`a@${digest}`)).tag).toBeUndefined();
});

const lower = "abcdefghijklmnopqrstuvwxyz0123456789";

function component(random: Random): string {
  let text = random.text(lower, 1, 6);
  while (random.below(3) === 0) text += random.pick([".", "_", "__", "-", "---"]) + random.text(lower, 1, 4);
  return text;
}

function anyReference(random: Random): Reference {
  const domain = random.pick([
    "docker.io",
    "localhost",
    "localhost:5000",
    "a.b",
    "[::1]:80",
    "127.0.0.1",
    "X",
  ]);
  const parts = Array.from({ length: 1 + random.below(4) }, () => component(random));
  const path = (domain === "docker.io" && parts.length === 1 ? ["library", ...parts] : parts).join("/");
  const tag =
    random.below(2) === 0 ? undefined : random.text(lower, 1, 1) + random.text(`${lower}ABC._-`, 0, 127);
  const known: Digest | undefined = random.below(2) === 0 ? undefined : digestOf(path);
  return { domain, path, tag, digest: known };
}

test("a reference survives being written in full and in short, whatever it is", () => {
  forSeeds(2000, (random) => {
    const reference = anyReference(random);
    expect(parseReference(formatReference(reference))).toEqual(reference);
    expect(parseReference(familiarReference(reference))).toEqual(reference);
  });
});

test("parseReference() either fails with `invalid` or gives something that survives, whatever the text", () => {
  forSeeds(5000, (random) => {
    const text = random.text("abA0.:/@-_[] \n\0é%sha256", 0, 40);
    let parsed: Reference;
    try {
      parsed = parseReference(text);
    } catch (error) {
      expect(error).toBeInstanceOf(EngineError);
      expect((error as EngineError).code).toBe("invalid");
      return;
    }
    expect(parseReference(formatReference(parsed))).toEqual(parsed);
  });
});
