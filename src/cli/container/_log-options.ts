/** Where a new container's output is logged. */
import { EngineError } from "../../error";
import type { LogConfig } from "../../oci";
import type { Args, Values } from "../tree";

export const logArgs = {
  "log-driver": {
    type: "string",
    valueHint: "DRIVER",
    value: "log-driver",
    description: "Where the output is logged: json-file, local, journald, k8s-file, none",
    details:
      "json-file keeps everything unless max-size says otherwise; local keeps five files of 20 MB, the older ones compressed. Default: json-file, or as config.toml has it.",
  },
  "log-opt": {
    type: "string",
    multiple: true,
    valueHint: "NAME=VALUE",
    value: "log-option",
    description: "Option of the log: max-size, max-file, compress, tag, labels, env, mode, path",
    details:
      "max-size is that of one file, max-file their number, compress is for all but the newest; labels, labels-regex, env and env-regex choose what stands beside each line, tag is a text with fields such as {{.Name}}. A log in files never makes the container wait for a reader; mode=non-blocking drops what a journal does not take at once, of which max-buffer-size can wait.",
  },
} as const satisfies Args;

/** Type "" where the user named none. The driver's own options are checked with the spec. Throws `invalid`. */
export function logOptionsFrom(args: Values<typeof logArgs>): LogConfig {
  const Config = Object.fromEntries(
    args["log-opt"].map((line) => {
      const cut = line.indexOf("=");
      if (cut > 0) return [line.slice(0, cut), line.slice(cut + 1)];
      throw new EngineError("invalid", "log option", line, "expected NAME=VALUE");
    }),
  );
  return { Type: args["log-driver"] ?? "", Config };
}
