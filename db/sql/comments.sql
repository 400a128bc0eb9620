-- What a table is for, and what a column means where its name does not say it. Parted by table, in the order of db/schema/.
comment on table audit.audit_events is
  'Workspace events: who did what to which resource, and when. Append-only, one partition a month (UTC).';
comment on column audit.audit_events.id is 'UUIDv7 of ours; unique as made by the insert functions.';
comment on column audit.audit_events.created_at is 'When the server stored it: the partition key and the order of events.';
comment on column audit.audit_events.occurred_at is 'When the caller says it happened.';
comment on column audit.audit_events.event_id is 'The caller''s natural key, unique in its workspace by audit_event_keys.';
comment on column audit.audit_events.changed_fields is
  'Top-level keys in which old and new values differ; computed when the caller gives none.';
comment on column audit.audit_events.txid is
  'The transaction that wrote it, set by the database: readers that must miss nothing go by it.';
comment on column audit.audit_events.deleted_at is 'Set when an approved erasure hid the event; reads leave it out.';

comment on table audit.audit_events_archive is
  'Events past their workspace''s hot retention, with the columns of audit_events. Append-only, one partition a month (UTC).';
comment on column audit.audit_events_archive.archived_at is
  'When it came here; the same for all events of a month that moved whole.';
comment on column audit.audit_events_archive.deleted_at is
  'Set when an approved erasure hid the event; archiving does not set it, and reads leave such events out.';

comment on table audit.audit_archive_pins is
  'Events that somebody brought back from the archive: they stay hot until pinned_until.';

comment on table audit.audit_retention_policies is
  'How long events stay where, per workspace. Ages count from created_at; every change is an event of the workspace.';
comment on column audit.audit_retention_policies.hot_retention_days is 'Age at which events may go into the archive.';
comment on column audit.audit_retention_policies.warm_archive_days is 'Age at which they may go into cold files.';
comment on column audit.audit_retention_policies.cold_retention_days is 'Age at which their purge may be proposed.';
comment on column audit.audit_retention_policies.is_compliance_mode is
  'Nothing of the workspace is deleted without an approval.';
comment on column audit.audit_retention_policies.updated_by_user_id is
  'app.user_id of the transaction, or the login; null while nobody has changed the defaults.';

comment on table audit.legal_holds is
  'What may not be deleted until the hold is released. All that a hold names has to fit; what is null fits everything.';
comment on column audit.legal_holds.subject_user_id is 'Fits what this user did, and resources with this id.';

comment on table audit.audit_event_keys is
  'Natural keys in use: a partitioned table cannot promise that they are unique. Append-only.';
comment on column audit.audit_event_keys.id is 'The event that was stored under this key first.';
comment on column audit.audit_event_keys.payload_hash is 'SHA-256 of what that event said, to tell a retry from a clash.';

comment on table audit.audit_event_sequence is
  'A watermark per workspace: no event may be dated more than 5 s before it. Advanced at most once a second.';
comment on column audit.audit_event_sequence.last_created_at is 'Never later than the clock was.';

comment on table audit.membership_source is
  'Where the membership check looks, as audit.set_membership_source() left it: no row means that it is off.';
comment on column audit.membership_source.id is 'Always the same value: there is one row at most.';
comment on column audit.membership_source.source_table is 'Schema and table, quoted as SQL wants them.';
comment on column audit.membership_source.set_by is 'The login that switched the check on.';

comment on table audit.audit_deletion_log is 'Every removal, written before anything is removed. Append-only.';
comment on column audit.audit_deletion_log.subject_type is 'What was removed: a project, a user''s events, a month.';
comment on column audit.audit_deletion_log.subject_id is 'Which one.';
comment on column audit.audit_deletion_log.deletion_authority is 'The law or rule it was removed under, such as GDPR.';
comment on column audit.audit_deletion_log.approval_ticket_id is 'Where its approval is written down.';

comment on table audit.projects is
  'Projects that may own message trails. A deleted one is hidden at once and swept in batches.';
comment on column audit.projects.trail_retention_days is 'Days after which its trails are deleted; the roll-up stays.';

