/** Log drivers and their options. */
import { describe, expect, test } from "bun:test";
import { checkLogConfig, logAttributes, logDrivers, logLimits, renderTag } from "../../src/oci";

const check = (Type: string, Config: Record<string, string> = {}) => checkLogConfig({ Type, Config });

describe("checkLogConfig", () => {
  test.each(logDrivers)("takes %s without options", (driver) => expect(() => check(driver)).not.toThrow());

  test.each<[string, Record<string, string>]>([
    [
      "json-file",
      {
        "max-size": "10m",
        "max-file": "3",
        compress: "true",
        tag: "{{.Name}}",
        labels: "a,b",
        "env-regex": "^X",
      },
    ],
    ["json-file", { "max-size": "-1", "max-file": "1" }],
    ["json-file", { mode: "non-blocking", "max-buffer-size": "4m" }],
    ["json-file", { path: "/tmp/log" }],
    ["local", { compress: "false" }],
    ["k8s-file", { path: "/tmp/log", "max-size": "10mb" }],
    ["journald", { tag: "x", labels: "a" }],
  ])("takes %s with %p", (driver, config) => expect(() => check(driver, config)).not.toThrow());

  test.each<[string, Record<string, string>, string]>([
    ["none", { "max-size": "1" }, "invalid logging opts for driver none"],
    ["json-file", { foo: "1" }, "unknown log opt 'foo' for json-file log driver"],
    ["local", { tag: "x" }, "unknown log opt 'tag' for local log driver"],
    ["json-file", { "max-size": "0" }, "max-size should be a positive number"],
    ["json-file", { "max-size": "ten" }, "expected a size"],
    ["json-file", { "max-file": "0" }, "max-file cannot be less than 1"],
    ["json-file", { "max-file": "x" }, "expected a number"],
    ["json-file", { compress: "true", "max-file": "3" }, "compress cannot be true when"],
    ["json-file", { compress: "maybe" }, "expected true or false"],
    ["json-file", { mode: "fast" }, "logging mode not supported: fast"],
    ["json-file", { "max-buffer-size": "1m" }, "only supported with 'mode=non-blocking'"],
    ["json-file", { "env-regex": "(" }, "env-regex"],
    ["json-file", { tag: "{{.Nobody}}" }, "no such field of a tag"],
    ["json-file", { path: "log" }, "expected an absolute path"],
    ["syslog", {}, "over the network"],
    ["quantum", {}, "no such driver"],
  ])("refuses %s with %p: %s", (driver, config, why) => expect(() => check(driver, config)).toThrow(why));
});

describe("logLimits", () => {
  const limits = (Type: string, Config: Record<string, string> = {}) => logLimits({ Type, Config });
  test("of json-file are none, of local docker's own", () => {
    expect(limits("json-file")).toEqual({ maxBytes: 0, maxFiles: 1, compress: false });
    expect(limits("local")).toEqual({ maxBytes: 20 << 20, maxFiles: 5, compress: true });
    expect(limits("local", { "max-file": "1" }).compress).toBe(false);
    expect(limits("json-file", { "max-size": "1k", "max-file": "2", compress: "1" })).toEqual({
      maxBytes: 1024,
      maxFiles: 2,
      compress: true,
    });
  });
});

test("logAttributes takes what is named and what matches, of labels and variables", () => {
  const labels = { team: "a", "com.x": "1", "com.y": "2" };
  const env = ["OS=linux", "PATH=/bin", "PA=x=y", "EMPTY="];
  expect(logAttributes({ labels: "team,nobody", "labels-regex": "^com\\.x" }, labels, env)).toEqual({
    team: "a",
    "com.x": "1",
  });
  expect(logAttributes({ env: "EMPTY", "env-regex": "^PA$" }, labels, env)).toEqual({ EMPTY: "", PA: "x=y" });
  expect(logAttributes({}, labels, env)).toEqual({});
});

test("renderTag puts in the fields, with or without blanks", () => {
  expect(renderTag("{{.ImageName}}/{{ .Name }}-{{- .ID -}}", (name) => name.toLowerCase())).toBe(
    "imagename/name-id",
  );
  expect(renderTag("plain", () => "")).toBe("plain");
});
