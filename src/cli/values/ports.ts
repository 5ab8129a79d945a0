/** Ports: of an image, and of a container that runs. */
import { openPorts } from "../../container";
import { behind, offer, type Provider, told } from "./candidates";
import { database } from "./database";
import { containerNamed, exposedPorts } from "./inside";

/** [ADDRESS:][HOST:]PORT[/PROTOCOL], by what the image says it listens at. */
export const publishedPort: Provider = (request) => {
  const { prefix } = request;
  const slash = prefix.lastIndexOf("/") + 1;
  if (slash > 0) return behind(prefix.slice(0, slash), offer(["tcp", "udp"]));
  const head = prefix.slice(0, prefix.lastIndexOf(":") + 1);
  const ports = exposedPorts(request).map((port) => port.replace(/\/tcp$/, ""));
  if (head !== "") return behind(head, offer(ports));
  const addresses = offer(["127.0.0.1:", "0.0.0.0:", "[::1]:"]);
  const pairs = ports
    .filter((port) => !port.includes("/"))
    .map((port) => told(`${port}:${port}`, "the same port of the host"));
  return [...pairs, ...offer(ports), ...addresses];
};

export const exposedPort: Provider = (request) => {
  const slash = request.prefix.indexOf("/") + 1;
  if (slash > 0) return behind(request.prefix.slice(0, slash), offer(["tcp", "udp", "sctp"]));
  return offer(exposedPorts(request));
};

/** What the container in front has published. */
export const openPort: Provider = ({ app, before }) => {
  const row = before[0] === undefined || database(app) === null ? null : containerNamed(app, before[0]);
  if (row === null) return [];
  return openPorts(app.context, row.id).map(({ protocol, containerPort, hostAddress, hostPort }) =>
    told(`${containerPort}/${protocol}`, `${hostAddress}:${hostPort}`),
  );
};
