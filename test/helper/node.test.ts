/** The stand-ins of `node:fs`, `node:path` and `node:os` in the executable do what those do. */
import { afterAll, describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import * as leanFs from "../../src/helper/node/fs";
import * as leanOs from "../../src/helper/node/os";
import * as leanPath from "../../src/helper/node/path";

const root = fs.mkdtempSync(path.join(os.tmpdir(), "lean-"));
const at = (name: string) => path.join(root, name);
afterAll(() => fs.rmSync(root, { recursive: true }));

fs.writeFileSync(at("file"), "\uFEFFtext ä \u{1F600}\n", { mode: 0o640 });
fs.writeFileSync(at("large"), "x".repeat(100_000));
fs.writeFileSync(at("empty"), "");
fs.mkdirSync(at("directory"));
fs.mkdirSync(at("directory/ä"));
fs.writeFileSync(at("directory/b"), "");
fs.symlinkSync("file", at("link"));
fs.symlinkSync("nowhere", at("dangling"));

type Outcome = { value: unknown } | { code: unknown; errno: unknown; syscall: unknown; path: unknown };

function outcomeOf(act: () => unknown): Outcome {
  try {
    return { value: act() };
  } catch (error) {
    const { code, errno, syscall, path: on } = error as NodeJS.ErrnoException;
    return { code, errno, syscall, path: on };
  }
}

const places = [
  "file",
  "large",
  "empty",
  "directory",
  "link",
  "dangling",
  "absent",
  "file/below",
  "directory/",
  "a\0b",
  "x".repeat(300),
].map(at);

describe.each([...places, "", "/proc/self/limits", "/dev/null", "/", "x".repeat(5000)])("%p", (place) => {
  const same = (act: (module: typeof fs) => unknown) => {
    const [lean, whole] = [outcomeOf(() => act(leanFs as typeof fs)), outcomeOf(() => act(fs))];
    // no path at all: said in words of their own
    if (place.includes("\0") || place.length > 4096) expect("code" in lean).toBe("code" in whole);
    else expect(lean).toEqual(whole);
  };

  test("is read as by node:fs", () => {
    if (place !== "/proc/self/limits") same((module) => module.readFileSync(place));
    same((module) => module.readFileSync(place, "utf8"));
    same((module) => module.readdirSync(place).sort());
    same((module) => module.existsSync(place));
    for (const mode of [fs.constants.F_OK, fs.constants.R_OK, fs.constants.X_OK])
      same((module) => void module.accessSync(place, mode));
  });

  test("is looked at as by node:fs", () => {
    const fields = (stat: fs.Stats | undefined) =>
      stat && {
        numbers: [
          stat.dev,
          stat.ino,
          stat.mode,
          stat.nlink,
          stat.uid,
          stat.gid,
          stat.rdev,
          stat.size,
          stat.blocks,
        ],
        times: [stat.mtime, stat.ctime, stat.birthtime].map(Number),
        blksize: stat.blksize,
        is: [
          stat.isFile(),
          stat.isDirectory(),
          stat.isSymbolicLink(),
          stat.isCharacterDevice(),
          stat.isSocket(),
        ],
      };
    same((module) => fields(module.statSync(place)));
    same((module) => fields(module.lstatSync(place)));
    same((module) => fields(module.statSync(place, { throwIfNoEntry: false })));
    same((module) => module.readlinkSync(place));
  });

  test("is opened as by node:fs", () => {
    for (const flags of ["r", "r+", "wx", fs.constants.O_RDONLY | fs.constants.O_DIRECTORY] as const) {
      if (place === at("absent") && flags === "wx") continue;
      same((module) => {
        const fd = module.openSync(place, flags);
        try {
          return [
            module.fstatSync(fd).ino,
            fs.readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").split("\n")[1],
          ];
        } finally {
          module.closeSync(fd);
        }
      });
    }
  });
});

describe("what writes", () => {
  /** The same acts in a directory of their own for each of both, and what is there then. */
  const same = (act: (module: typeof fs, directory: string) => unknown) => {
    const results = [leanFs as typeof fs, fs].map((module) => {
      const directory = fs.mkdtempSync(at("writes-"));
      const outcome = outcomeOf(() => act(module, directory));
      const tree = fs.readdirSync(directory, { recursive: true }).map((name) => {
        const stat = fs.lstatSync(path.join(directory, String(name)));
        return [
          name,
          stat.mode,
          stat.isFile() ? fs.readFileSync(path.join(directory, String(name)), "utf8") : "",
        ];
      });
      return JSON.stringify([outcome, tree.sort()]).replaceAll(directory, "");
    });
    expect(results[0]).toBe(results[1] ?? "");
  };

  test("writeFileSync() and its flags", () => {
    same((module, directory) => module.writeFileSync(`${directory}/a`, "text ä"));
    same((module, directory) =>
      module.writeFileSync(`${directory}/a`, new Uint8Array([65, 66]), { mode: 0o600 }),
    );
    same((module, directory) => module.writeFileSync(`${directory}/a`, ""));
    same((module, directory) => {
      module.writeFileSync(`${directory}/a`, "1");
      module.writeFileSync(`${directory}/a`, "2", { flag: "a" });
      module.writeFileSync(`${directory}/a`, "3", { flag: "wx" });
    });
    same((module, directory) => module.writeFileSync(`${directory}/no/a`, "text"));
  });

  test("mkdirSync()", () => {
    same((module, directory) => module.mkdirSync(`${directory}/a`));
    same((module, directory) => module.mkdirSync(`${directory}/a`, { mode: 0o700 }));
    same((module, directory) => module.mkdirSync(`${directory}/a/b/c`));
    for (const name of ["a/b/c", "a", ".", "a/../b", "a//b/"])
      same((module, directory) => module.mkdirSync(`${directory}/${name}`, { recursive: true, mode: 0o700 }));
    same((module, directory) => {
      module.writeFileSync(`${directory}/a`, "");
      module.mkdirSync(`${directory}/a`, { recursive: true });
    });
    same((module, directory) => {
      module.writeFileSync(`${directory}/a`, "");
      module.mkdirSync(`${directory}/a/b`, { recursive: true });
    });
  });

  test("rmSync(), unlinkSync(), renameSync(), chmodSync()", () => {
    const full = (module: typeof fs, directory: string) => {
      module.writeFileSync(`${directory}/a`, "");
      module.mkdirSync(`${directory}/d/e`, { recursive: true });
      module.writeFileSync(`${directory}/d/f`, "");
    };
    const acts: ((module: typeof fs, directory: string) => unknown)[] = [
      (module, directory) => module.rmSync(`${directory}/a`),
      (module, directory) => module.rmSync(`${directory}/x`, { force: true }),
      (module, directory) => module.rmSync(`${directory}/d`, { recursive: true, force: true }),
      (module, directory) => module.unlinkSync(`${directory}/a`),
      (module, directory) => module.unlinkSync(`${directory}/x`),
      (module, directory) => module.renameSync(`${directory}/a`, `${directory}/b`),
      (module, directory) => module.renameSync(`${directory}/x`, `${directory}/b`),
      (module, directory) => module.renameSync(`${directory}/d`, `${directory}/a`),
      (module, directory) => module.chmodSync(`${directory}/a`, 0o4711),
    ];
    for (const act of acts)
      same((module, directory) => {
        full(module, directory);
        return act(module, directory);
      });
  });

  test("symlinkSync() and readlinkSync()", () => {
    for (const target of ["a", "/absent/ä", "x".repeat(200), ""])
      same((module, directory) => {
        module.symlinkSync(target, `${directory}/link`);
        return module.readlinkSync(`${directory}/link`);
      });
    same((module, directory) => module.symlinkSync("a", directory));
    same((module, directory) => module.symlinkSync("a", `${directory}/no/link`));
    same((module, directory) => module.readlinkSync(directory));
  });

  test("fsyncSync()", () => {
    same((module, directory) => {
      const fd = module.openSync(`${directory}/a`, "w");
      module.fsyncSync(fd);
      module.closeSync(fd);
    });
    same((module) => module.fsyncSync(12345));
  });

  test("readSync() and writeSync()", () => {
    same((module, directory) => {
      const fd = module.openSync(`${directory}/a`, "w+");
      const bytes = Buffer.from("0123456789");
      const written = [
        module.writeSync(fd, bytes),
        module.writeSync(fd, bytes, 7),
        module.writeSync(fd, "ä"),
      ];
      const into = Buffer.alloc(8);
      const read = [module.readSync(fd, into, 2, 5, 3), module.readSync(fd, into, 0, 1, null)];
      module.closeSync(fd);
      return [written, read, into.toString()];
    });
    same((module) => module.writeSync(12345, Buffer.from("x")));
    same((module) => module.closeSync(12345));
  });
});

test("join(), normalize(), dirname(), basename(), isAbsolute() give what node:path gives", () => {
  const texts = [
    "",
    ".",
    "..",
    "/",
    "//",
    "a",
    "a/",
    "/a",
    "/a/",
    "a/b",
    "/a//b/",
    "/a/../b",
    "../a",
    "/../a",
    "./a/.",
    "a/..b",
    "a/.b/..",
    "...",
    "/a/b/../..",
    "a/../..",
  ];
  for (const text of texts) {
    expect([text, leanPath.normalize(text)]).toEqual([text, path.normalize(text)]);
    expect([text, leanPath.dirname(text)]).toEqual([text, path.dirname(text)]);
    expect([text, leanPath.basename(text)]).toEqual([text, path.basename(text)]);
    expect([text, leanPath.isAbsolute(text)]).toEqual([text, path.isAbsolute(text)]);
    for (const other of texts)
      expect([text, other, leanPath.join(text, other)]).toEqual([text, other, path.join(text, other)]);
  }
});

test("node:os' figures", () => {
  expect(leanOs.release()).toBe(os.release());
  expect(leanOs.arch()).toBe(os.arch());
  expect(leanOs.constants.signals).toEqual(os.constants.signals);
});

test("constants that are not listed are node:fs' own", () => {
  for (const [name, value] of Object.entries(fs.constants))
    expect([name, leanFs.constants[name as "F_OK"]]).toEqual([name, value]);
});
