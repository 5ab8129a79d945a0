/** The schema, one step a version (`PRAGMA user_version`). A step that has been released is never edited. */
import { artifactSchema } from "./schema-artifacts";
import { idSchema } from "./schema-ids";
import { imageSchema } from "./schema-images";
import { lifeSchema } from "./schema-life";
import { listSchema } from "./schema-lists";
import { networkSchema } from "./schema-networks";
import { secretSchema } from "./schema-secrets";
import { storeSchema } from "./schema-store";
import { volumeSchema } from "./schema-volumes";

const containerSchema = `
CREATE TABLE container (
  id TEXT PRIMARY KEY CHECK (length(id) = 64),
  name TEXT NOT NULL UNIQUE,
  image_id TEXT,                    -- digest of the config, NULL for --rootfs
  image_ref TEXT NOT NULL,          -- as the user named it
  command TEXT NOT NULL,            -- entrypoint and arguments as ps shows them
  created_ms INTEGER NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('created', 'running', 'exited')),
  started_ms INTEGER NOT NULL DEFAULT 0,
  finished_ms INTEGER NOT NULL DEFAULT 0,
  exit_code INTEGER NOT NULL DEFAULT 0,
  error TEXT NOT NULL DEFAULT '',   -- why it could not start, or that its end was not seen
  auto_remove INTEGER NOT NULL CHECK (auto_remove IN (0, 1))
) STRICT, WITHOUT ROWID;
CREATE INDEX container_image ON container (image_id);
CREATE INDEX container_running ON container (status) WHERE status = 'running';
-- apart, so that lists need not read past it
CREATE TABLE container_spec (
  id TEXT PRIMARY KEY REFERENCES container (id) ON DELETE CASCADE,
  spec TEXT NOT NULL                -- ContainerSpec, JSON
) STRICT, WITHOUT ROWID;
`;

export const migrations: string[] = [
  [containerSchema, ...imageSchema].join("\n"),
  networkSchema.join("\n"),
  lifeSchema.join("\n"),
  volumeSchema.join("\n"),
  secretSchema.join("\n"),
  idSchema.join("\n"),
  listSchema.join("\n"),
  storeSchema.join("\n"),
  artifactSchema.join("\n"),
];
