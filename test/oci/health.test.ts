import { describe, expect, test } from "bun:test";
import { checkHealth, checkProgram, healthTimes, mergeHealthcheck } from "../../src/oci";

const NONE = { Test: [] as string[], Interval: 0, Timeout: 0, StartPeriod: 0, StartInterval: 0, Retries: 0 };
const IMAGE = { ...NONE, Test: ["CMD", "true"], Interval: 10e9, Retries: 7 };

describe("mergeHealthcheck()", () => {
  test("takes each field that the user leaves open from the image", () => {
    expect(mergeHealthcheck(undefined, undefined)).toBeUndefined();
    expect(mergeHealthcheck(undefined, IMAGE)).toEqual({ Test: ["CMD", "true"], Interval: 10e9, Retries: 7 });
    expect(mergeHealthcheck({ Interval: 0, Timeout: 3e9 }, IMAGE)).toEqual({
      Test: ["CMD", "true"],
      Interval: 10e9,
      Timeout: 3e9,
      Retries: 7,
    });
    expect(mergeHealthcheck({ Test: ["CMD", "x"], Retries: 1 }, IMAGE)).toEqual({
      Test: ["CMD", "x"],
      Interval: 10e9,
      Retries: 1,
    });
  });

  test("NONE stays alone, and an image's nonsense is left out", () => {
    expect(mergeHealthcheck({ Test: ["NONE"] }, IMAGE)).toEqual({ Test: ["NONE"] });
    expect(mergeHealthcheck(undefined, { ...IMAGE, Test: ["true"] })).toBeUndefined();
    expect(mergeHealthcheck(undefined, NONE)).toBeUndefined();
  });
});

describe("checkProgram()", () => {
  test.each([
    [undefined, [], null],
    [{}, [], null],
    [{ Test: ["NONE"] }, [], null],
    [{ Test: ["CMD", "a", "b c"] }, ["/bin/bash"], ["a", "b c"]],
    [{ Test: ["CMD-SHELL", "a | b"] }, [], ["/bin/sh", "-c", "a | b"]],
    [{ Test: ["CMD-SHELL", "a | b"] }, ["/bin/bash", "-ec"], ["/bin/bash", "-ec", "a | b"]],
  ])("%p with the shell %p", (check, shell, program) => {
    expect(checkProgram(check, shell)).toEqual(program);
  });

  test.each([[["CMD"]], [["CMD-SHELL"]], [["true"]]])("refuses %p", (Test) => {
    expect(() => checkProgram({ Test }, [])).toThrow("expected NONE, CMD or CMD-SHELL first");
  });
});

test("checkHealth() refuses times below a millisecond, and a startup check without another", () => {
  const Test = ["CMD", "true"];
  expect(() => checkHealth({ Healthcheck: { Test, Interval: 1e6 } })).not.toThrow();
  expect(() => checkHealth({ Healthcheck: { Test, StartInterval: 999_999 } })).toThrow("less than 1ms");
  expect(() => checkHealth({ Healthcheck: { Test, Retries: -1 } })).toThrow("negative");
  expect(() => checkHealth({ StartupHealthCheck: { Test } })).toThrow("it needs a check that follows it");
});

test("healthTimes() has docker's defaults, and 0 for checks that nobody makes by himself", () => {
  expect(healthTimes({ Healthcheck: {} })).toMatchObject({
    regular: { intervalMs: 30_000, timeoutMs: 30_000, startPeriodMs: 0, startIntervalMs: 5000, retries: 3 },
    logCount: 5,
    logSizeBytes: 4096,
  });
  expect(healthTimes({ Healthcheck: { Interval: 9e9 }, HealthcheckManual: true }).regular.intervalMs).toBe(0);
  expect(healthTimes({ StartupHealthCheck: { Successes: 2 } }).startup).toMatchObject({
    retries: 0,
    successes: 2,
  });
});
