/** `proa doctor` on hosts that only root can make. */
import { describe, expect, test } from "bun:test";
import { type Host, hostMissing, makeHost, SUBORDINATE } from "../host/_host";

const missing = hostMissing();

async function finding(host: Host, check: string): Promise<{ Status: string; Found: string; Mend: string }> {
  const { stdout, stderr } = await host.proa(["doctor", "--format", "json"]);
  expect(stderr).toBe("");
  return JSON.parse(stdout).find((each: { Check: string }) => each.Check === check);
}

describe.skipIf(missing !== null)("proa doctor sees", () => {
  test("that others have a part of the user's ids", async () => {
    const start = SUBORDINATE.tester;
    await using host = await makeHost({ subuid: `tester:${start}:65536\nother:${start + 65_000}:65536\n` });
    expect(await finding(host, "id ranges")).toMatchObject({
      Status: "warn",
      Found: `/etc/subuid: ${start}-${start + 65_535} is partly other's, who has ${start + 65_000}-${start + 130_535}`,
    });
  });

  test("that newuidmap has lost its rights", async () => {
    const setUp = `cp /usr/bin/newuidmap $DIR/ && chmod 755 $DIR/newuidmap && mount --bind $DIR/newuidmap /usr/bin/newuidmap`;
    await using host = await makeHost({ setUp });
    expect(await finding(host, "id programs")).toMatchObject({
      Status: "fail",
      Found: "/usr/bin/newuidmap is neither set-uid root nor has it file capabilities",
    });
  });

  test("that newuidmap lies where it gains no rights", async () => {
    const setUp = "mount --bind /usr/bin /usr/bin && mount -o remount,bind,nosuid /usr/bin";
    await using host = await makeHost({ setUp });
    expect(await finding(host, "id programs")).toMatchObject({
      Status: "fail",
      Found: "/usr/bin/newuidmap lies on a file system that is mounted with nosuid",
    });
    expect(await finding(host, "user namespaces")).toMatchObject({ Status: "fail" });
  });

  test("that the kernel's overlay does not work, and what stands in for it", async () => {
    // an overlay is no upper directory for another one
    const setUp = `mkdir -p $DIR/l $DIR/u/up $DIR/u/work && mount -t tmpfs none $DIR/u && mkdir $DIR/u/up $DIR/u/work
      mount -t overlay -o lowerdir=$DIR/l,upperdir=$DIR/u/up,workdir=$DIR/u/work overlay $DIR/d && chown 4242:4242 $DIR/d && chmod 700 $DIR/d`;
    await using host = await makeHost({ setUp });
    const driver = await finding(host, "storage driver");
    expect(driver.Status).toBe("warn");
    expect(driver.Found).toMatch(/^(fuse-overlayfs|vfs): the kernel's overlay does not work here \(/);
    expect(await finding(host, "data directory")).toMatchObject({
      Status: "ok",
      Found: `${host.directory}/d/proa is on overlay`,
    });
  });

  test("that nobody may ping", async () => {
    await using host = await makeHost();
    const [was = ""] = [await host.sh("cat /proc/sys/net/ipv4/ping_group_range")];
    const { stdout } = await host.proa(["doctor", "-f", "json"], {
      through: [
        "unshare",
        "--net",
        "sh",
        "-c",
        'echo 1 0 > /proc/sys/net/ipv4/ping_group_range && exec "$@"',
        "sh",
      ],
    });
    const ping = JSON.parse(stdout).find((each: { Check: string }) => each.Check === "ping");
    expect(ping).toMatchObject({
      Status: "warn",
      Mend: 'sudo sysctl -w net.ipv4.ping_group_range="0 2147483647"',
    });
    expect(await host.sh("cat /proc/sys/net/ipv4/ping_group_range")).toBe(was);
  });
});
