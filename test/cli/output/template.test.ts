import { describe, expect, test } from "bun:test";
import { parse } from "../../../src/cli/output/template";

const data = {
  Id: "abc123",
  Name: "/web",
  Count: 3,
  Ratio: 1.5,
  Big: 12345678901234,
  On: true,
  Off: false,
  Nothing: null,
  Names: ["a", "b"],
  Empty: [],
  Labels: new Map([
    ["k", "v"],
    ["com.example", "x"],
    ["a", ""],
  ]),
  State: { Running: true, Pid: 12, Health: null },
  Label: (key: unknown) => `label-${String(key)}`,
};

const run = (template: string) => parse(template).execute(data);

describe("Template.execute()", () => {
  const cases: [template: string, out: string][] = [
    ["plain", "plain"],
    ["{{.Id}}", "abc123"],
    ["{{.ID}}", "abc123"], // Go's name of the field, where JSON has Id
    ["{{ .Name }}-{{.Count}}", "/web-3"],
    ["{{.Ratio}} {{.Big}} {{.On}}", "1.5 12345678901234 true"],
    ["{{.State.Pid}}", "12"],
    ["{{$.State.Running}}", "true"],
    // printing
    [
      "{{.Names}} {{.Labels}} {{.State}} {{.Nothing}}",
      "[a b] map[a: com.example:x k:v] {true 12 <nil>} <nil>",
    ],
    ["{{.Labels.zzz}}", "<no value>"],
    ["{{.Labels.k}}", "v"],
    // literals
    ['{{"a\\tb\\u00e9"}}', "a\tbé"],
    ["{{`raw\\n`}}", "raw\\n"],
    ["{{'a'}} {{0x1F}} {{-7}} {{1e3}} {{1_000}} {{010}} {{0b11}} {{2.50}}", "97 31 -7 1000 1000 8 3 2.5"],
    ["{{1e21}} {{0.00001}}", "1e+21 1e-05"],
    ["{{true}}", "true"],
    // docker's functions
    [
      "{{json .Names}} {{json .Name}} {{json .Labels}}",
      '["a","b"] "/web" {"a":"","com.example":"x","k":"v"}',
    ],
    [
      "{{json .State}} {{json .Nothing}} {{json .Labels.zzz}}",
      '{"Running":true,"Pid":12,"Health":null} null null',
    ],
    ['{{json "<&>"}}', '"<&>"'],
    ['{{join .Names ","}}', "a,b"],
    ["{{lower .Name}} {{upper .Name}} {{title .Id}}", "/web /WEB Abc123"],
    ['{{split "a,b" ","}}', "[a b]"],
    ['{{range split "a,b" ","}}<{{.}}>{{end}}', "<a><b>"],
    ['{{pad "x" 1 2}}|{{pad "" 1 2}}|', " x  ||"],
    ["{{truncate .Id 3}}{{truncate .Id 99}}", "abcabc123"],
    // Go's functions
    ["{{len .Names}} {{len .Labels}} {{len .Id}}", "2 3 6"],
    ['{{index .Names 1}} {{index .Labels "com.example"}} [{{index .Labels "none"}}]', "b x []"],
    ["{{slice .Id 1 3}} {{slice .Names 1}}", "bc [b]"],
    ['{{print "a" 1 2 "b"}} {{println "x" 1}}', "a1 2b x 1\n"],
    [
      '{{printf "%s|%5d|%-4s|%04d|%.1f|%q|%v|%x|%t|%%" "s" 42 "ab" 7 2.25 "q" .Names 255 true}}',
      's|   42|ab  |0007|2.3|"q"|[a b]|ff|true|%',
    ],
    ['{{printf "%d %s" "x"}}', "%!d(string=x) %!s(MISSING)"],
    ['{{printf "%s" "a" 1}}', "a%!(EXTRA int=1)"],
    ['{{html "<a>"}} {{urlquery "a b&c"}}', "&lt;a&gt; a+b%26c"],
    ['{{js "it\'s <b> & \\"x\\" = \\n"}}', 'it\\\'s \\u003Cb\\u003E \\u0026 \\"x\\" \\u003D \\u000A'],
    // comparison and logic
    [
      '{{eq .Count 1 2 3}} {{ne .Id "x"}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 2 2}}',
      "true true true true false true",
    ],
    [
      '{{and .On .Count}} {{and .Off .Missing}} {{or .Off "d"}} {{or .On .Missing}} {{not .On}}',
      "3 false d true false",
    ],
    // pipelines
    ['{{.Name | upper | printf "%s!"}}', "/WEB!"],
    ["{{(index .Names 0) | upper}}{{(.State).Pid}}", "A12"],
    ['{{.Label "x"}} {{"y" | .Label}}', "label-x label-y"],
    // control
    ["{{if .Off}}a{{else if eq .Count 3}}b{{else}}c{{end}}", "b"],
    ["{{if .Empty}}a{{end}}{{if .State}}b{{end}}", "b"],
    [
      "{{with .State}}{{.Pid}}{{$.Id}}{{else}}none{{end}}{{with .Nothing}}x{{else}}none{{end}}",
      "12abc123none",
    ],
    ["{{range .Names}}{{.}};{{end}}{{range .Empty}}x{{else}}none{{end}}", "a;b;none"],
    ["{{range $i, $n := .Names}}{{if $i}},{{end}}{{$i}}={{$n}}{{end}}", "0=a,1=b"],
    ["{{range $k, $v := .Labels}}{{$k}}={{$v}};{{end}}", "a=;com.example=x;k=v;"],
    ["{{range 3}}{{.}}{{end}}", "012"],
    [
      '{{range .Names}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}{{range .Names}}{{.}}{{break}}{{end}}',
      "ba",
    ],
    ["{{$x := 1}}{{if .On}}{{$x = 2}}{{$y := 3}}{{end}}{{$x}}", "2"],
    // white space
    ["a  {{- 1 -}}  b", "a1b"],
    ["a{{/* note */}}b {{- /* note */ -}} c", "abc"],
    ["{{range .Names -}}\n  {{.}}\n{{- end}}", "ab"],
    ["{{- 3}}{{-3}}", "3-3"],
  ];
  for (const [template, out] of cases) {
    test(`gives ${JSON.stringify(out)} for ${template}`, () => {
      expect(run(template)).toBe(out);
    });
  }
});

