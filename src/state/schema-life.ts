/** DDL of what a container's life leaves in its row, beside its status. */
export const lifeSchema: string[] = [
  "ALTER TABLE container ADD COLUMN user_stopped INTEGER NOT NULL DEFAULT 0 CHECK (user_stopped IN (0, 1));", // not to be started at boot by unless-stopped
  "ALTER TABLE container ADD COLUMN restart_count INTEGER NOT NULL DEFAULT 0;",
  "ALTER TABLE container ADD COLUMN oom_killed INTEGER NOT NULL DEFAULT 0 CHECK (oom_killed IN (0, 1));",
  "ALTER TABLE container ADD COLUMN health TEXT NOT NULL DEFAULT '';", // JSON of what the checks found last, '' where there were none
];
