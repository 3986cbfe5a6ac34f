import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/**
 * When the newest backup in a folder was finished, in milliseconds since 1970; null: there is none, or the folder cannot be
 * read. `kilde backup` gives a file its name once the copy is complete.
 */
export async function newestBackupMs(folder: string | null): Promise<number | null> {
  if (folder === null) return null;
  const names = await readdir(folder).catch(() => []);
  const backups = names.filter((name) => name.endsWith(".db")).map((name) => join(folder, name));
  const times = await Promise.all(
    backups.map((file) =>
      stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  );
  const newest = Math.max(0, ...times);
  return newest === 0 ? null : newest;
}

/**
 * The newest backup for the metrics: null without a folder; 0, so that the alert for old backups fires, if the folder has none or
 * cannot be read.
 */
export async function backupTimestampMs(folder: string | undefined): Promise<number | null> {
  return folder === undefined ? null : ((await newestBackupMs(folder)) ?? 0);
}