comment on table audit.audit_trails is 'One row per AI message: what answered, with how much context, tokens and money.';
comment on column audit.audit_trails.message_id is 'The caller''s id, unique in its project.';
comment on column audit.audit_trails.status is 'placeholder until tokens and cost are known, then complete or failed.';
comment on column audit.audit_trails."timestamp" is 'When the message was answered: retention and roll-up go by it.';
comment on column audit.audit_trails.context_layers is 'How many layers of context went into the prompt.';
comment on column audit.audit_trails.prompt_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.audit_trails.completion_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.audit_trails.total_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.audit_trails.prompt_digest is 'Hash of the prompt, kept instead of its text.';
comment on column audit.audit_trails.context_digest is 'Hash of the context.';
comment on column audit.audit_trails.policy_digest is 'Hash of the policy the model ran under.';
comment on column audit.audit_trails.imported_at is 'When it came from a file, if it did: retention counts from then.';
comment on column audit.audit_trails.counted is 'What the roll-up has counted of it, so that a change adds the difference.';
comment on column audit.audit_trails.rollup_due is 'New or changed since it was counted; such a trail is never deleted.';

comment on table audit.audit_trail_rollup is
  'Totals per 15 minutes (UTC), project and model; kept for ever, so that a day is right in any time zone.';
comment on column audit.audit_trail_rollup.bucket_start is 'First moment of the 15 minutes.';
comment on column audit.audit_trail_rollup.unpriced_count is 'Complete messages without a total cost.';

comment on table audit.api_keys is 'API keys: the secret is shown once and kept only as its SHA-256.';
comment on column audit.api_keys.user_id is 'The person it acts for; an approval needs another one.';
comment on column audit.api_keys.secret_hash is 'SHA-256 of the secret.';
comment on column audit.api_keys.secret_prefix is 'First characters of the secret, to tell keys apart in a list.';
comment on column audit.api_keys.workspaces is 'Workspaces it may see; null means all.';
comment on column audit.api_keys.projects is 'Projects it may see; null means all.';
comment on column audit.api_keys.rotated_from is 'The key that it replaces; both work until the old one expires.';

comment on table audit.idempotency_keys is 'Answers of finished writes, kept 24 hours; each commits with its write.';
comment on column audit.idempotency_keys.request_hash is 'SHA-256 of the request, to refuse the key for another one.';
comment on column audit.idempotency_keys.status is 'The HTTP status that was answered.';
comment on column audit.idempotency_keys.body is 'The body that was answered.';

comment on table audit.job_schedules is 'One row per schedule: what the dead-man''s switch compares with the clock.';
comment on column audit.job_schedules.late_after_seconds is 'Without a success for so long the schedule is late.';
comment on column audit.job_schedules.watched_since is 'Before its first success, lateness counts from here.';

comment on table audit.job_runs is 'Runs of scheduled workflows, by the clock or by hand.';
comment on column audit.job_runs.engine_run_id is 'The workflow engine''s id of the run.';

comment on table audit.workflow_requests is
  'Events for the workflow engine, each committed with the row that asks for the workflow.';
comment on column audit.workflow_requests.event_id is 'Sent again under the same id until a workflow has picked it up.';
comment on column audit.workflow_requests.picked_up_at is 'When a workflow said that it has it.';

comment on table audit.alerts is 'What an operator must know; an open alert is raised again, not twice.';
comment on column audit.alerts.code is 'What kind of trouble.';
comment on column audit.alerts.subject is 'What it is about; one open alert per code and subject.';
comment on column audit.alerts.notified_at is 'When a message about it was last asked for; null until then.';

comment on table audit.alert_channels is 'How each way out has done: mail, or a webhook by the digest of its URL.';
comment on column audit.alert_channels.failing_since is 'First failure since the last message that arrived.';
comment on column audit.alert_channels.disabled_at is 'Nothing is sent there until a test message arrives.';

comment on table audit.alert_notifications is 'One message about an alert to one channel, with its attempts.';
comment on column audit.alert_notifications.id is 'The receiver''s key to tell a repeated delivery: webhook-id.';
comment on column audit.alert_notifications.request_id is 'The workflow request that asked for it.';
comment on column audit.alert_notifications.given_up_at is 'When its last attempt had failed, or its channel was off.';

comment on table audit.installation is
  'The id of this installation, in one row: its objects lie below it, so that several may share a storage.';
comment on table audit.database_home is 'Which Neon timeline is at home here; one row at most. A branch carries a copy of it.';

comment on table audit.audit_logs is
  'Row history: one row per change of a row in a tracked table, written by the capture triggers alone. Append-only, one partition a month.';
comment on column audit.audit_logs.id is 'In the order in which the changes of a row were made.';
comment on column audit.audit_logs.record_id is 'The row''s key: its text, or the JSON array of a composite one; the old key of an UPDATE.';
comment on column audit.audit_logs.new_record_id is 'The new key, where an UPDATE changed it.';
comment on column audit.audit_logs.old_values is 'The whole row before; what to_jsonb() makes of it, without excluded columns.';
comment on column audit.audit_logs.new_values is 'The whole row after an INSERT, the changed columns alone after an UPDATE.';
comment on column audit.audit_logs.exact_values is
  'Texts of the values in old and new that JSON cannot bring back bit for bit, by side and column; null when there are none.';
