/** Values that are words, and the paths that stand behind some of them. */
import { logDrivers, logOptionNames, POLICIES } from "../../oci";
import { capabilityNames, platformNames, signalNames } from "../_value-names";
import { behind, cutFirst, listOf, offer, type Provider, told } from "./candidates";
import { hostPaths } from "./host";

/** In the letters that were begun with, with or without SIG. */
export const signals: Provider = ({ prefix }) => {
  const head = /^sig/i.test(prefix) ? "SIG" : "";
  const names = signalNames.map((name) => head + name);
  return offer(/^[a-z]/.test(prefix) ? names.map((name) => name.toLowerCase()) : names);
};

export const capabilities: Provider = listOf(({ prefix }) => {
  const isLong = /^cap_/i.test(prefix);
  const names = capabilityNames.map((name) => (isLong && name !== "ALL" ? `CAP_${name}` : name));
  return offer(/^[a-z]/.test(prefix) ? names.map((name) => name.toLowerCase()) : names);
});

export const platforms: Provider = () => offer(platformNames);

const partOf =
  (at: number): Provider =>
  () =>
    offer(new Set(platformNames.flatMap((name) => name.split("/")[at] ?? [])));

export const oses: Provider = partOf(0);
export const architectures: Provider = partOf(1);
export const variants: Provider = partOf(2);

export const restartPolicies: Provider = () => offer([...POLICIES, "on-failure:"]);

export const logDriverNames: Provider = () => offer(logDrivers);

const LOG_VALUES: Readonly<Record<string, readonly string[]>> = {
  "mode=": ["blocking", "non-blocking"],
  "compress=": ["true", "false"],
  "tag=": ["{{.Name}}", "{{.ID}}", "{{.FullID}}", "{{.ImageName}}", "{{.ImageID}}", "{{.DaemonName}}"],
};

/** Options that the driver knows which is named on the line. */
export const logOptions: Provider = ({ app, prefix, flags }) => {
  const cut = cutFirst(prefix, "=");
  if (cut === undefined)
    return offer(logOptionNames(flags.get("log-driver")?.at(-1)).map((name) => `${name}=`));
  if (cut[0] === "path=") return hostPaths(app.env, cut[1], "all", cut[0]);
  return behind(cut[0], offer(LOG_VALUES[cut[0]] ?? []));
};

const SECURITY_VALUES: Readonly<Record<string, readonly string[]>> = {
  "no-new-privileges:": ["true", "false"],
  "no-new-privileges=": ["true", "false"],
  "seccomp=": ["unconfined", "builtin"],
  "label=": ["disable"],
  "apparmor=": ["unconfined"],
  "systempaths=": ["unconfined"],
  "unmask=": ["ALL", "/proc/", "/sys/"],
  "mask=": ["/proc/", "/sys/"],
  "proc-opts=": ["hidepid=0", "hidepid=1", "hidepid=2", "subset=pid"],
  "writable-cgroups=": ["true", "false"],
};

/** Options of --security-opt; a filter's or a masked path stands on this host too. */
export const securityOptions: Provider = ({ app, prefix }) => {
  const key = Object.keys(SECURITY_VALUES).find((each) => prefix.startsWith(each));
  if (key === undefined) {
    const keys = Object.keys(SECURITY_VALUES).filter((each) => each !== "no-new-privileges=");
    return offer([
      "no-new-privileges",
      "writable-cgroups",
      ...keys.filter((each) => each !== "no-new-privileges:" || prefix !== ""),
    ]);
  }
  const head = prefix.slice(0, Math.max(key.length, /mask=$/.test(key) ? prefix.lastIndexOf(":") + 1 : 0));
  const typed = prefix.slice(head.length);
  const isPath = typed.includes("/") || (key === "seccomp=" && typed !== "");
  const paths = isPath ? hostPaths(app.env, typed) : [];
  return behind(head, [...offer(SECURITY_VALUES[key] ?? []), ...paths]);
};

const ULIMITS =
  "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack".split(
    " ",
  );

export const ulimits: Provider = ({ prefix }) =>
  prefix.includes("=")
    ? []
    : [...offer(ULIMITS.map((name) => `${name}=`)), told("host", "the limits of who runs proa")];

/** Dockerfile's instructions that change an image's configuration. */
export const instructions: Provider = ({ prefix }) =>
  offer(
    "CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR"
      .split(" ")
      .map((word) => (/^[a-z]/.test(prefix) ? word.toLowerCase() : word)),
  );
