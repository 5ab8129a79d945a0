/** Formats as docker's manual shows them, on the compiled executable: every field that it lists, and its examples. */
import { beforeAll, describe, expect, test } from "bun:test";
import { missing, proaPath, useTiny } from "../../harness";

describe.skipIf(missing !== null)("docker's documented formats", () => {
  const place = useTiny();
  const { engine } = place;
  let id = "";
  beforeAll(async () => {
    if (missing !== null) return;
    await engine.ok(["volume", "create", "--label", "kind=data", "data"]);
    id = await engine.ok([
      "run",
      "-d",
      "--name",
      "web",
      "--label",
      "com.example.team=blue",
      "-v",
      "data:/data",
      "-p",
      "127.0.0.1::80/tcp",
      place.tiny,
      "sleep",
      "1000",
    ]);
  });
  /** The fields that the manual lists for each list, and what they are like. A list of columns is made of all of them, too. */
  const lists: [command: string[], fields: Record<string, RegExp>][] = [
    [
      ["ps"],
      {
        ".ID": /^[0-9a-f]{12}$/,
        ".Image": /tiny/,
        ".Command": /^"sleep 1000"$/,
        ".CreatedAt": /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4} \S+$/,
        ".RunningFor": /ago$/,
        ".Ports": /^127\.0\.0\.1:\d+->80\/tcp$/,
        ".State": /^running$/,
        ".Status": /^Up /,
        ".Size": /B \(virtual .*B\)$/,
        ".Names": /^web$/,
        ".Labels": /com\.example\.team=blue/,
        '.Label "com.example.team"': /^blue$/,
        ".Mounts": /^data$/,
        ".LocalVolumes": /^1$/,
        ".Networks": /^proa$/,
      },
    ],
    [
      ["images"],
      {
        ".ID": /^[0-9a-f]{12}$/,
        ".Repository": /tiny$/,
        ".Tag": /^latest$/,
        ".Digest": /^sha256:[0-9a-f]{64}$/,
        ".CreatedSince": /ago$|^N\/A$/,
        ".CreatedAt": /^\d{4}-|^N\/A$/,
        ".Size": /^[\d.]+[kM]?B$/,
      },
    ],
    [
      ["network", "ls", "--filter", "name=proa"],
      {
        ".ID": /^[0-9a-f]{12}$/,
        ".Name": /^proa$/,
        ".Driver": /^bridge$/,
        ".Scope": /^local$/,
        ".IPv6": /^(true|false)$/,
        ".Internal": /^false$/,
        ".Labels": /^$/,
        '.Label "none"': /^$/,
        ".CreatedAt": /^\d{4}-/,
      },
    ],
    [
      ["volume", "ls"],
      {
        ".Name": /^data$/,
        ".Driver": /^local$/,
        ".Scope": /^local$/,
        ".Mountpoint": /^\/.*data/,
        ".Labels": /^kind=data$/,
        '.Label "kind"': /^data$/,
      },
    ],
    [
      ["stats", "--no-stream"],
      {
        ".Container": /^[0-9a-f]{12}$/,
        ".Name": /^web$/,
        ".ID": /^[0-9a-f]{12}$/,
        ".CPUPerc": /^[\d.]+%$/,
        ".MemUsage": /^[\d.]+\w*B \/ [\d.]+\w*B$/,
        ".NetIO": /^[\d.]+\w*B \/ [\d.]+\w*B$/,
        ".BlockIO": /^[\d.]+\w*B \/ [\d.]+\w*B$/,
        ".MemPerc": /^[\d.]+%$/,
        ".PIDs": /^\d+$/,
      },
    ],
    [
      ["system", "df"],
      {
        ".Type": /^Images$/,
        ".TotalCount": /^\d+$/,
        ".Active": /^\d+$/,
        ".Size": /B$/,
        ".Reclaimable": /B( \(\d+%\))?$/,
      },
    ],
  ];

  for (const [command, fields] of lists) {
    test(`${command.slice(0, 2).join(" ")}: every field`, async () => {
      for (const [field, like] of Object.entries(fields)) {
        const first = (await engine.ok([...command, "--format", `{{${field}}}`])).split("\n")[0] ?? "";
        expect({ field, first }).toMatchObject({ field, first: expect.stringMatching(like) });
      }
      const all = Object.keys(fields).map((field) => `{{${field}}}`);
      const [titles = "", row = ""] = (
        await engine.ok([...command, "--format", `table ${all.join("\t")}`])
      ).split("\n");
      expect(titles).not.toContain("{{");
      expect(titles).not.toContain("<no value>");
      expect(row.length).toBeGreaterThan(0);
      const json = (await engine.ok([...command, "--format", "json"])).split("\n")[0] ?? "";
      expect(JSON.parse(json)).toBeObject();
      expect((await engine.ok([...command, "--format", "{{json .}}"])).split("\n")[0]?.slice(0, 5)).toBe(
        json.slice(0, 5),
      );
    });
  }

  test("history: every field, and numbers where people are not asked for", async () => {
    for (const field of [".ID", ".CreatedSince", ".CreatedAt", ".CreatedBy", ".Size", ".Comment"]) {
      const lines = (await engine.ok(["history", "--format", `{{${field}}}`, place.tiny])).split("\n");
      expect(lines.join("")).not.toContain("<no value>");
    }
    expect(await engine.ok(["history", "--format", "{{.ID}}: {{.CreatedSince}}", place.tiny])).toMatch(
      /^\S+: /,
    );
    expect(await engine.ok(["history", "-H=false", "--format", "{{.Size}}", place.tiny])).toMatch(/^\d+$/m);
  });

  /** Examples of the manual, with what they print here. */
  const examples: [args: string[], like: RegExp][] = [
    [["ps", "--format", "{{.ID}}: {{.Command}}"], /^[0-9a-f]{12}: "sleep 1000"$/],
    [
      ["ps", "--format", "table {{.ID}}\\t{{.Labels}}"],
      /^CONTAINER ID {3}LABELS\n[0-9a-f]{12} {3}.*team=blue/,
    ],
    [["ps", "-a", "--no-trunc", "--format", "{{.ID}}"], /^[0-9a-f]{64}$/],
    [["ps", "--format", "{{.Names}}"], /^web$/],
    [["images", "--format", "{{.ID}}: {{.Repository}}"], /^[0-9a-f]{12}: \S*tiny$/m],
    [
      ["images", "--format", "table {{.ID}}\\t{{.Repository}}\\t{{.Tag}}"],
      /^IMAGE ID {7}REPOSITORY {2,}TAG\n[0-9a-f]{12} {3}\S+tiny {3}latest$/m,
    ],
    [["network", "ls", "--format", "{{.ID}}: {{.Driver}}"], /^[0-9a-f]{12}: bridge$/m],
    [["volume", "ls", "--format", "{{.Name}}: {{.Driver}}"], /^data: local$/],
    [["stats", "--no-stream", "--format", "{{.Container}}: {{.CPUPerc}}"], /^[0-9a-f]{12}: [\d.]+%$/],
    [
      ["stats", "--no-stream", "--format", "table {{.Container}}\\t{{.CPUPerc}}\\t{{.MemUsage}}"],
      /^CONTAINER {6}CPU % {5}MEM USAGE \/ LIMIT\n/,
    ],
    [
      ["system", "df", "--format", "{{.Type}}: {{.TotalCount}}"],
      /^Images: \d+\nContainers: 1\nLocal Volumes: 1\n/,
    ],
    [["version", "--format", "{{.Server.Version}}"], /^\d+\.\d+\.\d+$/],
    [["version", "--format", "{{json .}}"], /^\{"Client":\{/],
    [["info", "--format", "{{json .}}"], /^\{.*"Driver":/],
    [["info", "--format", "{{.Driver}} {{.NCPU}}"], /^\w[\w-]* \d+$/],
    [["inspect", "--format", "{{.Config.Image}}", "web"], /tiny/],
    [["inspect", "--format", "{{.LogPath}}", "web"], /^\/.*log$/],
    [
      ["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "web"],
      /^\d+\.\d+\.\d+\.\d+$/,
    ],
    [
      ["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.MacAddress}}{{end}}", "web"],
      /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
    ],
    [
      ["inspect", "--format", "{{range .NetworkSettings.Networks}}{{println .IPAddress}}{{end}}", "web"],
      /^\d+\.[\d.]+\n?$/,
    ],
    [
      [
        "inspect",
        "--format",
        "{{range $p, $conf := .NetworkSettings.Ports}} {{$p}} -> {{(index $conf 0).HostPort}} {{end}}",
        "web",
      ],
      /^ 80\/tcp -> \d+ $/,
    ],
    [
      ["inspect", "--format", '{{(index (index .NetworkSettings.Ports "80/tcp") 0).HostPort}}', "web"],
      /^\d+$/,
    ],
    [["inspect", "--format", "{{json .Config}}", "web"], /^\{.*"Cmd":\["sleep","1000"\].*\}$/],
    [["inspect", "--format", "{{json .Mounts}}", "web"], /^\[\{"Type":"volume","Name":"data",/],
    [["inspect", "--format", '{{join .Args " , "}}', "web"], /^1000$/],
    [["inspect", "--format", "{{lower .Name}}", "web"], /^\/web$/],
    [["inspect", "--format", "{{upper .Name}}", "web"], /^\/WEB$/],
    [["inspect", "--format", "{{title .Name}}", "web"], /^\/Web$/],
    [["inspect", "--format", '{{split .Image ":"}}', "web"], /^\[sha256 [0-9a-f]{64}\]$/],
    [["inspect", "--format", "{{slice .Id 0 12}}", "web"], /^[0-9a-f]{12}$/],
    [["inspect", "--format", '{{pad "x" 2 1}}|{{truncate .Name 3}}', "web"], /^ {2}x \|\/we$/],
    [["inspect", "--format", "{{.State.Status}} {{.State.Pid}}", "web"], /^running \d+$/],
    [
      [
        "inspect",
        "--format",
        "{{if .State.Running}}up{{else if .State.Paused}}paused{{else}}down{{end}}",
        "web",
      ],
      /^up$/,
    ],
    [
      [
        "inspect",
        "--format",
        '{{with index .Config.Labels "com.example.team"}}team {{.}}{{else}}none{{end}}',
        "web",
      ],
      /^team blue$/,
    ],
    [
      ["inspect", "--format", "{{$name := .Name}}{{range .Config.Cmd}}{{$name}}:{{.}} {{end}}", "web"],
      /^\/web:sleep \/web:1000 $/,
    ],
    [["inspect", "--format", "{{/* nothing */}}{{- .Name -}}  ", "web"], /^\/web$/],
    [
      ["inspect", "--format", '{{len .Mounts}} {{eq 1 (len .Mounts)}} {{printf "%s-%d" .Name 7}}', "web"],
      /^1 true \/web-7$/,
    ],
    [["volume", "inspect", "--format", "{{.Mountpoint}}", "data"], /^\/.*data/],
    [
      ["network", "inspect", "--format", "{{range .IPAM.Config}}{{.Subnet}} {{end}}", "proa"],
      /^10\.\d+\.0\.0\/16 /,
    ],
    [
      [
        "events",
        "--since",
        "1h",
        "--stream=false",
        "--format",
        "Type={{.Type}}  Status={{.Status}}  ID={{.ID}}",
      ],
      /^Type=container {2}Status=start {2}ID=[0-9a-f]{64}$/m,
    ],
    [["events", "--since", "1h", "--until", "0s", "--format", "json"], /^\{"status":|^\{.*"Type":/],
  ];
  for (const [args, like] of examples) {
    test(args.map((word) => (/[ {}"]/.test(word) ? `'${word}'` : word)).join(" "), async () => {
      const result = await engine.proa(args);
      expect({ stderr: result.stderr, exitCode: result.exitCode }).toEqual({ stderr: "", exitCode: 0 });
      expect(result.stdout.replace(/\n$/, "")).toMatch(like);
    });
  }

  test("what is no template is told in Go's words, with docker's exit statuses", async () => {
    const cases: [args: string[], exitCode: number, words: string][] = [
      [["ps", "--format", "{{.ID"], 1, "template parsing error: template: :1: unclosed action"],
      [["ps", "--format", "{{.Nmaes}}"], 1, 'executing "" at <.Nmaes>: map has no entry for key "Nmaes"'],
      [
        ["images", "--format", "{{nope}}"],
        1,
        'template parsing error: template: :1: function "nope" not defined',
      ],
      [["inspect", "--format", "{{.ID", "web"], 64, "template parsing error: template: :1: unclosed action"],
      [["inspect", "--format", "{{.Nope}}", "web"], 1, 'map has no entry for key "Nope"'],
      [["info", "--format", "{{"], 64, "template parsing error"],
      [["version", "--format", "{{"], 64, "template parsing error"],
    ];
    for (const [args, exitCode, words] of cases) {
      const result = await engine.proa(args);
      expect([args, result.exitCode, result.stdout]).toEqual([args, exitCode, ""]);
      expect(result.stderr).toContain(words);
      expect(result.stderr).not.toMatch(/^ +at /m);
    }
    const near = await engine.proa(["ps", "--format", "{{.Nmaes}}"]);
    expect(near.stderr).toContain("hint: did you mean .Names?");
  });

  test("dates are those of the time zone of TZ", async () => {
    const format = ["ps", "--format", "{{.CreatedAt}}"];
    const tokyo = await engine.ok(format, { env: { TZ: "Asia/Tokyo" } });
    const utc = await engine.ok(format, { env: { TZ: "UTC" } });
    expect(tokyo).toEndWith("+0900 JST");
    expect(utc).toEndWith("+0000 UTC");
    const moment = (text: string) =>
      Date.parse(text.replace(/ (\S+)$/, "").replace(/ ([+-]\d\d)(\d\d)$/, "$1:$2"));
    expect(moment(tokyo)).toBe(moment(utc));
  });

  test("on a terminal a list is as wide as that, in a pipe as it is", async () => {
    const pty = engine.pty(["ps"], { cols: 60 });
    expect(await pty.exited).toBe(0);
    const lines = pty.output.replaceAll("\r", "").trimEnd().split("\n");
    expect(lines).toHaveLength(2);
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(60);
    expect(lines[1]).toContain(id.slice(0, 12));
    expect((await engine.ok(["ps"])).length).toBeGreaterThan(pty.output.length);
  });

  test("a reader that has left ends a list quietly", async () => {
    const { env } = engine.sandbox;
    for (const command of [
      "ps -a",
      "images",
      "network ls",
      "volume ls",
      "info",
      `history ${place.tiny}`,
      "inspect web",
      "system df -v",
      "help run",
    ]) {
      const script = `exec 3>&1; "$P" ${command} 2>&3 | true; echo "\${PIPESTATUS[0]}"`;
      const result = Bun.spawnSync(["bash", "-c", script], { env: { ...env, P: proaPath } });
      expect([command, result.stdout.toString()]).toEqual([command, "0\n"]);
    }
  });
});
