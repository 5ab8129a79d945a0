/** What proa has written down, and what killed commands have left. */
import type { HostFacts } from "./facts";
import { fail, ok, type Verdict, warn } from "./finding";

export function checkDatabase({ database, data, user }: HostFacts): Verdict {
  if ("ok" in database) return ok(`it opens; ${database.ok.containers} containers`);
  return fail(
    database.failed,
    "no command works that knows of containers or images",
    database.hint ??
      `sudo chown ${user} ${data.path} ${data.path}/state.db* && chmod u+rwx ${data.path} && chmod u+rw ${data.path}/state.db*`,
  );
}

export function checkLeftovers({ killed, unfinished, lost }: HostFacts): Verdict {
  if (killed.length > 0)
    return warn(
      `the supervisor of ${namesText(killed)} was killed`,
      "its exit status is lost, and the container counts as running until somebody looks",
      "proa ps -a",
    );
  if (lost.length > 0)
    return warn(
      `the files of ${namesText(lost)} are gone`,
      "it can only be removed",
      "proa system check --repair --force --quick",
    );
  if (unfinished > 0)
    return warn(
      `${unfinished} ${unfinished === 1 ? "start or removal was" : "starts or removals were"} killed in the middle`,
      "their files take space until the next container is made",
      "proa system prune -f",
    );
  return ok("nothing is left of killed commands");
}

const SHOWN = 3;

function namesText(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(", ");
  return names.length > SHOWN ? `${shown} and ${names.length - SHOWN} more` : shown;
}

export function checkConfiguration({ configuration, configurationFile }: HostFacts): Verdict {
  if ("ok" in configuration) return ok(configuration.ok);
  return fail(
    configuration.failed,
    "commands that need a setting fail",
    `correct ${configurationFile}${configuration.hint === undefined ? "" : `: ${configuration.hint}`}`,
  );
}

export function checkRegistries({ registries }: HostFacts): Verdict {
  if ("ok" in registries)
    return ok(
      registries.ok.files === 0 ? "no registries.conf: what is built in" : `${registries.ok.files} entries`,
    );
  return fail(registries.failed, "nothing can be pulled or pushed", registries.hint ?? "correct the file");
}

export function checkCredentials({ authFiles }: HostFacts): Verdict {
  for (const file of authFiles) {
    if (file.fault !== "") return fail(file.fault, "registries are not logged in to", `correct ${file.path}`);
    const missing = file.helpers.find(({ isThere }) => !isThere);
    if (missing)
      return warn(
        `${file.path} asks docker-credential-${missing.name}, which is not in PATH`,
        "registries whose credentials it keeps refuse pulls and pushes",
        `install docker-credential-${missing.name}, or take it out of ${file.path}`,
      );
    if (file.isOpen)
      return warn(
        `others may read ${file.path}`,
        "they can pull and push in your name",
        `chmod 600 ${file.path}`,
      );
  }
  return ok(authFiles.length === 0 ? "no log-ins" : authFiles.map(({ path }) => path).join(", "));
}
