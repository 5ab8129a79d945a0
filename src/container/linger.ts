/** Whether the user's service manager, and what it has made, outlives the last login. */
import { existsSync } from "node:fs";
import { userInfo } from "node:os";
import type { Context } from "../state";
import { tellOnce } from "./told";

const LINGERING = "/var/lib/systemd/linger"; // logind keeps a file here for each user

/** Say once that a container in the background ends with the last login, where it does. */
export function tellOfLinger(context: Context): void {
  if (context.uid === 0) return;
  tellOnce(context, "linger", () => {
    const { username } = userInfo();
    if (existsSync(`${LINGERING}/${username}`)) return null;
    return `this container ends when you log out everywhere: your service manager is not lingering; to have it live on: loginctl enable-linger ${username}`;
  });
}
