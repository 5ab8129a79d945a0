/** `--privileged`: all that the caller may give, and not more. */
import { afterEach, describe, expect, test } from "bun:test";
import { accessSync, constants, existsSync, lstatSync, readdirSync } from "node:fs";
import { missing, useTiny } from "../../harness";
import { detach, inspect, removeAll, run, shell } from "./_shell";

const uid = process.getuid?.() ?? 0;

const canOpen = (path: string): boolean => {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** Device nodes of the host's /dev, without those that every container has or must not get. */
const devices = readdirSync("/dev").filter(
  (name) =>
    !/^(null|zero|full|u?random|tty\d*|ptmx|console)$/.test(name) &&
    lstatSync(`/dev/${name}`).isCharacterDevice(),
);
const open = devices.filter((name) => canOpen(`/dev/${name}`));
const closed = devices.filter((name) => {
  try {
    accessSync(`/dev/${name}`, constants.R_OK);
    return false;
  } catch {
    return !canOpen(`/dev/${name}`);
  }
});

describe.skipIf(missing !== null || uid === 0)("--privileged", () => {
  const place = useTiny();
  const { engine } = place;

  afterEach(() => removeAll(place));

  const status = (options: string[]): Promise<string> =>
    shell(
      place,
      options,
      "grep -E '^(CapInh|CapEff|CapBnd|Seccomp|NoNewPrivs):' /proc/self/status | tr -s '\\t\\n' ' '",
    );

  test("has every capability of its user namespace, none to inherit, and no filter", async () => {
    const every = (
      await shell(
        place,
        ["--cap-add", "ALL", "--security-opt", "seccomp=unconfined"],
        "grep CapEff /proc/self/status",
      )
    ).split("\t")[1];
    expect(await status(["--privileged"])).toBe(
      `CapInh: 0000000000000000 CapEff: ${every} CapBnd: ${every} NoNewPrivs: 0 Seccomp: 0`,
    );
    expect(await status(["--privileged=false"])).toContain("Seccomp: 2");
  });

  test("keeps a filter that is asked for, and drops what is asked for", async () => {
    expect(await status(["--privileged", "--security-opt", "seccomp=builtin"])).toContain("Seccomp: 2");
    const text = await shell(
      place,
      ["--privileged", "--cap-drop", "SYS_ADMIN"],
      "grep CapEff /proc/self/status",
    );
    expect(BigInt(`0x${text.split("\t")[1]}`) & (1n << 21n)).toBe(0n);
  });

  test("masks nothing, and makes nothing read-only that is the container's own", async () => {
    const masks =
      "grep -cE ' /proc/(interrupts|keys|timer_list|kcore|sys|irq|bus|fs) ' /proc/self/mounts || true";
    expect(await shell(place, ["--privileged"], masks)).toBe("0");
    expect(Number(await shell(place, [], masks))).toBeGreaterThan(3);
    expect(
      await shell(
        place,
        ["--privileged"],
        "echo 1 >/proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward",
      ),
    ).toBe("1");
    expect(await shell(place, [], "echo 1 2>/dev/null >/proc/sys/net/ipv4/ip_forward || echo refused")).toBe(
      "refused",
    );
    expect(
      await shell(place, ["--privileged"], "grep ' /sys ' /proc/self/mounts | cut -d' ' -f4 | cut -d, -f1"),
    ).toBe("rw");
  });

  test("mounts inside, also in a further namespace", async () => {
    const script =
      "mkdir /a && mount -t tmpfs none /a && mount -t proc proc /a && umount /a && unshare -m mount -t tmpfs none /a && echo mounted";
    expect(await shell(place, ["--privileged"], script)).toBe("mounted");
    const result = await run(place, [], ["mount", "-t", "tmpfs", "none", "/tmp"]);
    expect(result.exitCode).not.toBe(0);
  });

  test.skipIf(open.length === 0)(`has the devices that the caller may open: ${open.join(" ")}`, async () => {
    const script = `for d in ${open.join(" ")}; do test -c /dev/$d && echo $d; done; true`;
    expect((await shell(place, ["--privileged"], script)).split("\n")).toEqual(open);
    expect(await shell(place, [], script)).toBe("");
  });

  test.skipIf(closed.length === 0)("does not have those that the caller may not open", async () => {
    expect(
      await shell(
        place,
        ["--privileged"],
        `for d in ${closed.join(" ")}; do test -e /dev/$d && echo $d; done; true`,
      ),
    ).toBe("");
  });

  test("gives nothing over the host: its kernel's settings, its modules and its clock stay closed", async () => {
    const script =
      "(echo 1 >/proc/sys/kernel/panic) 2>/dev/null || echo closed; date -s 2000-01-01 2>&1 >/dev/null | grep -o 'not permitted'; insmod /bin/busybox 2>/dev/null || echo closed";
    expect(await shell(place, ["--privileged"], script)).toBe("closed\nnot permitted\nclosed");
    expect(await shell(place, ["--privileged"], "cat /proc/self/uid_map | head -1 | tr -s ' '")).toBe(
      `0 ${uid} 1`,
    );
  });

  test("inspect says so, and exec has it, too", async () => {
    await detach(place, "free", ["sleep", "1000"], ["--privileged"]);
    expect(await inspect(place, "free", "{{.HostConfig.Privileged}}")).toBe("true");
    expect(await engine.ok(["exec", "free", "sh", "-c", "mount -t tmpfs none /tmp && echo mounted"])).toBe(
      "mounted",
    );
  });

  test("exec --privileged has all capabilities in a container that has few", async () => {
    await detach(place, "plain", ["sleep", "1000"], ["--cap-drop", "ALL"]);
    const read = ["sh", "-c", "grep CapEff /proc/self/status | cut -f2"];
    expect(await engine.ok(["exec", "plain", ...read])).toBe("0000000000000000");
    const every = await shell(place, ["--privileged"], "grep CapEff /proc/self/status | cut -f2");
    expect(await engine.ok(["exec", "--privileged", "plain", ...read])).toBe(every);
  });

  test.skipIf(!existsSync("/usr/bin/crun"))("works with another runtime", async () => {
    expect(
      await shell(place, ["--privileged", "--runtime", "crun"], "mount -t tmpfs none /tmp && echo mounted"),
    ).toBe("mounted");
  });
});