describe("what is no template", () => {
  const cases: [template: string, message: string][] = [
    ["{{", "template: :1: unclosed action"],
    ["a\n{{.Id", "template: :2: unclosed action"],
    ["{{.Id }", 'template: :1: unexpected "}" in operand'],
    ["{{nope .Id}}", 'template: :1: function "nope" not defined'],
    ["{{$x}}", 'template: :1: undefined variable "$x"'],
    ["{{if}}x{{end}}", "template: :1: missing value for if"],
    ["{{}}", "template: :1: missing value for command"],
    ["{{.Id |}}", "template: :1: missing value for command"],
    ["{{if .On}}x", "template: :1: unexpected EOF"],
    ["{{end}}", "template: :1: unexpected {{end}}"],
    ["{{else}}", "template: :1: unexpected {{else}}"],
    ['{{"x}}', "template: :1: unterminated quoted string"],
    ["{{`x}}", "template: :1: unterminated raw quoted string"],
    ["{{/* x}}", "template: :1: unclosed comment"],
    ["{{(.Id}}", "template: :1: unclosed left paren"],
    ["{{.Id)}}", "template: :1: unexpected right paren"],
    ["{{1x}}", 'template: :1: bad number syntax: "1x"'],
    ['{{.Id | "x"}}', "template: :1: non executable command in pipeline stage 2"],
    ["{{break}}", "template: :1: {{break}} outside {{range}}"],
    ["{{$a, $b := .Names}}", "template: :1: too many declarations in command"],
  ];
  for (const [template, message] of cases) {
    test(`parse() refuses ${template}`, () => {
      expect(() => parse(template)).toThrow(message);
    });
  }
});

describe("what cannot be executed", () => {
  const cases: [template: string, message: string][] = [
    ["{{.Foo}}", 'template: :1:2: executing "" at <.Foo>: map has no entry for key "Foo"'],
    [
      "{{.State.Foo.Bar}}",
      'template: :1:8: executing "" at <.State.Foo.Bar>: map has no entry for key "Foo"',
    ],
    ["{{.Nothing.X}}", "nil pointer evaluating interface {}.X"],
    ["{{.Id.X}}", "can't evaluate field X in type string"],
    ["{{index .Names 7}}", "at <index .Names 7>: error calling index: index out of range: 7"],
    ["{{eq .Id 1}}", "error calling eq: incompatible types for comparison"],
    ["{{len .Count}}", "error calling len: len of type int"],
    ["{{.Id 1}}", "Id has arguments but cannot be invoked as function"],
    ["{{range .Id}}{{end}}", "range can't iterate over abc123"],
    ['{{join "x" ","}}', 'at <"x">: can\'t handle "x" for arg of type []string'],
    ["{{call .Id}}", "error calling call: non-function of type string"],
  ];
  for (const [template, message] of cases) {
    test(`execute() fails for ${template}`, () => {
      expect(() => run(template)).toThrow(message);
    });
  }
});