comment on column audit.audit_logs.user_id is 'Who did it: app.user_id of the same transaction.';
comment on column audit.audit_logs.request_id is 'In which request: app.request_id of the same transaction.';
comment on column audit.audit_logs.restore_id is 'The restore that did it, if one did.';
comment on column audit.audit_logs.txid is 'The transaction that made the change.';

comment on table audit.tracked_tables is 'Tables whose changes are captured, and each of their partitions, with how.';
comment on column audit.tracked_tables.relation is 'The table or partition, by its oid: names change.';
comment on column audit.tracked_tables.root is 'The table that was tracked: itself, or the one it is a partition of.';
comment on column audit.tracked_tables.key_columns is 'Numbers of the columns that make up record_id, in order.';
comment on column audit.tracked_tables.excluded_columns is 'Numbers of the columns that never reach the history.';
comment on column audit.tracked_tables.redacted_columns is 'Numbers of the columns whose changes are recorded without their values.';
comment on column audit.tracked_tables.ignored_columns is 'Numbers of the columns whose changes alone are not recorded.';
comment on column audit.tracked_tables.table_name is 'The root''s name when its tracking began, under which its history stands.';
comment on column audit.tracked_tables.columns is 'The columns at tracking time: name to number and type.';
comment on column audit.tracked_tables.as_events is 'The workspace events that a change also writes; null for none.';
comment on column audit.tracked_tables.body_md5 is 'MD5 of its trigger function as it was written: another one has replaced it.';
comment on column audit.tracked_tables.on_error is 'block: a change that cannot be recorded is refused; warn: it is let through.';
comment on column audit.tracked_tables.is_on is 'Whether the trigger function records, or does nothing.';

comment on table audit.untracked_tables is 'Tables that were tracked once, dropped ones too: their history is still found by its name.';
comment on column audit.untracked_tables.relation is 'The table, by its oid at that time.';
comment on column audit.untracked_tables.table_name is 'The name under which its history stands.';
comment on column audit.untracked_tables.tracked_at is 'Since when there is history.';

comment on table audit.capture_gaps is
  'Times in which changes of a tracked table went unrecorded; at most one row a minute for failures.';
comment on column audit.capture_gaps.reason is 'off: switched off by hand; error: a change could not be recorded and was let through.';
comment on column audit.capture_gaps.ended_at is 'Null while it lasts.';
comment on column audit.capture_gaps.detail is 'The error''s SQLSTATE.';
comment on column audit.capture_gaps.noted_by is 'The login that switched it off, or that wrote.';

comment on table audit.restore_runs is
  'Restores and rollbacks. A preview is a run with status planned; starting it moves the same row on.';
comment on column audit.restore_runs.digest is 'SHA-256 of all that the plan rests on: starting it asks for it.';
comment on column audit.restore_runs.tables is 'Per table: its relation, its name, how many rows are inserted, updated and deleted, the columns that get the time of the restore.';
comment on column audit.restore_runs.chunk_starts is 'The position of each chunk''s first item; a chunk is one transaction.';
comment on column audit.restore_runs.epoch is 'Counted up when the run is resumed or abandoned: a workflow of an earlier epoch stops.';
comment on column audit.restore_runs.heartbeat_at is 'When a step of it last began; long ago means that nobody works on it.';
comment on column audit.restore_runs.effects_repeat is 'How often its side effects were asked for again.';
comment on table audit.restore_items is
  'What a restore does, row by row, in the order in which it does it. Written once, with the plan.';
comment on column audit.restore_items.live_record_id is 'The key of the row that is there now; null where there is none.';
comment on column audit.restore_items.origin is 'Asked for (target), went with a row that comes back (child), or referenced by one (parent).';
comment on column audit.restore_items.columns is 'The columns that an UPDATE sets; the whole image otherwise.';
comment on column audit.restore_items.target is 'The row as it is to be, its columns as they are today; null where it is to go.';
comment on column audit.restore_items.live_digest is 'SHA-256 of the whole live row, hidden columns included: it is written only while it is still so.';
comment on table audit.restore_outcomes is 'What became of an item, written in the transaction that did it.';
comment on column audit.restore_outcomes.digest is 'SHA-256 of the row as the statement left it.';
comment on table audit.restore_chunks is 'Chunks that are applied; the row commits with the chunk, so a retry finds it done.';
comment on table audit.restore_snapshot_rows is 'Rows as they were before a restore; a row that was not there has no entry.';
comment on table audit.restore_steps is 'Each attempt of each step of a restore: when it began and ended, and what came of it.';
comment on table audit.restore_effects is
  'Cache keys flushed, jobs enqueued and addresses checked after a restore, so that a repeated step does none twice.';
