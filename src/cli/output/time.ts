/** Times for people, as docker prints them (go-units' HumanDuration). */

/** `About a minute`, `3 hours`: a span of time, rounded to its largest unit. */
export function humanDuration(durationMs: number): string {
  const seconds = Math.trunc(durationMs / 1000);
  if (seconds < 1) return "Less than a second";
  if (seconds === 1) return "1 second";
  if (seconds < 60) return `${seconds} seconds`;
  const minutes = Math.trunc(seconds / 60);
  if (minutes === 1) return "About a minute";
  if (minutes < 60) return `${minutes} minutes`;
  const hours = Math.floor(durationMs / 3_600_000 + 0.5);
  if (hours === 1) return "About an hour";
  if (hours < 48) return `${hours} hours`;
  const days = Math.trunc(hours / 24);
  if (hours < 24 * 7 * 2) return `${days} days`;
  if (hours < 24 * 30 * 2) return `${Math.trunc(days / 7)} weeks`;
  if (hours < 24 * 365 * 2) return `${Math.trunc(days / 30)} months`;
  return `${Math.trunc(durationMs / 3_600_000 / 24 / 365)} years`;
}

/** `2 hours ago`. A time in the future counts as now: clocks differ. */
export function timeAgo(thenMs: number, nowMs: number): string {
  return `${humanDuration(nowMs - thenMs)} ago`;
}

/** `2026-11-22 08:07:06 +0000 UTC`: a point in time as `{{.CreatedAt}}` prints it, in the zone of the user. */
export function localTime(ms: number): string {
  const date = new Date(ms);
  const offset = -date.getTimezoneOffset();
  const two = (value: number) => String(Math.trunc(value)).padStart(2, "0");
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const sign = offset < 0 ? "-" : "+";
  const zone = `${sign}${two(Math.abs(offset) / 60)}${two(Math.abs(offset) % 60)}`;
  return `${day} ${time} ${zone} ${zoneName(date, zone)}`;
}

/** The zone's letters ("CET"), as Go prints them; where it has none, its offset ("+03"). */
function zoneName(date: Date, zone: string): string {
  const { zoneLetters } = require("./zone-name") as typeof import("./zone-name");
  const letters = zoneLetters(process.env.TZ, date.getTime());
  if (letters !== undefined && letters !== "") return letters;
  const parts = new Intl.DateTimeFormat("en-US", { timeZoneName: "short" }).formatToParts(date);
  const name = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  if (/^[A-Z]{2,5}$/.test(name)) return name;
  return zone.endsWith("00") ? zone.slice(0, 3) : zone;
}
