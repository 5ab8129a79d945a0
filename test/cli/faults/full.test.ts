/** A disk without a free byte, which is a small tmpfs in a user namespace: what is there can be looked at and removed. */
import { expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeImage, proaPath, tinyLayer, tinyMissing, useEngine } from "../../harness";
import { FakeRegistry } from "../../registry/_fake";

const canMapIds =
  Bun.spawnSync(["unshare", "-U", "--map-root-user", "--map-auto", "-m", "true"]).exitCode === 0;
const engine = useEngine();

test.skipIf(!canMapIds || tinyMissing !== null)(
  "images are shown, named otherwise and removed where no byte is free",
  async () => {
    const registry = await FakeRegistry.start();
    const name = registry.addImage("full", "v1", await makeImage({ layers: [await tinyLayer()] }));
    const data = join(engine.sandbox.home, "small");
    mkdirSync(data);
    const script = `
      set -e
      echo root:1:60000 >"$IDS"
      mount --bind "$IDS" /etc/subuid
      mount --bind "$IDS" /etc/subgid
      mount -t tmpfs -o size=12m,mode=711 tmpfs "$DATA"
      "$PROA" pull -q "$NAME" >/dev/null
      for bs in 64k 4k 1; do dd if=/dev/zero of="$DATA/fill$bs" bs=$bs 2>/dev/null || true; done
      set +e
      try() { "$PROA" "$@" >/dev/null; echo "$1 $?"; }
      for i in 1 2 3 4 5; do
        try images -q
        try inspect "$NAME"
        try history "$NAME"
        try save -o /dev/null "$NAME"
      done
      try tag "$NAME" other:1
      try images
      try rmi -f other:1 "$NAME"
      "$PROA" images -q
      rm -f "$DATA"/fill*
      "$PROA" system check 2>&1
      ls -l "$DATA/proa/reserve" | tr -s " " | cut -d " " -f 5`;
    const child = Bun.spawn(["unshare", "-U", "--map-root-user", "--map-auto", "-m", "sh", "-c", script], {
      env: {
        ...engine.sandbox.env,
        XDG_DATA_HOME: data,
        DATA: data,
        IDS: join(engine.sandbox.home, "ids"),
        NAME: name,
        PROA: proaPath,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    await registry[Symbol.asyncDispose]();
    expect(stderr).toBe("");
    const looks = Array.from({ length: 5 }, () => ["images 0", "inspect 0", "history 0", "save 0"]).flat();
    expect(stdout.trim().split("\n")).toEqual([
      ...looks,
      "tag 0",
      "images 0",
      "rmi 0",
      "0 images, 0 blobs, 0 layers checked: all is well",
      "1048576",
    ]);
  },
  60_000,
);
