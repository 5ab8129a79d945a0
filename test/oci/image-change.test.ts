import { describe, expect, test } from "bun:test";
import { changedConfig } from "../../src/oci";

describe("changedConfig()", () => {
  test.each([
    ["CMD a b", { Cmd: ["/bin/sh", "-c", "a b"] }],
    ['CMD ["a", "b"]', { Cmd: ["a", "b"] }],
    ['CMD=["a"]', { Cmd: ["a"] }],
    ["cmd a", { Cmd: ["/bin/sh", "-c", "a"] }],
    ["ENTRYPOINT []", { Entrypoint: null, Cmd: null }],
    ["ENV A=1 B='2 3' C=\"4 $X\"", { Env: ["X=y", "A=1", "B=2 3", "C=4 y"] }],
    ["ENV A one two", { Env: ["X=y", "A=one two"] }],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of the Dockerfile's language
    ["ENV X=${X}z", { Env: ["X=yz"] }],
    ["ENV A='$X' B=\\$X", { Env: ["X=y", "A=$X", "B=$X"] }],
    ["EXPOSE 80 8000-8001/udp", { ExposedPorts: { "80/tcp": {}, "8000/udp": {}, "8001/udp": {} } }],
    ['LABEL a=b "c d"="e f"', { Labels: { a: "b", "c d": "e f" } }],
    ["ONBUILD RUN make all", { OnBuild: ["RUN make all"] }],
    ["USER $X:1", { User: "y:1" }],
    ["VOLUME /a /b", { Volumes: { "/a": {}, "/b": {} } }],
    ['VOLUME ["/a b"]', { Volumes: { "/a b": {} } }],
    ["WORKDIR /a", { WorkingDir: "/a" }],
    ["STOPSIGNAL 9", { StopSignal: "9" }],
    ["HEALTHCHECK NONE", { Healthcheck: { Test: ["NONE"] } }],
    [
      'HEALTHCHECK --interval=1m30s --retries=2 CMD ["a"]',
      { Healthcheck: { Interval: 90e9, Retries: 2, Test: ["CMD", "a"] } },
    ],
    ["HEALTHCHECK CMD a || b", { Healthcheck: { Test: ["CMD-SHELL", "a || b"] } }],
  ])("%s", (instruction, changed) => {
    expect(changedConfig({ Env: ["X=y"] }, [instruction])).toEqual({ Env: ["X=y"], ...changed });
  });

  test("a new entrypoint drops the old command, unless one was given before it", () => {
    const config = { Cmd: ["old"] };
    expect(changedConfig(config, ['ENTRYPOINT ["e"]'])).toEqual({ Entrypoint: ["e"], Cmd: null });
    expect(changedConfig(config, ['CMD ["c"]', 'ENTRYPOINT ["e"]'])).toEqual({
      Entrypoint: ["e"],
      Cmd: ["c"],
    });
    expect(config).toEqual({ Cmd: ["old"] });
  });

  test("a relative directory is below the one before; shell forms use the image's shell", () => {
    expect(changedConfig({}, ["WORKDIR /a/b", "WORKDIR ../c"])).toEqual({ WorkingDir: "/a/c" });
    expect(changedConfig({ Shell: ["bash", "-c"] }, ["CMD x"]).Cmd).toEqual(["bash", "-c", "x"]);
  });

  test.each([
    ["FROM x", "FROM is not a valid change command"],
    ["toString x", "TOSTRING is not a valid change command"],
    ["", "this is not a valid change command"],
    ["ENV A=1 =2", '"=2" is not KEY=VALUE'],
    ["ENV A", "expected KEY=VALUE"],
    ["USER a b", "requires exactly one argument"],
    ["ONBUILD FROM x", "FROM is not allowed in it"],
    ["HEALTHCHECK --interval=soon CMD x", "not a duration"],
    ["HEALTHCHECK true", "expected NONE, or CMD and a command"],
    ["EXPOSE nothing", ""],
  ])("%s is refused", (instruction, why) => {
    expect(() => changedConfig({}, [instruction])).toThrow(why);
  });
});
