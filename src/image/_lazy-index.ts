import type { TreeNode } from "./_lazy-tree";
import type { Chunk, Contents } from "./_toc";

/**
 * The index of layers that are on their way, as `native/lazy_index.h` maps it: tables of records, little endian, and a pool of bytes that they point into. Node 0 is the root, with
 * a directory for each layer. It is made from tables of contents alone, so whoever makes it again gets the same one.
 */

export type IndexedLayer = { name: string; blob: number; packing: Contents["packing"]; root: TreeNode };

/** A piece of a file, where it is in its blob, and where it goes to in the file of pieces. */
export type IndexedChunk = {
  chunk: Chunk;
  /** Of the list of layers. */
  layer: number;
  dataOffset: number;
};

export type LazyIndex = { bytes: Uint8Array; chunks: IndexedChunk[]; dataBytes: number };

const HEADER = 64;
const NODE = 80;
const NAME = 16;
const CHUNK = 24;
const LAYER = 8;
const NONE = 0xffffffff;
const typeBits: Record<TreeNode["type"], number> = {
  reg: 0o100000,
  dir: 0o040000,
  symlink: 0o120000,
  fifo: 0o010000,
  whiteout: 0o020000,
  char: 0o020000,
  block: 0o060000,
  hardlink: 0o100000,
};

type Numbered = { node: TreeNode; number: number; layer: number; parent: number; path: string };

/** @param isSquashed every owner is root: only one id is mapped */
export function makeIndex(layers: readonly IndexedLayer[], isSquashed: boolean): LazyIndex {
  const root: TreeNode = topOf(layers);
  const pool = new Pool();
  const nodes: Numbered[] = [{ node: root, number: 0, layer: NONE, parent: 0, path: "" }];
  const numbers = new Map<TreeNode, number>([[root, 0]]);
  const names: { node: number; text: number; length: number }[] = [];
  const chunks: IndexedChunk[] = [];
  const firsts: { first: number; count: number }[] = [];
  let dataBytes = 0;
  for (let at = 0; at < nodes.length; at++) {
    const { node, number, layer, path } = nodes[at] as Numbered;
    if (node.type === "dir") {
      firsts[at] = { first: names.length, count: node.children.size };
      for (const [text, child] of sorted(node.children)) {
        const known = numbers.get(child);
        const childLayer = number === 0 ? layers.findIndex((each) => each.root === child) : layer;
        const own = known ?? nodes.length;
        if (known === undefined) {
          numbers.set(child, own);
          const childPath = number === 0 ? "" : path === "" ? text : `${path}/${text}`;
          nodes.push({ node: child, number: own, layer: childLayer, parent: number, path: childPath });
        }
        names.push({ node: own, ...pool.add(text) });
      }
    } else {
      firsts[at] = { first: chunks.length, count: node.chunks.length };
      for (const chunk of node.chunks) {
        chunks.push({ chunk, layer, dataOffset: dataBytes });
        if (chunk.digest !== undefined) dataBytes += chunk.size;
      }
    }
  }
  const texts = nodes.map(({ node, path }) =>
    node.type === "symlink"
      ? pool.add(node.link)
      : node.type === "reg"
        ? pool.add(path)
        : { text: 0, length: 0 },
  );
  const xattrs = nodes.map(({ node }) => pool.addBytes(xattrBlock(node)));
  const layerTexts = layers.map(({ name }) => pool.add(name));
  const at = places([
    [nodes.length, NODE],
    [names.length, NAME],
    [chunks.length, CHUNK],
    [layers.length, LAYER],
    [pool.size, 1],
  ]);
  const out = Buffer.alloc(at.end);
  out.write("PROALAZ1", 0, "latin1");
  [nodes.length, names.length, chunks.length, layers.length, ...at.begin, pool.size].forEach(
    (value, place) => {
      out.writeUInt32LE(value, 8 + 4 * place);
    },
  );
  out.writeBigUInt64LE(BigInt(dataBytes), 48);
  const [nodesAt = 0, namesAt = 0, chunksAt = 0, layersAt = 0, poolAt = 0] = at.begin;
  nodes.forEach((one, number) => {
    const text = texts[number] ?? { text: 0, length: 0 };
    const block = xattrs[number] ?? { text: 0, length: 0 };
    const { first, count } = firsts[number] ?? { first: 0, count: 0 };
    writeNode(out, nodesAt + number * NODE, one, isSquashed, [
      first,
      count,
      text.text,
      text.length,
      block.text,
      block.length,
      one.layer < 0 ? NONE : one.layer,
      one.parent,
    ]);
  });
  names.forEach(({ node, text, length }, number) => {
    out.writeUInt32LE(node, namesAt + number * NAME);
    out.writeUInt32LE(text, namesAt + number * NAME + 4);
    out.writeUInt32LE(length, namesAt + number * NAME + 8);
  });
  chunks.forEach(({ chunk, dataOffset }, number) => {
    const place = chunksAt + number * CHUNK;
    out.writeBigUInt64LE(BigInt(chunk.fileOffset), place);
    out.writeBigUInt64LE(BigInt(dataOffset), place + 8);
    out.writeUInt32LE(chunk.size, place + 16);
    out.writeUInt32LE(chunk.digest === undefined ? 1 : 0, place + 20);
  });
  layerTexts.forEach(({ text, length }, number) => {
    out.writeUInt32LE(text, layersAt + number * LAYER);
    out.writeUInt32LE(length, layersAt + number * LAYER + 4);
  });
  pool.copyTo(out, poolAt);
  return { bytes: out, chunks, dataBytes };
}

