/** Every alert that the service can raise, and what it means in a sentence. Each has an entry in docs/ALERTS.md. */
export const alertCodes = {
  "job.failed": "A workflow has used up its retries.",
  "job.stuck": "A run began and never ended.",
  "schedule.late": "A schedule has had no success for longer than it may.",
  "partitions.missing": "A table has fewer months ahead of it than it should.",
  "archive.busy": "Months that are due could not be moved into the archive, because the tables were busy.",
  "guards.open": "The log can be changed, because guards are off or replaced.",
  "capture.off": "The recording of row changes is switched off.",
  "capture.gap": "Changes of a tracked table could not be recorded, and were let through.",
  "capture.broken": "A tracked table, or a partition of it, is not recorded: triggers are off or missing.",
  "access.refused": "Many requests in a minute were refused.",
  "channel.disabled": "Alerts no longer reach one of their channels.",
  "restore.failed": "A restore could not be carried out, or not to its end.",
  "restore.needs-attention": "A restore ended, and not everything is as it was to be.",
  "restore.silent": "A restore was begun, and nobody works on it any more.",
  "archive.away": "The storage of cold files cannot be reached.",
  "archive.unsound": "A month could not be written to cold files as it is; it stays in the archive.",
  "archive.damaged": "A cold file is missing, or is not what was stored.",
  "purge.waiting": "Cold files are past their retention, and somebody has to approve that they go.",
  "purge.incomplete": "A purge that was approved left files.",
  "retention.failed": "Rules that delete old rows of the application's tables were not carried out.",
  "history.overdue": "A month of the row history is past its time, and could not be dropped.",
  "model.unpriced": "Messages of a model are stored without a cost.",
  "alert.test": "Somebody tries whether alerts arrive. Nothing is wrong.",
} as const;

export type AlertCode = keyof typeof alertCodes;

/** Their subject is a word of a caller's, which no log holds. */
export const subjectsOfCallers: ReadonlySet<AlertCode> = new Set(["model.unpriced"]);

export const isAlertCode = (code: string): code is AlertCode => Object.hasOwn(alertCodes, code);

/** Where an alert of a code is explained: `base`, the address of docs/ALERTS.md, and GitHub's anchor of the heading. */
export const docsLink = (base: string, code: string) => `${base}#${code.replaceAll(".", "")}`;