comment on column audit.restore_effects.repeat is '0 for the restore itself, one more for each time that its side effects were asked for again.';

comment on table audit.cold_months is
  'Files that months of the archive were written to: read from dropped_at until purged_at. The numbers are those of the verification.';
comment on column audit.cold_months.part is 'Files of a month are numbered as they were written; a month with late events goes on counting.';
comment on column audit.cold_months.object_key is 'Where it lies below ARCHIVE_URL.';
comment on column audit.cold_months.min_workspace_id is 'The least by code points, as max_workspace_id is the greatest.';
comment on column audit.cold_months.workspaces is 'All that have an event in it: a hold on one of them may concern the file.';
comment on column audit.cold_months.last_workspace_id is 'With last_created_at and last_id the key of its last row: the next part begins after it.';
comment on column audit.cold_months.rows_digest is 'SHA-256 over the SHA-256 of each line of archive_lines, in the order of the file.';
comment on column audit.cold_months.row_marks is 'The sum of archive_lines.mark when it was verified.';
comment on column audit.cold_months.sha256 is 'Of the object as stored.';
comment on column audit.cold_months.chunk_digests is 'SHA-256 of each chunk_bytes of the object, one after the other: a range is checked without the rest.';
comment on column audit.cold_months.schema_version is 'What services/cold/columns.ts called its columns then.';
comment on column audit.cold_months.encryption is 'Algorithm and name of the key; null when the object is not encrypted.';
comment on column audit.cold_months.dropped_at is 'When the table of the month was dropped: from then on searches read the file.';
comment on column audit.cold_months.purged_at is 'When an approved purge took it from readers.';
comment on column audit.cold_months.removed_at is 'When its object was gone from the storage.';

comment on table audit.cold_objects is
  'Objects that were written for cold files, or are just being written: noted before. What no file needs is removed when its month is done; nothing else is.';
comment on table audit.cold_returns is
  'Events that came back from a cold file to hot storage: the file''s copy is not shown while an entry is here.';
comment on column audit.cold_returns.content_digest is
  'audit.content_digest() of its line in the file: an event that is still the same need not be written again.';

comment on table audit.purges is 'Proposals to remove cold files for good: another person decides, once.';
comment on column audit.purges.files is 'The cold_months that it names; never changed.';
comment on column audit.purges.requested_by_user_id is 'Who had it proposed; null when the schedule did.';
comment on column audit.purges.decision is 'The API writes it, which no workflow can: status alone lets nothing go.';
comment on column audit.purges.report is 'What became of each file.';

comment on table audit.retention_cleanups is
  'How far each rule of the retention came in each run of retention-cleanup: a repeated step goes on where the last one ended.';
comment on column audit.retention_cleanups.rule_digest is 'SHA-256 of the rule: a run ends with a rule that is no longer so.';
comment on column audit.retention_cleanups.rule is 'The rule in words.';
comment on column audit.retention_cleanups.as_of is 'The time from which the run counts ages.';
comment on column audit.retention_cleanups.due_count is 'Rows that were due when the run began, up to a million and one.';
comment on column audit.retention_cleanups.deletion_id is 'Its entry in the deletion log; null where nothing was due.';
comment on column audit.retention_cleanups.last_key is 'The key of the last row that was looked at.';
comment on column audit.retention_cleanups.kept_count is 'Due rows that stay, because rows of other tables reference them.';
comment on column audit.retention_cleanups.problem is 'What kept the rule from being carried out, in words.';

comment on table audit.history_floor is
  'Since when the row history is kept: one row, none until its first month was dropped.';
comment on column audit.history_floor.is_only is 'Always true: there is one row at most.';
comment on column audit.history_floor.split_transactions is 'Transactions of which a part lies before the floor: they cannot be undone whole.';
comment on column audit.history_floor.deletion_id is 'The entry in the deletion log of the month that was dropped last.';

comment on table audit.weekly_reports is 'What happened in a week, as it was counted on the Monday after; it does not change later.';
comment on column audit.weekly_reports.week is 'An ISO week, Monday to Sunday (UTC): 2026-W47.';
comment on column audit.weekly_reports.id is 'The Message-ID of its mail, however often that is sent.';