function topOf(layers: readonly IndexedLayer[]): TreeNode {
  return {
    type: "dir",
    mode: 0o755,
    uid: 0,
    gid: 0,
    size: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    link: "",
    xattrs: [],
    chunks: [],
    children: new Map(layers.map(({ name, root }) => [name, root])),
    isOpaque: false,
    links: 1,
  };
}

/** By their bytes in UTF-8, which is how they are looked for. */
function sorted(children: ReadonlyMap<string, TreeNode>): [string, TreeNode][] {
  const isPlain = [...children.keys()].every((name) => !/[\ud800-\uffff]/.test(name));
  const compare = (a: string, b: string): number =>
    isPlain ? (a < b ? -1 : 1) : Buffer.compare(Buffer.from(a), Buffer.from(b));
  return [...children].sort(([a], [b]) => compare(a, b));
}

function writeNode(
  out: Buffer,
  at: number,
  { node }: Numbered,
  isSquashed: boolean,
  places: readonly number[],
): void {
  const directories =
    node.type === "dir" ? [...node.children.values()].filter(({ type }) => type === "dir").length : 0;
  const words = [
    typeBits[node.type] | node.mode,
    isSquashed ? 0 : node.uid,
    isSquashed ? 0 : node.gid,
    node.type === "dir" ? 2 + directories : Math.max(1, node.links),
  ];
  words.forEach((value, place) => {
    out.writeUInt32LE(value, at + 4 * place);
  });
  const size =
    node.type === "symlink" ? Buffer.byteLength(node.link) : node.type === "dir" ? 4096 : node.size;
  out.writeBigUInt64LE(BigInt(size), at + 16);
  out.writeBigInt64LE(BigInt(node.mtimeSeconds), at + 24);
  out.writeUInt32LE(node.mtimeNanoseconds, at + 32);
  places.forEach((value, place) => {
    out.writeUInt32LE(value, at + 40 + 4 * place);
  });
}

/** Each with the lengths of name and value in 16 bits before. */
function xattrBlock(node: TreeNode): Uint8Array {
  const all: [string, Uint8Array][] = node.isOpaque
    ? [...node.xattrs, ["user.overlay.opaque", new Uint8Array([0x79])]]
    : node.xattrs;
  return Buffer.concat(
    all.map(([name, value]) => {
      const head = Buffer.alloc(4);
      head.writeUInt16LE(Buffer.byteLength(name), 0);
      head.writeUInt16LE(value.length, 2);
      return Buffer.concat([head, Buffer.from(name), value]);
    }),
  );
}

/** Where tables begin that follow each other. */
function places(tables: readonly (readonly [count: number, size: number])[]): {
  begin: number[];
  end: number;
} {
  let end = HEADER;
  const begin = tables.map(([count, size]) => {
    const at = Math.ceil(end / 8) * 8;
    end = at + count * size;
    return at;
  });
  return { begin, end };
}

class Pool {
  readonly #parts: Uint8Array[] = [];
  size = 0;

  add(text: string): { text: number; length: number } {
    return this.addBytes(Buffer.from(text));
  }

  addBytes(bytes: Uint8Array): { text: number; length: number } {
    const text = this.size;
    if (bytes.length > 0) this.#parts.push(bytes);
    this.size += bytes.length;
    return { text, length: bytes.length };
  }

  copyTo(out: Buffer, at: number): void {
    let done = at;
    for (const part of this.#parts) {
      out.set(part, done);
      done += part.length;
    }
  }
}
