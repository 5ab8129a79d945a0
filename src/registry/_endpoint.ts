/** Where a registry is, and whether it may be spoken to in the clear. */

/** Docker Hub answers under another name than images carry. */
const dockerHub = "registry-1.docker.io";

/** The URL of the API's root, in the clear for this machine's own registries, without a slash at its end: `https://registry-1.docker.io/v2`. */
export function endpointOf(domain: string): string {
  const host = domain === "docker.io" ? dockerHub : domain;
  return `${isLoopback(hostOf(domain)) ? "http" : "https"}://${host}/v2`;
}

/** `localhost:5000` as `localhost`, `[::1]:5000` as `::1`. */
export function hostOf(domain: string): string {
  if (domain.startsWith("[")) return domain.slice(1, domain.indexOf("]"));
  const colon = domain.indexOf(":");
  return colon < 0 ? domain : domain.slice(0, colon);
}

/** This machine, by the names that cannot mean another: localhost, 127.0.0.0/8, ::1. */
export function isLoopback(host: string): boolean {
  return (
    host === "localhost" ||
    host.endsWith(".localhost") ||
    host === "::1" ||
    /^127(?:\.\d{1,3}){3}$/.test(host)
  );
}

/** A URL for people: no user, no password, no query (both carry secrets of signed URLs). */
export function redacted(url: string | URL): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "(no URL)";
  }
}
