import { closeSync, openSync } from "node:fs";
import { fetchLazily, type LazyRequest } from "../../image";
import { defineCommand } from "../tree";

/** `__lazy`: fetches an image whose containers start meanwhile. Its request comes on stdin, and its one answer goes to stdout. */
export const command = defineCommand({
  meta: { description: "Fetch an image that is used meanwhile", hidden: true },
  args: {},
  async run({ app }) {
    const request = JSON.parse(await Bun.stdin.text()) as LazyRequest;
    const quiet = Object.create(app.context, { warn: { value: () => undefined } }) as typeof app.context;
    await fetchLazily(quiet, request, (answer) => {
      app.io.stdout.write(`${JSON.stringify(answer)}\n`);
      closeSync(1); // who waits goes on
      openSync("/dev/null", "w"); // the lowest number that is free: 1 must not become that of something else
    });
  },
});
