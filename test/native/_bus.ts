/** A message bus with a systemd behind it that says what a test wants it to say. */
import { createServer, type Server, type Socket } from "node:net";

const JOB = "/org/freedesktop/systemd1/job/77";
const MANAGER = "org.freedesktop.systemd1.Manager";

/** A call as it was heard: the strings of its body, however they are nested, and its bytes. */
export type Call = { serial: number; member: string; words: string[]; body: Buffer };

/** What is answered to StartTransientUnit. */
export type Answer = (call: Call, say: Say) => void;

export type Say = {
  raw(bytes: Buffer | string): void;
  /** The reply with a job, and the job's end. */
  job(call: Call, result?: string): void;
  error(call: Call, name: string, words: string): void;
  hangUp(): void;
};

const align = (bytes: Buffer, to: number): Buffer =>
  Buffer.concat([bytes, Buffer.alloc((to - (bytes.length % to)) % to)]);

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

const string = (text: string): Buffer => Buffer.concat([u32(text.length), Buffer.from(`${text}\0`)]);
const strings = (...texts: string[]): Buffer =>
  texts.reduce((bytes, text) => Buffer.concat([align(bytes, 4), string(text)]), Buffer.alloc(0));

type Field = [code: number, signature: string, value: string | number];

export function message(kind: number, fields: Field[], body: Buffer): Buffer {
  let header = Buffer.alloc(0);
  for (const [code, signature, value] of fields) {
    header = Buffer.concat([align(header, 8), Buffer.from([code, 1]), Buffer.from(`${signature}\0`)]);
    if (typeof value === "number") header = Buffer.concat([align(header, 4), u32(value)]);
    else if (signature === "g")
      header = Buffer.concat([header, Buffer.from([value.length]), Buffer.from(`${value}\0`)]);
    else header = Buffer.concat([align(header, 4), string(value)]);
  }
  const start = Buffer.concat([
    Buffer.from([0x6c, kind, 1, 1]),
    u32(body.length),
    u32(1),
    u32(header.length),
  ]);
  return Buffer.concat([align(Buffer.concat([start, header]), 8), body]);
}

/** The answer that names the job. */
export function jobReply({ serial }: Call): Buffer {
  const fields: Field[] = [
    [5, "u", serial],
    [8, "g", "o"],
  ];
  return message(2, fields, string(JOB));
}

/** JobRemoved of `unit`. */
export function jobRemoved(unit: string, result: string, job = JOB): Buffer {
  const fields: Field[] = [
    [1, "o", "/org/freedesktop/systemd1"],
    [2, "s", MANAGER],
    [3, "s", "JobRemoved"],
    [8, "g", "uoss"],
  ];
  return message(4, fields, Buffer.concat([u32(77), strings(job, unit, result)]));
}

/** Takes whole messages off `bytes`; what is left is an incomplete one. */
function take(bytes: Buffer, heard: (call: Call) => void): Buffer {
  let rest = bytes;
  while (rest.length >= 16) {
    const body = rest.readUInt32LE(4);
    const head = 16 + Math.ceil(rest.readUInt32LE(12) / 8) * 8;
    if (rest.length < head + body) break;
    const header = rest.subarray(16, head).toString("latin1");
    const content = rest.subarray(head, head + body);
    heard({
      serial: rest.readUInt32LE(8),
      member: /\x03\x01s\0.{3}\0([A-Za-z]+)\0/s.exec(header)?.[1] ?? "",
      words: content.toString("latin1").match(/[\w.:/ -]{2,}/g) ?? [],
      body: Buffer.from(content),
    });
    rest = rest.subarray(head + body);
  }
  return rest;
}

export class FakeBus {
  readonly calls: Call[] = [];
  /** What was said before the first message. */
  greeting = "";
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly path: string,
    answer: Answer,
    authentication: string,
  ) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      let bytes = Buffer.alloc(0);
      let authenticated = false;
      const say = sayTo(socket);
      socket.on("data", (chunk) => {
        bytes = Buffer.concat([bytes, Buffer.from(chunk)]);
        if (!authenticated) {
          const end = bytes.indexOf("BEGIN\r\n");
          if (end < 0) return;
          this.greeting = bytes.subarray(0, end).toString("latin1");
          bytes = bytes.subarray(end + 7);
          authenticated = true;
          say.raw(authentication);
        }
        bytes = Buffer.from(
          take(bytes, (call) => {
            this.calls.push(call);
            if (call.member === "StartTransientUnit") answer(call, say);
          }),
        );
      });
    });
  }

  static async at(
    path: string,
    answer: Answer,
    authentication = "OK 0123456789abcdef\r\n",
  ): Promise<FakeBus> {
    const bus = new FakeBus(path, answer, authentication);
    await new Promise<void>((done) => bus.#server.listen(path, done));
    return bus;
  }

  /** Names of the units that were asked for. */
  get asked(): string[] {
    return this.calls
      .filter(({ member }) => member === "StartTransientUnit")
      .map(({ words }) => words[0] ?? "");
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

function sayTo(socket: Socket): Say {
  return {
    raw: (bytes) => void socket.write(bytes),
    job(call, result = "done") {
      socket.write(jobReply(call));
      socket.write(jobRemoved(call.words[0] ?? "", result));
    },
    error(call, name, words) {
      const fields: Field[] = [
        [5, "u", call.serial],
        [4, "s", name],
        [8, "g", "s"],
      ];
      socket.write(message(3, fields, string(words)));
    },
    hangUp: () => void socket.destroy(),
  };
}
