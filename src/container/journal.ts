/**
 * What the journal says of containers: docker's attributes, which are image, name and labels, and what
 * belongs to the action.
 */
import type { JournalRequest } from "../helper";
import type { ContainerSpec } from "../oci";
import { type Context, containerSpec, emit, replaceFile } from "../state";
import { nameFile } from "./places";
import { readSpec } from "./spec";

/** What of a row an event is told of. */
type Told = { id: string; name: string; image_ref: string };

/**
 * Write down that ACTION (`rename`, `kill`, `exec_create: ls`) happened to a container. Reads its labels
 * where the caller has no spec at hand.
 */
export function tell(
  context: Context,
  row: Told,
  Action: string,
  further: Record<string, string> = {},
  spec?: Pick<ContainerSpec, "Labels">,
): void {
  const Labels = spec ? spec.Labels : labelsOf(context, row.id);
  const Attributes = { ...Labels, image: row.image_ref, name: row.name, ...further };
  emit(context, { Type: "container", Action, ID: row.id, Attributes });
}

/** For an event of a container whose record will be gone by then. */
export function labelsFor(context: Context, id: string): Pick<ContainerSpec, "Labels"> {
  return { Labels: labelsOf(context, id) };
}

function labelsOf(context: Context, id: string): Record<string, string> {
  const text = containerSpec(context.db(), id);
  return text === null ? {} : readSpec(text).Labels;
}

/** For the helper, which tells of what happens when proa is not there. */
export function journalRequest(
  context: Context,
  name: string,
  image: string,
  Labels: Record<string, string>,
): JournalRequest {
  return { path: context.paths.events, name, attributes: { ...Labels, image } };
}

/** Let the supervisor of a container that has been renamed know. */
export function noteName(context: Context, id: string, name: string): void {
  try {
    replaceFile(nameFile(context, id), name);
  } catch {
    // it does not run: there is nobody to tell
  }
}
