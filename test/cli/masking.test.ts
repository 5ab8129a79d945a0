/** What is taken out of a text before somebody else reads it. */
import { expect, test } from "bun:test";
import { masked } from "../../src/cli/_masking";

test.each([
  "server --password hush",
  "server --password=hush",
  "redis-server --requirepass hush",
  "requirepass hush",
  '["server", "--api-key", "hush"]',
  "mysql -phush db",
  "curl -u bob:hush http://h/",
  "AWS_SECRET_ACCESS_KEY=hush",
  "DB_PASS=hush",
  "DB_PASS='hush hush'",
  "API_KEY: hush",
  "Authorization: Bearer hush",
  '"Authorization": "Basic hush"',
  "http://u:p@hush@h/",
  "http://u:hush/hush@h/",
  "HTTPS_PROXY=u:hush@h:3128",
  '{"token": "hush"}',
  'password = "hush \\"hush"',
  "sent bearer hushhushhush",
])("masked() takes out the secret of %s", (text) => {
  expect(masked(text)).not.toContain("hush");
  expect(masked(text)).toContain("…");
});

test.each([
  "docker.io/library/tiny:latest@sha256:0123",
  "tiny:latest@sha256:0123",
  "docker://127.0.0.1:5000/tiny@sha256:0123",
  "pull: unauthorized: authentication required",
  "REGISTRY_AUTH_FILE=/run/auth.json",
  "--password-file /run/p",
  "proa run -p 8080:80 -u 1000:1000 tiny",
  "run -p5000:80 tiny",
  "no such user in /etc/passwd: bob",
  "2026-11-22T19:04:15Z ok kernel 6.18",
])("masked() leaves %s", (text) => {
  expect(masked(text)).toBe(text);
});

test("masked() leaves a document one", () => {
  expect(JSON.parse(masked('{"token": "X", "password":"Y","n": 1}'))).toEqual({
    token: "…",
    password: "…",
    n: 1,
  });
});
