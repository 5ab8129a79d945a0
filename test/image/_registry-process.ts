/** A registry of one image in a process of its own: the blobs on stdin as JSON, the last one its manifest; prints the reference to pull. */
import { FakeRegistry } from "../registry/_fake";

const given = (await new Response(Bun.stdin.stream()).json()) as {
  mediaType: string;
  digest: string;
  bytes: string;
}[];
const blobs = given.map((blob) => ({ ...blob, bytes: new Uint8Array(Buffer.from(blob.bytes, "base64")) }));
const top = blobs.pop();
if (top === undefined) throw new Error("no manifest");
const registry = await FakeRegistry.start();
const platform = { os: "linux", architecture: "amd64" };
process.stdout.write(`${registry.addImage("app", "v1", { top, blobs, manifests: [], platform })}\n`);
