import { describe, expect, test } from "bun:test";
import { netMissing, useNet } from ".";

describe.skipIf(netMissing !== null)("the net image", () => {
  const place = useNet();

  test("every program of it starts", async () => {
    const { engine } = place;
    const script =
      "ping -V && ip -V && curl --version && dig -v && iperf3 --version && redis-server --version && redis-cli --version && nginx -v && python3 -c 'import socket,ssl,struct,json,asyncio,http.server; print(1)'";
    const result = await engine.proa(["run", "--rm", "--network", "none", place.net, "sh", "-ec", script]);
    expect(result.stderr).toContain("nginx version");
    expect(result.stdout).toEndWith("1\n");
    expect(result.exitCode).toBe(0);
  });
});
