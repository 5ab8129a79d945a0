import { EngineError } from "../error";
import { type ContainerSpec, NO_RESTART } from "../oci";
import { type ContainerRow, type Context, containerSpec } from "../state";

/** The record of a container, as it was created. Throws `not-found`. */
export function specOf(context: Context, row: ContainerRow): ContainerSpec {
  const text = containerSpec(context.db(), row.id);
  if (text === null)
    throw new EngineError("not-found", "container", row.name, "it was removed", { exitCode: 1 });
  return readSpec(text);
}

/** A record as it is stored. Those of a proa that had no networks lack what belongs to them. */
export function readSpec(text: string): ContainerSpec {
  const stored: Partial<ContainerSpec> = JSON.parse(text);
  const ofHost = {
    RestartPolicy: NO_RESTART,
    PortBindings: {},
    PublishAllPorts: false,
    Dns: [],
    DnsSearch: [],
    DnsOptions: [],
  };
  return {
    Timeout: 0,
    ExposedPorts: {},
    NetworkingConfig: { EndpointsConfig: {} },
    ...stored,
    HostConfig: { ...ofHost, ...stored.HostConfig },
  } as ContainerSpec;
}
