-- The schema as it stands in the database, for reading: written by `npm run schema`, compared by a test, applied by
-- nobody. Month partitions are left out; they look like their parents.

-- Roles

-- audit_app: login, TimeZone=UTC, idle_in_transaction_session_timeout=15s, jit=off, lock_timeout=5s, search_path=audit, public, statement_timeout=10s
-- audit_keeper: nologin
-- audit_lookup: nologin
-- audit_owner: nologin, member of audit_lookup, member of audit_recorder
-- audit_recorder: nologin
-- audit_worker: login, TimeZone=UTC, idle_in_transaction_session_timeout=60s, jit=off, lock_timeout=5s, search_path=audit, public, statement_timeout=60s

-- Tables

create table audit.alert_channels (
  channel text not null,
  last_delivered_at timestamp with time zone,
  failing_since timestamp with time zone,
  last_error text,
  disabled_at timestamp with time zone,
  constraint alert_channels_pkey PRIMARY KEY (channel)
);

create table audit.alert_notifications (
  id uuid not null default audit.uuid_v7(),
  request_id uuid not null,
  channel text not null,
  alert_id uuid not null,
  kind text not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  attempts integer not null default 0,
  last_attempt_at timestamp with time zone,
  last_error text,
  delivered_at timestamp with time zone,
  given_up_at timestamp with time zone,
  constraint check_notification_kind CHECK ((kind = ANY (ARRAY['raised'::text, 'reminded'::text, 'resolved'::text]))),
  constraint alert_notifications_alert_id_alerts_id_fk FOREIGN KEY (alert_id) REFERENCES audit.alerts(id),
  constraint alert_notifications_pkey PRIMARY KEY (id)
);
CREATE INDEX alert_notifications_alert ON audit.alert_notifications USING btree (alert_id, created_at);
CREATE UNIQUE INDEX alert_notifications_once ON audit.alert_notifications USING btree (request_id, channel);

create table audit.alerts (
  id uuid not null default audit.uuid_v7(),
  code text not null,
  subject text not null,
  severity text not null,
  message text not null,
  details jsonb not null default '{}'::jsonb,
  raised_at timestamp with time zone not null default clock_timestamp(),
  last_raised_at timestamp with time zone not null default clock_timestamp(),
  raise_count integer not null default 1,
  acknowledged_at timestamp with time zone,
  acknowledged_by_user_id text,
  resolved_at timestamp with time zone,
  notified_at timestamp with time zone,
  constraint check_alert_severity CHECK ((severity = ANY (ARRAY['warning'::text, 'critical'::text]))),
  constraint alerts_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX alerts_open ON audit.alerts USING btree (code, subject) WHERE (resolved_at IS NULL);
CREATE INDEX alerts_raised_at ON audit.alerts USING btree (raised_at);

create table audit.api_keys (
  id uuid not null default audit.uuid_v7(),
  name text not null,
  user_id text not null,
  secret_hash bytea not null,
  secret_prefix text not null,
  scopes text[] not null,
  workspaces text[],
  projects text[],
  created_at timestamp with time zone not null default clock_timestamp(),
  created_by_user_id text not null,
  expires_at timestamp with time zone,
  revoked_at timestamp with time zone,
  last_used_at timestamp with time zone,
  rotated_from uuid,
  constraint check_key_owner_length CHECK (((length(user_id) >= 1) AND (length(user_id) <= 200))),
  constraint check_key_scopes_not_empty CHECK ((cardinality(scopes) > 0)),
  constraint check_key_secret_hash_length CHECK ((octet_length(secret_hash) = 32)),
  constraint api_keys_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX api_keys_secret_hash ON audit.api_keys USING btree (secret_hash);

create table audit.audit_archive_pins (
  event_id uuid not null,
  event_created_at timestamp with time zone not null,
  workspace_id text not null,
  pinned_until timestamp with time zone not null,
  pinned_at timestamp with time zone not null default clock_timestamp(),
  pinned_by_user_id text not null,
  reason text,
  constraint audit_archive_pins_pkey PRIMARY KEY (event_created_at, event_id)
);

create table audit.audit_deletion_log (
  id uuid not null default audit.uuid_v7(),
  deleted_at timestamp with time zone not null default clock_timestamp(),
  deleted_by_user_id text not null,
  subject_type text not null,
  subject_id text not null,
  deletion_authority text,
  deletion_reason text,
  approval_ticket_id text,
  is_irrevocable boolean not null default true,
  details jsonb not null default '{}'::jsonb,
  constraint check_deletion_subject_not_empty CHECK (((subject_type <> ''::text) AND (subject_id <> ''::text))),
  constraint audit_deletion_log_pkey PRIMARY KEY (id)
);
CREATE INDEX audit_deletion_log_deleted_at ON audit.audit_deletion_log USING btree (deleted_at);
CREATE INDEX audit_deletion_log_subject ON audit.audit_deletion_log USING btree (subject_id, subject_type);

create table audit.audit_event_keys (
  workspace_id text not null,
  event_id text not null,
  id uuid not null,
  payload_hash bytea not null,
  constraint audit_event_keys_pkey PRIMARY KEY (workspace_id, event_id)
);

create table audit.audit_event_sequence (
  workspace_id text not null,
  last_event_id uuid,
  last_created_at timestamp with time zone not null,
  constraint audit_event_sequence_pkey PRIMARY KEY (workspace_id)
);

create table audit.audit_events (
  id uuid not null default audit.uuid_v7(),
  created_at timestamp with time zone not null default clock_timestamp(),
  occurred_at timestamp with time zone,
  event_id text,
  workspace_id text,
  created_by_user_id text,
  action_type text not null,
  resource_type text not null,
  resource_id text not null,
  old_values jsonb,
  new_values jsonb,
  changed_fields text[],
  ip_address inet,
  user_agent text,
  request_id text,
  tags text[],
  metadata jsonb,
  txid xid8 not null default pg_current_xact_id(),
  deleted_at timestamp with time zone,
  deleted_by_user_id text,
  deletion_reason text,
  constraint check_action_type_not_empty CHECK ((btrim(action_type) <> ''::text)),
  constraint check_created_at_not_future CHECK ((created_at <= (clock_timestamp() + '00:01:00'::interval))),
  constraint check_created_by_user_id_not_null CHECK (((created_by_user_id IS NOT NULL) AND (created_by_user_id <> ''::text))),
  constraint check_id_lengths CHECK (((GREATEST(length(action_type), length(resource_type), length(resource_id), length(workspace_id), length(created_by_user_id), length(event_id)) <= 200) AND (resource_id <> ''::text))),
  constraint check_new_values_not_empty CHECK (((new_values IS NULL) OR ((jsonb_typeof(new_values) = 'object'::text) AND (new_values <> '{}'::jsonb)))),
  constraint check_occurred_at_finite CHECK (isfinite(occurred_at)),
  constraint check_old_values_not_empty CHECK (((old_values IS NULL) OR ((jsonb_typeof(old_values) = 'object'::text) AND (old_values <> '{}'::jsonb)))),
  constraint check_resource_type_not_empty CHECK ((btrim(resource_type) <> ''::text)),
  constraint check_workspace_id_not_null CHECK (((workspace_id IS NOT NULL) AND (workspace_id <> ''::text))),
  constraint audit_events_pkey PRIMARY KEY (id, created_at)
) partition by RANGE (created_at);
CREATE INDEX audit_events_actor ON ONLY audit.audit_events USING btree (workspace_id, created_by_user_id, created_at, id);
CREATE INDEX audit_events_created ON ONLY audit.audit_events USING btree (created_at, id);
CREATE INDEX audit_events_resource ON ONLY audit.audit_events USING btree (workspace_id, resource_type, resource_id, created_at, id);
CREATE INDEX audit_events_workspace ON ONLY audit.audit_events USING btree (workspace_id, created_at, id);

create table audit.audit_events_archive (
  id uuid not null default audit.uuid_v7(),
  created_at timestamp with time zone not null default clock_timestamp(),
  occurred_at timestamp with time zone,
  event_id text,
  workspace_id text,
  created_by_user_id text,
  action_type text not null,
  resource_type text not null,
  resource_id text not null,
  old_values jsonb,
  new_values jsonb,
  changed_fields text[],
  ip_address inet,
  user_agent text,
  request_id text,
  tags text[],
  metadata jsonb,
  txid xid8 not null default pg_current_xact_id(),
  deleted_at timestamp with time zone,
  deleted_by_user_id text,
  deletion_reason text,
  archived_at timestamp with time zone not null default now(),
  constraint check_action_type_not_empty CHECK ((btrim(action_type) <> ''::text)),
  constraint check_created_at_not_future CHECK ((created_at <= (clock_timestamp() + '00:01:00'::interval))),
  constraint check_created_by_user_id_not_null CHECK (((created_by_user_id IS NOT NULL) AND (created_by_user_id <> ''::text))),
  constraint check_id_lengths CHECK (((GREATEST(length(action_type), length(resource_type), length(resource_id), length(workspace_id), length(created_by_user_id), length(event_id)) <= 200) AND (resource_id <> ''::text))),
  constraint check_new_values_not_empty CHECK (((new_values IS NULL) OR ((jsonb_typeof(new_values) = 'object'::text) AND (new_values <> '{}'::jsonb)))),
  constraint check_occurred_at_finite CHECK (isfinite(occurred_at)),
  constraint check_old_values_not_empty CHECK (((old_values IS NULL) OR ((jsonb_typeof(old_values) = 'object'::text) AND (old_values <> '{}'::jsonb)))),
  constraint check_resource_type_not_empty CHECK ((btrim(resource_type) <> ''::text)),
  constraint check_workspace_id_not_null CHECK (((workspace_id IS NOT NULL) AND (workspace_id <> ''::text))),
  constraint audit_events_archive_pkey PRIMARY KEY (id, created_at)
) partition by RANGE (created_at);
CREATE INDEX audit_events_archive_actor ON ONLY audit.audit_events_archive USING btree (workspace_id, created_by_user_id, created_at, id);
CREATE INDEX audit_events_archive_created ON ONLY audit.audit_events_archive USING btree (created_at, id);
CREATE INDEX audit_events_archive_resource ON ONLY audit.audit_events_archive USING btree (workspace_id, resource_type, resource_id, created_at, id);
CREATE INDEX audit_events_archive_workspace ON ONLY audit.audit_events_archive USING btree (workspace_id, created_at, id);

create table audit.audit_logs (
  id bigint not null default nextval('audit.audit_logs_id_seq'::regclass),
  created_at timestamp with time zone not null default clock_timestamp(),
  table_schema text not null,
  table_name text not null,
  record_id text not null,
  new_record_id text,
  action text not null,
  old_values jsonb,
  new_values jsonb,
  changed_fields text[],
  exact_values jsonb,
  user_id text,
  request_id text,
  restore_id uuid,
  txid xid8 not null default pg_current_xact_id()
) partition by RANGE (created_at);
CREATE INDEX audit_logs_created ON ONLY audit.audit_logs USING brin (created_at);
CREATE INDEX audit_logs_new_record ON ONLY audit.audit_logs USING btree (table_name, new_record_id, id) WHERE (new_record_id IS NOT NULL);
CREATE INDEX audit_logs_record ON ONLY audit.audit_logs USING btree (table_name, record_id, id);
CREATE INDEX audit_logs_transaction ON ONLY audit.audit_logs USING btree (txid);

create table audit.audit_retention_policies (
  workspace_id text not null,
  hot_retention_days integer not null default 90,
  warm_archive_days integer not null default 365,
  cold_retention_days integer not null default 2555,
  is_compliance_mode boolean not null default false,
  compliance_reason text,
  created_at timestamp with time zone not null default clock_timestamp(),
  updated_at timestamp with time zone not null default clock_timestamp(),
  updated_by_user_id text,
  constraint check_compliance_reason CHECK (((compliance_reason IS NULL) OR ((btrim(compliance_reason) <> ''::text) AND (length(compliance_reason) <= 1000)))),
  constraint check_retention_days CHECK (((hot_retention_days >= 1) AND (hot_retention_days < warm_archive_days) AND (warm_archive_days < cold_retention_days) AND (cold_retention_days <= 36500))),
  constraint audit_retention_policies_pkey PRIMARY KEY (workspace_id)
);

create table audit.audit_trail_rollup (
  project_id text not null,
  bucket_start timestamp with time zone not null,
  model text not null,
  message_count bigint not null default 0,
  complete_count bigint not null default 0,
  failed_count bigint not null default 0,
  unpriced_count bigint not null default 0,
  prompt_tokens bigint not null default 0,
  completion_tokens bigint not null default 0,
  total_tokens bigint not null default 0,
  cached_tokens bigint not null default 0,
  reasoning_tokens bigint not null default 0,
  prompt_cost numeric not null default 0,
  completion_cost numeric not null default 0,
  total_cost numeric not null default 0,
  constraint check_bucket_start CHECK ((date_bin('00:15:00'::interval, bucket_start, '2000-01-01 00:00:00+00'::timestamp with time zone) = bucket_start)),
  constraint audit_trail_rollup_project FOREIGN KEY (project_id) REFERENCES audit.projects(project_id) ON DELETE CASCADE,
  constraint audit_trail_rollup_pkey PRIMARY KEY (project_id, bucket_start, model)
);
CREATE INDEX audit_trail_rollup_unpriced ON audit.audit_trail_rollup USING btree (bucket_start) WHERE (unpriced_count > 0);

create table audit.audit_trails (
  project_id text not null,
  message_id text not null,
  id uuid not null default audit.uuid_v7(),
  status text not null,
  "timestamp" timestamp with time zone not null default clock_timestamp(),
  model text not null,
  reasoning jsonb,
  context_layers integer not null,
  prompt_tokens integer,
  completion_tokens integer,
  total_tokens integer,
  cached_tokens integer,
  reasoning_tokens integer,
  prompt_cost numeric,
  completion_cost numeric,
  total_cost numeric,
  latency_ms integer,
  prompt_digest text,
  context_digest text,
  policy_digest text,
  created_at timestamp with time zone not null default clock_timestamp(),
  updated_at timestamp with time zone not null default clock_timestamp(),
  completed_at timestamp with time zone,
  counted jsonb,
  rollup_due boolean not null default true,
  imported_at timestamp with time zone,
  constraint check_context_layers CHECK ((context_layers >= 0)),
  constraint check_message_id_length CHECK (((length(message_id) >= 1) AND (length(message_id) <= 200))),
  constraint check_trail_completed_at CHECK (((status = 'placeholder'::text) = (completed_at IS NULL))),
  constraint check_trail_costs CHECK (((LEAST(prompt_cost, completion_cost, total_cost) >= (0)::numeric) AND (GREATEST(prompt_cost, completion_cost, total_cost) < 'Infinity'::numeric))),
  constraint check_trail_model_length CHECK (((length(model) >= 1) AND (length(model) <= 200))),
  constraint check_trail_status CHECK ((status = ANY (ARRAY['placeholder'::text, 'complete'::text, 'failed'::text]))),
  constraint check_trail_timestamp CHECK ((("timestamp" >= '2000-01-01 00:00:00+00'::timestamp with time zone) AND ("timestamp" < '2200-01-01 00:00:00+00'::timestamp with time zone))),
  constraint check_trail_tokens CHECK ((LEAST(prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, latency_ms) >= 0)),
  constraint audit_trails_project FOREIGN KEY (project_id) REFERENCES audit.projects(project_id) ON DELETE CASCADE,
  constraint audit_trails_pkey PRIMARY KEY (project_id, message_id)
);
CREATE INDEX audit_trails_message ON audit.audit_trails USING btree (message_id);
CREATE INDEX audit_trails_past ON audit.audit_trails USING btree (project_id, GREATEST("timestamp", imported_at)) WHERE (NOT rollup_due);
CREATE INDEX audit_trails_project_due ON audit.audit_trails USING btree (project_id) WHERE rollup_due;
CREATE INDEX audit_trails_project_time ON audit.audit_trails USING btree (project_id, "timestamp", id);
CREATE INDEX audit_trails_rollup_due ON audit.audit_trails USING btree ("timestamp") WHERE rollup_due;
CREATE INDEX audit_trails_time ON audit.audit_trails USING btree ("timestamp");

create table audit.capture_gaps (
  relation oid not null,
  table_schema text not null,
  table_name text not null,
  reason text not null,
  began_at timestamp with time zone not null,
  ended_at timestamp with time zone,
  detail text,
  noted_by text not null,
  constraint check_gap_reason CHECK ((reason = ANY (ARRAY['off'::text, 'error'::text]))),
  constraint capture_gaps_pkey PRIMARY KEY (relation, reason, began_at)
);

create table audit.cold_months (
  id uuid not null default audit.uuid_v7(),
  month date not null,
  part integer not null,
  object_key text not null,
  row_count bigint not null,
  bytes bigint not null,
  min_created_at timestamp with time zone not null,
  max_created_at timestamp with time zone not null,
  min_workspace_id text not null,
  max_workspace_id text not null,
  workspaces text[] not null,
  min_id uuid not null,
  max_id uuid not null,
  last_workspace_id text not null,
  last_created_at timestamp with time zone not null,
  last_id uuid not null,
  rows_digest bytea not null,
  row_marks numeric not null,
  sha256 bytea not null,
  chunk_bytes integer not null,
  chunk_digests bytea not null,
  schema_version integer not null,
  encryption jsonb,
  exported_at timestamp with time zone not null,
  verified_at timestamp with time zone not null,
  dropped_at timestamp with time zone,
  purge_id uuid,
  purged_at timestamp with time zone,
  removed_at timestamp with time zone,
  constraint check_cold_digests CHECK (((length(rows_digest) = 32) AND (length(sha256) = 32) AND ((length(chunk_digests) % 32) = 0))),
  constraint check_cold_month CHECK ((month = (date_trunc('month'::text, (month)::timestamp without time zone))::date)),
  constraint check_cold_order CHECK (((min_created_at <= max_created_at) AND (min_id <= max_id))),
  constraint check_cold_purged CHECK (((purged_at IS NULL) OR ((dropped_at IS NOT NULL) AND (purge_id IS NOT NULL)))),
  constraint check_cold_removed CHECK (((removed_at IS NULL) OR (purged_at IS NOT NULL))),
  constraint check_cold_rows CHECK (((row_count > 0) AND (bytes > 0) AND (part > 0) AND (chunk_bytes > 0))),
  constraint cold_months_pkey PRIMARY KEY (id),
  constraint cold_months_object_key UNIQUE (object_key)
);
CREATE UNIQUE INDEX cold_months_exporting ON audit.cold_months USING btree (month, part) WHERE (dropped_at IS NULL);
CREATE INDEX cold_months_found ON audit.cold_months USING btree (max_created_at, min_created_at) WHERE ((dropped_at IS NOT NULL) AND (purged_at IS NULL));

create table audit.cold_objects (
  object_key text not null,
  month date not null,
  named_at timestamp with time zone not null default clock_timestamp(),
  constraint cold_objects_pkey PRIMARY KEY (object_key)
);

create table audit.cold_returns (
  file_id uuid not null,
  event_created_at timestamp with time zone not null,
  event_id uuid not null,
  content_digest bytea not null,
  returned_at timestamp with time zone not null default clock_timestamp(),
  constraint check_return_digest CHECK ((length(content_digest) = 32)),
  constraint cold_returns_file_id_cold_months_id_fk FOREIGN KEY (file_id) REFERENCES audit.cold_months(id),
  constraint cold_returns_pkey PRIMARY KEY (file_id, event_created_at, event_id)
);
CREATE INDEX cold_returns_event ON audit.cold_returns USING btree (event_id);

create table audit.database_home (
  is_home boolean not null default true,
  timeline_id text not null,
  noted_at timestamp with time zone not null default clock_timestamp(),
  constraint check_database_home_one_row CHECK (is_home),
  constraint database_home_pkey PRIMARY KEY (is_home)
);

create table audit.history_floor (
  is_only boolean not null default true,
  begins_at timestamp with time zone not null,
  split_transactions xid8[] not null,
  deletion_id uuid not null,
  constraint check_history_floor_one_row CHECK (is_only),
  constraint history_floor_pkey PRIMARY KEY (is_only)
);

create table audit.idempotency_keys (
  key_id uuid not null,
  idempotency_key text not null,
  request_hash bytea not null,
  status integer not null,
  body jsonb,
  created_at timestamp with time zone not null default clock_timestamp(),
  constraint check_idempotency_key_length CHECK (((length(idempotency_key) >= 1) AND (length(idempotency_key) <= 200))),
  constraint idempotency_keys_pkey PRIMARY KEY (key_id, idempotency_key)
);
CREATE INDEX idempotency_keys_created_at ON audit.idempotency_keys USING btree (created_at);

create table audit.installation (
  is_one boolean not null default true,
  id uuid not null default gen_random_uuid(),
  constraint check_installation_one_row CHECK (is_one),
  constraint installation_pkey PRIMARY KEY (is_one)
);

create table audit.job_runs (
  id uuid not null default audit.uuid_v7(),
  job_id text not null,
  trigger text not null,
  status text not null,
  engine_run_id text,
  requested_by_user_id text,
  created_at timestamp with time zone not null default clock_timestamp(),
  started_at timestamp with time zone,
  finished_at timestamp with time zone,
  result jsonb,
  error text,
  constraint check_job_run_status CHECK ((status = ANY (ARRAY['requested'::text, 'running'::text, 'completed'::text, 'failed'::text, 'skipped'::text]))),
  constraint check_job_run_trigger CHECK ((trigger = ANY (ARRAY['schedule'::text, 'manual'::text]))),
  constraint job_runs_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX job_runs_engine_run ON audit.job_runs USING btree (engine_run_id);
CREATE INDEX job_runs_job ON audit.job_runs USING btree (job_id, created_at);

create table audit.job_schedules (
  job_id text not null,
  cron text not null,
  late_after_seconds integer not null,
  watched_since timestamp with time zone not null default clock_timestamp(),
  last_success_at timestamp with time zone,
  paused_at timestamp with time zone,
  paused_by_user_id text,
  constraint job_schedules_pkey PRIMARY KEY (job_id)
);

create table audit.legal_holds (
  id uuid not null default audit.uuid_v7(),
  workspace_id text,
  resource_type text,
  resource_id text,
  subject_user_id text,
  reason text not null,
  placed_by_user_id text not null,
  placed_at timestamp with time zone not null default clock_timestamp(),
  released_by_user_id text,
  released_at timestamp with time zone,
  release_reason text,
  constraint check_hold_names_something CHECK ((COALESCE(workspace_id, resource_type, subject_user_id) IS NOT NULL)),
  constraint check_hold_reason CHECK ((btrim(reason) <> ''::text)),
  constraint check_hold_release CHECK (((released_at IS NULL) = (released_by_user_id IS NULL))),
  constraint check_hold_resource CHECK (((resource_id IS NULL) OR (resource_type IS NOT NULL))),
  constraint legal_holds_pkey PRIMARY KEY (id)
);
CREATE INDEX legal_holds_active ON audit.legal_holds USING btree (workspace_id) WHERE (released_at IS NULL);

create table audit.membership_source (
  id text not null default 'the one'::text,
  source_table text not null,
  workspace_column text not null,
  user_column text not null,
  set_at timestamp with time zone not null default clock_timestamp(),
  set_by text not null default SESSION_USER,
  constraint check_membership_source_single CHECK ((id = 'the one'::text)),
  constraint membership_source_pkey PRIMARY KEY (id)
);

create table audit.projects (
  project_id text not null,
  trail_retention_days integer not null default 7,
  created_at timestamp with time zone not null default clock_timestamp(),
  created_by_user_id text not null,
  deleted_at timestamp with time zone,
  constraint check_project_id_length CHECK (((length(project_id) >= 1) AND (length(project_id) <= 200))),
  constraint check_trail_retention_days CHECK (((trail_retention_days >= 1) AND (trail_retention_days <= 3650))),
  constraint projects_pkey PRIMARY KEY (project_id)
);

create table audit.purges (
  id uuid not null default audit.uuid_v7(),
  status text not null default 'awaiting_approval'::text,
  files uuid[] not null,
  summary jsonb not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  expires_at timestamp with time zone not null,
  requested_by_user_id text,
  decision text,
  decided_by_user_id text,
  decided_by_key_id uuid,
  decided_at timestamp with time zone,
  decision_note text,
  ended_at timestamp with time zone,
  report jsonb,
  constraint check_purge_decided CHECK ((((decision IS NULL) = (decided_at IS NULL)) AND ((decision IS NULL) = (decided_by_user_id IS NULL)))),
  constraint check_purge_decision CHECK ((decision = ANY (ARRAY['approved'::text, 'rejected'::text]))),
  constraint check_purge_files CHECK ((cardinality(files) > 0)),
  constraint check_purge_status CHECK ((status = ANY (ARRAY['awaiting_approval'::text, 'approved'::text, 'rejected'::text, 'expired'::text, 'completed'::text, 'needs_attention'::text]))),
  constraint purges_pkey PRIMARY KEY (id)
);
CREATE INDEX purges_status ON audit.purges USING btree (status, id);

create table audit.restore_chunks (
  run_id uuid not null,
  chunk integer not null,
  txid xid8 not null default pg_current_xact_id(),
  applied_count integer not null,
  skipped_count integer not null,
  applied_at timestamp with time zone not null default clock_timestamp(),
  constraint restore_chunks_pkey PRIMARY KEY (run_id, chunk)
);

create table audit.restore_effects (
  run_id uuid not null,
  repeat integer not null default 0,
  kind text not null,
  name text not null,
  is_done boolean not null default false,
  detail jsonb,
  created_at timestamp with time zone not null default clock_timestamp(),
  done_at timestamp with time zone,
  constraint check_restore_effect_kind CHECK ((kind = ANY (ARRAY['flush'::text, 'enqueue'::text, 'check'::text]))),
  constraint restore_effects_pkey PRIMARY KEY (run_id, repeat, kind, name)
);

create table audit.restore_items (
  run_id uuid not null,
  "position" integer not null,
  chunk integer not null,
  batch integer not null,
  relation oid not null,
  record_id text not null,
  live_record_id text,
  action text not null,
  origin text not null,
  entry_id bigint,
  columns text[],
  target jsonb,
  target_exact jsonb,
  live jsonb,
  live_exact jsonb,
  live_digest bytea,
  conflict text,
  constraint check_restore_action CHECK ((action = ANY (ARRAY['insert'::text, 'update'::text, 'delete'::text]))),
  constraint check_restore_live CHECK (((action = 'insert'::text) = (live_record_id IS NULL))),
  constraint check_restore_target CHECK (((action = 'delete'::text) = (target IS NULL))),
  constraint restore_items_pkey PRIMARY KEY (run_id, "position")
);

create table audit.restore_outcomes (
  run_id uuid not null,
  "position" integer not null,
  outcome text not null,
  digest bytea,
  detail text,
  constraint check_restore_outcome CHECK ((outcome = ANY (ARRAY['applied'::text, 'skipped'::text]))),
  constraint restore_outcomes_pkey PRIMARY KEY (run_id, "position")
);

create table audit.restore_runs (
  id uuid not null default audit.uuid_v7(),
  rollback_of uuid,
  status text not null,
  target jsonb not null,
  options jsonb not null,
  reason text not null,
  incident text,
  digest text not null,
  tables jsonb not null,
  problems jsonb not null,
  item_count integer not null,
  chunk_starts integer[] not null,
  requested_by_user_id text not null,
  requested_by_key_id uuid not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  expires_at timestamp with time zone not null,
  started_at timestamp with time zone,
  ended_at timestamp with time zone,
  approval_needed text,
  approval_expires_at timestamp with time zone,
  decision text,
  decided_by_user_id text,
  decided_at timestamp with time zone,
  decision_note text,
  cancel_requested_at timestamp with time zone,
  cancel_requested_by_user_id text,
  epoch integer not null default 1,
  heartbeat_at timestamp with time zone,
  snapshot_id uuid,
  effects_repeat integer not null default 0,
  error text,
  report jsonb,
  constraint check_restore_decided CHECK (((decision IS NULL) = (decided_by_user_id IS NULL))),
  constraint check_restore_decision CHECK ((decision = ANY (ARRAY['approved'::text, 'rejected'::text]))),
  constraint check_restore_epoch CHECK ((epoch >= 1)),
  constraint check_restore_reason CHECK (((length(reason) >= 1) AND (length(reason) <= 2000))),
  constraint check_restore_status CHECK ((status = ANY (ARRAY['planned'::text, 'awaiting_approval'::text, 'running'::text, 'completed'::text, 'needs_attention'::text, 'failed'::text, 'cancelled'::text, 'rejected'::text, 'expired'::text, 'rolling_back'::text, 'rolled_back'::text]))),
  constraint restore_runs_pkey PRIMARY KEY (id)
);
CREATE INDEX restore_runs_rollback_of ON audit.restore_runs USING btree (rollback_of) WHERE (rollback_of IS NOT NULL);
CREATE INDEX restore_runs_status ON audit.restore_runs USING btree (status, id);

create table audit.restore_snapshot_rows (
  run_id uuid not null,
  "position" integer not null,
  image jsonb not null,
  exact jsonb,
  digest bytea not null,
  constraint restore_snapshot_rows_pkey PRIMARY KEY (run_id, "position")
);

create table audit.restore_steps (
  run_id uuid not null,
  step text not null,
  attempt integer not null,
  started_at timestamp with time zone not null default clock_timestamp(),
  ended_at timestamp with time zone,
  outcome text,
  detail jsonb,
  constraint check_restore_step_outcome CHECK ((outcome = ANY (ARRAY['done'::text, 'failed'::text]))),
  constraint restore_steps_pkey PRIMARY KEY (run_id, step, attempt)
);

create table audit.retention_cleanups (
  id uuid not null default audit.uuid_v7(),
  run_id uuid not null,
  rule_digest text not null,
  rule text not null,
  table_name text not null,
  as_of timestamp with time zone not null,
  due_count bigint not null,
  batches_max integer not null,
  deletion_id uuid,
  batch integer not null default 0,
  last_key jsonb,
  deleted_count bigint not null default 0,
  kept_count bigint not null default 0,
  remaining_count bigint,
  problem text,
  created_at timestamp with time zone not null default clock_timestamp(),
  finished_at timestamp with time zone,
  constraint retention_cleanups_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX retention_cleanups_rule ON audit.retention_cleanups USING btree (run_id, rule_digest);

create table audit.schema_versions (
  name text not null,
  checksum text not null,
  applied_at timestamp with time zone not null default clock_timestamp(),
  constraint schema_versions_pkey PRIMARY KEY (name)
);

create table audit.tracked_tables (
  relation oid not null,
  root oid not null,
  table_schema text not null,
  table_name text not null,
  key_columns smallint[] not null,
  excluded_columns smallint[] not null,
  redacted_columns smallint[] not null,
  ignored_columns smallint[] not null,
  on_error text not null,
  is_on boolean not null default true,
  tracked_at timestamp with time zone not null default clock_timestamp(),
  tracked_by text not null,
  columns jsonb not null default '{}'::jsonb,
  as_events jsonb,
  body_md5 text,
  constraint check_tracked_on_error CHECK ((on_error = ANY (ARRAY['block'::text, 'warn'::text]))),
  constraint tracked_tables_pkey PRIMARY KEY (relation)
);
CREATE INDEX tracked_tables_root ON audit.tracked_tables USING btree (root);

create table audit.untracked_tables (
  relation oid not null,
  table_schema text not null,
  table_name text not null,
  tracked_at timestamp with time zone not null,
  untracked_at timestamp with time zone not null default clock_timestamp(),
  constraint untracked_tables_pkey PRIMARY KEY (relation)
);

create table audit.weekly_reports (
  week text not null,
  id uuid not null default audit.uuid_v7(),
  starts_at timestamp with time zone not null,
  ends_at timestamp with time zone not null,
  figures jsonb not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  mailed_at timestamp with time zone,
  constraint check_report_week CHECK ((week ~ '^\d{4}-W\d{2}$'::text)),
  constraint weekly_reports_pkey PRIMARY KEY (week)
);

create table audit.workflow_requests (
  event_id uuid not null,
  event_name text not null,
  data jsonb not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  send_count integer not null default 0,
  last_sent_at timestamp with time zone,
  picked_up_at timestamp with time zone,
  constraint workflow_requests_pkey PRIMARY KEY (event_id)
);
CREATE INDEX workflow_requests_waiting ON audit.workflow_requests USING btree (created_at) WHERE (picked_up_at IS NULL);

-- Functions

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.add_month_for_rows(p_parent name, p_month date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '800ms'
AS $function$
begin
  if not exists (
    select from audit.month_partitions() m
    where m.table_name = p_parent and m.month_start = date_trunc('month', p_month::timestamp)
  ) then
    execute format('lock table only audit.%I in access exclusive mode', p_parent);
    perform set_config('idle_in_transaction_session_timeout', '200ms', true);
    perform audit.add_month_partition(p_parent, p_month);
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.add_month_partition(p_parent name, p_month date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '2s'
AS $function$
declare
  v_name constant name := p_parent || to_char(p_month, '_YYYY_MM');
  v_from constant timestamptz := date_trunc('month', p_month::timestamp);
  v_to constant timestamptz := date_trunc('month', p_month::timestamp) + interval '1 month';
  v_reason text;
begin
  if exists (
    select from audit.month_partitions() m
    where m.table_name = p_parent and m.month_start <= v_from and m.month_end >= v_to
  ) then
    return false;
  end if;

  if to_regclass(format('audit.%I', v_name)) is null then
    perform audit.create_month_table(p_parent, v_name, v_from, v_to);
  elsif not exists (
    select from pg_class c
    join pg_constraint k on k.conrelid = c.oid
    where c.oid = to_regclass(format('audit.%I', v_name))
      and c.relkind = 'r'
      and c.relpersistence = 'p'
      and k.conname = v_name || '_range'
      and k.contype = 'c'
      and k.convalidated
  ) then
    raise wrong_object_type using message = format('it is no plain table with the check %I', v_name || '_range');
  end if;

  perform audit.guard_month(p_parent, v_name);
  -- Compares columns and checks, and reads the rows where no check proves that they are of the month.
  execute format(
    'alter table audit.%I attach partition audit.%I for values from (%L) to (%L)', p_parent, v_name, v_from, v_to
  );
  -- Its place in the archive stands long before anything moves there: see add_month_for_rows().
  if p_parent = 'audit_events' then
    perform audit.add_month_partition('audit_events_archive', v_from::date);
  end if;
  return true;
exception
  when wrong_object_type or datatype_mismatch or check_violation or duplicate_object or insufficient_privilege
    or invalid_object_definition or invalid_table_definition
  then
    get stacked diagnostics v_reason = message_text;
    raise exception 'audit.% cannot become a partition of audit.%: %', quote_ident(v_name), quote_ident(p_parent), v_reason
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Mend, rename or detach what is in its way, then call audit.create_monthly_audit_partition() again.';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.analyze_month(p_month date)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  v_partition name;
begin
  for v_partition in
    select m.partition_name
    from audit.month_partitions() m
    where m.table_name in ('audit_events', 'audit_events_archive')
      and m.month_start = date_trunc('month', p_month::timestamp)
  loop
    execute format('analyze audit.%I', v_partition);
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.apply_restore_chunk(p_run uuid, p_chunk integer, p_epoch integer)
 RETURNS jsonb
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_batch record;
  v_conflicts int[];
  v_kept int[];
  v_held int[];
  v_mode text;
  v_statement text;
  v_first int;
  v_last int;
  v_counts record;
begin
  perform audit.pin_restore_session();
  -- A second delivery of the same step waits here, and finds the chunk done.
  perform pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended(p_run::text, 7));
  select * into strict v_run from audit.restore_runs where id = p_run;
  if v_run.epoch <> p_epoch or v_run.status <> 'running' then
    return pg_catalog.jsonb_build_object('state', 'superseded');
  end if;
  select * into v_done from audit.restore_chunks where run_id = p_run and chunk = p_chunk;
  if found then
    return pg_catalog.jsonb_build_object('state', 'done', 'applied', v_done.applied_count, 'skipped', v_done.skipped_count);
  end if;
  if v_run.cancel_requested_at is not null then
    return pg_catalog.jsonb_build_object('state', 'cancelled');
  end if;
  v_mode := v_run.options ->> 'onConflict';
  perform
    pg_catalog.set_config('audit.restore_id', p_run::text, true),
    pg_catalog.set_config('app.user_id', v_run.requested_by_user_id, true),
    pg_catalog.set_config('app.request_id', '', true);
  set constraints all deferred;

  v_first := v_run.chunk_starts[p_chunk];
  v_last := coalesce(v_run.chunk_starts[p_chunk + 1] - 1, v_run.item_count);
  -- The chunk's items with their statistics: those of restore_items are of other runs.
  create temp table restore_chunk on commit drop as
  select i.* from audit.restore_items i where i.run_id = p_run and i.position between v_first and v_last;
  create unique index on pg_temp.restore_chunk (position);
  analyze pg_temp.restore_chunk (position, batch, relation, action, record_id, live_record_id);
  v_conflicts := audit.lock_restore_rows(p_run, v_mode);
  -- What is overwritten goes whatever it is by now; what else references a row that goes is nobody's to overwrite.
  v_kept := audit.keep_parents(case when v_mode = 'overwrite' then '{}' else v_conflicts end);
  if v_mode <> 'overwrite' or v_kept <> '{}' then
    v_conflicts := v_kept;
  end if;
  if v_conflicts <> '{}' and (v_mode = 'fail' or v_mode = 'overwrite' and v_kept <> '{}') then
    return audit.stopped_by('conflict', v_conflicts);
  end if;
  v_held := audit.held_deletions(case when v_mode = 'skip' then v_conflicts else '{}' end);
  if v_held <> '{}' then
    return audit.stopped_by('held', v_held);
  end if;
  if v_mode = 'skip' then
    insert into audit.restore_outcomes (run_id, position, outcome, detail)
    select p_run, c, 'skipped', 'changed since the plan' from unnest(v_conflicts) c;
  end if;

  for v_batch in
    select b.*, n.nspname as schema_name
    from (
      select i.batch, i.relation, i.action, min(i.position) as first, max(i.position) as last
      from pg_temp.restore_chunk i
      group by i.batch, i.relation, i.action
    ) b
    join pg_catalog.pg_class c on c.oid = b.relation
    join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    order by b.batch
  loop
    -- What the application's triggers name without a schema is looked for where they live.
    perform pg_catalog.set_config('search_path', pg_catalog.quote_ident(v_batch.schema_name) || ', public', true);
    for v_statement in
      select audit.write_statements(p_run, v_batch.relation, v_batch.action, v_batch.first, v_batch.last, v_conflicts, v_mode = 'overwrite')
    loop
      execute v_statement using p_run, v_batch.first, v_batch.last, v_conflicts;
    end loop;
  end loop;
  set constraints all immediate;
  perform pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);

  select
    count(*) filter (where o.outcome = 'applied') as applied, count(*) filter (where o.outcome = 'skipped') as skipped,
    v_last - v_first + 1 - count(*) as missing
  into v_counts
  from audit.restore_outcomes o
  where o.run_id = p_run and o.position between v_first and v_last;
  if v_counts.missing > 0 then
    raise exception '% rows were not written', v_counts.missing
      using errcode = 'AF001', hint = 'A trigger or a policy of the application suppressed them.';
  end if;
  perform audit.move_sequences();
  insert into audit.restore_chunks (run_id, chunk, applied_count, skipped_count) values (p_run, p_chunk, v_counts.applied, v_counts.skipped);
  -- Somebody may have abandoned or resumed the run meanwhile; who does so from here on waits for the commit.
  select * into strict v_run from audit.restore_runs where id = p_run for share;
  if v_run.epoch <> p_epoch or v_run.status <> 'running' then
    raise exception 'The run is no longer this workflow''s' using errcode = 'AF002';
  end if;
  return pg_catalog.jsonb_build_object('state', 'done', 'applied', v_counts.applied, 'skipped', v_counts.skipped);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.archive_month(p_month date)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_month record;
begin
  perform audit.lock_archiver();
  select * into v_month from audit.prepare_month(p_month);
  if v_month.state = 'ready' then
    perform audit.log_month_move(v_month.month_start, v_month.row_count);
  end if;
  if v_month.state in ('ready', 'empty') then
    perform audit.switch_month(
      v_month.hot, v_month.archived, v_month.month_start, v_month.month_end, v_month.state = 'empty'
    );
  end if;
  return case v_month.state when 'ready' then 'moved' when 'empty' then 'dropped' else v_month.state end;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.archive_old_audit_events(p_rows_max integer DEFAULT 100000)
 RETURNS TABLE(archived_count bigint, deleted_count bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_batch constant int := 5000;
  v_plan record;
  v_month record;
  v_left int := p_rows_max;
  v_moved int;
  v_ready date[] := '{}';
  v_rows bigint := 0;
  v_switched bigint := 0;
begin
  perform audit.lock_archiver();
  for v_plan in select * from audit.archive_plan(p_rows_max) loop
    loop
      exit when v_left <= 0 or v_plan.kind = 'month' and v_plan.merge is null;
      v_moved := audit.archive_rows(v_plan.month, coalesce(v_plan.merge, 'due'), least(v_left, c_batch));
      exit when v_moved = 0;
      v_left := v_left - v_moved;
      v_rows := v_rows + case v_plan.merge when 'to_hot' then -v_moved else v_moved end;
    end loop;
    if v_plan.kind = 'month' then
      v_ready := v_ready || v_plan.month;
    end if;
  end loop;
  begin
    -- Counted all before the first of them is locked.
    for v_month in
      select p.* from unnest(v_ready) m (month) cross join lateral audit.prepare_month(m.month) p
      where p.state in ('ready', 'empty')
      order by p.month_start
    loop
      if v_month.state = 'ready' then
        perform audit.log_month_move(v_month.month_start, v_month.row_count);
        v_switched := v_switched + v_month.row_count;
      end if;
      perform audit.switch_month(
        v_month.hot, v_month.archived, v_month.month_start, v_month.month_end, v_month.state = 'empty'
      );
    end loop;
  exception
    when lock_not_available then
      v_switched := 0;
      raise notice 'The tables are busy: whole months are left for the next call';
  end;
  archived_count := greatest(v_rows + v_switched, 0);
  deleted_count := archived_count;
  return next;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.archive_plan(p_rows_alone integer DEFAULT 10000)
 RETURNS TABLE(month date, kind text, merge text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  c_patience constant interval := '31 days';
  v_month record;
  v_due int;
  v_hot bigint;
  v_archived bigint;
begin
  if p_rows_alone is null or p_rows_alone not between 0 and 1000000 then
    raise exception 'p_rows_alone is %, but must be from 0 to 1000000', coalesce(p_rows_alone::text, 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.ensure_policies_of_month(m.month_start, m.month_end) from audit.hot_months() m;
  for v_month in select * from audit.hot_months() m order by m.month_start loop
    if v_month.is_old and v_month.stays_until is null then
      month := v_month.month_start::date;
      kind := 'month';
      merge := null;
      if exists (
        select from audit.audit_events_archive a
        where a.created_at >= v_month.month_start and a.created_at < v_month.month_end
      ) then
        select count(*) into v_hot from audit.audit_events e
        where e.created_at >= v_month.month_start and e.created_at < v_month.month_end;
        select count(*) into v_archived from audit.audit_events_archive a
        where a.created_at >= v_month.month_start and a.created_at < v_month.month_end;
        merge := case when v_hot <= v_archived then 'to_archive' else 'to_hot' end;
      end if;
      return next;
      continue;
    end if;
    select count(*) into v_due
    from (
      select from audit.audit_retention_policies p
      cross join lateral (
        select from audit.audit_events e
        where e.workspace_id = p.workspace_id
          and e.created_at >= v_month.month_start
          and e.created_at < least(v_month.month_end, now() - make_interval(days => p.hot_retention_days))
          and not exists (
            select from audit.audit_archive_pins k
            where k.event_created_at = e.created_at and k.event_id = e.id and k.pinned_until > now()
          )
        limit p_rows_alone + 1
      ) due
      where v_month.month_start < now() - make_interval(days => p.hot_retention_days)
      limit p_rows_alone + 1
    ) d;
    if v_due > 0
      and (v_due <= p_rows_alone or not v_month.is_old and v_month.stays_until is null
        or v_month.stays_until > now() + c_patience)
    then
      month := v_month.month_start::date;
      kind := 'rows';
      merge := null;
      return next;
    end if;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.archive_rows(p_month date, p_how text, p_limit integer DEFAULT 5000)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  c_limit_max constant int := 50000;
  v_from constant timestamptz := date_trunc('month', p_month::timestamp);
  v_to constant timestamptz := date_trunc('month', p_month::timestamp) + interval '1 month';
  v_moved record;
begin
  if p_how is null or p_how not in ('due', 'to_archive', 'to_hot') then
    raise exception 'p_how is %, but must be due, to_archive or to_hot', coalesce(p_how, 'null')
      using errcode = 'invalid_parameter_value';
  elsif p_limit is null or p_limit not between 1 and c_limit_max then
    raise exception 'p_limit is %, but must be from 1 to %', coalesce(p_limit::text, 'null'), c_limit_max
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.lock_archiver();
  -- Whoever may call this may not choose what moves: a merge is for a month that is due as a whole.
  if not exists (
    select from audit.hot_months(v_from) m where p_how = 'due' or m.is_old and m.stays_until is null
  ) then
    return 0;
  end if;
  if p_how = 'to_hot' then
    select * into v_moved from audit.move_rows_from_archive(v_from, v_to, null, p_limit);
  else
    perform audit.add_month_for_rows('audit_events_archive', v_from::date);
    select * into v_moved from audit.move_rows_to_archive(v_from, v_to, p_how = 'to_archive', p_limit);
  end if;
  if v_moved.moved > 0 then
    perform audit.log_move(
      'audit_events', to_char(v_from, 'YYYY-MM'),
      case p_how when 'to_hot' then 'Back for a moment, so that the month moves as a whole' else 'Past the hot retention' end,
      jsonb_build_object(
        'move', 'rows',
        'from', case p_how when 'to_hot' then 'audit_events_archive' else 'audit_events' end,
        'to', case p_how when 'to_hot' then 'audit_events' else 'audit_events_archive' end,
        'rowCount', v_moved.moved, 'oldest', v_moved.oldest, 'newest', v_moved.newest
      )
    );
  end if;
  return v_moved.moved;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.as_events_code(p_relation oid, p_is_ready boolean)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(CASE WHEN as_events_code.p_is_ready THEN string_agg(format('
  if tg_op = %L then
    perform %s;
  end if;'::text, o.operation, audit.as_events_sql(as_events_code.p_relation, o.operation)), ''::text) ELSE format('
    if audit.as_events_sql(%1$s, tg_op) is not null then
      execute ''select '' || audit.as_events_sql(%1$s, tg_op);
    end if;'::text, as_events_code.p_relation) END, ''::text) AS "coalesce" FROM (audit.tracked_tables t CROSS JOIN unnest(ARRAY['INSERT'::text, 'UPDATE'::text, 'DELETE'::text]) o(operation)) WHERE ((t.relation = as_events_code.p_relation) AND (t.as_events ? lower(o.operation)) AND ((NOT as_events_code.p_is_ready) OR (audit.as_events_sql(as_events_code.p_relation, o.operation) IS NOT NULL))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.as_events_sql(p_relation oid, p_operation text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('audit.insert_captured_events(%s, %L, __b.rows) from (select jsonb_agg(__e.row) as rows from (select (row_number() over () - 1) / 1000 as batch, jsonb_build_object(''resource_id'', %s::text, ''workspace_id'', %s::text, ''old_values'', %s, ''new_values'', %s, ''changed_fields'', %s) as row from %s) __e group by __e.batch) __b'::text, as_events_sql.p_relation, CASE as_events_sql.p_operation WHEN 'TRUNCATE'::text THEN 'DELETE'::text ELSE as_events_sql.p_operation END, audit.field_sql(p."row", n.resource), audit.field_sql(p."row", n.workspace), CASE as_events_sql.p_operation WHEN 'INSERT'::text THEN 'null'::text WHEN 'UPDATE'::text THEN ('to_jsonb(__i) - '::text || audit.compared_columns_sql(as_events_sql.p_relation, '__o'::text, '__n'::text, false)) ELSE 'to_jsonb(__i)'::text END, CASE as_events_sql.p_operation WHEN 'INSERT'::text THEN 'to_jsonb(__j)'::text WHEN 'UPDATE'::text THEN ('to_jsonb(__j) - '::text || audit.compared_columns_sql(as_events_sql.p_relation, '__o'::text, '__n'::text, false)) ELSE 'null'::text END, CASE as_events_sql.p_operation WHEN 'UPDATE'::text THEN audit.compared_columns_sql(as_events_sql.p_relation, '__o'::text, '__n'::text, true) ELSE 'null'::text END, audit.capture_source(as_events_sql.p_relation, as_events_sql.p_operation)) AS format FROM ((audit.tracked_tables t CROSS JOIN LATERAL (SELECT CASE as_events_sql.p_operation WHEN 'INSERT'::text THEN 'insert'::text WHEN 'UPDATE'::text THEN 'update'::text ELSE 'delete'::text END AS action, CASE WHEN (as_events_sql.p_operation = ANY (ARRAY['INSERT'::text, 'UPDATE'::text])) THEN '__n'::text ELSE '__o'::text END AS "row") p) CROSS JOIN LATERAL (SELECT audit.current_name(as_events_sql.p_relation, (t.as_events ->> 'resourceColumn'::text)) AS resource, audit.current_name(as_events_sql.p_relation, (t.as_events ->> 'workspaceColumn'::text)) AS workspace) n) WHERE ((t.relation = as_events_sql.p_relation) AND (t.as_events ? p.action) AND (n.resource IS NOT NULL) AND (n.workspace IS NOT NULL)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.begin_file_purge(p_purge uuid, p_file uuid, p_cleared uuid[])
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_purge audit.purges;
  v_file audit.cold_months;
begin
  select * into v_purge from audit.purges p where p.id = p_purge for share;
  select * into v_file from audit.cold_months f where f.id = p_file for update;
  if v_purge.status is distinct from 'approved' or v_purge.decision is distinct from 'approved' or not (p_file = any (v_purge.files)) then
    raise exception 'nobody approved that this file be purged' using errcode = 'insufficient_privilege';
  end if;
  if v_file.purged_at is not null then
    return 'purged';
  end if;
  -- A hold that is being placed now is waited for, and one placed later finds the file gone.
  perform audit.lock_holds();
  if exists (select from audit.holds_on_file(p_file) h where h <> all (p_cleared)) then
    return 'held';
  end if;
  if not exists (select from audit.due_cold_files() d where d.id = p_file) then
    return 'not due';
  end if;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, approval_ticket_id, is_irrevocable,
    details
  ) values (
    v_purge.decided_by_user_id, 'cold_file', v_file.object_key, 'retention', 'past its cold retention', p_purge::text, true,
    jsonb_build_object(
      'month', to_char(v_file.month, 'YYYY-MM'), 'rows', v_file.row_count, 'bytes', v_file.bytes,
      'sha256', encode(v_file.sha256, 'hex'), 'workspaces', v_file.workspaces,
      'requestedByUserId', v_purge.requested_by_user_id, 'decidedAt', v_purge.decided_at
    )
  );
  update audit.cold_months f set purged_at = clock_timestamp(), purge_id = p_purge where f.id = p_file;
  delete from audit.cold_returns r where r.file_id = p_file;
  return 'purged';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.begin_idempotent(p_key_id uuid, p_idempotency_key text, p_request_hash bytea)
 RETURNS TABLE(state text, status integer, body jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_lifetime constant interval := '24 hours';
  c_attempts constant int := 5;
  c_pause_s constant float := 0.02;
  v_lock constant bigint := hashtextextended(p_key_id::text || ':' || p_idempotency_key, 0);
  v_row audit.idempotency_keys;
begin
  -- An error reaches its client a moment before its transaction lets go of the lock, and the client may be quick.
  for attempt in 1 .. c_attempts loop
    exit when pg_try_advisory_xact_lock(v_lock);
    if attempt = c_attempts then
      return query select 'running', null::int, null::jsonb;
      return;
    end if;
    perform pg_sleep(c_pause_s);
  end loop;
  select * into v_row
  from audit.idempotency_keys k
  where k.key_id = p_key_id and k.idempotency_key = p_idempotency_key;
  if not found then
    return query select 'new', null::int, null::jsonb;
  elsif v_row.created_at < clock_timestamp() - c_lifetime then
    delete from audit.idempotency_keys k
    where k.key_id = p_key_id and k.idempotency_key = p_idempotency_key;
    return query select 'new', null::int, null::jsonb;
  elsif v_row.request_hash = p_request_hash then
    return query select 'replay', v_row.status, v_row.body;
  else
    return query select 'mismatch', null::int, null::jsonb;
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.begin_restore_draft()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform audit.pin_restore_session();
  create temp table restore_entries (
    id bigint not null,
    created_at timestamptz not null,
    relation oid not null,
    record_id text not null,
    new_record_id text,
    action text not null,
    changed_fields text[],
    txid xid8 not null,
    old_values jsonb,
    new_values jsonb,
    exact_values jsonb,
    -- The record's first entry here, where its key alone does not tell which record it is.
    first_id bigint
  ) on commit drop;
  create temp table restore_draft (
    draft_id int generated always as identity primary key,
    relation oid not null,
    -- The key at the point, and the key under which the row may live now.
    record_id text not null,
    live_record_id text not null,
    is_live boolean not null default true,
    -- Another row has its key by now, which moves away: not looked up.
    is_anew boolean not null default false,
    -- Whether there was a row at the point; its image.
    is_there boolean not null,
    entry_id bigint,
    entry_at timestamptz,
    target jsonb,
    exact jsonb,
    -- The transaction that took the row away with that entry.
    removed_by xid8,
    -- The columns to set back; null is the whole row.
    fields text[],
    -- What the undone changes left, to see whether somebody changed it since; null is not asked.
    left_image jsonb,
    left_exact jsonb,
    -- The columns that the history did not keep.
    hidden jsonb not null default '[]',
    origin text not null default 'target',
    -- What to do, unless its live row says otherwise.
    action text not null default 'insert',
    columns text[],
    -- Its place where rows are ordered one by one, and the circle of rows in which it waits for itself.
    level int,
    circle int,
    conflict text
  ) on commit drop;
  -- The transactions that took drafted rows away, and the rows as they were then where that is not the target.
  create temp table restore_removals (
    draft_id int not null,
    txid xid8 not null,
    image jsonb
  ) on commit drop;
  -- What is to be done with how many rows of which table.
  create temp table restore_actions (
    relation oid not null,
    action text not null,
    row_count int not null
  ) on commit drop;
  -- Who is to have a unique value that another drafted row has until it goes or changes.
  create temp table restore_takes (taker int not null, giver int not null, index_name text not null, is_hard boolean not null) on commit drop;
  -- Which table's rows come, or go, before which.
  create temp table restore_ranks (
    relation oid not null,
    action text not null,
    rank int not null
  ) on commit drop;
  -- The last drafted row whose live row was looked up, and whose children were; the transaction that is undone as a whole.
  create temp table restore_progress (matched_to int not null, expanded_to int not null, txid xid8) on commit drop;
  insert into pg_temp.restore_progress values (0, 0, null);
  create temp table restore_live (
    draft_id int primary key,
    record_id text not null,
    image jsonb not null,
    exact jsonb,
    digest bytea not null
  ) on commit drop;
  create temp table restore_problems (
    severity text not null,
    code text not null,
    relation oid,
    record_id text,
    detail jsonb not null default '{}'
  ) on commit drop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.capture_body(p_relation oid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_table audit.tracked_tables;
  v_context constant text := '__user, __request, __restore';
  v_body text;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  if not v_table.is_on then
    return ' begin return null; end ';
  end if;
  v_body := format(
    $body$
declare
  __user constant text := nullif(current_setting('app.user_id', true), '');
  __request constant text := nullif(current_setting('app.request_id', true), '');
  __restore constant uuid := case when current_setting('audit.restore_id', true) <> '' then audit.restore_of_session() end;
  __before record;
  __after record;
  __fields text[];
  __values jsonb;
  __key text;
  __new_key text;
  __image jsonb;
  __exact jsonb;
begin
  if tg_relid <> %1$s or tg_op = 'TRUNCATE' or not audit.has_columns('%1$s'::regclass, %2$L::jsonb) then
    -- Whoever may make a trigger of it could else feed it rows of another table.
    if tg_relid <> %1$s then
      raise exception 'This function records another table' using errcode = 'insufficient_privilege';
    end if;
    -- The catalog answers as of a snapshot that may be older than the change of columns.
    if current_setting('transaction_isolation') <> 'read committed' and not audit.has_columns(%1$s, audit.columns_of(%1$s)) then
      raise exception 'The columns of %% changed since this transaction began', tg_relid::regclass
        using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
    execute audit.capture_sql(%1$s, tg_op, '$1, $2, $3') using __user, __request, __restore;%7$s
    return null;
  end if;%8$s
  if tg_op = 'UPDATE' then
    perform from __old offset 1 limit 1;
    if found then%9$s
      %5$s;
      return null;
    end if;
    select * into __before from __old;
    if not found then
      return null;
    end if;
    select * into __after from __new;
    if not found then
      %4$s;
      return null;
    end if;
%6$s  elsif tg_op = 'DELETE' then
    %4$s;
  else
    %3$s;
  end if;
  return null;
$body$,
    p_relation, audit.columns_of(p_relation),
    audit.capture_sql(p_relation, 'INSERT', v_context),
    audit.capture_sql(p_relation, 'DELETE', v_context),
    audit.capture_sql(p_relation, 'UPDATE', v_context),
    audit.capture_row_code(p_relation),
    audit.as_events_code(p_relation, false), audit.as_events_code(p_relation, true), audit.lost_rows_code(p_relation)
  );
  return v_body || case v_table.on_error when 'warn' then audit.warning_code(p_relation) else '' end || E'end\n';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.capture_problems()
 RETURNS TABLE(relation text, problem text, action text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with tracked as (
    select t.*, c.relrowsecurity, coalesce(c.oid::regclass::text, format('%I.%I', t.table_schema, t.table_name)) as name,
      c.oid is null as is_gone,
      'npx afterimage track ' || coalesce(r.oid::regclass::text, '') || ', with the options that it has' as track_again
    from audit.tracked_tables t
    left join pg_class c on c.oid = t.relation
    left join pg_class r on r.oid = t.root
  ),
  standing as (
    select * from tracked where not is_gone
  )
  select name, 'gone', 'Its table or partition was dropped: select audit.forget_dropped(). The history stays.'
  from tracked
  where is_gone
  union all
  select s.name, 'triggers', 'Changes go unrecorded. Enable its triggers, or run ' || s.track_again || '.'
  from standing s
  where s.is_on and (
    4 > (
      select count(*)
      from pg_trigger g
      where g.tgrelid = s.relation and g.tgname in ('audit_insert', 'audit_update', 'audit_delete', 'audit_truncate')
        and g.tgenabled in ('O', 'A') and g.tgqual is null
        and g.tgfoid = to_regproc(format('audit.capture_%s', s.relation))
    )
    or not exists (
      select from pg_proc p
      where p.oid = to_regproc(format('audit.capture_%s', s.relation)) and p.proowner = 'audit_recorder'::regrole and p.prosecdef
        and md5(p.prosrc) = s.body_md5
    )
  )
  union all
  select p.relid::text, 'partition', 'Writes to it directly go unrecorded. Run ' || s.track_again || '.'
  from standing s
  cross join pg_partition_tree(s.relation) p
  join pg_class c on c.oid = p.relid and c.relkind in ('r', 'p')
  where s.relation = s.root and p.relid <> s.relation and p.relid not in (select o.relation from standing o)
  union all
  select s.name, 'stale', 'Its columns changed, so each write takes longer to record. Run ' || s.track_again || '.'
  from standing s
  where s.columns <> audit.columns_of(s.relation)
  union all
  select s.name, 'policy', 'Its row-level security hides rows from the service. Run ' || s.track_again || '.'
  from standing s
  where s.relrowsecurity and 2 > (
    select count(*)
    from pg_policy y
    where y.polrelid = s.relation and y.polname in ('audit_recorder_reads', 'audit_worker_restores')
  )
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.capture_row_code(p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (string_agg(format('    if %s then
      __fields := array_append(__fields, %L);
      __values := coalesce(__values, ''{}'') || %s;
%s    end if;
'::text, audit.differs_sql(capture_row_code.p_relation, c.name, '__before'::text, '__after'::text), c.name, CASE WHEN c.is_redacted THEN format('case when __after.%1$I is null then %2$L::jsonb else %3$L::jsonb end'::text, c.name, jsonb_build_object(c.name, NULL::unknown), jsonb_build_object(c.name, '[redacted]')) ELSE format('jsonb_build_object(%1$L, __after.%1$I)'::text, c.name) END, CASE WHEN (c.key_position IS NOT NULL) THEN format('      __new_key := nullif(%s, %s);
'::text, audit.record_key_sql(capture_row_code.p_relation, '__after'::text), audit.record_key_sql(capture_row_code.p_relation, '__before'::text)) ELSE ''::text END), ''::text ORDER BY a.attnum) || format('
    if coalesce(__fields, ''{}'') <@ %L::text[] then
      return null;
    end if;
    __key := %s;
    __image := %s;
%s    insert into audit.audit_logs (table_schema, table_name, record_id, new_record_id, action, old_values, new_values,
      changed_fields, exact_values, user_id, request_id, restore_id)
    values (%L, %L, __key, __new_key, ''UPDATE'', __image, __values, __fields, __exact, __user, __request, __restore);
'::text, audit.ignored_names(capture_row_code.p_relation), audit.record_key_sql(capture_row_code.p_relation, '__before'::text), audit.image_sql(capture_row_code.p_relation, '__before'::text), CASE WHEN (audit.is_lost_sql(capture_row_code.p_relation, '__before'::text) IS NULL) THEN ''::text ELSE format('    if %s or %s then
      __exact := %s;
    end if;
'::text, audit.is_lost_sql(capture_row_code.p_relation, '__before'::text), audit.is_lost_sql(capture_row_code.p_relation, '__after'::text), audit.exact_values_sql(capture_row_code.p_relation, 'UPDATE'::text, '__before'::text, '__after'::text)) END, min(t.table_schema), min(t.table_name))) FROM ((audit.captured_columns(capture_row_code.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) JOIN pg_attribute a ON (((a.attrelid = capture_row_code.p_relation) AND (a.attname = c.name)))) JOIN audit.tracked_tables t ON ((t.relation = capture_row_code.p_relation))) WHERE (NOT c.is_excluded));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.capture_source(p_relation oid, p_operation text, p_by_key boolean DEFAULT false)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_pairs constant text := '%s cross join lateral (select %s) __i cross join lateral (select %s) __j where not %s <@ %L::text[]';
  v_same_key constant text := audit.record_key_sql(p_relation, '__n') || ' = ' || audit.record_key_sql(p_relation, '__o');
  v_left oid[];
begin
  case p_operation
    when 'INSERT' then
      return format('__new __n cross join lateral (select %s) __j', audit.image_columns_sql(p_relation, '__n'))
        || case when p_by_key then format(' where not exists (select from __old __o where %s)', v_same_key) else '' end;
    when 'DELETE' then
      return format('__old __o cross join lateral (select %s) __i', audit.image_columns_sql(p_relation, '__o'))
        || case when p_by_key then format(' where not exists (select from __new __n where %s)', v_same_key) else '' end;
    when 'UPDATE' then
      -- A change of nothing but excluded or ignored columns is none.
      return format(
        v_pairs,
        case when p_by_key then '__old __o join __new __n on ' || v_same_key
        else '(select row_number() over () as __position, * from __old) __o '
          'full join (select row_number() over () as __position, * from __new) __n using (__position)' end,
        audit.image_columns_sql(p_relation, '__o'), audit.image_columns_sql(p_relation, '__n', '__o'),
        audit.compared_columns_sql(p_relation, '__o', '__n', true), audit.ignored_names(p_relation)
      );
    else
      if (select relkind = 'r' from pg_class where oid = p_relation) then
        return format('only %s __o cross join lateral (select %s) __i', p_relation::regclass, audit.image_columns_sql(p_relation, '__o'));
      end if;
      v_left := audit.truncated_by(p_relation);
      return format(
        '%s __o cross join lateral (select %s) __i where %s', p_relation::regclass, audit.image_columns_sql(p_relation, '__o'),
        case when v_left is null then 'false' else format('__o.tableoid = any (%L::oid[])', v_left) end
      );
  end case;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.capture_sql(p_relation oid, p_operation text, p_context text, p_by_key boolean DEFAULT false)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('insert into audit.audit_logs (table_schema, table_name, record_id, new_record_id, action, old_values, new_values, changed_fields, exact_values, user_id, request_id, restore_id) select %L, %L, %s, %s, %L, %s, %s, %s, %s, %s from %s'::text, t.table_schema, t.table_name, CASE capture_sql.p_operation WHEN 'INSERT'::text THEN k.new ELSE k.old END, CASE capture_sql.p_operation WHEN 'UPDATE'::text THEN format('nullif(%s, %s)'::text, k.new, k.old) ELSE 'null'::text END, capture_sql.p_operation, CASE capture_sql.p_operation WHEN 'INSERT'::text THEN 'null'::text ELSE 'to_jsonb(__i)'::text END, CASE capture_sql.p_operation WHEN 'INSERT'::text THEN 'to_jsonb(__j)'::text WHEN 'UPDATE'::text THEN ('to_jsonb(__j) - '::text || audit.compared_columns_sql(capture_sql.p_relation, '__o'::text, '__n'::text, false)) ELSE 'null'::text END, CASE capture_sql.p_operation WHEN 'UPDATE'::text THEN audit.compared_columns_sql(capture_sql.p_relation, '__o'::text, '__n'::text, true) ELSE 'null'::text END, COALESCE(audit.exact_values_sql(capture_sql.p_relation, capture_sql.p_operation), 'null'::text), capture_sql.p_context, audit.capture_source(capture_sql.p_relation, capture_sql.p_operation, capture_sql.p_by_key)) AS format FROM (audit.tracked_tables t CROSS JOIN LATERAL (SELECT audit.record_key_sql(capture_sql.p_relation, '__o'::text) AS old, audit.record_key_sql(capture_sql.p_relation, '__n'::text) AS new) k) WHERE (t.relation = capture_sql.p_relation));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.captured_columns(p_relation oid)
 RETURNS TABLE(name text, fidelity text, key_position integer, is_excluded boolean, is_redacted boolean, is_ignored boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with noted as (
    select a.*, t.key_columns, t.excluded_columns, t.redacted_columns, t.ignored_columns,
      (t.columns #>> array[a.attname, 'number'])::smallint as number
    from audit.tracked_tables t
    join pg_attribute a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
    where t.relation = p_relation
  )
  select
    n.attname::text,
    audit.image_fidelity(n.atttypid),
    -- A key column goes by its name only when the one of its number is gone.
    case
      when exists (select from noted o where o.attnum = n.number) then array_position(n.key_columns, n.attnum)
      else array_position(n.key_columns, coalesce(n.number, n.attnum))
    end,
    n.attgenerated = 'v' or n.attnum = any (n.excluded_columns) or coalesce(n.number = any (n.excluded_columns), false),
    n.attnum = any (n.redacted_columns) or coalesce(n.number = any (n.redacted_columns), false),
    n.attnum = any (n.ignored_columns) or coalesce(n.number = any (n.ignored_columns), false)
  from noted n
  order by n.attnum
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.changed_by_others(p_run uuid, p_positions integer[])
 RETURNS integer[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(array_agg(i."position" ORDER BY i."position"), '{}'::integer[]) AS "coalesce" FROM (audit.restore_items i JOIN audit.tracked_tables t ON ((t.relation = i.relation))) WHERE ((i.run_id = changed_by_others.p_run) AND (i."position" = ANY (changed_by_others.p_positions)) AND ((i.conflict IS NOT NULL) OR (NOT (EXISTS (SELECT FROM audit.audit_logs l WHERE ((l.table_name = t.table_name) AND (l.table_schema = t.table_schema) AND (l.record_id = i.live_record_id) AND (l.restore_id = changed_by_others.p_run) AND (COALESCE(l.new_record_id, i.record_id) = i.record_id) AND (l.action = 'UPDATE'::text) AND (l.old_values = i.live) AND (COALESCE(NULLIF((l.exact_values -> 'old'::text), 'null'::jsonb), '{}'::jsonb) = COALESCE(i.live_exact, '{}'::jsonb)) AND (NOT (EXISTS (SELECT FROM audit.audit_logs o WHERE ((o.table_name = t.table_name) AND (o.table_schema = t.table_schema) AND (o.record_id = i.live_record_id) AND (o.id > l.id) AND (o.restore_id IS DISTINCT FROM changed_by_others.p_run))))))))))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.changed_keys(p_old jsonb, p_new jsonb)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT array_agg(k.k ORDER BY (k.k COLLATE "C")) AS array_agg FROM jsonb_object_keys((changed_keys.p_old || changed_keys.p_new)) k(k) WHERE ((changed_keys.p_old -> k.k) IS DISTINCT FROM (changed_keys.p_new -> k.k)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_access(p_relations oid[], p_since timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into pg_temp.restore_problems (severity, code, relation)
  select 'blocking', 'no_access', r.relation
  from (select distinct relation from pg_temp.restore_actions) r
  join pg_class c on c.oid = r.relation
  where not (
      has_table_privilege(r.relation, 'select') and has_table_privilege(r.relation, 'insert')
      and has_table_privilege(r.relation, 'update') and has_table_privilege(r.relation, 'delete')
    )
    or c.relrowsecurity and row_security_active(r.relation) and not exists (
      select from pg_policy p where p.polrelid = r.relation and p.polname = 'audit_worker_restores'
    );
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select 'loss', 'history_gap', g.relation, jsonb_build_object('from', g.began_at, 'to', g.ended_at, 'reason', g.reason)
  from audit.capture_gaps g
  join audit.tracked_tables t on t.relation = g.relation
  where (t.root = any (p_relations) or t.root in (select relation from pg_temp.restore_actions))
    and coalesce(g.ended_at, 'infinity')
      > coalesce(least(p_since, (select min(entry_at) from pg_temp.restore_draft where relation = t.root)), '-infinity');
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_as_events(p_table regclass, p_as_events jsonb)
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys constant text[] := '{resourceType,workspaceColumn,resourceColumn,insert,update,delete}';
  v_hint constant text := 'Give resourceType, workspaceColumn and resourceColumn, and of insert, update and delete the action types that are wanted.';
  v_key text;
begin
  if p_as_events is null then
    return;
  end if;
  if jsonb_typeof(p_as_events) <> 'object' then
    raise exception 'as_events must be a JSON object' using errcode = 'invalid_parameter_value', hint = v_hint;
  end if;
  foreach v_key in array v_keys || array(select jsonb_object_keys(p_as_events - v_keys)) loop
    if v_key <> all (v_keys) then
      raise exception 'as_events has no key %', v_key using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif not p_as_events ? v_key then
      if v_key in ('insert', 'update', 'delete') and p_as_events ?| '{insert,update,delete}' then
        continue;
      end if;
      raise exception 'as_events lacks %', v_key using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif jsonb_typeof(p_as_events -> v_key) <> 'string' or length(p_as_events ->> v_key) not between 1 and 200 then
      raise exception 'as_events.% must be a text of 1 to 200 characters', v_key
        using errcode = 'invalid_parameter_value', hint = v_hint;
    elsif v_key like '%Column' and not exists (
      select from pg_attribute
      where attrelid = p_table and attname = p_as_events ->> v_key and attnum > 0 and not attisdropped and attnotnull
    ) then
      raise exception 'as_events.% names %, which is no NOT NULL column of %', v_key, p_as_events ->> v_key, p_table
        using errcode = 'undefined_column', hint = 'An event belongs to a workspace and a resource.';
    end if;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_constraints()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_check record;
  v_is_some boolean;
  v_count bigint;
begin
  for v_check in
    select r.relation, string_agg(format('target -> %L = ''null''', a.attname), ' or ') as finds_some
    from (select distinct relation from pg_temp.restore_actions where action in ('insert', 'update')) r
    join pg_attribute a on a.attrelid = r.relation and a.attnum > 0 and a.attnotnull and not a.attisdropped
    group by r.relation
  loop
    execute format('select bool_or(%s) from pg_temp.restore_draft where relation = %s', v_check.finds_some, v_check.relation) into v_is_some;
    continue when v_is_some is not true;
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select 'blocking', 'null_refused', d.relation, d.record_id, jsonb_build_object('column', a.attname)
    from pg_temp.restore_draft d
    join pg_attribute a on a.attrelid = d.relation and a.attnum > 0 and a.attnotnull and not a.attisdropped
    where d.relation = v_check.relation and d.target -> a.attname = 'null'
      and (d.action = 'insert' or d.action = 'update' and a.attname = any (d.columns));
  end loop;
  for v_check in
    select c.conrelid as relation, c.conname::text as name, pg_get_expr(c.conbin, c.conrelid) as expression, k.columns
    from pg_constraint c
    cross join lateral (
      select array_agg(a.attname::text) as columns from unnest(c.conkey) n join pg_attribute a on a.attrelid = c.conrelid and a.attnum = n
    ) k
    where c.contype = 'c' and c.conrelid in (select relation from pg_temp.restore_actions where action in ('insert', 'update'))
      and (select count(*) from audit.restore_columns(c.conrelid) w where w.is_writable and w.name = any (k.columns)) = cardinality(k.columns)
    order by 1, 2
  loop
    begin
      execute format(
        $sql$
select count(*) from (
  select %1$s
  from pg_temp.restore_draft __d
  left join pg_temp.restore_live __l on __l.draft_id = __d.draft_id
  cross join lateral jsonb_to_record(
    case when __d.action = 'insert' then __d.target else __l.image || audit.some_of_image(__d.target, __d.columns) end
  ) as %2$s
  where __d.relation = %3$s and (__d.action = 'insert' and __d.target ?& %4$L::text[] or __d.action = 'update' and __d.columns && %4$L::text[])
) __t
where not (%5$s)
$sql$,
        (select string_agg(format('(%s) as %I', audit.image_value_sql(v_check.relation, c, '__d.exact'), c), ', ') from unnest(v_check.columns) c),
        audit.image_record_sql(v_check.relation, v_check.columns), v_check.relation, v_check.columns, v_check.expression
      ) into v_count;
      if v_count > 0 then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'check_refused', v_check.relation, jsonb_build_object('constraint', v_check.name, 'rows', v_count));
      end if;
    exception
      -- A check that cannot be asked beforehand answers when the rows are written.
      when others then
        null;
    end;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_dependents()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
begin
  for v_key in
    select k.*
    from audit.foreign_keys_of(array(select distinct relation from pg_temp.restore_actions where action <> 'insert')) k
    where exists (
      select from pg_temp.restore_draft d
      where d.relation = k.parent and (d.action = 'delete' or d.action = 'update' and d.columns && k.parent_columns)
    )
  loop
    if not (
      has_schema_privilege((select relnamespace from pg_class where oid = v_key.child), 'usage') and has_table_privilege(v_key.child, 'select')
    ) then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      values (
        case when v_key.on_delete in ('a', 'r') then 'note' else 'blocking' end, 'unseen_dependents', v_key.parent,
        jsonb_build_object('constraint', v_key.name, 'child', v_key.child::regclass::text)
      );
      continue;
    end if;
    execute format(
      $sql$
insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
select
  case when d.action = 'update' and %7$L in ('c', 'n', 'd') then 'note' else 'blocking' end,
  case when d.action = 'update' then 'key_dependents' else 'dependents' end,
  %1$s, d.record_id, jsonb_build_object('constraint', %2$L::text, 'child', %3$L::text, 'rows', count(*))
from pg_temp.restore_draft d
join pg_temp.restore_live l on l.draft_id = d.draft_id
join %4$s __t on %5$s
where d.relation = %1$s and (d.action = 'delete' or d.action = 'update' and d.columns && %8$L::text[]) and not exists (
  select from pg_temp.restore_draft c where %6$s
)
group by d.record_id, d.action
$sql$,
      v_key.parent, v_key.name, v_key.child::regclass::text, v_key.child::regclass,
      (
        select string_agg(format('__t.%I = (l.image ->> %L)::%s', k.c, k.p, format_type(a.atttypid, a.atttypmod)), ' and ')
        from unnest(v_key.child_columns, v_key.parent_columns) k (c, p)
        join pg_attribute a on a.attrelid = v_key.child and a.attname = k.c
      ),
      coalesce(
        (
          select format('c.relation = %s and c.live_record_id = %s and (not c.is_there or c.target ?& %L::text[] and not (%s))',
            v_key.child, audit.record_key_sql(v_key.child, '__t'), v_key.child_columns,
            audit.reference_sql('c.target', v_key.child_columns, 'l.image', v_key.parent_columns))
          from audit.tracked_tables t where t.relation = v_key.child
        ),
        'false'
      ),
      v_key.on_update, v_key.parent_columns
    );
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_event_chronology()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_tolerance constant interval := '5 seconds';
  c_lock_space constant int := 1097622048;
  v_now constant timestamptz := clock_timestamp();
  v_watermark timestamptz;
begin
  -- Readers find what is new by this column, so nobody chooses it, the owner included.
  new.txid := pg_current_xact_id();

  select s.last_created_at
  into v_watermark
  from audit.audit_event_sequence s
  where s.workspace_id = new.workspace_id;

  -- A watermark ahead of the clock (the clock was set back) must not refuse the server's own time.
  if new.created_at < least(v_watermark, v_now) - c_tolerance and v_watermark is not null then
    raise exception 'Audit event timestamp is before last event'
      using errcode = 'check_violation',
            detail = format('created_at is %s, the last event of this workspace is of %s.', new.created_at, v_watermark),
            hint = 'Leave created_at to the server and put the time of the deed into occurred_at.';
  end if;

  -- The watermark never passes the clock, so an event dated ahead cannot block its workspace.
  if (v_watermark is null or v_watermark < least(new.created_at, v_now) - interval '1 second')
    and new.workspace_id is not null
    and current_setting('transaction_isolation') = 'read committed'
    and pg_try_advisory_xact_lock(c_lock_space, hashtext(new.workspace_id))
  then
    insert into audit.audit_event_sequence as s (workspace_id, last_event_id, last_created_at)
    values (new.workspace_id, new.id, least(new.created_at, v_now))
    on conflict (workspace_id) do update
      set last_event_id = excluded.last_event_id,
          last_created_at = excluded.last_created_at
      where s.last_created_at < excluded.last_created_at;
    -- The workspace's first event, under the same lock, so that this waits for nobody either.
    if v_watermark is null then
      insert into audit.audit_retention_policies (workspace_id) values (new.workspace_id) on conflict do nothing;
    end if;
  end if;
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_hold_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if old.released_at is not null
    or new.released_at is null
    or (to_jsonb(new) - '{released_at,released_by_user_id,release_reason}'::text[])
      <> (to_jsonb(old) - '{released_at,released_by_user_id,release_reason}'::text[])
  then
    raise exception 'A legal hold can be released, once, and not changed'
      using errcode = 'insufficient_privilege', hint = 'Place another hold, then release this one.';
  end if;
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_holds()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
  select 'blocking', 'held', g.relation, h.key, jsonb_build_object('holds', h.holds)
  from (
    select d.relation, array_agg(l.record_id) as keys
    from pg_temp.restore_draft d
    join pg_temp.restore_live l on l.draft_id = d.draft_id
    where d.action = 'delete'
    group by d.relation
  ) g
  cross join lateral audit.held_keys(g.relation, g.keys) h;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_lost_children()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select
    case k.on_delete when 'c' then 'loss' else 'note' end, 'unseen_children', k.parent,
    jsonb_build_object('constraint', k.name, 'child', k.child::regclass::text)
  from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'insert')) k
  where k.on_delete in ('c', 'n', 'd')
    and k.parent in (select a.relation from pg_temp.restore_actions a where a.action = 'insert')
    and not exists (select from audit.tracked_tables t where t.relation = k.child);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.check_unique()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_index record;
begin
  for v_index in
    select i.indrelid as relation, i.indexrelid::regclass::text as name, i.indimmediate as is_hard, i.indnullsnotdistinct as is_null_equal, c.columns
    from (select distinct relation from pg_temp.restore_actions where action in ('insert', 'update')) r
    join pg_index i on i.indrelid = r.relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    cross join lateral (
      select array_agg(a.attname::text order by k.o) as columns
      from unnest(i.indkey[0:i.indnkeyatts - 1]) with ordinality k (n, o)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n
    ) c
    where not exists (
      select from pg_temp.restore_problems p where p.relation = i.indrelid and p.code = 'column_retyped' and p.severity = 'blocking'
    )
    and (select count(*) from audit.restore_columns(i.indrelid) w where w.is_writable and w.name = any (c.columns)) = cardinality(c.columns)
    and not audit.keys_are_known_free(i.indrelid, c.columns)
    order by 1, 2
  loop
    perform audit.note_holders(v_index.relation, v_index.name, v_index.columns, v_index.is_hard, v_index.is_null_equal);
  end loop;
end
$function$;

-- owner: audit_lookup
CREATE OR REPLACE FUNCTION audit.check_workspace_membership()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_source audit.membership_source;
  v_member boolean;
begin
  select * into v_source from audit.membership_source;
  if not found then
    return new;
  end if;
  execute format(
    'select exists (select from %s where %I::text = $1 and %I::text = $2)',
    v_source.source_table, v_source.workspace_column, v_source.user_column
  )
  into v_member
  using new.workspace_id, new.created_by_user_id;
  if not v_member then
    raise exception 'User is not a member of the workspace'
      using errcode = 'check_violation',
            constraint = 'check_audit_workspace_membership',
            detail = format('%s has no row for this user and workspace.', v_source.source_table),
            hint = 'Add the membership first, or log the event as a member.';
  end if;
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_children(p_relation oid)
 RETURNS TABLE(table_name text, constraint_name text, on_delete text, is_tracked boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with recursive gone (relation) as (
    select p_relation
    union
    select r.child from gone g cross join audit.references_to(g.relation) r where r.on_delete = 'cascade'
  )
  select distinct
    n.nspname || '.' || c.relname, r.constraint_name, r.on_delete, exists (select from audit.tracked_tables t where t.relation = r.child)
  from gone g
  cross join audit.references_to(g.relation) r
  join pg_class c on c.oid = r.child
  join pg_namespace n on n.oid = c.relnamespace
  order by 1, 2
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_due_sql(p_rule jsonb, p_as_of timestamp with time zone)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO'
RETURN (WITH relation AS (SELECT audit.cleanup_relation((cleanup_due_sql.p_rule ->> 'table'::text)) AS id) SELECT (string_agg(CASE WHEN (w.condition ? 'seconds'::text) THEN format('t.%I < %L::timestamptz::%s'::text, a.attname, (cleanup_due_sql.p_as_of - make_interval(secs => ((w.condition ->> 'seconds'::text))::double precision)), format_type(a.atttypid, '-1'::integer)) ELSE format('t.%I = any (%L::%s[])'::text, a.attname, ARRAY(SELECT (i.value #>> '{}'::text[]) FROM jsonb_array_elements((w.condition -> 'in'::text)) i(value)), format_type(a.atttypid, '-1'::integer)) END, ' and '::text ORDER BY w."position") || format(' and not (%s)'::text, audit.held_sql((SELECT relation.id FROM relation), audit.cleanup_workspace_sql(cleanup_due_sql.p_rule), 't'::text))) FROM ((relation r CROSS JOIN jsonb_array_elements((cleanup_due_sql.p_rule -> 'where'::text)) WITH ORDINALITY w(condition, "position")) JOIN pg_attribute a ON (((a.attrelid = r.id) AND (a.attname = (w.condition ->> 'column'::text)) AND (a.attnum > 0) AND (NOT a.attisdropped)))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_faults(p_rule jsonb)
 RETURNS TABLE(fault text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation constant oid := audit.cleanup_relation(p_rule ->> 'table');
  v_class pg_class;
begin
  select * into v_class from pg_class c where c.oid = v_relation;
  if not found then
    return query select 'is no table of this database; write schema.name as the catalog spells it';
    return;
  end if;
  if audit.key_of(v_relation) is null then
    return query select 'has no primary key, by which its rows could be deleted in batches; give it one';
  end if;
  if v_class.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = v_relation) then
    return query select 'is inherited from, so its key does not tell its rows apart; write a rule for each child';
  end if;
  if not has_schema_privilege(v_class.relnamespace, 'usage')
    or not (has_table_privilege(v_relation, 'select') and has_table_privilege(v_relation, 'update') and has_table_privilege(v_relation, 'delete'))
  then
    return query select format(
      'may not be cleaned by %s; as its owner run: grant usage on schema %2$s to %1$s; grant select, update, delete on %3$s to %1$s',
      current_user, v_class.relnamespace::regnamespace, v_relation::regclass
    );
  elsif audit.cleanup_hides_rows(v_relation) then
    return query select format(
      'hides rows from %1$s by its row security; as its owner run: create policy audit_worker_restores on %2$s for all to %1$s using (true) with check (true)',
      current_user, v_relation::regclass
    );
  end if;
  return query
  select format(
    'takes rows of %s along by cascade, and %s may not see whether those are held; as its owner run: grant select on %1$s to %2$s',
    h.table_name, current_user
  )
  from audit.cleanup_children(v_relation) h
  where h.on_delete = 'cascade' and not has_table_privilege(audit.cleanup_relation(h.table_name), 'select')
  group by h.table_name;
  return query
  select format('has no column %s, which is to name the workspace', p_rule ->> 'workspaceColumn')
  where p_rule ? 'workspaceColumn' and not exists (
    select from pg_attribute a
    where a.attrelid = v_relation and a.attname = p_rule ->> 'workspaceColumn' and a.attnum > 0 and not a.attisdropped
  );
  return query
  select format(
    'takes rows of %s along by cascade, and the row security there may hide from %s that they are held; as its owner run: create policy audit_worker_restores on %1$s for all to %2$s using (true) with check (true)',
    h.table_name, current_user
  )
  from audit.cleanup_children(v_relation) h
  where h.on_delete = 'cascade' and audit.cleanup_hides_rows(audit.cleanup_relation(h.table_name))
  group by h.table_name;
  return query
  select case
    when a.attnum is null then format('has no column %s', w.condition ->> 'column')
    when w.condition ? 'seconds' and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) then
      format('has a column %s of type %s, which says no time; olderThan needs timestamptz, timestamp or date',
        w.condition ->> 'column', format_type(a.atttypid, a.atttypmod))
    else format('has a column %s of type %s, of which %s is no value that can be compared',
      w.condition ->> 'column', format_type(a.atttypid, a.atttypmod), i.value::text)
  end
  from jsonb_array_elements(p_rule -> 'where') with ordinality w (condition, position)
  left join pg_attribute a
    on a.attrelid = v_relation and a.attname = w.condition ->> 'column' and a.attnum > 0 and not a.attisdropped
  left join lateral jsonb_array_elements(w.condition -> 'in') i on a.attnum is not null
  where a.attnum is null
    or w.condition ? 'seconds' and a.atttypid not in ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
    or i.value is not null and not audit.cleanup_value_fits(i.value #>> '{}', format_type(a.atttypid, -1))
  order by w.position;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_hides_rows(p_relation oid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (row_security_active(p_relation) AND (NOT (EXISTS (SELECT FROM pg_policy p WHERE ((p.polrelid = cleanup_hides_rows.p_relation) AND (p.polname = 'audit_worker_restores'::name))))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_relation(p_table text)
 RETURNS oid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT c.oid FROM (pg_class c JOIN pg_namespace n ON ((n.oid = c.relnamespace))) WHERE (((((n.nspname)::text || '.'::text) || (c.relname)::text) = cleanup_relation.p_table) AND (c.relkind = ANY (ARRAY['r'::"char", 'p'::"char"])) AND (c.relpersistence <> 't'::"char")));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_statements(p_rule jsonb, p_as_of timestamp with time zone, p_after jsonb, p_limit integer)
 RETURNS TABLE(counting text, locking text, deleting text[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation constant oid := audit.cleanup_relation(p_rule ->> 'table');
  v_due constant text := audit.cleanup_due_sql(p_rule, p_as_of);
  v_time constant text := (
    select w ->> 'column' from jsonb_array_elements(p_rule -> 'where') w where w ? 'seconds' limit 1
  );
  v_columns text;
  v_texts text;
  v_matches text;
  v_after text;
begin
  select
    string_agg(format('t.%I', a.attname), ', ' order by k.n),
    string_agg(format('t.%I::text', a.attname), ', ' order by k.n),
    string_agg(format('t.%I = (k.key ->> %s)::%s', a.attname, k.n - 1, format_type(a.atttypid, -1)), ' and ' order by k.n),
    string_agg(format('%L::%s', p_after ->> (k.n - 1)::int, format_type(a.atttypid, -1)), ', ' order by k.n)
  into v_columns, v_texts, v_matches, v_after
  from unnest(audit.key_of(v_relation)) with ordinality k (name, n)
  join pg_attribute a on a.attrelid = v_relation and a.attname = k.name;
  counting := format(
    'select (select count(*) from (select from %1$s t where %2$s limit %3$s) d)::int as count, '
    '(select t.%4$I::timestamptz from %1$s t where %2$s order by t.%4$I limit 1) as oldest',
    v_relation::regclass, v_due, p_limit, v_time
  );
  locking := format(
    'select jsonb_build_array(%s) as key from %s t where %s%s order by %s limit %s for update skip locked',
    v_texts, v_relation::regclass, v_due,
    case when p_after is null then '' else format(' and (%s) > (%s)', v_columns, v_after) end, v_columns, p_limit
  );
  deleting := array[
    format('delete from %s t using jsonb_array_elements((', v_relation::regclass),
    format(')::jsonb) k (key) where %s and not (%s)', v_matches, audit.held_sql(v_relation, audit.cleanup_workspace_sql(p_rule), 't')),
    format(' and not (%s)', coalesce(audit.referenced_sql(v_relation), 'false')),
    ' returning k.key'
  ];
  return next;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_value_fits(p_value text, p_type text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_fits boolean;
begin
  execute format(
    'select %1$L::%2$s = %1$L::%2$s and (t.typcategory not in (''S'', ''Z'') or rtrim(%1$L::%2$s::text) = rtrim(%1$L)) '
    'from pg_type t where t.oid = %3$L::regtype',
    p_value, p_type, p_type
  ) into v_fits;
  return v_fits;
exception
  when data_exception or check_violation or undefined_function then
    return false;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.cleanup_workspace_sql(p_rule jsonb)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (p_rule ? 'workspaceColumn'::text) THEN format('coalesce(t.%I::text, '''')'::text, (p_rule ->> 'workspaceColumn'::text)) ELSE 'null'::text END;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.column_numbers(p_relation oid, p_names text[])
 RETURNS smallint[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(array_agg(a.attnum ORDER BY n."position"), '{}'::smallint[]) AS "coalesce" FROM (unnest(column_numbers.p_names) WITH ORDINALITY n(name, "position") JOIN pg_attribute a ON (((a.attrelid = column_numbers.p_relation) AND (a.attname = n.name) AND (a.attnum > 0) AND (NOT a.attisdropped)))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.columns_of(p_relation oid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT jsonb_object_agg(a.attname, jsonb_build_object('number', a.attnum, 'type', (a.atttypid)::bigint)) AS jsonb_object_agg FROM pg_attribute a WHERE ((a.attrelid = columns_of.p_relation) AND (a.attnum > 0) AND (NOT a.attisdropped)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.compared_columns_sql(p_relation oid, p_old text, p_new text, p_differ boolean)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('array_remove(array[%s], null)'::text, string_agg(format(CASE WHEN compared_columns_sql.p_differ THEN 'case when %s then %L::text end'::text ELSE 'case when %s then null else %L::text end'::text END, audit.differs_sql(compared_columns_sql.p_relation, c.name, compared_columns_sql.p_old, compared_columns_sql.p_new), c.name), ', '::text)) AS format FROM audit.captured_columns(compared_columns_sql.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) WHERE (NOT c.is_excluded));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.content_digest(p_line text)
 RETURNS bytea
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN sha256(convert_to((((p_line)::jsonb - 21))::text, 'UTF8'::name));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.create_month_table(p_parent name, p_name name, p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  execute format(
    'create table audit.%I (like audit.%I including defaults including constraints including storage, '
    'constraint %I check (created_at >= %L and created_at < %L))',
    p_name, p_parent, p_name || '_range', p_from, p_to
  );
  execute format(
    'comment on table audit.%I is %L', p_name, format('%s of %s (UTC).', p_parent, to_char(p_from, 'YYYY-MM'))
  );
  perform audit.tune_month(p_name);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.create_monthly_audit_partition(p_months_ahead integer DEFAULT 3)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  v_parent name;
  v_month date;
  v_added int := 0;
begin
  if p_months_ahead is null or p_months_ahead not between 0 and 24 then
    raise exception 'p_months_ahead is %, but must be from 0 to 24', coalesce(p_months_ahead::text, 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  -- Two callers would race to the same name.
  perform pg_advisory_xact_lock(hashtextextended('audit.create_monthly_audit_partition', 0));
  for v_parent, v_month in
    select p.table_name, m::date
    from audit.partitioned_tables() p
    cross join generate_series(
      date_trunc('month', clock_timestamp()) - interval '1 month',
      date_trunc('month', clock_timestamp()) + make_interval(months => p_months_ahead),
      interval '1 month'
    ) m
    order by 2, 1
  loop
    v_added := v_added + audit.add_month_partition(v_parent, v_month)::int;
  end loop;
  perform audit.add_month_partition('audit_events_archive', m.month_start::date)
  from audit.month_partitions() m
  where m.table_name = 'audit_events';
  return v_added;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.current_name(p_relation oid, p_noted text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (a.attname)::text AS attname FROM (audit.tracked_tables t JOIN pg_attribute a ON (((a.attrelid = t.relation) AND (a.attnum > 0) AND (NOT a.attisdropped)))) WHERE ((t.relation = current_name.p_relation) AND ((a.attnum = ((t.columns #>> ARRAY[current_name.p_noted, 'number'::text]))::smallint) OR (a.attname = current_name.p_noted))) ORDER BY (a.attname = current_name.p_noted) LIMIT 1);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.day_begins(p_day date, p_zone text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT min(q.at) AS min FROM (generate_series(0, ((3 * 96) - 1)) n(n) CROSS JOIN LATERAL (SELECT ((((day_begins.p_day - 1))::timestamp without time zone AT TIME ZONE 'UTC'::text) + ((n.n)::double precision * '00:15:00'::interval)) AS at) q) WHERE (((q.at AT TIME ZONE day_begins.p_zone))::date >= day_begins.p_day));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.decide_actions(p_strict boolean)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_stay int := 0;
begin
  if exists (select from pg_temp.restore_draft where not is_there) then
    delete from pg_temp.restore_draft d
    where not d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
    delete from pg_temp.restore_draft d where not d.is_there and not p_strict;
    get diagnostics v_stay = row_count;
  end if;
  -- A row that was there is an insert unless its live row says otherwise.
  update pg_temp.restore_draft d
  set action = 'update', columns = audit.image_difference(d.target, d.exact, r.image, r.exact, d.fields)
  from pg_temp.restore_live r
  where r.draft_id = d.draft_id and d.is_there;
  if found then
    delete from pg_temp.restore_draft where action = 'update' and columns = '{}';
    -- A row whose key is not among the columns to set back keeps the key that it has.
    update pg_temp.restore_draft d
    set record_id = d.live_record_id
    where d.action = 'update' and d.record_id <> d.live_record_id and d.fields is not null and not exists (
      select from audit.restore_columns(d.relation) c where c.key_position is not null and c.name = any (d.fields)
    );
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select 'blocking', 'identity_changed', d.relation, d.record_id, jsonb_build_object('column', c.name)
    from (select distinct relation from pg_temp.restore_draft where action = 'update') r
    cross join lateral audit.restore_columns(r.relation) c
    join pg_temp.restore_draft d on d.relation = r.relation and c.name = any (d.columns)
    where c.is_fixed_identity and d.action = 'update';
  end if;
  insert into pg_temp.restore_actions select relation, action, count(*) from pg_temp.restore_draft group by relation, action;
  analyze pg_temp.restore_draft (draft_id, relation, record_id, live_record_id, action);
  return v_stay;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.default_retention_values()
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('hotRetentionDays', 90, 'warmArchiveDays', 365, 'coldRetentionDays', 2555, 'isComplianceMode', false, 'complianceReason', NULL::unknown);

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.delete_due_trails(p_limit integer DEFAULT 1000)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_deleted int;
begin
  perform audit.lock_holds();
  with due as materialized (
    select d.project_id, d.message_id
    from audit.projects p
    cross join lateral (
      select o.project_id, o.message_id
      from audit.audit_trails o
      where o.project_id = p.project_id
        and greatest(o.timestamp, o.imported_at) < statement_timestamp() - make_interval(days => p.trail_retention_days)
        and not o.rollup_due
        and not exists (select from audit.deletion_stops(null, 'trail', o.message_id, null, true))
      order by greatest(o.timestamp, o.imported_at)
      limit p_limit
      for update skip locked
    ) d
    where not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
    limit p_limit
  )
  delete from audit.audit_trails t
  using due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.delete_sql(p_relation oid, p_mine text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN format('with __w as (delete from %s as __t using pg_temp.restore_chunk __i where %s and %s returning __i.position as __position) insert into audit.restore_outcomes (run_id, position, outcome) select $1, __w.__position, ''applied'' from __w'::text, (p_relation)::regclass, p_mine, audit.key_match_sql(p_relation, '__t'::text, '__i.live_record_id'::text));

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.delete_trails_of_deleted_projects(p_limit integer DEFAULT 1000)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_deleted int;
begin
  perform audit.lock_holds();
  with due as materialized (
    select d.project_id, d.message_id
    from audit.projects p
    cross join lateral (
      select o.project_id, o.message_id
      from audit.audit_trails o
      where o.project_id = p.project_id
        and not exists (select from audit.deletion_stops(null, 'trail', o.message_id, null, true))
      limit p_limit
      for update skip locked
    ) d
    where p.deleted_at is not null
      and not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
    limit p_limit
  )
  delete from audit.audit_trails t
  using due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_deleted = row_count;
  if v_deleted = 0 then
    delete from audit.projects p
    where p.deleted_at is not null
      and not exists (select from audit.deletion_stops(null, 'project', p.project_id, null, true))
      and not exists (select from audit.audit_trails t where t.project_id = p.project_id);
  end if;
  return v_deleted;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.deletion_stops(p_workspace_id text, p_resource_type text, p_resource_id text, p_user_id text, p_automatic boolean)
 RETURNS TABLE(kind text, hold_id uuid, reason text)
 LANGUAGE sql
 STABLE
AS $function$
  select 'hold', h.id, h.reason
  from audit.legal_holds h
  where h.released_at is null
    and (h.workspace_id is null or h.workspace_id = p_workspace_id or p_workspace_id is null and h.resource_type is not null)
    and (h.resource_type is null or h.resource_type = p_resource_type)
    and (h.resource_id is null or h.resource_id = p_resource_id)
    and (h.subject_user_id is null or h.subject_user_id = p_user_id or h.subject_user_id = p_resource_id)
  union all
  select 'compliance', null, p.compliance_reason
  from audit.audit_retention_policies p
  where p_automatic and p.is_compliance_mode and p.workspace_id = p_workspace_id
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.differs_sql(p_relation oid, p_column text, p_old text, p_new text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format(CASE WHEN (a.atttypid = ANY (ARRAY[('smallint'::regtype)::oid, ('integer'::regtype)::oid, ('bigint'::regtype)::oid, ('boolean'::regtype)::oid, ('uuid'::regtype)::oid, ('bytea'::regtype)::oid, ('date'::regtype)::oid, ('timestamp without time zone'::regtype)::oid, ('timestamp with time zone'::regtype)::oid])) THEN '%s is distinct from %s'::text WHEN (a.atttypid = ANY (ARRAY[('text'::regtype)::oid, ('character varying'::regtype)::oid])) THEN '%s collate "C" is distinct from %s collate "C"'::text ELSE 'record_image_ne(row(%s), row(%s))'::text END, audit.field_sql(differs_sql.p_old, differs_sql.p_column), audit.field_sql(differs_sql.p_new, differs_sql.p_column)) AS format FROM pg_attribute a WHERE ((a.attrelid = differs_sql.p_relation) AND (a.attname = differs_sql.p_column) AND (a.attnum > 0) AND (NOT a.attisdropped)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.discard_cold_files(p_month date)
 RETURNS SETOF text
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  delete from audit.cold_months f
  where f.month = p_month and f.dropped_at is null
  returning f.object_key
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_actor(p_user_id text, p_from timestamp with time zone, p_to timestamp with time zone, p_relations oid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.audit_logs l
  -- A dropped table's history is not that of one which has its name by now.
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    and t.tracked_at <= l.created_at and exists (select from pg_class c where c.oid = t.relation)
  where l.user_id = p_user_id and l.created_at >= p_from and l.created_at < p_to
    and (p_relations is null or t.relation = any (p_relations));
  get diagnostics v_count = row_count;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_children(p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
  v_transactions xid8[];
  v_added int;
  v_count int := 0;
  -- Rows are drafted in the order of their numbers, and looked at once.
  v_from constant int := (select expanded_to from pg_temp.restore_progress);
  v_to constant int := (select matched_to from pg_temp.restore_progress);
  v_whole constant xid8 := (select txid from pg_temp.restore_progress);
begin
  update pg_temp.restore_progress set expanded_to = v_to;
  -- All that a transaction did is drafted when it is undone as a whole.
  if not exists (select from pg_temp.restore_removals m where m.txid is distinct from v_whole) then
    return 0;
  end if;
  insert into pg_temp.restore_problems (severity, code, relation, record_id)
  select 'blocking', 'key_twice', d.relation, d.record_id
  from pg_temp.restore_draft d
  where d.is_there
  group by d.relation, d.record_id
  having count(*) > 1;
  if found then
    return 0;
  end if;
  create unique index if not exists restore_draft_key on pg_temp.restore_draft (relation, record_id) where is_there;
  for v_key in
    select k.*, t.table_schema, t.table_name
    from audit.foreign_keys_of(array(
      select distinct d.relation from pg_temp.restore_draft d join pg_temp.restore_removals m on m.draft_id = d.draft_id where d.draft_id > v_from
    )) k
    join audit.tracked_tables t on t.relation = k.child and t.relation = t.root
    where k.on_delete in ('c', 'n', 'd')
  loop
    v_transactions := array(
      select distinct m.txid from pg_temp.restore_draft d join pg_temp.restore_removals m on m.draft_id = d.draft_id
      where d.relation = v_key.parent and d.is_there and d.draft_id > v_from
    );
    -- Read once: statistics of a history that grows by the second mislead.
    create temp table restore_gone on commit drop as
    select
      l.*, l.record_id as origin_key,
      (select jsonb_agg(l.old_values -> c order by o) from unnest(v_key.child_columns) with ordinality u (c, o)) as reference
    from audit.audit_logs l
    where l.table_schema = v_key.table_schema and l.table_name = v_key.table_name
      and l.txid = any (v_transactions)
      and not exists (
        select from pg_temp.restore_draft o
        where o.relation = v_key.child and o.record_id = l.record_id and o.is_there and o.fields is null
      );
    if p_at is not null then
      perform audit.trace_back(v_key.table_schema, v_key.table_name, p_at);
    end if;
    create index on pg_temp.restore_gone (origin_key);
    analyze pg_temp.restore_gone;
    create temp table restore_referenced on commit drop as
    select m.txid, (select jsonb_agg(coalesce(m.image, d.target) -> c order by o) from unnest(v_key.parent_columns) with ordinality u (c, o)) as reference
    from pg_temp.restore_draft d
    join pg_temp.restore_removals m on m.draft_id = d.draft_id
    where d.relation = v_key.parent and d.is_there and d.draft_id > v_from;
    delete from pg_temp.restore_referenced where reference @> '[null]';
    analyze pg_temp.restore_referenced;
    execute format(
      $sql$
with drafted as (
  insert into pg_temp.restore_draft as c (
    relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, fields, left_image, left_exact, origin
  )
  select distinct on (f.record_id)
    %1$s, coalesce(n.record_id, f.record_id), %2$s, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), %3$s, 'child'
  from pg_temp.restore_referenced p
  join pg_temp.restore_gone l on l.txid = p.txid and l.reference = p.reference and %4$s
  %5$s
  -- The row may be drafted already, under the key that it had before.
  left join (
    select o.record_id, o.live_record_id from pg_temp.restore_draft o
    where o.relation = %1$s and o.is_there and o.live_record_id <> o.record_id
  ) n on l.action = 'UPDATE' and n.live_record_id = coalesce(l.new_record_id, l.record_id)
  where f.action <> 'INSERT'
  order by f.record_id, l.id
  %6$s
  returning c.draft_id, c.record_id, c.entry_id
),
removed as (
  insert into pg_temp.restore_removals (draft_id, txid, image)
  select d.draft_id, l.txid, case when l.id <> d.entry_id then l.old_values end
  from drafted d
  join pg_temp.restore_gone l on l.origin_key = d.record_id and l.action in ('DELETE', 'TRUNCATE')
)
select count(*) from drafted
$sql$,
      v_key.child,
      case v_key.on_delete when 'c' then 'f.record_id' else 'coalesce(l.new_record_id, l.record_id)' end,
      case
        when v_key.on_delete <> 'c' then 'l.changed_fields, l.new_values, nullif(l.exact_values -> ''new'', ''null'')'
        when p_at is null then 'null::text[], ''null''::jsonb, null::jsonb'
        else 'null::text[], null::jsonb, null::jsonb'
      end,
      case v_key.on_delete when 'c' then 'l.action in (''DELETE'', ''TRUNCATE'')' else format('l.action = ''UPDATE'' and l.changed_fields && %L::text[]', v_key.child_columns) end,
      case when p_at is null
        then 'join (select distinct on (g.record_id, g.txid) g.* from pg_temp.restore_gone g order by g.record_id, g.txid, g.id) f '
          'on f.record_id = l.record_id and f.txid = l.txid'
        else format(
          'cross join lateral (select * from audit.audit_logs g where g.table_schema = %L and g.table_name = %L '
          'and g.record_id = l.origin_key and g.created_at > $1 order by g.id limit 1) f',
          v_key.table_schema, v_key.table_name
        )
      end,
      case when v_key.on_delete = 'c' then 'on conflict (relation, record_id) where is_there do nothing'
        -- Several references of one row may have been set to null.
        else 'on conflict (relation, record_id) where is_there do update set '
          'target = c.target || audit.some_of_image(excluded.target, excluded.fields), '
          'fields = array(select unnest(c.fields) union select unnest(excluded.fields)), '
          'left_image = audit.overlay_image(c.left_image, excluded.left_image) '
          'where c.fields is not null and not c.fields @> excluded.fields'
      end
    ) into v_added using p_at;
    drop table pg_temp.restore_gone, pg_temp.restore_referenced;
    v_count := v_count + v_added;
  end loop;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_parents(p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
  v_children constant oid[] := array(select distinct relation from pg_temp.restore_draft where is_there);
  v_added int;
  v_count int := 0;
begin
  delete from pg_temp.restore_problems where code in ('missing_parent', 'unseen_parent', 'reference_changed');
  for v_key in
    select k.*, t.table_schema, t.table_name, t.relation as tracked, t.tracked_at,
      array(select c.name from audit.captured_columns(k.parent) c where c.key_position is not null order by c.key_position) as key_columns
    from audit.foreign_keys_of(v_children) k
    left join audit.tracked_tables t on t.relation = k.parent and t.relation = t.root
    where k.child = any (v_children)
  loop
    if not (
      has_schema_privilege((select relnamespace from pg_class where oid = v_key.parent), 'usage') and has_table_privilege(v_key.parent, 'select')
    ) then
      -- The foreign key itself is checked with its owner's rights when the rows are written.
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      values ('note', 'unseen_parent', v_key.child, jsonb_build_object('constraint', v_key.name, 'parent', v_key.parent::regclass::text));
      continue;
    end if;
    begin
      perform audit.find_missing_parents(v_key.child, v_key.child_columns, v_key.parent, v_key.parent_columns);
    exception
      when data_exception then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'reference_changed', v_key.child, jsonb_build_object('constraint', v_key.name, 'parent', v_key.parent::regclass::text));
        continue;
    end;
    v_added := 0;
    if v_key.tracked is not null and exists (select from pg_temp.restore_missing) then
      execute format(
        $sql$
insert into pg_temp.restore_draft (relation, record_id, live_record_id, is_there, entry_id, entry_at, target, exact, origin)
select distinct on (f.record_id) %1$s, f.record_id, f.record_id, true, f.id, f.created_at, f.old_values, nullif(f.exact_values -> 'old', 'null'), 'parent'
from (%2$s) m
cross join lateral (
  select * from audit.audit_logs l
  where l.table_schema = %3$L and l.table_name = %4$L and l.record_id = m.record_id and l.created_at >= $2
    and case when $1 is null then l.action in ('DELETE', 'TRUNCATE') else l.created_at > $1 end
  order by case when $1 is null then -l.id else l.id end
  limit 1
) f
where f.action <> 'INSERT' and not exists (
  select from audit.audit_logs l
  where l.table_schema = %3$L and l.table_name = %4$L and l.record_id = f.record_id and l.new_record_id is not null and l.id >= f.id
) and not exists (select from pg_temp.restore_draft o where o.relation = %1$s and o.record_id = f.record_id and o.is_there)
$sql$,
        v_key.parent,
        case
          when v_key.key_columns @> v_key.parent_columns and v_key.key_columns <@ v_key.parent_columns
          then audit.parent_key_sql(v_key.child_columns, v_key.parent_columns, v_key.key_columns)
          else format(
            'select distinct on (m.draft_id) l.record_id from pg_temp.restore_missing m join audit.audit_logs l on l.table_schema = %L '
            'and l.table_name = %L and l.action in (''DELETE'', ''TRUNCATE'') and %s order by m.draft_id, l.id desc',
            v_key.table_schema, v_key.table_name,
            audit.reference_sql('m.target', v_key.child_columns, 'l.old_values', v_key.parent_columns)
          )
        end,
        v_key.table_schema, v_key.table_name
      ) using p_at, v_key.tracked_at;
      get diagnostics v_added = row_count;
      v_count := v_count + v_added;
    end if;
    execute format(
      $sql$
insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
select 'blocking', 'missing_parent', %1$s, d.record_id, jsonb_build_object('constraint', %2$L::text, 'parent', %3$L::text, 'isTracked', %4$L::boolean)
from pg_temp.restore_missing d
where not exists (
  select from pg_temp.restore_draft p
  where p.relation = %5$s and p.is_there and coalesce(p.fields && %7$L::text[], true) and %6$s
)
$sql$,
      v_key.child, v_key.name, v_key.parent::regclass::text, v_key.tracked is not null, v_key.parent,
      audit.reference_sql('d.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.parent_columns
    );
    drop table pg_temp.restore_missing;
  end loop;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_record(p_relation oid, p_record_id text, p_entry bigint, p_at timestamp with time zone)
 RETURNS text
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_table audit.tracked_tables;
  v_entry audit.audit_logs;
  v_key text := p_record_id;
begin
  select * into strict v_table from audit.tracked_tables where relation = p_relation;
  if p_at is null then
    select l.* into v_entry
    from (
      (select * from audit.audit_logs l
       where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.record_id = v_key
         and (p_entry is null or l.id = p_entry)
       order by l.id desc limit 1)
      union all
      (select * from audit.audit_logs l
       where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.new_record_id = v_key
         and (p_entry is null or l.id = p_entry)
       order by l.id desc limit 1)
    ) l
    order by l.id desc
    limit 1;
  else
    -- A row that came to this key after the time had another one then.
    loop
      select l.* into v_entry
      from (
        (select * from audit.audit_logs l
         where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.record_id = v_key and l.created_at > p_at
         order by l.id limit 1)
        union all
        (select * from audit.audit_logs l
         where l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema and l.new_record_id = v_key and l.created_at > p_at
         order by l.id limit 1)
      ) l
      order by l.id
      limit 1;
      exit when v_entry.id is null or v_entry.record_id = v_key;
      v_key := v_entry.record_id;
    end loop;
  end if;
  if v_entry.id is null then
    return null;
  end if;
  insert into pg_temp.restore_entries
  with recursive keys (record_id) as (
    select v_entry.record_id
    union
    select l.new_record_id
    from keys k
    join audit.audit_logs l on l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
      and l.record_id = k.record_id and l.id >= v_entry.id and l.new_record_id is not null
  )
  select l.id, l.created_at, p_relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from keys k
  join audit.audit_logs l on l.created_at >= v_table.tracked_at and l.table_name = v_table.table_name and l.table_schema = v_table.table_schema
    and l.record_id = k.record_id and l.id >= v_entry.id;
  return v_entry.record_id;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_rollback(p_run uuid)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count int;
begin
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_there, target, exact, fields, left_image, left_exact, action
  )
  select
    i.relation, coalesce(i.live_record_id, i.record_id), i.record_id, s.position is not null, s.image, s.exact,
    case when i.action <> 'delete' and s.position is not null then coalesce(i.columns, array(select jsonb_object_keys(i.target))) end,
    case i.action
      when 'insert' then i.target
      when 'update' then (select jsonb_object_agg(c, i.target -> c) from unnest(i.columns) c)
      else 'null'
    end,
    i.target_exact, case when s.position is null then 'delete' else 'insert' end
  from audit.restore_items i
  join audit.restore_outcomes o on o.run_id = i.run_id and o.position = i.position and o.outcome = 'applied'
  left join audit.restore_snapshot_rows s on s.run_id = i.run_id and s.position = i.position
  where i.run_id = p_run;
  get diagnostics v_count = row_count;
  -- The restore deleted it and gave its key to another row: that one moves away, and this one is made again.
  update pg_temp.restore_draft d
  set is_anew = true
  where d.left_image = 'null' and exists (
    select from pg_temp.restore_draft o
    where o.relation = d.relation and o.live_record_id = d.live_record_id and o.record_id <> o.live_record_id
  );
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_rows(p_undo boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_moved oid[];
  v_written oid[];
begin
  select coalesce(array_agg(t.relation) filter (where t.has_moves), '{}'), coalesce(array_agg(t.relation) filter (where t.has_writes), '{}')
  into v_moved, v_written
  from (
    select e.relation, bool_or(e.new_record_id is not null) as has_moves, bool_or(e.new_values is not null) as has_writes
    from pg_temp.restore_entries e
    group by e.relation
  ) t;
  foreach v_relation in array v_moved loop
    perform audit.trace_records(v_relation);
  end loop;
  -- What is compared is what changes left.
  if p_undo then
    foreach v_relation in array v_written loop
      perform audit.level_texts(v_relation);
    end loop;
  end if;
  -- Records of which several entries are to be undone; by far the most have one.
  create temp table restore_several on commit drop as
  select e.relation, coalesce(e.first_id::text, e.record_id) as key, e.first_id is null as is_by_key, min(e.id) as first_id, max(e.id) as last_id
  from pg_temp.restore_entries e
  group by 1, 2, 3
  having count(*) > 1;
  analyze pg_temp.restore_several;
  insert into pg_temp.restore_draft (
    relation, record_id, live_record_id, is_live, is_there, entry_id, entry_at, removed_by, target, exact, fields, left_image, left_exact, action
  )
  select
    f.relation, f.record_id,
    -- A row that is gone is looked for under the key it had.
    case when l.action in ('DELETE', 'TRUNCATE') then f.record_id else coalesce(l.new_record_id, l.record_id) end,
    l.action not in ('DELETE', 'TRUNCATE'), f.action <> 'INSERT', f.id, f.created_at,
    case when f.action in ('DELETE', 'TRUNCATE') then f.txid end, f.old_values, nullif(f.exact_values -> 'old', 'null'),
    case when p_undo and f.action = 'UPDATE' then f.changed_fields end,
    case when p_undo then coalesce(l.new_values, 'null') end,
    case when p_undo then nullif(l.exact_values -> 'new', 'null') end,
    case when f.action = 'INSERT' then 'delete' else 'insert' end
  from pg_temp.restore_several s
  join pg_temp.restore_entries f on f.id = s.first_id
  join pg_temp.restore_entries l on l.id = s.last_id
  union all
  select
    e.relation, e.record_id,
    case when e.action in ('DELETE', 'TRUNCATE') then e.record_id else coalesce(e.new_record_id, e.record_id) end,
    e.action not in ('DELETE', 'TRUNCATE'), e.action <> 'INSERT', e.id, e.created_at,
    case when e.action in ('DELETE', 'TRUNCATE') then e.txid end, e.old_values, nullif(e.exact_values -> 'old', 'null'),
    case when p_undo and e.action = 'UPDATE' then e.changed_fields end,
    case when p_undo then coalesce(e.new_values, 'null') end,
    case when p_undo then nullif(e.exact_values -> 'new', 'null') end,
    case when e.action = 'INSERT' then 'delete' else 'insert' end
  from pg_temp.restore_entries e
  where not exists (
    select from pg_temp.restore_several s
    where s.relation = e.relation and s.key = coalesce(e.first_id::text, e.record_id) and s.is_by_key = (e.first_id is null)
  );
  analyze pg_temp.restore_draft (draft_id, relation, record_id, live_record_id, is_there, is_live, entry_id);
  insert into pg_temp.restore_removals (draft_id, txid)
  select draft_id, removed_by from pg_temp.restore_draft where removed_by is not null;
  if exists (select from pg_temp.restore_several) then
    create temp table restore_parts on commit drop as
    select d.draft_id, s.relation, e.id
    from pg_temp.restore_several s
    join pg_temp.restore_draft d on d.entry_id = s.first_id
    join pg_temp.restore_entries e on e.relation = s.relation and coalesce(e.first_id::text, e.record_id) = s.key and (e.first_id is null) = s.is_by_key;
    analyze pg_temp.restore_parts;
    insert into pg_temp.restore_removals (draft_id, txid, image)
    select p.draft_id, e.txid, e.old_values
    from pg_temp.restore_parts p
    join pg_temp.restore_draft d on d.draft_id = p.draft_id and d.is_there and d.entry_id <> p.id
    join pg_temp.restore_entries e on e.id = p.id and e.action in ('DELETE', 'TRUNCATE');
    if p_undo then
      perform audit.undo_each();
    end if;
    drop table pg_temp.restore_parts;
  end if;
  drop table pg_temp.restore_several;
  if exists (select from pg_temp.restore_draft where is_live) then
    -- Its key was taken by a row that had another one at the point: that row moves away, and this one is made again.
    update pg_temp.restore_draft d
    set is_anew = true
    where not d.is_live and d.is_there and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.live_record_id = d.live_record_id and o.is_live and o.is_there and o.draft_id <> d.draft_id
    );
    -- By a row that is looked for itself: of one that came and went meanwhile nothing is left.
    delete from pg_temp.restore_draft d
    where not d.is_there and not d.is_live and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.live_record_id = d.live_record_id and o.is_live
    );
    -- By a row that was not there at the point: that is its successor.
    delete from pg_temp.restore_draft d
    where not d.is_there and d.is_live and exists (
      select from pg_temp.restore_draft o
      where o.relation = d.relation and o.is_there and not o.is_live and o.live_record_id = d.live_record_id
    );
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_since(p_relation oid, p_at timestamp with time zone)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.tracked_tables t
  join audit.audit_logs l on l.table_name = t.table_name and l.table_schema = t.table_schema
  where t.relation = p_relation and l.created_at > p_at;
  get diagnostics v_count = row_count;
  -- A transaction that was under way at that time would be undone by half.
  insert into pg_temp.restore_problems (severity, code, relation, detail)
  select 'loss', 'transaction_split', p_relation, jsonb_build_object('transactionId', s.txid::text, 'until', s.until)
  from (
    select e.txid, max(e.created_at) as until
    from pg_temp.restore_entries e
    where e.relation = p_relation and e.created_at < p_at + interval '1 hour'
    group by e.txid
    order by min(e.created_at)
    limit 1000
  ) s
  where exists (select from audit.audit_logs l where l.txid = s.txid and l.created_at <= p_at)
  order by s.until, s.txid
  limit 20;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.draft_transaction(p_txid xid8)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count int;
begin
  insert into pg_temp.restore_entries
  select l.id, l.created_at, t.relation, l.record_id, l.new_record_id, l.action, l.changed_fields, l.txid, l.old_values,
    l.new_values, l.exact_values
  from audit.audit_logs l
  -- A dropped table's history is not that of one which has its name by now.
  join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    and t.tracked_at <= l.created_at and exists (select from pg_class c where c.oid = t.relation)
  where l.txid = p_txid;
  get diagnostics v_count = row_count;
  update pg_temp.restore_progress set txid = p_txid
  -- What a table was tracked for before it was tracked again is not drafted here.
  where not exists (
    select from audit.audit_logs l
    join audit.tracked_tables t on t.relation = t.root and t.table_name = l.table_name and t.table_schema = l.table_schema
    where l.txid = p_txid and l.created_at < t.tracked_at
  );
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.drop_capture_function(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  execute format('drop function audit.capture_%s()', p_relation);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.drop_cold_month(p_month date)
 RETURNS jsonb
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '800ms'
AS $function$
declare
  v_table name;
  v_rows bigint;
  v_new record;
  v_back bigint;
  v_noted record;
begin
  -- An old snapshot would not count what was written since.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Months are dropped in READ COMMITTED alone' using errcode = 'invalid_transaction_state';
  end if;
  perform audit.lock_archiver();
  select m.partition_name into v_table
  from audit.month_partitions() m
  where m.table_name = 'audit_events_archive' and m.month_start = p_month::timestamp;
  if v_table is null then
    return jsonb_build_object('state', 'gone', 'rows', 0);
  end if;

  perform set_config('lock_timeout', '3s', true);
  execute format('lock table audit.%I in share mode', v_table);
  perform set_config('lock_timeout', '800ms', true);
  execute format('select count(*) from only audit.%I', v_table) into v_rows;
  select count(*) as row_count, coalesce(sum(l.mark), 0) as row_marks into v_new
  from audit.archive_lines l
  where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and not l.is_in_file;
  select
    coalesce(sum(f.row_count), 0) as row_count,
    coalesce(sum(f.row_marks), 0) as row_marks,
    jsonb_agg(jsonb_build_object('object', f.object_key, 'rows', f.row_count, 'sha256', encode(f.sha256, 'hex')) order by f.part)
      as files
  into v_noted
  from audit.cold_months f
  where f.month = p_month and f.dropped_at is null;
  if v_rows = 0 and v_noted.files is null then
    return jsonb_build_object('state', 'gone', 'rows', 0);
  end if;
  -- Locked against a purge of their file: an entry that it has taken is not counted.
  select count(*) into v_back
  from (
    select from audit.cold_returns r
    join audit.archive_lines l on l.id = r.event_id and l.created_at = r.event_created_at
    where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and l.is_in_file
      and r.content_digest = audit.content_digest(l.line)
    for update of r
  ) b;
  if v_new.row_count <> v_noted.row_count or v_new.row_marks <> v_noted.row_marks or v_new.row_count + v_back <> v_rows then
    return jsonb_build_object('state', 'changed', 'rows', v_rows, 'noted', v_noted.row_count);
  end if;

  -- Their copies in the older files are shown again.
  delete from audit.cold_returns r
  using audit.archive_lines l
  where l.created_at >= p_month::timestamp and l.created_at < p_month::timestamp + interval '1 month' and l.is_in_file
    and l.id = r.event_id and l.created_at = r.event_created_at and r.content_digest = audit.content_digest(l.line);
  lock table only audit.audit_events_archive in access exclusive mode;
  execute format('lock table audit.%I in access exclusive mode nowait', v_table);
  execute format('alter table audit.audit_events_archive detach partition audit.%I', v_table);
  execute format('drop table audit.%I', v_table);
  update audit.cold_months f set dropped_at = clock_timestamp() where f.month = p_month and f.dropped_at is null;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, is_irrevocable, details
  ) values (
    'afterimage', 'archive_month', to_char(p_month, 'YYYY-MM'), 'retention', 'moved to cold files', false,
    jsonb_build_object('rows', v_rows, 'inOlderFiles', v_back, 'files', v_noted.files)
  );
  return jsonb_build_object('state', 'dropped', 'rows', v_rows);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.drop_history_month(p_deleted_by text, p_months_kept integer DEFAULT 12)
 RETURNS TABLE(outcome text, month text, row_count bigint, begins_at timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '1s'
AS $function$
#variable_conflict use_variable
declare
  c_months_kept_min constant int := 12;
  c_split_within constant interval := '1 day';
  v_month record;
  v_facts record;
  v_split xid8[];
  v_holds uuid[];
  v_deletion uuid;
begin
  -- Whoever may call this may not shorten the history by it.
  if p_months_kept is null or p_months_kept not between c_months_kept_min and 1200 then
    raise exception 'p_months_kept is %, but must be from % to 1200', coalesce(p_months_kept::text, 'null'), c_months_kept_min
      using errcode = 'invalid_parameter_value';
  end if;
  -- A second caller finds out what the first one did.
  perform pg_advisory_xact_lock(hashtextextended('audit.drop_history_month', 0));
  select m.* into v_month
  from audit.month_partitions() m
  where m.table_name = 'audit_logs'
    and m.month_end <= date_trunc('day', clock_timestamp()) - make_interval(months => p_months_kept)
  order by m.month_start
  limit 1;
  if not found then
    outcome := 'none';
    return next;
    return;
  end if;
  month := to_char(v_month.month_start, 'YYYY-MM');
  v_holds := array(select h.id from audit.legal_holds h where h.released_at is null);
  if audit.history_month_is_held(v_month.month_start, v_month.month_end) then
    outcome := 'held';
    return next;
    return;
  end if;
  execute format(
    'select count(*) as row_count, min(created_at) as first_at, max(created_at) as last_at, min(id) as first_id, max(id) as last_id, '
    'pg_total_relation_size(%L::regclass) as bytes, '
    '(select jsonb_agg(t.name order by t.name) from (select distinct table_schema || ''.'' || table_name as name from audit.%I) t) as tables '
    'from audit.%I',
    format('audit.%I', v_month.partition_name), v_month.partition_name, v_month.partition_name
  ) into v_facts;
  -- A transaction of which a part goes and a part stays can no longer be undone whole.
  select coalesce(array_agg(distinct l.txid), '{}') into v_split
  from audit.audit_logs l
  where l.created_at >= v_month.month_end and l.created_at < v_month.month_end + c_split_within
    and exists (
      select from audit.audit_logs o
      where o.txid = l.txid and o.created_at >= v_month.month_start and o.created_at < v_month.month_end
    );
  perform audit.lock_holds();
  if audit.history_month_is_held(v_month.month_start, v_month.month_end, v_holds) then
    outcome := 'held';
    return next;
    return;
  end if;
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, details
  ) values (
    p_deleted_by, 'history_month', month, 'retention', format('The row history is kept for %s months', p_months_kept),
    jsonb_build_object(
      'rowCount', v_facts.row_count, 'tables', coalesce(v_facts.tables, '[]'), 'from', v_month.month_start, 'to', v_month.month_end,
      'firstAt', v_facts.first_at, 'lastAt', v_facts.last_at, 'firstId', v_facts.first_id::text, 'lastId', v_facts.last_id::text,
      'bytes', v_facts.bytes
    )
  ) returning id into v_deletion;
  insert into audit.history_floor as f (begins_at, split_transactions, deletion_id)
  values (v_month.month_end, v_split, v_deletion)
  on conflict (is_only) do update set
    begins_at = greatest(f.begins_at, excluded.begins_at), split_transactions = excluded.split_transactions,
    deletion_id = excluded.deletion_id;
  -- The whole first, as every reader and writer does.
  lock table only audit.audit_logs in access exclusive mode;
  execute format('lock table audit.%I in access exclusive mode nowait', v_month.partition_name);
  execute format('alter table audit.audit_logs detach partition audit.%I', v_month.partition_name);
  execute format('drop table audit.%I', v_month.partition_name);
  outcome := 'dropped';
  row_count := v_facts.row_count;
  begins_at := v_month.month_end;
  return next;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.due_cold_files()
 RETURNS TABLE(id uuid, month date, object_key text, row_count bigint, bytes bigint, compliance_workspaces text[])
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select f.id, f.month, f.object_key, f.row_count, f.bytes, r.compliance_workspaces
  from audit.cold_months f
  cross join lateral (
    select
      max(coalesce(p.cold_retention_days, 2555)) as days,
      coalesce(array_agg(w.id) filter (where p.is_compliance_mode), '{}') as compliance_workspaces
    from unnest(f.workspaces) w (id)
    left join audit.audit_retention_policies p on p.workspace_id = w.id
  ) r
  where f.dropped_at is not null
    and f.purged_at is null
    and f.max_created_at < now() - make_interval(days => r.days)
  order by f.month, f.part
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.due_cold_months()
 RETURNS TABLE(month date)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
  select m.month_start::date
  from audit.month_partitions() m
  where m.table_name = 'audit_events_archive'
    and m.month_end <= now()
    and exists (
      select from audit.audit_events_archive a where a.created_at >= m.month_start and a.created_at < m.month_end
    )
    and not exists (
      select
      from (
        select a.workspace_id, max(a.created_at) as newest
        from audit.audit_events_archive a
        where a.created_at >= m.month_start and a.created_at < m.month_end
        group by a.workspace_id
      ) w
      left join audit.audit_retention_policies p on p.workspace_id = w.workspace_id
      where w.newest >= now() - make_interval(days => greatest(coalesce(p.warm_archive_days, 365), 42))
    )
  order by 1
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.ensure_policies_of_month(p_from timestamp with time zone, p_to timestamp with time zone)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with recursive seen (workspace_id) as (
    (
      select e.workspace_id from audit.audit_events e
      where e.created_at >= p_from and e.created_at < p_to
      order by e.workspace_id
      limit 1
    )
    union all
    select n.workspace_id
    from seen s
    cross join lateral (
      select e.workspace_id from audit.audit_events e
      where e.created_at >= p_from and e.created_at < p_to and e.workspace_id > s.workspace_id
      order by e.workspace_id
      limit 1
    ) n
  )
  insert into audit.audit_retention_policies (workspace_id)
  select s.workspace_id from seen s
  where not exists (select from audit.audit_retention_policies p where p.workspace_id = s.workspace_id)
  order by 1
  limit 1000
  on conflict do nothing
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.ensure_retention_policy(p_workspace_id text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_lock_space constant int := 1097622048;
begin
  if p_workspace_id is not null
    and not exists (select from audit.audit_retention_policies p where p.workspace_id = p_workspace_id)
    and current_setting('transaction_isolation') = 'read committed'
    and pg_try_advisory_xact_lock(c_lock_space, hashtext(p_workspace_id))
  then
    insert into audit.audit_retention_policies (workspace_id) values (p_workspace_id) on conflict do nothing;
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.event_payload_hash(p_event jsonb)
 RETURNS bytea
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select sha256(convert_to(
    jsonb_object_agg(
      e.key,
      case when e.key = 'occurred_at' then to_jsonb(extract(epoch from (e.value #>> '{}')::timestamptz)) else e.value end
    )::text,
    'UTF8'
  ))
  from jsonb_each(p_event) e
  where e.key <> 'request_id' and e.value <> 'null'
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.exact_sql(p_relation oid, p_row text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('case when %s then jsonb_strip_nulls(jsonb_object(array[%s], array[%s])) end'::text, string_agg(k.is_lost, ' or '::text), string_agg(format('%L'::text, k.name), ', '::text), string_agg(format('case when %s then %s end'::text, k.is_lost, k.as_text), ', '::text)) AS format FROM audit.inexact_columns(exact_sql.p_relation, exact_sql.p_row) k(name, as_text, is_lost) HAVING (count(*) > 0));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.exact_values_sql(p_relation oid, p_operation text, p_old text DEFAULT '__o'::text, p_new text DEFAULT '__n'::text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE exact_values_sql.p_operation WHEN 'INSERT'::text THEN format('case when %s then jsonb_build_object(''new'', %s) end'::text, v.new_is_lost, v.new) WHEN 'UPDATE'::text THEN format('case when %s or %s then jsonb_strip_nulls(jsonb_build_object(''old'', %s, ''new'', %s)) end'::text, v.old_is_lost, v.new_is_lost, v.old, v.new) ELSE format('case when %s then jsonb_build_object(''old'', %s) end'::text, v.old_is_lost, v.old) END AS format FROM (SELECT audit.exact_sql(exact_values_sql.p_relation, exact_values_sql.p_old) AS old, audit.is_lost_sql(exact_values_sql.p_relation, exact_values_sql.p_old) AS old_is_lost, audit.exact_sql(exact_values_sql.p_relation, exact_values_sql.p_new) AS new, audit.is_lost_sql(exact_values_sql.p_relation, exact_values_sql.p_new) AS new_is_lost) v WHERE (v.old IS NOT NULL));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.field_sql(p_row text, p_column text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN format(CASE WHEN (p_row ~ '^__[a-z]+$'::text) THEN '%s.%I'::text ELSE '(%s).%I'::text END, p_row, p_column);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.fill_changed_fields()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  -- A value that is no object is left to the named checks, which say what is wrong with it.
  if jsonb_typeof(new.old_values) = 'object' and jsonb_typeof(new.new_values) = 'object' then
    new.changed_fields := audit.changed_keys(new.old_values, new.new_values);
  end if;
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.filter_column(p_relation oid, p_column text, p_type text, p_values jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  execute format(
    $sql$
delete from pg_temp.restore_draft d
using (
  select o.draft_id, case when o.is_there then o.target else r.image end ->> %1$L as value
  from pg_temp.restore_draft o
  left join pg_temp.restore_live r on r.draft_id = o.draft_id
  where o.relation = %2$s
) v
where d.draft_id = v.draft_id
  and array_position(array(select (x #>> '{}')::%3$s from jsonb_array_elements($1) x), v.value::%3$s) is null
$sql$,
    p_column, p_relation, p_type
  ) using p_values;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.filter_draft(p_where jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_filter record;
begin
  for v_filter in
    select r.relation, c.name, c.type, f -> 'values' as accepted
    from (select distinct relation from pg_temp.restore_draft) r
    cross join jsonb_array_elements(p_where) f
    cross join lateral (select * from audit.restore_columns(r.relation) c where c.name = f ->> 'column') c
  loop
    begin
      perform audit.filter_column(v_filter.relation, v_filter.name, v_filter.type, v_filter.accepted);
    exception
      -- Types that images hold in another form (arrays), that cannot be compared (json), or that old values do not fit.
      when others then
        perform audit.filter_column(v_filter.relation, v_filter.name, 'text', audit.filter_values(v_filter.relation, v_filter.name, v_filter.accepted));
    end;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.filter_values(p_relation oid, p_column text, p_values jsonb)
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_values jsonb;
begin
  execute format(
    'select coalesce(jsonb_agg(distinct x), ''[]'') from jsonb_array_elements($1) v '
    'cross join lateral (values (v), (to_jsonb((v #>> ''{}'')::%s))) o (y) '
    'cross join lateral (select coalesce(to_jsonb(y #>> ''{}''), ''null'')) z (x)',
    (select c.type from audit.restore_columns(p_relation) c where c.name = p_column)
  ) into v_values using p_values;
  return v_values;
exception
  when data_exception or integrity_constraint_violation then
    return null;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.find_missing_parents(p_child oid, p_child_columns text[], p_parent oid, p_parent_columns text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  execute format(
    $sql$
create temp table restore_missing on commit drop as
select d.draft_id, d.record_id, d.target
from pg_temp.restore_draft d
left join pg_temp.restore_live r on r.draft_id = d.draft_id
where d.relation = %1$s and d.is_there and d.target ?& %2$L::text[] and %3$s
  and (r.draft_id is null or not (%4$s))
  and (d.fields is null or d.fields && %2$L::text[])
  and not exists (
    -- A row of which only other columns are set back keeps its key. (With OR the planner took few to be left, and looped.)
    select from pg_temp.restore_draft p where p.relation = %5$s and p.is_there and coalesce(p.fields && %9$L::text[], true) and %6$s
  )
  and not exists (select from %7$s __t where %8$s)
$sql$,
    p_child, p_child_columns,
    (select string_agg(format('d.target -> %L <> ''null''', c), ' and ') from unnest(p_child_columns) c),
    (select string_agg(format('d.target -> %L is not distinct from r.image -> %L', c, c), ' and ') from unnest(p_child_columns) c),
    p_parent,
    audit.reference_sql('d.target', p_child_columns, 'p.target', p_parent_columns),
    p_parent::regclass,
    (
      select string_agg(format('__t.%I = (d.target ->> %L)::%s', k.p, k.c, format_type(a.atttypid, a.atttypmod)), ' and ')
      from unnest(p_child_columns, p_parent_columns) k (c, p)
      join pg_attribute a on a.attrelid = p_parent and a.attname = k.p
    ),
    p_parent_columns
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.finish_idempotent(p_key_id uuid, p_idempotency_key text, p_request_hash bytea, p_status integer, p_body jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into audit.idempotency_keys (key_id, idempotency_key, request_hash, status, body)
  values (p_key_id, p_idempotency_key, p_request_hash, p_status, p_body);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.fit_each_left(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_column record;
begin
  for v_column in
    select c.*, audit.fitted_sql(p_relation, array[c.name], '__d.left_image', '__d.left_exact') as left_fitted
    from audit.restore_columns(p_relation) c
    where c.is_writable
  loop
    begin
      execute format(
        'update pg_temp.restore_draft __d set left_image = __d.left_image || %s '
        'where __d.relation = %s and __d.left_image ? %L',
        v_column.left_fitted, p_relation, v_column.name
      );
    exception
      when others then
        null;
    end;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.fit_each_target(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_column record;
  v_changed bigint;
begin
  for v_column in
    select c.*, audit.fitted_sql(p_relation, array[c.name], '__d.target', '__d.exact') as fitted
    from audit.restore_columns(p_relation) c
    where c.is_writable
  loop
    begin
      execute format(
        'with fitted as (select __d.draft_id, __d.target as was, %1$s as image from pg_temp.restore_draft __d '
        'where __d.relation = %2$s and __d.is_there and (__d.fields is null or %3$L = any (__d.fields)) and __d.target ? %3$L), '
        'done as (update pg_temp.restore_draft d set target = d.target || f.image from fitted f '
        'where d.draft_id = f.draft_id and (f.was -> %3$L)::text <> (f.image -> %3$L)::text '
        'returning f.was -> %3$L as was, f.image -> %3$L as became, d.exact ->> %3$L as text) '
        'select count(*) from done where was <> became and (was #>> ''{}'')%4$s is distinct from (became #>> ''{}'')%4$s',
        v_column.fitted, p_relation, v_column.name,
        -- One value may have several texts, by the settings of who wrote it.
        case when v_column.type ~ '^(date$|timestamp)' then '::timestamptz' when v_column.type = 'bytea' then '::bytea' else '' end
      ) into v_changed;
      if v_changed > 0 then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('loss', 'column_retyped', p_relation, jsonb_build_object('column', v_column.name, 'rows', v_changed));
      end if;
    exception
      when others then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'column_retyped', p_relation, jsonb_build_object('column', v_column.name, 'sqlstate', sqlstate));
    end;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.fit_images(p_relation oid, p_is_plain boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_columns constant text[] := array(select c.name from audit.restore_columns(p_relation) c where c.is_writable);
  v_column record;
  v_changed bigint;
  v_is_plain constant boolean := p_is_plain
    and not exists (select from audit.restore_columns(p_relation) c where c.is_writable and c.fidelity = 'text');
begin
  -- Texts kept for values that their column's type of today holds in JSON.
  if not v_is_plain then
    update pg_temp.restore_draft d
    set
      target = d.target || kept.texts,
      exact = nullif(d.exact - array(select jsonb_object_keys(kept.texts)), '{}')
    from pg_temp.restore_draft o
    cross join lateral (
      select jsonb_object_agg(c.name, o.exact -> c.name) as texts
      from audit.restore_columns(p_relation) c
      where c.fidelity = 'exact' and c.is_writable and o.exact ? c.name
    ) kept
    where d.draft_id = o.draft_id and o.relation = p_relation and o.exact is not null and kept.texts is not null;
  end if;
  -- And the other way round: values whose column's type of today JSON does not hold.
  for v_column in select c.* from audit.restore_columns(p_relation) c where c.fidelity = 'text' and c.is_writable loop
    begin
      execute format(
        'update pg_temp.restore_draft __d set exact = coalesce(__d.exact, ''{}'') || jsonb_build_object(%1$L, '
        '(select __r.%2$I::text from jsonb_to_record(__d.target) as %3$s)) '
        'where __d.relation = %4$s and __d.is_there and __d.target ->> %1$L is not null and not coalesce(__d.exact ? %1$L, false)',
        v_column.name, v_column.name, audit.image_record_sql(p_relation, array[v_column.name]), p_relation
      );
    exception
      -- What does not fit is noted below.
      when others then
        null;
    end;
  end loop;
  begin
    if v_is_plain then
      execute format(
        'select count(*) from pg_temp.restore_draft __d cross join lateral jsonb_to_record(__d.target) as %s '
        'where __d.relation = %s and __d.is_there and to_jsonb(__r)::text <> __d.target::text',
        audit.image_record_sql(p_relation, v_columns), p_relation
      ) into v_changed;
    else
      execute format(
        'select count(*) from pg_temp.restore_draft __d where __d.relation = %s and __d.is_there '
        'and (case when __d.target ?& %L::text[] then %s else %s - array(select __c from unnest(%L::text[]) __c where not __d.target ? __c) end)::text '
        '<> __d.target::text',
        p_relation, v_columns, audit.fitted_sql(p_relation, v_columns, '__d.target', '__d.exact'),
        audit.fitted_sql(p_relation, v_columns, '__d.target', '__d.exact'), v_columns
      ) into v_changed;
    end if;
    if v_changed > 0 then
      perform audit.fit_each_target(p_relation);
    end if;
  exception
    when others then
      perform audit.fit_each_target(p_relation);
  end;
  begin
    execute format(
      'update pg_temp.restore_draft d set left_image = f.image '
      'from ('
        'select __d.draft_id, __d.left_image || (case when __d.left_image ?& %2$L::text[] then %3$s '
          'else %3$s - array(select __c from unnest(%2$L::text[]) __c where not __d.left_image ? __c) end) as image '
        'from pg_temp.restore_draft __d where __d.relation = %1$s and __d.left_image <> ''null'''
      ') f where d.draft_id = f.draft_id and d.left_image::text <> f.image::text',
      p_relation, v_columns, audit.fitted_sql(p_relation, v_columns, '__d.left_image', '__d.left_exact')
    );
  exception
    when others then
      perform audit.fit_each_left(p_relation);
  end;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.fitted_sql(p_relation oid, p_columns text[], p_image text, p_exact text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('(select to_jsonb(__v) from jsonb_to_record(%s) as %s cross join lateral (select %s) __v)'::text, fitted_sql.p_image, audit.image_record_sql(fitted_sql.p_relation, fitted_sql.p_columns), string_agg(format('%s as %I'::text, audit.image_value_sql(fitted_sql.p_relation, c.c, fitted_sql.p_exact), c.c), ', '::text)) AS format FROM unnest(fitted_sql.p_columns) c(c));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.foreign_keys_of(p_relations oid[])
 RETURNS TABLE(name text, child oid, parent oid, child_columns text[], parent_columns text[], on_delete "char", on_update "char", is_deferrable boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    c.conname::text, c.conrelid, c.confrelid,
    array(select a.attname::text from unnest(c.conkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.n order by i),
    array(select a.attname::text from unnest(c.confkey) with ordinality k (n, i) join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.n order by i),
    c.confdeltype, c.confupdtype, c.condeferrable
  from pg_constraint c
  where c.contype = 'f' and c.conparentid = 0 and (c.conrelid = any (p_relations) or c.confrelid = any (p_relations))
  order by c.conrelid::regclass::text, c.conname
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.forget_dropped()
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_count int := 0;
begin
  perform audit.keep_name(t.relation)
  from audit.tracked_tables t
  where t.relation = t.root and not exists (select from pg_class c where c.oid = t.relation);
  for v_relation in
    delete from audit.tracked_tables t
    where not exists (select from pg_class c where c.oid = t.relation)
    returning t.relation
  loop
    perform audit.drop_capture_function(v_relation);
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.forget_tracked(p_table regclass)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
begin
  if not exists (select from pg_class c where c.oid = p_table and pg_has_role(session_user, c.relowner, 'member')) then
    raise exception '% belongs to another role', p_table using errcode = 'insufficient_privilege';
  end if;
  perform audit.keep_name(p_table);
  for v_relation in delete from audit.tracked_tables where root = p_table returning relation loop
    perform audit.drop_capture_function(v_relation);
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.forgive_changes_of(p_run uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update pg_temp.restore_draft d
  set conflict = null
  from audit.tracked_tables t
  where d.conflict = 'changed_since' and t.relation = d.relation and p_run = (
    select l.restore_id
    from (
      (
        select l.id, l.restore_id from audit.audit_logs l
        where l.table_name = t.table_name and l.table_schema = t.table_schema and l.record_id = d.live_record_id
        order by l.id desc limit 1
      )
      union all
      -- A row whose key the restore set back stands in the history under the key that it had before.
      (
        select l.id, l.restore_id from audit.audit_logs l
        where l.table_name = t.table_name and l.table_schema = t.table_schema and l.new_record_id = d.live_record_id
        order by l.id desc limit 1
      )
    ) l
    order by l.id desc limit 1
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.from_micros(p_micros text)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE STRICT
RETURN ('1970-01-01 00:00:00+00'::timestamp with time zone + (((p_micros)::bigint)::double precision * '00:00:00.000001'::interval));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.get_audit_trail(p_workspace_id text, p_resource_type text DEFAULT NULL::text, p_resource_id text DEFAULT NULL::text, p_days_back integer DEFAULT 30, p_limit integer DEFAULT 100)
 RETURNS SETOF audit.audit_events
 LANGUAGE sql
 STABLE
AS $function$
  select
    e.id, e.created_at, e.occurred_at, e.event_id, e.workspace_id, e.created_by_user_id, e.action_type, e.resource_type,
    e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags,
    e.metadata, e.txid, e.deleted_at, e.deleted_by_user_id, e.deletion_reason
  from audit.every_event e
  where e.workspace_id = p_workspace_id
    and (p_resource_type is null or e.resource_type = p_resource_type)
    and (p_resource_id is null or e.resource_id = p_resource_id)
    and e.created_at >= now() - make_interval(days => p_days_back)
    and e.deleted_at is null
  order by e.created_at desc, e.id desc
  limit p_limit
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.get_audit_trail(p_workspace_id text, p_resource_type text, p_resource_id uuid, p_days_back integer DEFAULT 30, p_limit integer DEFAULT 100)
 RETURNS SETOF audit.audit_events
 LANGUAGE sql
 STABLE
AS $function$
  select * from audit.get_audit_trail(p_workspace_id, p_resource_type, p_resource_id::text, p_days_back, p_limit)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.get_audit_trail(p_workspace_id uuid, p_resource_type text DEFAULT NULL::text, p_resource_id text DEFAULT NULL::text, p_days_back integer DEFAULT 30, p_limit integer DEFAULT 100)
 RETURNS SETOF audit.audit_events
 LANGUAGE sql
 STABLE
AS $function$
  select * from audit.get_audit_trail(p_workspace_id::text, p_resource_type, p_resource_id, p_days_back, p_limit)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.get_audit_trail(p_workspace_id uuid, p_resource_type text, p_resource_id uuid, p_days_back integer DEFAULT 30, p_limit integer DEFAULT 100)
 RETURNS SETOF audit.audit_events
 LANGUAGE sql
 STABLE
AS $function$
  select * from audit.get_audit_trail(p_workspace_id::text, p_resource_type, p_resource_id::text, p_days_back, p_limit)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.guard_month(p_parent name, p_name name)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if p_parent in ('audit_events', 'audit_events_archive', 'audit_logs') then
    execute format(
      'create or replace trigger %I before update or delete or truncate on audit.%I '
      'for each statement execute function audit.refuse_event_change(%s)',
      p_parent || '_immutable_statement', p_name, case p_parent when 'audit_logs' then '''Entries of the row history''' else '' end
    );
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.has_columns(p_table regclass, p_columns jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_has boolean;
begin
  execute format(
    'select to_jsonb(__s) ?& $1 and to_jsonb(__s) - $1 = ''{}'' and array[%s] = $2 from (select (null::%s).*) __s',
    (select string_agg(format('pg_typeof(__s.%I)::oid::bigint', c.key), ', ' order by c.key) from jsonb_each(p_columns) c),
    p_table
  )
  into v_has
  using array(select jsonb_object_keys(p_columns)), array(select (c.value ->> 'type')::bigint from jsonb_each(p_columns) c order by c.key);
  return v_has;
exception
  when others then
    return false;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.has_own_triggers(p_run uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (EXISTS (SELECT FROM ((((audit.restore_runs r CROSS JOIN LATERAL jsonb_array_elements(r.tables) x(value)) CROSS JOIN LATERAL (SELECT ((x.value ->> 'relation'::text))::oid AS relid UNION ALL SELECT p.relid FROM pg_partition_tree((((x.value ->> 'relation'::text))::oid)::regclass) p(relid, parentrelid, isleaf, level)) t) JOIN pg_trigger g ON ((g.tgrelid = t.relid))) JOIN pg_proc f ON ((f.oid = g.tgfoid))) WHERE ((r.id = has_own_triggers.p_run) AND (NOT g.tgisinternal) AND (g.tgenabled <> 'D'::"char") AND (f.pronamespace <> ('audit'::regnamespace)::oid))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.held_deletions(p_left integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (select from pg_temp.restore_chunk where action = 'delete') then
    return '{}';
  end if;
  perform audit.lock_holds();
  return array(
    select i.position
    from (
      select d.relation, array_agg(d.live_record_id) as keys
      from pg_temp.restore_chunk d
      where d.action = 'delete' and d.position <> all (p_left)
      group by d.relation
    ) g
    cross join lateral audit.held_keys(g.relation, g.keys) h
    join pg_temp.restore_chunk i on i.relation = g.relation and i.action = 'delete' and i.live_record_id = h.key
    order by i.position
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.held_keys(p_relation oid, p_keys text[])
 RETURNS TABLE(key text, holds jsonb)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select k.key, jsonb_agg(distinct s.hold_id)
  from unnest(p_keys) k (key)
  cross join unnest(audit.row_names(p_relation)) n (name)
  cross join lateral audit.deletion_stops(null, n.name, k.key, null, false) s
  group by k.key
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.held_sql(p_relation oid, p_workspace text, p_alias text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_levels_max constant int := 5;
  v_alias constant text := p_alias || 'c';
  v_key constant text := coalesce(audit.row_key_sql(p_relation, p_alias), 'null');
  v_child record;
  v_sql text;
begin
  select string_agg(format('exists (select from audit.deletion_stops(%s, %L, %s, null, true))', p_workspace, n.name, v_key), ' or ')
  into v_sql
  from unnest(audit.row_names(p_relation)) n (name);
  if exists (select from pg_class c where c.oid = p_relation and c.relkind = 'p') then
    v_sql := v_sql || format(
      ' or exists (select from pg_catalog.pg_partition_ancestors(%I.tableoid) p join pg_catalog.pg_class c on c.oid = p.relid '
      'join pg_catalog.pg_namespace n on n.oid = c.relnamespace '
      'cross join lateral audit.deletion_stops(%s, n.nspname || ''.'' || c.relname, %s, null, true) s)',
      p_alias, p_workspace, v_key
    );
  end if;
  for v_child in
    select r.child, audit.matches_sql(v_alias, r.child_columns, p_alias, r.parent_columns) as matches
    from audit.references_to(p_relation) r
    where r.on_delete = 'cascade'
  loop
    v_sql := v_sql || format(
      ' or %s and exists (select from %s %I where %s and (%s))',
      audit.may_be_held_sql(v_child.child), v_child.child::regclass, v_alias, v_child.matches,
      case when length(p_alias) < c_levels_max then audit.held_sql(v_child.child, p_workspace, v_alias) else 'true' end
    );
  end loop;
  return v_sql;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.history_breaks(p_table regclass, p_record_ids text[], p_since bigint DEFAULT 0)
 RETURNS TABLE(record_id text, entry_id bigint, kind text, fields text[], explained_by text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO'
 SET "IntervalStyle" TO 'postgres'
 SET extra_float_digits TO '1'
 SET "TimeZone" TO 'UTC'
 SET lc_monetary TO 'C'
 SET bytea_output TO 'hex'
AS $function$
declare
  v_form constant text := $form$
with entries as (
  select
    l.record_id as record, l.id, l.txid::text::bigint as txid, l.created_at,
    case when l.action <> 'INSERT' then
      jsonb_build_object('image', l.old_values, 'exact', coalesce(l.exact_values -> 'old', '{}'))
    end as found,
    case when l.action in ('INSERT', 'UPDATE') and l.new_record_id is null then
      jsonb_build_object(
        'image', coalesce(l.old_values, '{}') || l.new_values,
        'exact', coalesce(l.exact_values -> 'old', '{}') - coalesce(l.changed_fields, '{}') || coalesce(l.exact_values -> 'new', '{}')
      )
    end as made,
    l.action <> 'INSERT' and l.old_values is null or l.action in ('INSERT', 'UPDATE') and l.new_values is null as lacks_image
  from audit.audit_logs l
  where l.table_name = $3 and l.table_schema = $2 and l.created_at >= $4 and l.record_id = any ($1) and l.id >= $7
  union all
  select
    l.new_record_id, l.id, l.txid::text::bigint, l.created_at,
    null,
    jsonb_build_object(
      'image', l.old_values || l.new_values,
      'exact', coalesce(l.exact_values -> 'old', '{}') - coalesce(l.changed_fields, '{}') || coalesce(l.exact_values -> 'new', '{}')
    ),
    false
  from audit.audit_logs l
  where l.table_name = $3 and l.table_schema = $2 and l.created_at >= $4 and l.new_record_id = any ($1) and l.id >= $7
  union all
  -- What is there now comes last, as if an entry had found it.
  select __r.record, null, null, null, __l.state, null, false
  from unnest($1) __r (record)
  left join lateral (
    select jsonb_build_object('image', %1$s, 'exact', coalesce(%2$s, '{}')) as state from %3$s
  ) __l on true
),
links as (
  select
    e.*, lag(e.id) over w as last_id, lag(e.txid) over w as last_txid, lag(e.created_at) over w as last_at,
    lag(e.made) over w as last_made
  from entries e
  window w as (partition by e.record order by e.id)
),
unlinked as (
  select distinct k.record, k.txid from links k where k.txid = k.last_txid and k.found is distinct from k.last_made
),
reordered as (
  select
    s.record, s.txid,
    (array_agg(s.state) filter (where s.surplus = 1))[1] as found,
    (array_agg(s.state) filter (where s.surplus = -1))[1] as made
  from (
    select s.record, s.txid, s.state, sum(s.side) as surplus
    from (
      select e.record, e.txid, e.found as state, 1 as side from unlinked u join entries e using (record, txid)
      union all
      select e.record, e.txid, e.made, -1 from unlinked u join entries e using (record, txid)
    ) s
    group by 1, 2, 3
    having sum(s.side) <> 0
  ) s
  group by 1, 2
  having count(*) = 2 and min(s.surplus) = -1 and max(s.surplus) = 1
),
unequal as materialized (
  select k.*, r.record is not null and k.txid = k.last_txid as is_reordered, c.made as expected, c.found as seen
  from links k
  left join reordered r on r.record = k.record and r.txid = k.txid
  left join reordered b on b.record = k.record and b.txid = k.last_txid
  cross join lateral (
    select
      case when r.record is null or k.txid = k.last_txid then k.found else r.found end as found,
      case when b.record is null or k.txid = k.last_txid then k.last_made else b.made end as made
  ) c
  where k.lacks_image or k.last_id is not null and c.found is distinct from c.made
),
compared as materialized (
  select
    u.*,
    (
      select array_agg(f.name order by f.name)
      from (
        select
          name, m.value as made, n.value as found, $5 -> name as now,
          u.expected -> 'exact' ->> name as exactly_made, u.seen -> 'exact' ->> name as exactly_found
        from jsonb_each(nullif(u.expected -> 'image', 'null')) m (name, value)
        full join jsonb_each(nullif(u.seen -> 'image', 'null')) n (name, value) using (name)
      ) f
      where u.expected is not null and u.seen is not null and case
        -- A column on one side alone was added, dropped, renamed or excluded between the two: unless it has been there, and
        -- recorded, since before the side that lacks it.
        when f.made is null or f.found is null then
          (f.now ->> 'altered')::bigint < case when f.made is null then u.last_txid else u.txid end
          and $6 < case when f.made is null then u.last_txid else u.txid end
        when f.made = f.found and f.exactly_made is not distinct from f.exactly_found then false
        when (f.now ->> 'ignored')::boolean then false
        when '"[redacted]"' in (f.made, f.found) then 'null' in (f.made, f.found)
        -- Of what is no column any more the type is forgotten; times are what differs without a change.
        else not audit.same_value(
          coalesce((f.now ->> 'type')::oid, 'timestamptz'::regtype),
          coalesce(f.exactly_made, f.made #>> '{}'), coalesce(f.exactly_found, f.found #>> '{}')
        )
      end
    ) as fields
  from unequal u
)
select coalesce(jsonb_agg(jsonb_build_object(
  'record_id', c.record,
  'entry_id', coalesce(c.id, c.last_id),
  'kind', case
    when c.lacks_image then 'image'
    when c.id is null then 'live'
    when c.is_reordered then 'order'
    when (c.seen is null) <> (c.expected is null) then 'gap'
    else 'image'
  end,
  'fields', c.fields,
  'explained_by', case when not c.is_reordered and not c.lacks_image then coalesce(
    (
      select g.reason
      from audit.capture_gaps g
      where g.table_schema = $2 and g.table_name = $3 and g.began_at <= coalesce(c.created_at, 'infinity')
        -- Of the errors in a minute the first alone is noted.
        and coalesce(greatest(g.ended_at, case g.reason when 'error' then g.began_at + interval '1 minute' end), 'infinity') >= c.last_at
      order by g.began_at
      limit 1
    ),
    (
      select 'columns'
      from unnest(c.fields) f (name)
      having bool_and(
        ($5 -> f.name ->> 'altered')::bigint > c.last_txid
        and (c.txid is null or ($5 -> f.name ->> 'altered')::bigint <= c.txid)
      )
    )
  ) end
) order by c.record, c.id), '[]')
from compared c
where c.lacks_image or (c.seen is null) <> (c.expected is null) or c.fields is not null
$form$;
  v_table audit.tracked_tables;
  v_options bigint;
  v_columns jsonb;
  v_found jsonb;
begin
  select * into v_table from audit.tracked_tables t where t.relation = p_table and t.relation = t.root;
  if not found then
    raise exception '% is not tracked', p_table
      using errcode = 'object_not_in_prerequisite_state', hint = 'Track it first: npx afterimage track.';
  end if;
  select audit.txid_of(t.xmin) into v_options from audit.tracked_tables t where t.relation = p_table;
  v_columns := audit.verified_columns(p_table);
  begin
    execute format(
      v_form, audit.image_sql(p_table, '__t'), coalesce(audit.exact_sql(p_table, '__t'), 'null'),
      audit.row_by_key_sql(p_table, '__r.record')
    ) into v_found using p_record_ids, v_table.table_schema, v_table.table_name, v_table.tracked_at, v_columns, v_options, p_since;
  exception
    -- A record_id that is no value of the key's type, because that was another, or is an array: the whole table is read.
    when data_exception then
      execute format(
        v_form, audit.image_sql(p_table, '__t'), coalesce(audit.exact_sql(p_table, '__t'), 'null'),
        format('%s __t where %s = __r.record', p_table, audit.record_key_sql(p_table, '__t'))
      ) into v_found using p_record_ids, v_table.table_schema, v_table.table_name, v_table.tracked_at, v_columns, v_options, p_since;
  end;
  return query
    select b.record_id, b.entry_id, b.kind, b.fields, b.explained_by
    from jsonb_to_recordset(v_found) b (record_id text, entry_id bigint, kind text, fields text[], explained_by text);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.history_month_is_held(p_from timestamp with time zone, p_to timestamp with time zone, p_cleared uuid[] DEFAULT '{}'::uuid[])
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (EXISTS (WITH meant AS MATERIALIZED (SELECT COALESCE(h.resource_id, h.subject_user_id, h.resource_type) AS name FROM audit.legal_holds h WHERE ((h.released_at IS NULL) AND (h.id <> ALL (history_month_is_held.p_cleared)))), named AS MATERIALIZED (SELECT m.name FROM meant m UNION SELECT ((t.table_schema || '.'::text) || t.table_name) FROM (SELECT t_1.table_schema, t_1.table_name FROM audit.tracked_tables t_1 UNION SELECT u.table_schema, u.table_name FROM audit.untracked_tables u) t WHERE (audit.history_names(t.table_schema, t.table_name) && ARRAY(SELECT m.name FROM meant m))) SELECT FROM audit.audit_logs l WHERE ((EXISTS (SELECT FROM named)) AND (l.created_at >= history_month_is_held.p_from) AND (l.created_at < history_month_is_held.p_to) AND ((l.record_id IN (SELECT n.name FROM named n)) OR (l.new_record_id IN (SELECT n.name FROM named n)) OR (l.user_id IN (SELECT n.name FROM named n)) OR (((l.table_schema || '.'::text) || l.table_name) IN (SELECT n.name FROM named n))) AND (EXISTS (SELECT FROM unnest(audit.history_names(l.table_schema, l.table_name)) t(name) WHERE (audit.row_is_held(t.name, l.record_id, l.user_id) OR audit.row_is_held(t.name, l.new_record_id, l.user_id)))))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.history_names(p_schema text, p_name text)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ARRAY(SELECT ((history_names.p_schema || '.'::text) || history_names.p_name) UNION SELECT n.name FROM ((SELECT t.relation, t.table_schema, t.table_name FROM audit.tracked_tables t UNION SELECT u.relation, u.table_schema, u.table_name FROM audit.untracked_tables u) r CROSS JOIN LATERAL unnest(audit.row_names(r.relation)) n(name)) WHERE ((r.table_schema = history_names.p_schema) AND (r.table_name = history_names.p_name)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.holds_on_file(p_file uuid)
 RETURNS SETOF uuid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select h.id
  from audit.cold_months f
  join audit.legal_holds h on h.workspace_id is null or h.workspace_id = any (f.workspaces)
  where f.id = p_file and h.released_at is null
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.hot_months(p_month timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS TABLE(partition_name name, month_start timestamp with time zone, month_end timestamp with time zone, is_old boolean, stays_until timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
  select
    m.partition_name, m.month_start, m.month_end,
    m.month_start < date_trunc('month', now()) - interval '1 month',
    greatest(
      (
        select max(m.month_end + make_interval(days => p.hot_retention_days))
        from audit.audit_retention_policies p
        cross join lateral (
          -- LIMIT keeps this a probe of the index per workspace.
          select from audit.audit_events e
          where e.workspace_id = p.workspace_id
            and e.created_at >= greatest(m.month_start, now() - make_interval(days => p.hot_retention_days))
            and e.created_at < m.month_end
          limit 1
        ) hot
        where m.month_end > now() - make_interval(days => p.hot_retention_days)
      ),
      (
        select max(k.pinned_until)
        from audit.audit_archive_pins k
        where k.event_created_at >= m.month_start and k.event_created_at < m.month_end and k.pinned_until > now()
      )
    )
  from audit.month_partitions() m
  where m.table_name = 'audit_events' and m.month_start < now() and (p_month is null or m.month_start = p_month)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.ignored_names(p_relation oid)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(array_agg(c.name) FILTER (WHERE c.is_ignored), '{}'::text[]) AS "coalesce" FROM audit.captured_columns(ignored_names.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_columns_sql(p_relation oid, p_row text, p_other text DEFAULT NULL::text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT string_agg((CASE WHEN (image_columns_sql.p_other IS NULL) THEN f.shown ELSE format('case when %s then %s end'::text, audit.differs_sql(image_columns_sql.p_relation, c.name, image_columns_sql.p_row, image_columns_sql.p_other), f.shown) END || format(' as %I'::text, c.name)), ', '::text ORDER BY (octet_length(c.name)), (c.name COLLATE "C")) AS string_agg FROM (audit.captured_columns(image_columns_sql.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) CROSS JOIN LATERAL (SELECT CASE WHEN c.is_redacted THEN format('case when %s is null then null else ''[redacted]'' end'::text, audit.field_sql(image_columns_sql.p_row, c.name)) ELSE audit.field_sql(image_columns_sql.p_row, c.name) END AS shown) f) WHERE (NOT c.is_excluded));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_difference(p_target jsonb, p_exact jsonb, p_live jsonb, p_live_exact jsonb, p_fields text[])
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE
RETURN ARRAY(SELECT e.key FROM jsonb_each(image_difference.p_target) e(key, value) WHERE (((image_difference.p_fields IS NULL) OR (e.key = ANY (image_difference.p_fields))) AND (((e.value)::text IS DISTINCT FROM ((image_difference.p_live -> e.key))::text) OR ((image_difference.p_exact ->> e.key) IS DISTINCT FROM (image_difference.p_live_exact ->> e.key)))) ORDER BY e.key);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_fidelity(p_type oid)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_type pg_type;
  v_of text;
begin
  select * into strict v_type from pg_type where oid = p_type;
  if v_type.typtype = 'd' then
    return audit.image_fidelity(v_type.typbasetype);
  elsif v_type.typcategory = 'A' and v_type.typelem <> 0 then
    return case audit.image_fidelity(v_type.typelem) when 'exact' then 'array' else 'text' end;
  elsif v_type.typtype = 'c' then
    select string_agg(distinct audit.image_fidelity(a.atttypid), ' ') into v_of
    from pg_attribute a
    where a.attrelid = v_type.typrelid and a.attnum > 0 and not a.attisdropped;
    return case when v_of = 'exact' then 'exact' else 'text' end;
  elsif p_type = 'json'::regtype then
    return 'text';
  elsif p_type = 'jsonb'::regtype then
    return 'jsonb';
  elsif p_type in ('float4'::regtype, 'float8'::regtype) then
    return 'float';
  elsif v_type.typtype = 'b' and v_type.typnamespace <> 'pg_catalog'::regnamespace and exists (
    -- hstore, geometry: to_jsonb() follows such a cast, and nothing leads back.
    select from pg_cast k where k.castsource = p_type and k.casttarget in ('json'::regtype, 'jsonb'::regtype)
  ) then
    return 'text';
  end if;
  return 'exact';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_record_sql(p_relation oid, p_columns text[])
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (('__r ('::text || string_agg(format('%I %s'::text, c.name, CASE c.fidelity WHEN 'text'::text THEN 'jsonb'::text ELSE c.type END), ', '::text ORDER BY c.name)) || ')'::text) FROM audit.restore_columns(image_record_sql.p_relation) c(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE (c.name = ANY (image_record_sql.p_columns)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_settings(p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE WHEN bool_or(((t.typtype = ANY (ARRAY['c'::"char", 'r'::"char", 'm'::"char"])) OR (t.typcategory = ANY (ARRAY['A'::"char", 'G'::"char", 'T'::"char"])) OR (t.typname = 'money'::name) OR (audit.image_fidelity(t.oid) <> ALL (ARRAY['exact'::text, 'jsonb'::text])) OR (((t.typcategory = 'D'::"char") OR (t.typname = 'bytea'::name)) AND (a.attnum = ANY (k.key_columns))))) THEN 'set datestyle = ''ISO''
set intervalstyle = ''postgres''
set extra_float_digits = 1
set timezone = ''UTC''
set lc_monetary = ''C''
set bytea_output = ''hex''
'::text ELSE ''::text END AS "case" FROM (((pg_attribute a JOIN pg_type b ON ((b.oid = a.atttypid))) JOIN pg_type t ON ((t.oid = CASE WHEN (b.typtype = 'd'::"char") THEN b.typbasetype ELSE b.oid END))) LEFT JOIN audit.tracked_tables k ON ((k.relation = image_settings.p_relation))) WHERE ((a.attrelid = image_settings.p_relation) AND (a.attnum > 0) AND (NOT a.attisdropped)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_shapes(p_first integer, p_last integer)
 RETURNS TABLE(names text[], condition text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  names := array(select jsonb_object_keys(i.target) from pg_temp.restore_chunk i where i.position = p_first);
  if not exists (
    select from pg_temp.restore_chunk i
    where i.position between p_first and p_last and not (i.target ?& names and i.target - names = '{}')
  ) then
    return next;
    return;
  end if;
  for names in
    select distinct array(select jsonb_object_keys(i.target)) from pg_temp.restore_chunk i where i.position between p_first and p_last
  loop
    condition := format('__i.target ?& %1$L::text[] and __i.target - %1$L::text[] = ''{}''', names);
    return next;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_sql(p_relation oid, p_row text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT ((format('to_jsonb(%s)'::text, image_sql.p_row) || COALESCE(((' - '::text || quote_literal((array_agg(c.name) FILTER (WHERE c.is_excluded))::text)) || '::text[]'::text), ''::text)) || COALESCE(string_agg(format(' || case when %s is null then ''{}'' else %L::jsonb end'::text, audit.field_sql(image_sql.p_row, c.name), jsonb_build_object(c.name, '[redacted]')), ''::text) FILTER (WHERE (c.is_redacted AND (NOT c.is_excluded))), ''::text)) FROM audit.captured_columns(image_sql.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.image_value_sql(p_relation oid, p_column text, p_exact text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE c.fidelity WHEN 'exact'::text THEN format('__r.%I'::text, c.name) WHEN 'text'::text THEN format('case when %1$s ? %2$L then (%1$s ->> %2$L)::%3$s when jsonb_typeof(__r.%4$I) = ''string'' then (__r.%4$I #>> ''{}'')::%3$s else (select __x.__v from jsonb_to_record(jsonb_build_object(''__v'', __r.%4$I)) as __x (__v %3$s)) end'::text, image_value_sql.p_exact, c.name, c.type, c.name) ELSE format('case when %1$s ? %2$L then (%1$s ->> %2$L)::%3$s else __r.%4$I end'::text, image_value_sql.p_exact, c.name, c.type, c.name) END AS format FROM audit.restore_columns(image_value_sql.p_relation) c(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE (c.name = image_value_sql.p_column));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.inexact_columns(p_relation oid, p_row text)
 RETURNS TABLE(name text, as_text text, is_lost text)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    c.name,
    f.field || '::text',
    case c.fidelity
      -- A composite value with a null in it IS NOT NULL is not true of.
      when 'text' then format('%s::text is not null', f.field)
      when 'jsonb' then format(case when a.atttypid = 'jsonb'::regtype then '%s = ''null''' else 'to_jsonb(%s) = ''null''' end, f.field)
      when 'float' then format('%s::text = ''-0''', f.field)
      else format('%s::text like ''[%%''', f.field)
    end
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name
  cross join lateral (select audit.field_sql(p_row, c.name) as field) f
  where c.fidelity <> 'exact' and not c.is_excluded and not c.is_redacted
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.ingest_audit_events(p_events jsonb, p_key_id uuid DEFAULT NULL::uuid, p_idempotency_key text DEFAULT NULL::text, p_request_hash bytea DEFAULT NULL::bytea)
 RETURNS TABLE(state text, results jsonb)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_state text := 'new';
  v_results jsonb;
  v_conflict boolean;
begin
  if p_idempotency_key is not null then
    select b.state, b.body into v_state, v_results
    from audit.begin_idempotent(p_key_id, p_idempotency_key, p_request_hash) b;
  end if;
  if v_state <> 'new' then
    return query select v_state, v_results;
    return;
  end if;

  if jsonb_typeof(p_events) = 'array' and jsonb_array_length(p_events) = 1 and p_events -> 0 ->> 'event_id' is null then
    insert into audit.audit_events as a (
      id, workspace_id, occurred_at, created_by_user_id, action_type, resource_type, resource_id, old_values, new_values,
      changed_fields, ip_address, user_agent, request_id, tags, metadata
    )
    select
      audit.uuid_v7(), e.workspace_id, e.occurred_at, e.created_by_user_id, e.action_type, e.resource_type, e.resource_id,
      e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id, e.tags, e.metadata
    from jsonb_to_record(p_events -> 0) as e (
      workspace_id text, occurred_at timestamptz, created_by_user_id text, action_type text, resource_type text,
      resource_id text, old_values jsonb, new_values jsonb, changed_fields text[], ip_address inet, user_agent text,
      request_id text, tags text[], metadata jsonb
    )
    returning jsonb_build_array(
      jsonb_build_object('id', a.id, 'createdAt', a.created_at, 'duplicate', false, 'conflict', false)
    ) into v_results;
  else
    select
      jsonb_agg(
        jsonb_build_object('id', e.id, 'createdAt', e.created_at, 'duplicate', e.duplicate, 'conflict', e.conflict)
        order by e.ordinality
      ),
      bool_or(e.conflict)
    into v_results, v_conflict
    from audit.insert_audit_events(p_events) e;
    if v_conflict then
      raise exception 'An eventId was used for another event'
        using errcode = 'AF409', detail = v_results::text;
    end if;
  end if;

  if p_idempotency_key is not null then
    insert into audit.idempotency_keys (key_id, idempotency_key, request_hash, status, body)
    values (p_key_id, p_idempotency_key, p_request_hash, 201, v_results);
  end if;
  return query select v_state, v_results;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id text, p_workspace_id text, p_created_by_user_id text, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_row record;
begin
  select * into v_row
  from audit.insert_audit_events(jsonb_build_array(jsonb_strip_nulls(jsonb_build_object(
    'action_type', p_action_type,
    'resource_type', p_resource_type,
    'resource_id', p_resource_id,
    'workspace_id', p_workspace_id,
    'created_by_user_id', p_created_by_user_id,
    'ip_address', p_ip_address,
    'user_agent', p_user_agent,
    'request_id', p_request_id,
    'occurred_at', p_occurred_at,
    'event_id', p_event_id
  )) || jsonb_build_object(
    'old_values', p_old_values, 'new_values', p_new_values, 'tags', p_tags, 'metadata', p_metadata
  )));
  if v_row.conflict then
    raise exception 'Event id % was used for another event', p_event_id
      using errcode = 'unique_violation', hint = 'Give every event an id of its own.';
  end if;
  return v_row.id;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id text, p_workspace_id text, p_created_by_user_id uuid, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id text, p_workspace_id uuid, p_created_by_user_id text, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id text, p_workspace_id uuid, p_created_by_user_id uuid, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id uuid, p_workspace_id text, p_created_by_user_id text, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id uuid, p_workspace_id text, p_created_by_user_id uuid, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id uuid, p_workspace_id uuid, p_created_by_user_id text, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_event(p_action_type text, p_resource_type text, p_resource_id uuid, p_workspace_id uuid, p_created_by_user_id uuid, p_old_values jsonb DEFAULT NULL::jsonb, p_new_values jsonb DEFAULT NULL::jsonb, p_ip_address text DEFAULT NULL::text, p_user_agent text DEFAULT NULL::text, p_tags text[] DEFAULT NULL::text[], p_metadata jsonb DEFAULT NULL::jsonb, p_request_id text DEFAULT NULL::text, p_occurred_at timestamp with time zone DEFAULT NULL::timestamp with time zone, p_event_id text DEFAULT NULL::text)
 RETURNS uuid
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
          select audit.insert_audit_event(
            p_action_type, p_resource_type, p_resource_id::text, p_workspace_id::text, p_created_by_user_id::text,
            p_old_values, p_new_values, p_ip_address, p_user_agent, p_tags, p_metadata, p_request_id, p_occurred_at,
            p_event_id
          )
        $function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_audit_events(p_events jsonb)
 RETURNS TABLE(ordinality integer, id uuid, created_at timestamp with time zone, duplicate boolean, conflict boolean)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_ordinals int[] := '{}';
begin
  if jsonb_typeof(p_events) is distinct from 'array' then
    raise exception 'p_events must be a JSON array of events' using errcode = 'invalid_parameter_value';
  end if;

  for ordinality, id, created_at, duplicate, conflict in
    with incoming as materialized (
      select
        i.ordinality::int as ordinality,
        audit.uuid_v7() as id,
        i.item ->> 'workspace_id' as workspace_id,
        i.item ->> 'event_id' as event_id,
        i.item
      from jsonb_array_elements(p_events) with ordinality i (item, ordinality)
    ),
    claimed as (
      insert into audit.audit_event_keys (workspace_id, event_id, id, payload_hash)
      select distinct on (workspace_id, event_id) workspace_id, event_id, id, audit.event_payload_hash(item)
      from incoming
      where event_id is not null and workspace_id is not null
      order by workspace_id, event_id, ordinality
      on conflict (workspace_id, event_id) do nothing
      returning id
    ),
    stored as (
      insert into audit.audit_events (
        id, workspace_id, event_id, occurred_at, created_by_user_id, action_type, resource_type, resource_id,
        old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata
      )
      select
        n.id, n.workspace_id, n.event_id, e.occurred_at, e.created_by_user_id, e.action_type, e.resource_type,
        e.resource_id, e.old_values, e.new_values, e.changed_fields, e.ip_address, e.user_agent, e.request_id,
        e.tags, e.metadata
      from incoming n,
        jsonb_to_record(n.item) as e (
          occurred_at timestamptz, created_by_user_id text, action_type text, resource_type text, resource_id text,
          old_values jsonb, new_values jsonb, changed_fields text[], ip_address inet, user_agent text,
          request_id text, tags text[], metadata jsonb
        )
      where n.event_id is null or n.workspace_id is null or n.id in (select claimed.id from claimed)
      order by n.ordinality
      returning id, created_at
    )
    select n.ordinality, n.id, s.created_at, false, false
    from incoming n
    join stored s on s.id = n.id
  loop
    v_ordinals := v_ordinals || ordinality;
    return next;
  end loop;

  if cardinality(v_ordinals) = jsonb_array_length(p_events) then
    return;
  end if;

  -- A second statement sees what a concurrent writer of the same event_id has committed meanwhile.
  return query
  select i.ordinality::int, k.id, coalesce(e.created_at, audit.uuid_v7_time(k.id)), true, k.payload_hash <> audit.event_payload_hash(i.item)
  from jsonb_array_elements(p_events) with ordinality i (item, ordinality)
  join audit.audit_event_keys k on k.workspace_id = i.item ->> 'workspace_id' and k.event_id = i.item ->> 'event_id'
  -- The time in the id leads to the one month that has it.
  left join audit.every_event e
    on e.id = k.id
    and e.created_at >= audit.uuid_v7_time(k.id) - interval '1 minute'
    and e.created_at < audit.uuid_v7_time(k.id) + interval '10 minutes'
  where i.ordinality <> all (v_ordinals);
end
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.insert_captured_events(p_relation oid, p_operation text, p_rows jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_table audit.tracked_tables;
begin
  select * into v_table
  from audit.tracked_tables t
  where t.relation = p_relation and t.as_events ? lower(p_operation);
  if not found then
    raise exception 'No events were asked for with this table' using errcode = 'insufficient_privilege';
  end if;
  perform audit.insert_audit_events((
    select jsonb_agg(jsonb_build_object(
      'action_type', v_table.as_events -> lower(p_operation),
      'resource_type', v_table.as_events -> 'resourceType',
      'resource_id', r -> 'resource_id',
      'workspace_id', r -> 'workspace_id',
      'created_by_user_id', coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
      'request_id', nullif(current_setting('app.request_id', true), ''),
      'old_values', r -> 'old_values',
      'new_values', r -> 'new_values',
      'changed_fields', r -> 'changed_fields',
      'metadata', jsonb_build_object('source', 'capture', 'table', v_table.table_schema || '.' || v_table.table_name)
    ))
    from jsonb_array_elements(p_rows) r
    -- Lost on its way to another partition.
    where r -> 'resource_id' <> 'null' and r -> 'workspace_id' <> 'null'
  ));
  perform audit.ensure_retention_policy(w.id)
  from (select distinct r ->> 'workspace_id' as id from jsonb_array_elements(p_rows) r) w
  order by w.id;
end
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.insert_service_event(p_event jsonb)
 RETURNS uuid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_id uuid;
begin
  select e.id into v_id
  from audit.insert_audit_events(jsonb_build_array(
    p_event || jsonb_build_object('metadata', coalesce(p_event -> 'metadata', '{}') || '{"source": "afterimage"}')
  )) e;
  perform audit.ensure_retention_policy(p_event ->> 'workspace_id');
  return v_id;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.insert_sql(p_relation oid, p_mine text, p_columns text[], p_touch text[])
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('with __w as (insert into %s as __t (%s) overriding system value select %s from pg_temp.restore_chunk __i cross join lateral jsonb_to_record(__i.target) as %s where %s order by __i.position returning %s as __key, %s as __digest) insert into audit.restore_outcomes (run_id, position, outcome, digest) select $1, __i.position, ''applied'', __w.__digest from __w join pg_temp.restore_chunk __i on __i.position between $2 and $3 and __i.record_id = __w.__key'::text, (insert_sql.p_relation)::regclass, string_agg(quote_ident(c.c), ', '::text ORDER BY c.c), string_agg(CASE WHEN (c.c = ANY (insert_sql.p_touch)) THEN 'now()'::text ELSE audit.image_value_sql(insert_sql.p_relation, c.c, '__i.target_exact'::text) END, ', '::text ORDER BY c.c), audit.image_record_sql(insert_sql.p_relation, insert_sql.p_columns), insert_sql.p_mine, audit.record_key_sql(insert_sql.p_relation, '__t'::text), audit.row_digest_sql('__t'::text)) AS format FROM unnest(insert_sql.p_columns) c(c));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.is_branch()
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (EXISTS (SELECT FROM audit.database_home h WHERE (h.timeline_id IS DISTINCT FROM NULLIF(current_setting('neon.timeline_id'::text, true), ''::text))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.is_lost_sql(p_relation oid, p_row text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT string_agg(k.is_lost, ' or '::text) AS string_agg FROM audit.inexact_columns(is_lost_sql.p_relation, is_lost_sql.p_row) k(name, as_text, is_lost));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.is_security_action(p_action_type text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (regexp_replace(p_action_type, '([a-z])(?=[A-Z])|([A-Z])(?=[A-Z][a-z])'::text, '\1\2_'::text, 'g'::text) ~* '(^|[^a-z0-9])((sign|signed|log|logged)[^a-z0-9]?(in|out|on|off|up)|logins?|logouts?|auth|authenticat(e|ed|ion)|mfa|2fa|sso|passwords?|impersonat(e|ed|ion)|(api)?keys?|secrets?|credentials?|token|certificates?|roles?|permissions?|grant|grants|granted|revoke|revoked|scopes?|access|acl|polic(y|ies)|members?|memberships?|invite|invited|invitations?|collaborators?|owners?|ownership|exports?|exported|downloads?|downloaded|deletes?|deleted|deletion|remove|removed|removal|purged?|erased?|erasure|destroy|destroyed|truncated?|refused?|den(y|ied)|forbidden|unauthorized|reject|rejected|blocked|locked|fail|failed|failure|errors?)($|[^a-z0-9])'::text);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.is_whole_file_held(p_file uuid)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select exists (
    select
    from audit.cold_months f
    cross join lateral unnest(f.workspaces) w (id)
    cross join lateral audit.deletion_stops(w.id, null, null, null, false)
    where f.id = p_file
  )
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.items_digest(p_run uuid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT encode(sha256(COALESCE(string_agg(sha256(convert_to((ROW(i.chunk, i.batch, i.relation, i.record_id, i.live_record_id, i.action, i.entry_id, i.columns, i.target, i.target_exact, i.live_digest, i.conflict))::text, 'UTF8'::name)), '\x'::bytea ORDER BY i."position"), '\x'::bytea)), 'hex'::text) AS encode FROM audit.restore_items i WHERE (i.run_id = items_digest.p_run));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keep_name(p_root oid)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  insert into audit.untracked_tables as u (relation, table_schema, table_name, tracked_at)
  select t.relation, t.table_schema, t.table_name, t.tracked_at
  from audit.tracked_tables t
  where t.relation = p_root
  on conflict (relation) do update set
    table_schema = excluded.table_schema, table_name = excluded.table_name,
    tracked_at = least(u.tracked_at, excluded.tracked_at), untracked_at = excluded.untracked_at
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keep_parents(p_conflicts integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_going constant oid[] := array(select distinct relation from pg_temp.restore_chunk where action = 'delete');
  v_all int[] := p_conflicts;
  v_some int[];
  v_key record;
  v_before int;
begin
  if v_going = '{}' then
    return p_conflicts;
  end if;
  loop
    v_before := cardinality(v_all);
    for v_key in
      select k.*, t.relation is not null as is_tracked
      from audit.foreign_keys_of(v_going) k
      left join audit.tracked_tables t on t.relation = k.child
      where k.on_delete in ('c', 'n', 'd') and k.parent = any (v_going)
        and has_schema_privilege((select relnamespace from pg_class where oid = k.child), 'usage') and has_table_privilege(k.child, 'select')
    loop
      execute format(
        'select coalesce(array_agg(distinct __i.position), ''{}'') '
        'from pg_temp.restore_chunk __i join %s __t on %s '
        'where __i.relation = %s and __i.action = ''delete'' and __i.position <> all ($1) and not (%s)',
        v_key.child::regclass,
        (
          select string_agg(format('__t.%I = (__i.live ->> %L)::%s', k.c, k.p, format_type(a.atttypid, a.atttypmod)), ' and ')
          from unnest(v_key.child_columns, v_key.parent_columns) k (c, p)
          join pg_attribute a on a.attrelid = v_key.child and a.attname = k.c
        ),
        v_key.parent,
        case when v_key.is_tracked
          then format(
            'exists (select from pg_temp.restore_chunk __o where __o.relation = %s and __o.live_record_id = %s and __o.position <> all ($1) '
            -- It goes as well, or references another row by then.
            'and (__o.action = ''delete'' or __o.action = ''update'' and %s and not (%s)))',
            v_key.child, audit.record_key_sql(v_key.child, '__t'),
            -- What the deletion clears is written afterwards, if all of it is.
            format(case when v_key.on_delete = 'c' then '__o.position < __i.position and __o.columns && %1$L::text[]'
              else '(__o.position < __i.position and __o.columns && %1$L::text[] or __o.columns @> %1$L::text[])' end, v_key.child_columns),
            audit.reference_sql('__o.target', v_key.child_columns, '__i.live', v_key.parent_columns)
          )
          else 'false'
        end
      ) into v_some using v_all;
      v_all := v_all || v_some;
    end loop;
    exit when cardinality(v_all) = v_before;
  end loop;
  return v_all;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keep_trail_digests()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  raise exception 'A digest of a trail cannot change once it is set'
    using errcode = 'check_violation',
      constraint = 'trail_digests_pinned',
      column = case
        when old.prompt_digest is distinct from new.prompt_digest and old.prompt_digest is not null then 'prompt_digest'
        when old.context_digest is distinct from new.context_digest and old.context_digest is not null then 'context_digest'
        else 'policy_digest'
      end;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keep_true_edges(p_relations oid[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
  v_refers boolean;
begin
  delete from pg_temp.restore_edges where child = any (p_relations) and parent = any (p_relations);
  for v_key in select * from audit.foreign_keys_of(p_relations) where child = any (p_relations) and parent = any (p_relations) loop
    -- Generated columns are not in the images.
    v_refers := exists (
      select from audit.restore_columns(v_key.child) c where not c.is_writable and c.name = any (v_key.child_columns)
      union all
      select from audit.restore_columns(v_key.parent) c where not c.is_writable and c.name = any (v_key.parent_columns)
    );
    if not v_refers then
      execute format(
        -- Counted, because the planner would look for a first pair with nested loops.
        'select count(*) > 0 from pg_temp.restore_draft c join pg_temp.restore_draft p on %s '
        'where c.relation = %s and p.relation = %s and c.action = ''insert'' and p.action = ''insert'' and c.draft_id <> p.draft_id',
        audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns), v_key.child, v_key.parent
      ) into v_refers;
    end if;
    if v_refers then
      insert into pg_temp.restore_edges select v_key.child, v_key.parent
      where not exists (select from pg_temp.restore_edges e where e.child = v_key.child and e.parent = v_key.parent);
    end if;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.key_match_sql(p_relation oid, p_row text, p_key text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE count(*) WHEN 1 THEN min(format('%s.%I = (%s)::%s'::text, key_match_sql.p_row, c.name, key_match_sql.p_key, c.type)) ELSE string_agg(format('%s.%I = ((%s)::jsonb ->> %s)::%s'::text, key_match_sql.p_row, c.name, key_match_sql.p_key, (c.key_position - 1), c.type), ' and '::text ORDER BY c.key_position) END AS string_agg FROM audit.restore_columns(key_match_sql.p_relation) c(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE (c.key_position IS NOT NULL));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.key_of(p_table regclass)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT array_agg((a.attname)::text ORDER BY k."position") AS array_agg FROM (((SELECT i_1.indexrelid, i_1.indrelid, i_1.indkey, i_1.indnkeyatts FROM pg_index i_1 WHERE ((i_1.indrelid = (key_of.p_table)::oid) AND i_1.indisunique AND i_1.indisvalid AND i_1.indimmediate AND (i_1.indpred IS NULL) AND (i_1.indexprs IS NULL) AND (NOT (EXISTS (SELECT FROM ((unnest(i_1.indkey[0:(i_1.indnkeyatts - 1)]) n(n) JOIN pg_attribute a_1 ON (((a_1.attrelid = i_1.indrelid) AND (a_1.attnum = n.n)))) JOIN pg_type t ON ((t.oid = a_1.atttypid))) WHERE ((NOT a_1.attnotnull) OR (t.typcategory = ANY (ARRAY['A'::"char", 'C'::"char"])) OR ((('jsonb'::regtype)::oid = t.oid) OR (('jsonb'::regtype)::oid = t.typbasetype))))))) ORDER BY i_1.indisprimary DESC, i_1.indisreplident DESC, i_1.indnkeyatts, i_1.indexrelid LIMIT 1) i CROSS JOIN LATERAL unnest(i.indkey[0:(i.indnkeyatts - 1)]) WITH ORDINALITY k(number, "position")) JOIN pg_attribute a ON (((a.attrelid = i.indrelid) AND (a.attnum = k.number)))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keys_are_known_free(p_relation oid, p_columns text[])
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_keys constant text[] := array(
    select c.name from audit.restore_columns(p_relation) c where c.key_position is not null order by c.key_position
  );
  v_is_free boolean;
begin
  if not (v_keys @> p_columns and v_keys <@ p_columns) or exists (
    select from pg_attribute a
    where a.attrelid = p_relation and a.attname = any (v_keys) and (
      a.atttypid <> all ('{int2,int4,int8,uuid,text,varchar}'::regtype[])
      or exists (select from pg_collation o where o.oid = a.attcollation and not o.collisdeterministic)
    )
  ) then
    return false;
  end if;
  execute format(
    'select not exists ('
      'select from pg_temp.restore_draft d where d.relation = $1 and d.is_there and ('
        'd.record_id <> d.live_record_id or d.is_anew or d.action = ''update'' and d.columns && $2 '
        -- Under another type the key had another text.
        'or d.record_id is distinct from %s'
      ')'
    ') and not exists ('
      'select from pg_temp.restore_draft d where d.relation = $1 and d.is_there group by d.record_id having count(*) > 1'
    ')',
    case cardinality(v_keys)
      when 1 then format('d.target ->> %L', v_keys[1])
      else 'jsonb_build_array(' || (select string_agg(format('d.target -> %L', c), ', ' order by o) from unnest(v_keys) with ordinality k (c, o)) || ')::text'
    end
  ) into v_is_free using p_relation, p_columns;
  return v_is_free;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.keys_change_hands()
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return exists (select from pg_temp.restore_takes) or exists (
    select from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'update')) k
    join pg_temp.restore_draft d on d.relation = k.parent and d.action = 'update' and d.columns && k.parent_columns
    where k.child in (select a.relation from pg_temp.restore_actions a)
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.let_through_policies(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not (select relrowsecurity from pg_class where oid = p_relation) then
    return;
  end if;
  if not exists (select from pg_policy where polrelid = p_relation and polname = 'audit_recorder_reads') then
    execute format('create policy audit_recorder_reads on %s for select to audit_recorder using (true)', p_relation::regclass);
    execute format('create policy audit_worker_restores on %s to audit_worker using (true) with check (true)', p_relation::regclass);
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.level_circle(p_level integer)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_level int := p_level;
begin
  create temp table restore_circle on commit drop as
  select draft_id from pg_temp.restore_draft where level is null;
  if not exists (select from pg_temp.restore_circle) then
    drop table pg_temp.restore_circle;
    return null;
  end if;
  -- What none of them waits for is behind the circle.
  loop
    delete from pg_temp.restore_circle c
    where not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_circle l on l.draft_id = w.later
      where w.earlier = c.draft_id
    );
    exit when not found;
  end loop;
  update pg_temp.restore_draft d
  set circle = p_level
  from pg_temp.restore_circle c
  where c.draft_id = d.draft_id;
  loop
    update pg_temp.restore_draft d
    set level = v_level
    where d.level is null and d.circle = p_level and not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_draft e on e.draft_id = w.earlier
      where w.later = d.draft_id and w.is_hard and e.level is null
    );
    if not found then
      exit when not exists (select from pg_temp.restore_draft where level is null and circle = p_level);
      if not audit.level_knot(p_level, v_level) then
        v_level := null;
        exit;
      end if;
    end if;
    v_level := v_level + 1;
  end loop;
  drop table pg_temp.restore_circle;
  return v_level;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.level_knot(p_circle integer, p_level integer)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_found boolean;
begin
  create temp table restore_knot on commit drop as
  select draft_id, relation, action, record_id from pg_temp.restore_draft where level is null and circle = p_circle;
  loop
    delete from pg_temp.restore_knot k
    where not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_knot l on l.draft_id = w.later
      where w.earlier = k.draft_id and w.is_hard
    );
    exit when not found;
  end loop;
  create temp table restore_ties on commit drop as
  select w.name, w.is_unique, l.relation, l.action, l.record_id, (e.relation, e.action) = (l.relation, l.action) as is_within
  from pg_temp.restore_waits w
  join pg_temp.restore_knot l on l.draft_id = w.later
  join pg_temp.restore_knot e on e.draft_id = w.earlier
  where w.is_hard;
  update pg_temp.restore_draft d
  set level = p_level
  from pg_temp.restore_knot k
  where k.draft_id = d.draft_id and (k.relation, k.action) = (
    select t.relation, t.action from pg_temp.restore_ties t
    group by t.relation, t.action
    having bool_and(t.is_within and not t.is_unique)
    order by t.relation, t.action
    limit 1
  );
  v_found := found;
  if not v_found then
    insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
    select distinct 'blocking', 'unique_circle', t.relation, t.record_id, jsonb_build_object('index', t.name)
    from pg_temp.restore_ties t
    where t.is_unique;
    if not found then
      insert into pg_temp.restore_problems (severity, code, detail)
      select 'blocking', 'cycle', jsonb_build_object('constraints', array_agg(distinct t.name)) from pg_temp.restore_ties t;
    end if;
    update pg_temp.restore_draft set level = p_level where level is null;
  end if;
  drop table pg_temp.restore_knot, pg_temp.restore_ties;
  return v_found;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.level_texts(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_sides constant text[] := array['old_values', 'new_values'];
  v_column record;
  v_are_others boolean[];
  v_side int;
begin
  for v_column in
    select c.name, c.type from audit.restore_columns(p_relation) c where c.type ~ '^(timestamp.* with time zone|bytea)$'
  loop
    -- Both sides in one look: most entries have nothing of the kind.
    execute format(
      'select array[bool_or(old_values ->> %1$L not like all (%2$L::text[])), bool_or(new_values ->> %1$L not like all (%2$L::text[]))] '
      'from pg_temp.restore_entries where relation = %3$s',
      v_column.name, array['%+00:00', '\\x%'], p_relation
    ) into v_are_others;
    for v_side in 1..2 loop
      continue when v_are_others[v_side] is not true;
      begin
        execute format(
          'update pg_temp.restore_entries e set %1$I = e.%1$I || jsonb_build_object(%2$L, (e.%1$I ->> %2$L)::%3$s) '
          'where e.relation = %4$s and e.%1$I ->> %2$L not like all (%5$L::text[])',
          v_sides[v_side], v_column.name, v_column.type, p_relation, array['%+00:00', '\\x%']
        );
      exception
        -- It had another type then.
        when data_exception then
          null;
      end;
    end loop;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.lock_archiver()
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN pg_advisory_xact_lock(hashtextextended('audit.archive'::text, (0)::bigint));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.lock_holds()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '1s'
AS $function$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'holds are asked in a transaction that is read committed' using errcode = 'active_sql_transaction';
  end if;
  lock table audit.legal_holds in share mode;
  perform set_config('idle_in_transaction_session_timeout', '2s', true);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.lock_restore_rows(p_run uuid, p_mode text)
 RETURNS integer[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
declare
  v_relation oid;
  v_match text;
  v_some int[];
  v_all int[] := '{}';
begin
  for v_relation in
    select distinct relation from pg_temp.restore_chunk order by 1
  loop
    v_match := audit.key_match_sql(v_relation, '__t', 'coalesce(__i.live_record_id, __i.record_id)');
    -- A subquery per row, which no join can stand for: statistics of a table whose rows have just gone or come mislead by
    -- orders of magnitude, and its key has an index.
    execute format(
      'select coalesce(array_agg(__i.position order by __i.position), ''{}'') '
      'from (select * from pg_temp.restore_chunk where relation = %s order by record_id offset 0) __i '
      'left join lateral (select %s as digest from %s __t where %s offset 0 for update) __l on true '
      'where __i.conflict is not null and $1 <> ''overwrite'' or __l.digest is distinct from __i.live_digest',
      v_relation, audit.row_digest_sql('__t'), v_relation::regclass, v_match
    ) into v_some using p_mode;
    if v_some <> '{}' then
      -- A key that a row holds which this chunk moves away before is free.
      v_some := audit.changed_by_others(p_run, array(
        select i.position
        from pg_temp.restore_chunk i
        where i.position = any (v_some) and not (i.action = 'insert' and i.conflict is null and exists (
          select from pg_temp.restore_chunk o
          where o.relation = i.relation and o.live_record_id = i.record_id and o.position < i.position
        ))
      ));
    end if;
    v_all := v_all || v_some;
  end loop;
  return v_all;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.log_hold_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform audit.insert_service_event(jsonb_build_object(
    'action_type', case when tg_op = 'INSERT' then 'PLACE_LEGAL_HOLD' else 'RELEASE_LEGAL_HOLD' end,
    'resource_type', 'legal_hold',
    'resource_id', new.id,
    'workspace_id', coalesce(new.workspace_id, 'afterimage'),
    'created_by_user_id', case when tg_op = 'INSERT' then new.placed_by_user_id else new.released_by_user_id end,
    'request_id', nullif(current_setting('app.request_id', true), ''),
    'new_values', jsonb_strip_nulls(jsonb_build_object(
      'workspaceId', new.workspace_id, 'resourceType', new.resource_type, 'resourceId', new.resource_id,
      'subjectUserId', new.subject_user_id, 'reason', new.reason, 'releaseReason', new.release_reason
    )),
    'metadata', jsonb_build_object('login', session_user)
  ));
  return null;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.log_month_move(p_from timestamp with time zone, p_rows bigint)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
  select audit.log_move(
    'audit_events', to_char(p_from, 'YYYY-MM'), 'Past the hot retention',
    jsonb_build_object('move', 'month', 'from', 'audit_events', 'to', 'audit_events_archive', 'rowCount', p_rows)
  )
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.log_move(p_subject_type text, p_subject_id text, p_reason text, p_details jsonb)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, is_irrevocable, details
  ) values (
    coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
    p_subject_type, p_subject_id, 'retention policy', p_reason, false, p_details
  )
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.log_retention_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_before constant jsonb := case
    when tg_op = 'INSERT' then audit.default_retention_values() else audit.retention_values(old) end;
  v_after constant jsonb := case
    when tg_op = 'DELETE' then audit.default_retention_values() else audit.retention_values(new) end;
  v_workspace constant text := case when tg_op = 'DELETE' then old.workspace_id else new.workspace_id end;
begin
  if v_before <> v_after then
    perform audit.insert_service_event(jsonb_build_object(
      'action_type', 'UPDATE_RETENTION_POLICY',
      'resource_type', 'retention_policy',
      'resource_id', v_workspace,
      'workspace_id', v_workspace,
      'created_by_user_id', coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
      'request_id', nullif(current_setting('app.request_id', true), ''),
      'old_values', v_before,
      'new_values', v_after,
      'metadata', jsonb_build_object('login', session_user)
    ));
  end if;
  return null;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.log_return(p_id uuid, p_workspace_id text, p_from text, p_until timestamp with time zone, p_user_id text, p_reason text)
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select audit.log_move(
    'audit_event', p_id::text, coalesce(p_reason, 'Asked for'),
    jsonb_build_object(
      'move', 'unarchive', 'from', p_from, 'to', 'audit_events', 'rowCount', 1,
      'workspaceId', p_workspace_id, 'byUserId', p_user_id, 'staysUntil', p_until
    )
  )
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.look_back(p_workspace_id text, p_resource_type text, p_resource_id text, p_user_id text, p_before timestamp with time zone, p_limit integer)
 RETURNS TABLE(found integer, oldest timestamp with time zone)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
begin
  if p_resource_type is not null and p_resource_id is not null then
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id
        and e.resource_type = p_resource_type
        and e.resource_id = p_resource_id
        and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  elsif p_user_id is not null then
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id and e.created_by_user_id = p_user_id and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  else
    return query
    select count(*)::int, min(k.created_at)
    from (
      select e.created_at
      from audit.every_event e
      where e.workspace_id = p_workspace_id and e.created_at < p_before
      order by e.created_at desc, e.id desc
      limit p_limit
    ) k;
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.lost_rows_code(p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE pg_class.relkind WHEN 'p'::"char" THEN format('
      if (select count(*) from __old) <> (select count(*) from __new) then
        execute audit.capture_sql(%1$s, ''UPDATE'', ''$1, $2, $3'', true) using __user, __request, __restore;
        execute audit.capture_sql(%1$s, ''DELETE'', ''$1, $2, $3'', true) using __user, __request, __restore;
        execute audit.capture_sql(%1$s, ''INSERT'', ''$1, $2, $3'', true) using __user, __request, __restore;
        return null;
      end if;'::text, lost_rows_code.p_relation) ELSE ''::text END AS "case" FROM pg_class WHERE (pg_class.oid = lost_rows_code.p_relation));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.make_capture_triggers(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_form constant text := 'create or replace trigger %I %s on %s %s for each statement execute function audit.%I()';
  v_function constant text := 'capture_' || p_relation;
begin
  execute format(v_form, 'audit_insert', 'after insert', p_relation::regclass, 'referencing new table as __new', v_function);
  execute format(v_form, 'audit_update', 'after update', p_relation::regclass, 'referencing old table as __old new table as __new', v_function);
  execute format(v_form, 'audit_delete', 'after delete', p_relation::regclass, 'referencing old table as __old', v_function);
  execute format(v_form, 'audit_truncate', 'before truncate', p_relation::regclass, '', v_function);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.make_home()
 RETURNS text
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  delete from audit.database_home;
  insert into audit.database_home (timeline_id)
  select current_setting('neon.timeline_id', true)
  where nullif(current_setting('neon.timeline_id', true), '') is not null
  returning timeline_id;
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.map_columns(p_only text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_today text[];
  v_writable text[];
  v_hidden text[];
  v_required text[];
  v_has_others boolean;
  v_lacks boolean;
  v_hides boolean;
  v_has_exact boolean;
begin
  for v_relation in select distinct relation from pg_temp.restore_draft order by 1 loop
    select
      array_agg(c.name), coalesce(array_agg(c.name) filter (where c.is_writable), '{}'), coalesce(array_agg(c.name) filter (where c.is_hidden), '{}'),
      coalesce(array_agg(c.name) filter (where c.is_required), '{}')
    into v_today, v_writable, v_hidden, v_required
    from audit.restore_columns(v_relation) c;

    -- One look says what is to be done at all: images mostly have the columns of today, and nothing redacted.
    select
      coalesce(bool_or(d.target - v_writable <> '{}'), false), coalesce(bool_or(not d.target ?& v_writable), false),
      -- Hidden from the history now, or when the image was taken.
      v_hidden <> '{}' or coalesce(bool_or(d.target @? '$.* ? (@ == "[redacted]")'), false),
      coalesce(bool_or(d.exact is not null), false)
    into v_has_others, v_lacks, v_hides, v_has_exact
    from pg_temp.restore_draft d
    where d.relation = v_relation and d.is_there;

    if v_has_others then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select 'loss', 'column_dropped', v_relation, jsonb_build_object('column', k, 'rows', count(*))
      from pg_temp.restore_draft d
      cross join jsonb_object_keys(d.target - v_today) k
      where d.relation = v_relation and d.is_there and (d.fields is null or k = any (d.fields))
      group by k;
    end if;
    if v_hides then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select
        case when h.name = any (v_required) and r.draft_id is null then 'blocking' else 'loss' end, 'column_hidden', v_relation,
        jsonb_build_object('column', h.name, 'rows', count(*), 'isRequired', h.name = any (v_required), 'isThere', r.draft_id is not null)
      from pg_temp.restore_draft d
      left join pg_temp.restore_live r on r.draft_id = d.draft_id
      cross join lateral (
        select unnest(v_hidden) as name
        union
        select e.key from jsonb_each(d.target) e where d.target::text like '%"[redacted]"%' and e.value = '"[redacted]"' and e.key = any (v_today)
      ) h
      where d.relation = v_relation and d.is_there and (r.draft_id is null or h.name = any (d.fields))
      group by h.name, r.draft_id is null, r.draft_id is not null;
    end if;
    if v_has_others or v_hides then
      update pg_temp.restore_draft d
      set
        hidden = to_jsonb(array(select k from jsonb_object_keys(d.target) k where d.target -> k = '"[redacted]"')),
        target = d.target - array(
          select k from jsonb_object_keys(d.target) k where k <> all (v_writable) or d.target -> k = '"[redacted]"'
        )
      where d.relation = v_relation and d.is_there
        and (d.target - v_writable <> '{}' or v_hides and d.target::text like '%"[redacted]"%');
    end if;
    if v_lacks or v_hides then
      insert into pg_temp.restore_problems (severity, code, relation, detail)
      select
        case when c = any (v_required) then 'blocking' else 'note' end, case when c = any (v_required) then 'column_required' else 'column_added' end,
        v_relation, jsonb_build_object('column', c, 'rows', count(*))
      from pg_temp.restore_draft d
      left join pg_temp.restore_live r on r.draft_id = d.draft_id
      cross join unnest(v_writable) c
      where d.relation = v_relation and d.is_there and r.draft_id is null and not d.target ?& v_writable and not d.target ? c
        and not (d.hidden ? c)
      group by c;
    end if;

    if p_only is not null then
      insert into pg_temp.restore_problems (severity, code, relation, record_id)
      select 'blocking', 'row_missing', v_relation, d.record_id
      from pg_temp.restore_draft d
      where d.relation = v_relation and d.is_there and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
      update pg_temp.restore_draft
      set fields = array(select c from unnest(p_only) c where fields is null or c = any (fields))
      where relation = v_relation;
    end if;
    perform audit.fit_images(v_relation, not (v_lacks or v_hides or v_has_exact));
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.mark_changed_since()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  update pg_temp.restore_draft d
  set conflict = 'changed_since'
  from pg_temp.restore_live r
  where r.draft_id = d.draft_id and d.conflict is null and d.left_image is not null and case
      when d.left_image = 'null' then true
      when d.left_image::text = r.image::text and d.left_exact is not distinct from r.exact then false
      else exists (
        select from jsonb_each(d.left_image) f
        where (d.fields is null or f.key = any (d.fields)) and r.image ? f.key
          and (f.value::text is distinct from (r.image -> f.key)::text or d.left_exact ->> f.key is distinct from r.exact ->> f.key)
      )
    end;
  update pg_temp.restore_draft d
  set conflict = 'changed_since'
  where d.is_there and d.conflict is null and d.left_image <> 'null'
    and not exists (select from pg_temp.restore_live r where r.draft_id = d.draft_id);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.mark_rollup_due()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  new.rollup_due := true;
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.match_live_rows()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_from constant int := (select matched_to from pg_temp.restore_progress);
begin
  for v_relation in select distinct relation from pg_temp.restore_draft where draft_id > v_from order by 1 loop
    begin
      if audit.key_match_sql(v_relation, '__t', '__d.live_record_id') is null then
        raise exception 'The key is gone' using errcode = 'undefined_column';
      end if;
      execute format(
        'insert into pg_temp.restore_live (draft_id, record_id, image, exact, digest) '
        'select __d.draft_id, %s, %s, %s, %s '
        'from pg_temp.restore_draft __d join %s __t on %s '
        'where __d.relation = %s and __d.draft_id > $1 and not __d.is_anew',
        audit.record_key_sql(v_relation, '__t'), audit.image_sql(v_relation, '__t'),
        coalesce(audit.exact_sql(v_relation, '__t'), 'null'), audit.row_digest_sql('__t'),
        v_relation::regclass, audit.key_match_sql(v_relation, '__t', '__d.live_record_id'), v_relation
      ) using v_from;
    exception
      -- The keys of the history are no keys of today: another type, or other columns.
      when data_exception or undefined_column then
        insert into pg_temp.restore_problems (severity, code, relation, detail)
        values ('blocking', 'key_changed', v_relation, jsonb_build_object('sqlstate', sqlstate));
        delete from pg_temp.restore_draft where relation = v_relation and draft_id > v_from;
    end;
  end loop;
  update pg_temp.restore_progress set matched_to = (select coalesce(max(draft_id), 0) from pg_temp.restore_draft);
  analyze pg_temp.restore_live (draft_id, record_id);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.matches_sql(p_child text, p_child_columns text[], p_parent text, p_parent_columns text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT string_agg(format('%I.%I = %I.%I'::text, matches_sql.p_child, k.child, matches_sql.p_parent, k.parent), ' and '::text) AS string_agg FROM UNNEST(matches_sql.p_child_columns, matches_sql.p_parent_columns) k(child, parent));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.may_be_held_sql(p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('exists (select from audit.legal_holds h where h.released_at is null and (h.resource_type is null or h.resource_type = any (%L::text[])))'::text, array_agg(DISTINCT n.name)) AS format FROM (((SELECT may_be_held_sql.p_relation AS id UNION SELECT audit.cleanup_relation(h.table_name) AS cleanup_relation FROM audit.cleanup_children(may_be_held_sql.p_relation) h(table_name, constraint_name, on_delete, is_tracked) WHERE (h.on_delete = 'cascade'::text)) t CROSS JOIN LATERAL audit.relations_of((t.id)::regclass) r(id)) CROSS JOIN LATERAL unnest(audit.row_names(r.id)) n(name)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.month_partitions()
 RETURNS TABLE(table_name name, partition_name name, month_start timestamp with time zone, month_end timestamp with time zone)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET "DateStyle" TO 'ISO'
AS $function$
  select parent.relname, child.relname, b.bounds[1]::timestamptz, b.bounds[2]::timestamptz
  from pg_catalog.pg_inherits i
  join pg_catalog.pg_class parent on parent.oid = i.inhparent
  join pg_catalog.pg_class child on child.oid = i.inhrelid
  cross join lateral regexp_match(
    pg_get_expr(child.relpartbound, child.oid), '^FOR VALUES FROM \(''(\d[^'']+)''\) TO \(''(\d[^'']+)''\)$'
  ) b (bounds)
  where parent.relnamespace = 'audit'::regnamespace
    and parent.relkind = 'p'
    and not i.inhdetachpending
    and b.bounds is not null
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.move_rows_from_archive(p_from timestamp with time zone, p_to timestamp with time zone, p_id uuid, p_limit integer)
 RETURNS TABLE(moved integer, oldest timestamp with time zone, newest timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return query
  with chosen as materialized (
    select o.id, o.created_at
    from audit.audit_events_archive o
    where o.created_at >= p_from and o.created_at < p_to and (p_id is null or o.id = p_id)
    order by o.created_at
    limit p_limit
  ),
  gone as (
    delete from audit.audit_events_archive a
    using chosen
    where a.id = chosen.id and a.created_at = chosen.created_at and a.created_at >= p_from and a.created_at < p_to
    returning a.*
  ),
  stored as (
    -- As the keeper, so neither the order in time nor membership is asked again, and txid stays.
    insert into audit.audit_events (
      id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
      old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
      deleted_by_user_id, deletion_reason
    )
    select
      g.id, g.created_at, g.occurred_at, g.event_id, g.workspace_id, g.created_by_user_id, g.action_type, g.resource_type,
      g.resource_id, g.old_values, g.new_values, g.changed_fields, g.ip_address, g.user_agent, g.request_id, g.tags,
      g.metadata, g.txid, g.deleted_at, g.deleted_by_user_id, g.deletion_reason
    from gone g
    returning created_at
  )
  select count(*)::int, min(s.created_at), max(s.created_at) from stored s;
end
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.move_rows_to_archive(p_from timestamp with time zone, p_to timestamp with time zone, p_whole boolean, p_limit integer)
 RETURNS TABLE(moved integer, oldest timestamp with time zone, newest timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return query
  with due as materialized (
    select w.id, w.created_at
    from audit.audit_events w
    where p_whole and w.created_at >= p_from and w.created_at < p_to
      and not exists (
        select from audit.audit_archive_pins k
        where k.event_created_at = w.created_at and k.event_id = w.id and k.pinned_until > now()
      )
    union all
    select d.id, d.created_at
    from audit.audit_retention_policies p
    cross join lateral (
      select o.id, o.created_at
      from audit.audit_events o
      where o.workspace_id = p.workspace_id
        and o.created_at >= p_from
        and o.created_at < least(p_to, clock_timestamp() - make_interval(days => p.hot_retention_days))
        and not exists (
          select from audit.audit_archive_pins k
          where k.event_created_at = o.created_at and k.event_id = o.id and k.pinned_until > now()
        )
      order by o.created_at
      limit p_limit
    ) d
    where not p_whole and p_from < clock_timestamp() - make_interval(days => p.hot_retention_days)
    limit p_limit
  ),
  gone as (
    delete from audit.audit_events h
    using due
    where h.id = due.id and h.created_at = due.created_at and h.created_at >= p_from and h.created_at < p_to
    returning h.*
  ),
  stored as (
    insert into audit.audit_events_archive (
      id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
      old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
      deleted_by_user_id, deletion_reason, archived_at
    )
    select
      g.id, g.created_at, g.occurred_at, g.event_id, g.workspace_id, g.created_by_user_id, g.action_type, g.resource_type,
      g.resource_id, g.old_values, g.new_values, g.changed_fields, g.ip_address, g.user_agent, g.request_id, g.tags,
      g.metadata, g.txid, g.deleted_at, g.deleted_by_user_id, g.deletion_reason, clock_timestamp()
    from gone g
    returning created_at
  )
  select count(*)::int, min(s.created_at), max(s.created_at) from stored s;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.move_sequences()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_sequence record;
  v_highest bigint;
begin
  for v_sequence in
    select r.relation, s.oid::regclass as sequence, a.attname::text as column_name
    from (
      select distinct relation from pg_temp.restore_chunk where action <> 'delete'
    ) r
    join pg_depend d on d.refobjid = r.relation and d.refclassid = 'pg_class'::regclass and d.classid = 'pg_class'::regclass and d.deptype in ('a', 'i')
    join pg_class s on s.oid = d.objid and s.relkind = 'S'
    join pg_sequence q on q.seqrelid = s.oid and q.seqincrement > 0
    join pg_attribute a on a.attrelid = r.relation and a.attnum = d.refobjsubid
  loop
    select max((i.target ->> v_sequence.column_name)::bigint) into v_highest
    from pg_temp.restore_chunk i
    where i.relation = v_sequence.relation and i.action <> 'delete';
    execute format('select setval(%L, $1) from %s where last_value < $1 or last_value = $1 and not is_called', v_sequence.sequence, v_sequence.sequence) using v_highest;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.note_cold_file(p_file jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  v_file audit.cold_months := jsonb_populate_record(null::audit.cold_months, p_file);
  v_after record;
  v_found record;
begin
  select f.last_workspace_id, f.last_created_at, f.last_id into v_after
  from audit.cold_months f
  where f.month = v_file.month and f.part < v_file.part and f.dropped_at is null
  order by f.part desc
  limit 1;
  select
    count(*) as row_count,
    sha256(string_agg(sha256(convert_to(l.line, 'UTF8')), ''::bytea order by l.workspace_id, l.created_at, l.id)) as digest,
    sum(l.mark) as marks,
    min(l.created_at) as min_created_at,
    max(l.created_at) as max_created_at,
    array_agg(distinct l.workspace_id collate "C") as workspaces,
    min(l.id::text collate "C")::uuid as min_id,
    max(l.id::text collate "C")::uuid as max_id
  into v_found
  from audit.archive_lines l
  where l.created_at >= v_file.month::timestamp
    and l.created_at < v_file.month::timestamp + interval '1 month'
    and not l.is_in_file
    and (
      v_after.last_id is null
      or (l.workspace_id, l.created_at, l.id) > (v_after.last_workspace_id, v_after.last_created_at, v_after.last_id)
    )
    and (l.workspace_id, l.created_at, l.id) <= (v_file.last_workspace_id, v_file.last_created_at, v_file.last_id);
  if v_found.row_count = 0 or v_found.digest is distinct from v_file.rows_digest then
    return false;
  end if;
  insert into audit.cold_months (
    month, part, object_key, row_count, bytes, min_created_at, max_created_at, min_workspace_id, max_workspace_id, workspaces,
    min_id, max_id, last_workspace_id, last_created_at, last_id, rows_digest, row_marks, sha256, chunk_bytes, chunk_digests,
    schema_version, encryption, exported_at, verified_at
  ) values (
    v_file.month, v_file.part, v_file.object_key, v_found.row_count, v_file.bytes, v_found.min_created_at,
    v_found.max_created_at, v_found.workspaces[1], v_found.workspaces[cardinality(v_found.workspaces)], v_found.workspaces,
    v_found.min_id, v_found.max_id, v_file.last_workspace_id, v_file.last_created_at, v_file.last_id, v_found.digest,
    v_found.marks, v_file.sha256, v_file.chunk_bytes, v_file.chunk_digests, v_file.schema_version, v_file.encryption,
    v_file.exported_at, clock_timestamp()
  );
  return true;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.note_file_removed(p_file uuid)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  update audit.cold_months f
  set removed_at = coalesce(f.removed_at, clock_timestamp())
  where f.id = p_file and f.purged_at is not null
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.note_holders(p_relation oid, p_index text, p_columns text[], p_is_hard boolean, p_is_null_equal boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_names constant text := (select string_agg(format('%I', c), ', ' order by c) from unnest(p_columns) c);
begin
  -- What each row will have there.
  execute format(
    $sql$
create temp table restore_values on commit drop as
select __d.draft_id as __draft, __d.record_id as __key, __l.record_id as __live_key, %1$s
from pg_temp.restore_draft __d
left join pg_temp.restore_live __l on __l.draft_id = __d.draft_id
cross join lateral jsonb_to_record(
  case when __d.action = 'insert' then __d.target else __l.image || audit.some_of_image(__d.target, __d.columns) end
) as %2$s
where __d.relation = %3$s and (__d.action = 'insert' and __d.target ?& %4$L::text[] or __d.action = 'update' and __d.columns && %4$L::text[])
$sql$,
    (select string_agg(format('(%s) as %I', audit.image_value_sql(p_relation, c, '__d.exact'), c), ', ' order by c) from unnest(p_columns) c),
    audit.image_record_sql(p_relation, p_columns), p_relation, p_columns
  );
  analyze pg_temp.restore_values;
  execute format(
    $sql$
create temp table restore_holders on commit drop as
select __v.__draft as draft_id, __v.__key as record_id, %1$s as holder
from pg_temp.restore_values __v
join %2$s __t on %3$s
where __v.__live_key is distinct from %1$s
$sql$,
    audit.record_key_sql(p_relation, '__t'), p_relation::regclass,
    (
      select string_agg(format(case when p_is_null_equal then '__t.%1$I is not distinct from __v.%1$I' else '__t.%1$I = __v.%1$I' end, c), ' and ')
      from unnest(p_columns) c
    )
  );
  insert into pg_temp.restore_takes
  select h.draft_id, o.draft_id, p_index, p_is_hard
  from pg_temp.restore_holders h
  join pg_temp.restore_live l on l.record_id = h.holder
  join pg_temp.restore_draft o on o.draft_id = l.draft_id and o.relation = p_relation
  where o.action = 'delete' or o.action = 'update' and o.columns && p_columns;
  delete from pg_temp.restore_holders h
  using pg_temp.restore_takes t, pg_temp.restore_live l
  where t.index_name = p_index and t.taker = h.draft_id and l.draft_id = t.giver and l.record_id = h.holder;
  -- Of two rows that are to have the same, one must not.
  execute format(
    'insert into pg_temp.restore_holders select a.__draft, a.__key, b.__key from pg_temp.restore_values a '
    'join pg_temp.restore_values b on (b.__key, b.__draft) < (a.__key, a.__draft) and %s',
    (
      select string_agg(format(case when p_is_null_equal then 'a.%1$I is not distinct from b.%1$I' else 'a.%1$I = b.%1$I' end, c), ' and ')
      from unnest(p_columns) c
    )
  );
  update pg_temp.restore_draft d
  set conflict = coalesce(d.conflict, 'unique_clash')
  from pg_temp.restore_holders h
  where d.draft_id = h.draft_id;
  insert into pg_temp.restore_problems (severity, code, relation, record_id, detail)
  select distinct on (h.record_id) 'conflict', 'unique_clash', p_relation, h.record_id,
    jsonb_build_object('index', p_index, 'columns', p_columns, 'holder', h.holder)
  from pg_temp.restore_holders h
  order by h.record_id, h.holder;
  drop table pg_temp.restore_holders, pg_temp.restore_values;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.note_tracked(p_table regclass, p_key text[], p_exclude text[], p_redact text[], p_ignore text[], p_on_error text, p_as_events jsonb)
 RETURNS SETOF oid
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_schema name;
  v_name name;
  v_other regclass;
  v_function regprocedure;
begin
  if not exists (select from pg_class c where c.oid = p_table and pg_has_role(session_user, c.relowner, 'member')) then
    raise exception '% belongs to another role', p_table using errcode = 'insufficient_privilege';
  end if;
  select coalesce(t.table_schema, u.table_schema, n.nspname), coalesce(t.table_name, u.table_name, c.relname) into v_schema, v_name
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  left join audit.tracked_tables t on t.relation = c.oid
  left join audit.untracked_tables u on u.relation = c.oid
  where c.oid = p_table;
  select t.relation::regclass into v_other
  from audit.tracked_tables t
  join pg_class c on c.oid = t.relation
  where t.table_schema = v_schema and t.table_name = v_name and t.relation = t.root and t.root <> p_table;
  if found then
    raise exception 'The history of %.% is that of %, which had this name when its tracking began', v_schema, v_name, v_other
      using errcode = 'duplicate_table', hint = format('End that with untrack, or give %s another name.', p_table);
  end if;
  for v_relation in select audit.relations_of(p_table) loop
    insert into audit.tracked_tables as t (
      relation, root, table_schema, table_name, key_columns, excluded_columns, redacted_columns, ignored_columns, columns,
      as_events, on_error, tracked_by
    )
    values (
      v_relation, p_table, v_schema, v_name,
      audit.column_numbers(v_relation, p_key), audit.column_numbers(v_relation, p_exclude),
      audit.column_numbers(v_relation, p_redact), audit.column_numbers(v_relation, p_ignore), audit.columns_of(v_relation),
      p_as_events, p_on_error, session_user
    )
    on conflict (relation) do update set
      root = excluded.root, table_schema = excluded.table_schema, table_name = excluded.table_name,
      key_columns = excluded.key_columns, excluded_columns = excluded.excluded_columns,
      redacted_columns = excluded.redacted_columns, ignored_columns = excluded.ignored_columns, columns = excluded.columns,
      as_events = excluded.as_events, on_error = excluded.on_error, is_on = true;
    -- Tracked again while capture was off: it is on from here.
    update audit.capture_gaps set ended_at = clock_timestamp()
    where relation = v_relation and reason = 'off' and ended_at is null;
    v_function := audit.own_capture_function(v_relation);
    execute format('grant execute on function %s to %s', v_function, (select relowner::regrole from pg_class where oid = p_table));
    return next v_relation;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.note_waits()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
  v_relations constant oid[] := array(select distinct relation from pg_temp.restore_actions);
  v_pair constant text := 'from pg_temp.restore_states c join pg_temp.restore_states p on %s '
    'where c.relation = %s and p.relation = %s and c.draft_id <> p.draft_id';
begin
  create temp table restore_waits (later int, earlier int, name text, is_unique boolean, is_hard boolean) on commit drop;
  insert into pg_temp.restore_waits select taker, giver, index_name, true, is_hard from pg_temp.restore_takes;
  create temp table restore_states on commit drop as
  select
    d.draft_id, d.relation, d.action, d.columns, l.image as before,
    case d.action when 'insert' then d.target when 'update' then l.image || audit.some_of_image(d.target, d.columns) end as after
  from pg_temp.restore_draft d
  left join pg_temp.restore_live l on l.draft_id = d.draft_id;
  analyze pg_temp.restore_states (draft_id, relation, action);
  for v_key in
    select k.*, format('%s on %s', k.name, k.child::regclass) as title,
      exists (select from audit.restore_columns(k.child) c where c.key_position is not null and c.name = any (k.child_columns)) as is_in_key
    from audit.foreign_keys_of(v_relations) k
    where k.child = any (v_relations) and k.parent = any (v_relations)
  loop
    execute format(
      'insert into pg_temp.restore_waits select c.draft_id, p.draft_id, $1, false, $2 ' || v_pair
        || ' and (c.action = ''insert'' or c.action = ''update'' and c.columns && $3)'
        || ' and (p.action = ''insert'' or p.action = ''update'' and p.columns && $4)',
      audit.reference_sql('c.after', v_key.child_columns, 'p.after', v_key.parent_columns), v_key.child, v_key.parent
    ) using v_key.title, not v_key.is_deferrable, v_key.child_columns, v_key.parent_columns;
    execute format(
      'insert into pg_temp.restore_waits select p.draft_id, c.draft_id, $1, false, case p.action when ''delete'' then $2 else $3 end ' || v_pair
        || ' and (p.action = ''delete'' or p.action = ''update'' and p.columns && $5)'
        || ' and (c.action = ''delete'' or c.action = ''update'' and c.columns && $4 and (%s) is not true)',
      audit.reference_sql('c.before', v_key.child_columns, 'p.before', v_key.parent_columns), v_key.child, v_key.parent,
      audit.reference_sql('c.after', v_key.child_columns, 'p.after', v_key.parent_columns)
    ) using
      v_key.title,
      -- A cascade takes a row before its turn, or its key; null is replaced when its turn comes.
      case v_key.on_delete when 'c' then true when 'n' then false when 'd' then false when 'r' then true else not v_key.is_deferrable end,
      case v_key.on_update when 'c' then v_key.is_in_key when 'n' then false when 'd' then false when 'r' then true else not v_key.is_deferrable end,
      v_key.child_columns, v_key.parent_columns;
  end loop;
  drop table pg_temp.restore_states;
  create index on pg_temp.restore_waits (later);
  create index on pg_temp.restore_waits (earlier);
  analyze pg_temp.restore_waits;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.order_draft(p_chunk_rows integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_is_several_chunks constant boolean := p_chunk_rows < (select sum(row_count) from pg_temp.restore_actions);
begin
  if audit.keys_change_hands() or not audit.rank_coming(v_is_several_chunks) or not audit.rank_going(v_is_several_chunks) then
    delete from pg_temp.restore_ranks;
    perform audit.order_rows();
  end if;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.order_rows()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_level int := 0;
  v_count int;
begin
  perform audit.note_waits();
  loop
    update pg_temp.restore_draft d
    set level = v_level
    where d.level is null and not exists (
      select from pg_temp.restore_waits w
      join pg_temp.restore_draft e on e.draft_id = w.earlier
      where w.later = d.draft_id and e.level is null
    );
    get diagnostics v_count = row_count;
    if v_count > 0 then
      v_level := v_level + 1;
    else
      v_level := audit.level_circle(v_level);
      exit when v_level is null;
    end if;
  end loop;
  drop table pg_temp.restore_waits;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.overlapping_restore(p_run uuid)
 RETURNS uuid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT o.id FROM audit.restore_runs o WHERE ((o.id <> overlapping_restore.p_run) AND ((o.status = 'running'::text) OR ((o.status = 'awaiting_approval'::text) AND (o.approval_expires_at > clock_timestamp()))) AND (EXISTS (SELECT FROM ((SELECT i.relation, i.record_id FROM audit.restore_items i WHERE (i.run_id = overlapping_restore.p_run) UNION ALL SELECT i.relation, i.live_record_id FROM audit.restore_items i WHERE ((i.run_id = overlapping_restore.p_run) AND (i.live_record_id <> i.record_id))) a JOIN (SELECT i.relation, i.record_id FROM audit.restore_items i WHERE (i.run_id = o.id) UNION ALL SELECT i.relation, i.live_record_id FROM audit.restore_items i WHERE ((i.run_id = o.id) AND (i.live_record_id <> i.record_id))) b ON (((b.relation = a.relation) AND (b.record_id = a.record_id))))))) ORDER BY o.id LIMIT 1);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.overlay_image(p_image jsonb, p_over jsonb)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (p_over IS NULL) THEN p_image WHEN ((p_image IS NULL) OR (p_image = 'null'::jsonb) OR (p_over = 'null'::jsonb)) THEN p_over ELSE (p_image || p_over) END;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.own_capture_function(p_relation oid)
 RETURNS regprocedure
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_function regprocedure;
begin
  -- Only the owner of a function may replace it.
  if to_regprocedure(format('audit.capture_%s()', p_relation)) is not null then
    execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  end if;
  v_function := audit.write_capture_function(p_relation);
  grant create on schema audit to audit_recorder;
  execute format('alter function %s owner to audit_recorder', v_function);
  revoke create on schema audit from audit_recorder;
  return v_function;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.parent_key_sql(p_child_columns text[], p_parent_columns text[], p_key_columns text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('select distinct %s as record_id from pg_temp.restore_missing d'::text, CASE count(*) WHEN 1 THEN format('(d.target ->> %L)'::text, min(c.child)) ELSE format('jsonb_build_array(%s)::text'::text, string_agg(format('d.target -> %L'::text, c.child), ', '::text ORDER BY c."position")) END) AS format FROM (SELECT k."position", (parent_key_sql.p_child_columns)[array_position(parent_key_sql.p_parent_columns, k.name)] AS child FROM unnest(parent_key_sql.p_key_columns) WITH ORDINALITY k(name, "position")) c);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.partitioned_tables()
 RETURNS TABLE(table_name name)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select c.relname
  from pg_catalog.pg_partitioned_table p
  join pg_catalog.pg_class c on c.oid = p.partrelid
  where c.relnamespace = 'audit'::regnamespace
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.pin_restore_session()
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    set_config('datestyle', 'ISO', true), set_config('intervalstyle', 'postgres', true), set_config('timezone', 'UTC', true),
    set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true),
    set_config('xmloption', 'content', true), set_config('work_mem', '64MB', true), set_config('jit', 'off', true),
    -- Temporary tables are analyzed for the numbers of their rows, not to the last value.
    set_config('default_statistics_target', '10', true),
    -- Rows are found by their keys, on disks where that is cheap.
    set_config('random_page_cost', '1.1', true)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.prepare_month(p_month date)
 RETURNS TABLE(state text, hot name, archived name, month_start timestamp with time zone, month_end timestamp with time zone, row_count bigint)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '3s'
AS $function$
#variable_conflict use_variable
declare
  v_month record;
begin
  -- An old snapshot would not see what was written since, and a month that looks empty is dropped.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'Months move in READ COMMITTED alone' using errcode = 'invalid_transaction_state';
  end if;
  select * into v_month from audit.hot_months(date_trunc('month', p_month::timestamp));
  if not found then
    state := 'gone';
    return next;
    return;
  end if;
  hot := v_month.partition_name;
  month_start := v_month.month_start;
  month_end := v_month.month_end;
  execute format('lock table audit.%I in exclusive mode', hot);
  -- Once more, now that nothing comes in between: an event may have been brought back a moment ago.
  select * into v_month from audit.hot_months(date_trunc('month', p_month::timestamp));
  execute format('select count(*) from audit.%I', hot) into row_count;
  select p.partition_name into archived
  from audit.month_partitions() p
  where p.table_name = 'audit_events_archive' and p.month_start = v_month.month_start;
  state := case
    when not v_month.is_old or v_month.stays_until is not null then 'not_due'
    when row_count > 0 and exists (
      select from audit.audit_events_archive a
      where a.created_at >= v_month.month_start and a.created_at < v_month.month_end
    ) then 'not_merged'
    -- A table that rows have left is dropped when VACUUM has emptied its file: until then a transaction with an older
    -- snapshot may still have to read them there.
    -- The archive has no table of a month that went into cold files, though an event of it may have been brought back before.
    when pg_relation_size(to_regclass('audit.' || quote_ident(case when row_count = 0 then hot else archived end))) > 0 then 'emptied'
    when row_count = 0 then 'empty'
    else 'ready'
  end;
  return next;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.rank_coming(p_is_several_chunks boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_coming constant oid[] := array(select relation from pg_temp.restore_actions where action = 'insert' order by 1);
  v_left oid[];
begin
  create temp table restore_edges (child oid, parent oid) on commit drop;
  insert into pg_temp.restore_edges
  select distinct k.child, k.parent from audit.foreign_keys_of(v_coming) k where k.child = any (v_coming) and k.parent = any (v_coming);
  v_left := audit.rank_parents_first(v_coming, 'insert');
  if v_left <> '{}' then
    -- Tables that reference each other in a circle; the rows themselves may not.
    perform audit.keep_true_edges(v_left);
    delete from pg_temp.restore_ranks;
    v_left := audit.rank_parents_first(v_coming, 'insert');
  end if;
  -- Within one statement the order of rows does not matter; images with other columns are other statements.
  if v_left = '{}' and exists (
    select from pg_temp.restore_edges e
    where e.child = e.parent and (
      p_is_several_chunks
      or 1 < (
        select count(distinct array(select jsonb_object_keys(d.target))) from pg_temp.restore_draft d where d.relation = e.child and d.action = 'insert'
      )
    )
  ) then
    perform audit.keep_true_edges(array(select e.child from pg_temp.restore_edges e where e.child = e.parent));
    v_left := array(select e.child from pg_temp.restore_edges e where e.child = e.parent);
  end if;
  drop table pg_temp.restore_edges;
  return v_left = '{}';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.rank_going(p_is_several_chunks boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_left oid[] := array(select relation from pg_temp.restore_actions where action = 'delete' order by 1);
  v_next oid[];
  v_rank int := 0;
begin
  if p_is_several_chunks and exists (select from audit.foreign_keys_of(v_left) k where k.child = k.parent) then
    return false;
  end if;
  while v_left <> '{}' loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from audit.foreign_keys_of(v_left) k where k.parent = r and k.child <> r and k.child = any (v_left)
      )
    );
    if v_next = '{}' then
      return false;
    end if;
    insert into pg_temp.restore_ranks select r, 'delete', v_rank from unnest(v_next) r;
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
  return true;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.rank_parents_first(p_relations oid[], p_action text)
 RETURNS oid[]
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_left oid[] := p_relations;
  v_next oid[];
  v_rank int := 0;
begin
  loop
    v_next := array(
      select r from unnest(v_left) r
      where not exists (
        select from pg_temp.restore_edges e where e.child = r and e.parent <> r and e.parent = any (v_left)
      )
    );
    exit when v_next = '{}';
    insert into pg_temp.restore_ranks select r, p_action, v_rank from unnest(v_next) r;
    v_left := array(select r from unnest(v_left) r where r <> all (v_next));
    v_rank := v_rank + 1;
  end loop;
  return v_left;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.record_key_sql(p_relation oid, p_row text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE WHEN (count(*) > 1) THEN format('jsonb_build_array(%s)::text'::text, string_agg(audit.field_sql(record_key_sql.p_row, c.name), ', '::text ORDER BY c.key_position)) WHEN bool_and((a.atttypid = ANY (ARRAY[('smallint'::regtype)::oid, ('integer'::regtype)::oid, ('bigint'::regtype)::oid, ('uuid'::regtype)::oid, ('text'::regtype)::oid]))) THEN (audit.field_sql(record_key_sql.p_row, min(c.name)) || '::text'::text) ELSE format('(to_jsonb(%s) #>> ''{}'')'::text, audit.field_sql(record_key_sql.p_row, min(c.name))) END AS format FROM (audit.captured_columns(record_key_sql.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) JOIN pg_attribute a ON (((a.attrelid = record_key_sql.p_relation) AND (a.attname = c.name)))) WHERE (c.key_position IS NOT NULL));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.reference_sql(p_child text, p_child_columns text[], p_parent text, p_parent_columns text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT string_agg(format('%s -> %L = %s -> %L and %s -> %L <> ''null'''::text, reference_sql.p_child, k.c, reference_sql.p_parent, k.p, reference_sql.p_child, k.c), ' and '::text) AS string_agg FROM UNNEST(reference_sql.p_child_columns, reference_sql.p_parent_columns) k(c, p));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.referenced_sql(p_relation oid, p_alias text DEFAULT 't'::text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_levels_max constant int := 5;
  v_alias constant text := p_alias || 'c';
  v_child record;
  v_deeper text;
  v_sql text;
begin
  if length(p_alias) > c_levels_max then
    return null;
  end if;
  for v_child in
    select r.child, r.on_delete, audit.matches_sql(v_alias, r.child_columns, p_alias, r.parent_columns) as matches
    from audit.references_to(p_relation) r
    join pg_class c on c.oid = r.child
    where r.on_delete in ('cascade', 'restrict')
      and has_schema_privilege(c.relnamespace, 'usage') and has_table_privilege(r.child, 'select')
  loop
    v_deeper := case
      when v_child.on_delete = 'cascade' then audit.referenced_sql(v_child.child, v_alias)
      else format('(%1$I.tableoid, %1$I.ctid) <> (%2$I.tableoid, %2$I.ctid)', v_alias, p_alias)
    end;
    if v_deeper is not null then
      v_sql := concat_ws(' or ', v_sql, format(
        'exists (select from %s %I where %s and (%s))', v_child.child::regclass, v_alias, v_child.matches, v_deeper
      ));
    end if;
  end loop;
  return v_sql;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.references_to(p_relation oid)
 RETURNS TABLE(child oid, constraint_name text, on_delete text, child_columns text[], parent_columns text[])
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    c.conrelid, c.conname::text,
    case c.confdeltype when 'c' then 'cascade' when 'n' then 'set null' when 'd' then 'set default' else 'restrict' end,
    array_agg(a.attname::text order by k.n), array_agg(b.attname::text order by k.n)
  from pg_constraint c
  cross join unnest(c.conkey, c.confkey) with ordinality k (child, parent, n)
  join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.child
  join pg_attribute b on b.attrelid = c.confrelid and b.attnum = k.parent
  where c.contype = 'f' and c.conparentid = 0
    and c.confrelid in (select a.relid from pg_partition_ancestors(p_relation) a union select audit.relations_of(p_relation))
  group by c.oid, c.conrelid, c.conname, c.confdeltype
  order by c.conname, c.oid
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.refuse_event_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if current_user = 'audit_keeper' then
    return coalesce(new, old);
  end if;
  raise exception '% are immutable', coalesce(tg_argv[0], 'Audit events')
    using errcode = 'insufficient_privilege',
          detail = format('%s on %I.%I was refused.', tg_op, tg_table_schema, tg_table_name),
          hint = 'Rows leave through retention, archiving or an approved erasure, never by hand.';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.relations_of(p_table regclass)
 RETURNS SETOF oid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select p_table::oid
  union
  select t.relid from pg_partition_tree(p_table) t join pg_class c on c.oid = t.relid where c.relkind in ('r', 'p')
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.restore_columns(p_relation oid)
 RETURNS TABLE(name text, type text, fidelity text, key_position integer, is_writable boolean, is_hidden boolean, is_fixed_identity boolean, is_required boolean)
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    c.name, format_type(a.atttypid, a.atttypmod), c.fidelity, c.key_position,
    a.attgenerated = '' and not c.is_excluded and not c.is_redacted,
    a.attgenerated = '' and (c.is_excluded or c.is_redacted),
    a.attidentity = 'a',
    a.attnotnull and not a.atthasdef and a.attidentity = ''
  from audit.captured_columns(p_relation) c
  join pg_attribute a on a.attrelid = p_relation and a.attname = c.name and not a.attisdropped
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.restore_of_session()
 RETURNS uuid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (current_setting('audit.restore_id'::text, true) ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'::text) THEN (current_setting('audit.restore_id'::text, true))::uuid ELSE NULL::uuid END;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.retention_values(p audit.audit_retention_policies)
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select jsonb_build_object(
    'hotRetentionDays', p.hot_retention_days,
    'warmArchiveDays', p.warm_archive_days,
    'coldRetentionDays', p.cold_retention_days,
    'isComplianceMode', p.is_compliance_mode,
    'complianceReason', p.compliance_reason
  )
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.roll_up_trails(p_limit integer DEFAULT 5000)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_rolled_up int;
begin
  with due as materialized (
    select t.project_id, t.message_id, t.counted as before, audit.trail_contribution(t) as after
    from audit.audit_trails t
    where t.rollup_due
      and t.timestamp < date_bin('15 minutes', clock_timestamp(), timestamptz '2000-01-01 00:00:00+00')
    order by t.timestamp
    limit p_limit
    for update skip locked
  ),
  differences as (
    select r.*, s.sign
    from due
    cross join lateral (values (due.before, -1), (due.after, 1)) s (contribution, sign)
    cross join lateral jsonb_populate_record(
      null::audit.audit_trail_rollup, s.contribution || jsonb_build_object('project_id', due.project_id)
    ) r
    where s.contribution is not null
  ),
  summed as (
    insert into audit.audit_trail_rollup as b (
      project_id, bucket_start, model, message_count, complete_count, failed_count, unpriced_count, prompt_tokens,
      completion_tokens, total_tokens, cached_tokens, reasoning_tokens, prompt_cost, completion_cost, total_cost
    )
    select
      project_id, bucket_start, model, sum(sign * message_count), sum(sign * complete_count), sum(sign * failed_count),
      sum(sign * unpriced_count), sum(sign * prompt_tokens), sum(sign * completion_tokens), sum(sign * total_tokens),
      sum(sign * cached_tokens), sum(sign * reasoning_tokens), sum(sign * prompt_cost), sum(sign * completion_cost),
      sum(sign * total_cost)
    from differences
    group by project_id, bucket_start, model
    order by project_id, bucket_start, model
    on conflict (project_id, bucket_start, model) do update set
      message_count = b.message_count + excluded.message_count,
      complete_count = b.complete_count + excluded.complete_count,
      failed_count = b.failed_count + excluded.failed_count,
      unpriced_count = b.unpriced_count + excluded.unpriced_count,
      prompt_tokens = b.prompt_tokens + excluded.prompt_tokens,
      completion_tokens = b.completion_tokens + excluded.completion_tokens,
      total_tokens = b.total_tokens + excluded.total_tokens,
      cached_tokens = b.cached_tokens + excluded.cached_tokens,
      reasoning_tokens = b.reasoning_tokens + excluded.reasoning_tokens,
      prompt_cost = b.prompt_cost + excluded.prompt_cost,
      completion_cost = b.completion_cost + excluded.completion_cost,
      total_cost = b.total_cost + excluded.total_cost
  )
  update audit.audit_trails t
  set counted = due.after,
      rollup_due = false
  from due
  where t.project_id = due.project_id and t.message_id = due.message_id;
  get diagnostics v_rolled_up = row_count;
  return v_rolled_up;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.row_by_key_sql(p_relation oid, p_record text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (WITH keys AS (SELECT ('k'::text || c.key_position) AS name, a.attname, format_type(a.atttypid, '-1'::integer) AS type, c.key_position AS "position", CASE WHEN (count(*) OVER () > 1) THEN format('%s::jsonb -> %s'::text, row_by_key_sql.p_record, (c.key_position - 1)) ELSE format('to_jsonb(%s)'::text, row_by_key_sql.p_record) END AS value, (SELECT format('operator(%I.%s)'::text, n.nspname, o.oprname) AS format FROM ((((pg_opclass k_1 JOIN pg_am m ON (((m.oid = k_1.opcmethod) AND (m.amname = 'btree'::name)))) JOIN pg_amop s ON (((s.amopfamily = k_1.opcfamily) AND (s.amoplefttype = k_1.opcintype) AND (s.amoprighttype = k_1.opcintype) AND (s.amopstrategy = 3)))) JOIN pg_operator o ON ((o.oid = s.amopopr))) JOIN pg_namespace n ON ((n.oid = o.oprnamespace))) WHERE (k_1.opcdefault AND (k_1.opcintype = t.oid))) AS equals FROM (((audit.captured_columns(row_by_key_sql.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) JOIN pg_attribute a ON (((a.attrelid = row_by_key_sql.p_relation) AND (a.attname = c.name)))) JOIN pg_type b ON ((b.oid = a.atttypid))) JOIN pg_type t ON ((t.oid = CASE WHEN (b.typtype = 'd'::"char") THEN b.typbasetype ELSE b.oid END))) WHERE (c.key_position IS NOT NULL)) SELECT format('jsonb_to_record(jsonb_build_object(%s)) as __k (%s) join %s __t on %s'::text, string_agg(format('%L, %s'::text, k.name, k.value), ', '::text), string_agg(format('%s %s'::text, k.name, k.type), ', '::text), (row_by_key_sql.p_relation)::regclass, string_agg(format('__t.%I %s __k.%s'::text, k.attname, COALESCE(k.equals, 'operator(pg_catalog.=)'::text), k.name), ' and '::text)) AS format FROM keys k);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.row_digest_sql(p_row text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN format('sha256(convert_to((%s)::text, ''UTF8''))'::text, p_row);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.row_is_held(p_table text, p_record_id text, p_user_id text DEFAULT NULL::text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (EXISTS (SELECT FROM audit.deletion_stops(NULL::text, row_is_held.p_table, row_is_held.p_record_id, row_is_held.p_user_id, true) deletion_stops(kind, hold_id, reason)));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.row_key_sql(p_relation oid, p_alias text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT CASE WHEN (count(*) = 1) THEN format('(to_jsonb(%I.%I) #>> ''{}'')'::text, row_key_sql.p_alias, min(k.name)) WHEN (count(*) > 1) THEN format('jsonb_build_array(%s)::text'::text, string_agg(format('%I.%I'::text, row_key_sql.p_alias, k.name), ', '::text ORDER BY k.n)) ELSE NULL::text END AS "case" FROM unnest(audit.key_of((row_key_sql.p_relation)::regclass)) WITH ORDINALITY k(name, n));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.row_names(p_relation oid)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN ARRAY(SELECT (((n.nspname)::text || '.'::text) || (c.relname)::text) FROM (((SELECT row_names.p_relation AS id UNION SELECT a.relid FROM pg_partition_ancestors((row_names.p_relation)::regclass) a(relid)) r JOIN pg_class c ON ((c.oid = r.id))) JOIN pg_namespace n ON ((n.oid = c.relnamespace))) UNION SELECT ((t.table_schema || '.'::text) || t.table_name) FROM audit.tracked_tables t WHERE (t.relation = row_names.p_relation) UNION SELECT ((u.table_schema || '.'::text) || u.table_name) FROM audit.untracked_tables u WHERE (u.relation = row_names.p_relation) ORDER BY 1);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.same_value(p_type oid, p_one text, p_other text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_same boolean;
begin
  if p_one is null or p_other is null then
    return p_one is null and p_other is null;
  end if;
  execute format('select record_image_eq(row($1::%1$s), row($2::%1$s))', format_type(p_type, -1)) into v_same using p_one, p_other;
  return v_same;
exception
  when others then
    return false;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.set_membership_source(p_table regclass, p_workspace_column name, p_user_column name)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_column name;
  v_table text;
  v_schema name;
begin
  if p_table is null then
    perform audit.switch_membership_check(null, null, null);
    return;
  end if;
  select n.nspname, format('%I.%I', n.nspname, c.relname)
  into v_schema, v_table
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_table;
  foreach v_column in array array[p_workspace_column, p_user_column] loop
    if not exists (
      select from pg_attribute
      where attrelid = p_table and attname = v_column and attnum > 0 and not attisdropped
    ) then
      raise exception 'Column % does not exist in %', coalesce(quote_ident(v_column), 'null'), v_table
        using errcode = 'undefined_column', hint = 'Name the columns that hold the workspace id and the user id.';
    end if;
  end loop;
  if (select relrowsecurity from pg_class where oid = p_table) then
    raise exception '% has row-level security, so the membership check would see no members', v_table
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Name a view or table that audit_lookup may read in full.';
  end if;
  if not has_schema_privilege('audit_lookup', v_schema, 'usage') then
    execute format('grant usage on schema %I to audit_lookup', v_schema);
  end if;
  execute format('grant select on %s to audit_lookup', v_table);
  -- GRANT by someone who may not grant is only a warning; the check would then refuse every event.
  if not has_schema_privilege('audit_lookup', v_schema, 'usage') or not has_table_privilege('audit_lookup', p_table, 'select') then
    raise exception 'audit_lookup may not read %', v_table
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the membership table.';
  end if;
  perform audit.switch_membership_check(p_table, p_workspace_column, p_user_column);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.snapshot_restore(p_run uuid)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_count int;
begin
  insert into audit.restore_snapshot_rows (run_id, position, image, exact, digest)
  select i.run_id, i.position, i.live, i.live_exact, i.live_digest
  from audit.restore_items i
  where i.run_id = p_run and i.action <> 'insert'
    -- What was applied before a restore was resumed has its row already, or was found to have none.
    and not exists (select from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position)
  on conflict do nothing;
  select count(*) into v_count from audit.restore_snapshot_rows where run_id = p_run;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.some_of_image(p_image jsonb, p_columns text[])
 RETURNS jsonb
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(jsonb_object_agg(c.c, (some_of_image.p_image -> c.c)), '{}'::jsonb) AS "coalesce" FROM unnest(some_of_image.p_columns) c(c));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.spread_clashes()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_key record;
  v_count int;
  v_found boolean;
begin
  if not exists (select from pg_temp.restore_problems where code = 'unique_clash') then
    return;
  end if;
  loop
    v_found := false;
    for v_key in
      select k.* from audit.foreign_keys_of(array(select relation from pg_temp.restore_actions where action = 'insert')) k
    loop
      execute format(
        'update pg_temp.restore_draft c set conflict = ''parent_clash'' from pg_temp.restore_draft p '
        'where c.relation = %s and c.action = ''insert'' and c.conflict is null '
        'and p.relation = %s and p.action = ''insert'' and p.conflict in (''unique_clash'', ''parent_clash'') and %s',
        v_key.child, v_key.parent, audit.reference_sql('c.target', v_key.child_columns, 'p.target', v_key.parent_columns)
      );
      get diagnostics v_count = row_count;
      v_found := v_found or v_count > 0;
    end loop;
    exit when not v_found;
  end loop;
  insert into pg_temp.restore_problems (severity, code, relation, record_id)
  select 'conflict', 'parent_clash', relation, record_id from pg_temp.restore_draft where conflict = 'parent_clash';
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.stamp_retention_policy()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  c_lock_space constant int := 1097622048;
begin
  if tg_op = 'INSERT' then
    -- A first event must not wait for a policy that somebody is just writing: it tries for this lock, and passes on.
    perform pg_advisory_xact_lock(c_lock_space, hashtext(new.workspace_id));
    if audit.retention_values(new) = audit.default_retention_values() then
      return new;
    end if;
  elsif new.workspace_id <> old.workspace_id then
    raise exception 'A retention policy stays with its workspace'
      using errcode = 'integrity_constraint_violation', hint = 'Insert a policy for the other workspace.';
  end if;
  new.updated_at := clock_timestamp();
  new.updated_by_user_id := coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user);
  return new;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.stopped_by(p_state text, p_positions integer[])
 RETURNS jsonb
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  return (
    select jsonb_build_object(
      'state', p_state, 'rows', cardinality(p_positions),
      'items', jsonb_agg(
        jsonb_build_object('position', i.position, 'table', concat_ws('.', t.table_schema, t.table_name), 'recordId', i.record_id)
        order by i.position
      )
    )
    from pg_temp.restore_chunk i
    left join audit.tracked_tables t on t.relation = i.relation
    where i.position = any (p_positions[1:20])
  );
end
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.store_archived_line(p_line jsonb)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
  insert into audit.audit_events (
    id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
    old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata, txid, deleted_at,
    deleted_by_user_id, deletion_reason
  )
  select
    (p_line ->> 0)::uuid, audit.from_micros(p_line ->> 1), audit.from_micros(p_line ->> 2), p_line ->> 3, p_line ->> 4,
    p_line ->> 5, p_line ->> 6, p_line ->> 7, p_line ->> 8, (p_line ->> 9)::jsonb, (p_line ->> 10)::jsonb,
    a.changed_fields, (p_line ->> 12)::inet, p_line ->> 13, p_line ->> 14, a.tags, (p_line ->> 16)::jsonb,
    (p_line ->> 17)::xid8, audit.from_micros(p_line ->> 18), p_line ->> 19, p_line ->> 20
  from jsonb_to_record(
    jsonb_build_object('changed_fields', (p_line ->> 11)::jsonb, 'tags', (p_line ->> 15)::jsonb)
  ) a (changed_fields text[], tags text[])
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.store_items(p_run uuid, p_chunk_rows integer)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  -- Ordered by what is needed for that alone: the images are wide, the names of tables few.
  with kinds as materialized (
    select a.relation, a.action, coalesce(k.rank, 0) as rank, row_number() over (order by t.table_schema, t.table_name, a.action) as nth
    from pg_temp.restore_actions a
    join audit.tracked_tables t on t.relation = a.relation
    left join pg_temp.restore_ranks k on k.relation = a.relation and k.action = a.action
  ),
  placed as (
    select
      p.draft_id, p.circle,
      row_number() over (order by p.phase, p.rank, p.level, p.nth, p.record_id, p.live_record_id) as position,
      dense_rank() over (order by p.phase, p.rank, p.level, p.nth) as batch
    from (
      select d.draft_id, d.record_id, d.live_record_id, d.level, d.circle, k.rank, k.nth,
        case when d.level is not null then 0 when d.action = 'insert' then 1 when d.action = 'update' then 2 else 3 end as phase
      from pg_temp.restore_draft d
      join kinds k on k.relation = d.relation and k.action = d.action
    ) p
  ),
  chunked as (
    select p.*, 1 + (p.position - 1) / p_chunk_rows as chunk from placed p where p.circle is null
    union all
    select p.*, min(1 + (p.position - 1) / p_chunk_rows) over (partition by p.circle) from placed p where p.circle is not null
  )
  insert into audit.restore_items (
    run_id, position, chunk, batch, relation, record_id, live_record_id, action, origin, entry_id, columns, target, target_exact,
    live, live_exact, live_digest, conflict
  )
  select
    p_run, c.position, c.chunk, c.batch, d.relation, coalesce(case when d.is_there then d.record_id end, l.record_id), l.record_id,
    d.action, d.origin, d.entry_id, d.columns, case when d.is_there then d.target end, case when d.is_there then d.exact end, l.image,
    l.exact, l.digest, d.conflict
  from chunked c
  join pg_temp.restore_draft d on d.draft_id = c.draft_id
  left join pg_temp.restore_live l on l.draft_id = d.draft_id;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.sweep_idempotency_keys(p_limit integer DEFAULT 5000)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_deleted int;
begin
  with due as materialized (
    select o.key_id, o.idempotency_key
    from audit.idempotency_keys o
    where o.created_at < clock_timestamp() - interval '24 hours'
    order by o.created_at
    limit p_limit
    for update skip locked
  )
  delete from audit.idempotency_keys k
  using due
  where k.key_id = due.key_id and k.idempotency_key = due.idempotency_key;
  get diagnostics v_deleted = row_count;
  return v_deleted;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.switch_capture(p_on boolean)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_table audit.tracked_tables;
  v_count int := 0;
begin
  if p_on is null then
    raise exception 'p_on is null, but must be true or false' using errcode = 'invalid_parameter_value';
  end if;
  -- A table that was dropped must not keep the others from being switched.
  perform audit.forget_dropped();
  for v_table in
    update audit.tracked_tables set is_on = p_on where is_on <> p_on returning *
  loop
    perform audit.own_capture_function(v_table.relation);
    if p_on then
      update audit.capture_gaps set ended_at = clock_timestamp()
      where relation = v_table.relation and reason = 'off' and ended_at is null;
    else
      insert into audit.capture_gaps (relation, table_schema, table_name, reason, began_at, noted_by)
      values (v_table.relation, v_table.table_schema, v_table.table_name, 'off', clock_timestamp(), session_user);
    end if;
    v_count := v_count + 1;
  end loop;
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.switch_membership_check(p_table regclass, p_workspace_column name, p_user_column name)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
begin
  delete from audit.membership_source;
  if p_table is null then
    alter table audit.audit_events disable trigger check_audit_workspace_membership;
    return;
  end if;
  -- Quoted here and not by the caller: the trigger pastes it into its query.
  insert into audit.membership_source (source_table, workspace_column, user_column)
  select format('%I.%I', n.nspname, c.relname), p_workspace_column, p_user_column
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_table;
  alter table audit.audit_events enable trigger check_audit_workspace_membership;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.switch_month(p_hot name, p_archived name, p_from timestamp with time zone, p_to timestamp with time zone, p_is_empty boolean)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
 SET lock_timeout TO '800ms'
AS $function$
declare
  v_name constant name := 'audit_events_archive' || to_char(p_from, '_YYYY_MM');
  v_index name;
begin
  lock table only audit.audit_events in access exclusive mode;
  lock table only audit.audit_events_archive in access exclusive mode nowait;
  execute format('lock table audit.%I in access exclusive mode nowait', p_hot);
  execute format('alter table audit.audit_events detach partition audit.%I', p_hot);
  if p_is_empty then
    execute format('drop table audit.%I', p_hot);
    return;
  end if;
  if p_archived is not null then
    execute format('lock table audit.%I in access exclusive mode nowait', p_archived);
    execute format('alter table audit.audit_events_archive detach partition audit.%I', p_archived);
    execute format('drop table audit.%I', p_archived);
  end if;
  execute format('alter table audit.%I rename to %I', p_hot, v_name);
  -- A constant default is kept in the catalog: no row is written.
  execute format('alter table audit.%I add column archived_at timestamptz not null default now()', v_name);
  execute format('alter table audit.%I rename constraint %I to %I', v_name, p_hot || '_range', v_name || '_range');
  for v_index in
    select c.relname
    from pg_catalog.pg_index i
    join pg_catalog.pg_class c on c.oid = i.indexrelid
    where i.indrelid = format('audit.%I', v_name)::regclass and starts_with(c.relname::text, p_hot::text)
  loop
    execute format('alter index audit.%I rename to %I', v_index, v_name || substr(v_index, length(p_hot) + 1));
  end loop;
  execute format('drop trigger if exists audit_events_immutable_statement on audit.%I', v_name);
  perform audit.guard_month('audit_events_archive', v_name);
  execute format(
    'comment on table audit.%I is %L', v_name, format('audit_events_archive of %s (UTC).', to_char(p_from, 'YYYY-MM'))
  );
  -- The range check, made with the month, proves the bounds; the indexes are adopted.
  execute format(
    'alter table audit.audit_events_archive attach partition audit.%I for values from (%L) to (%L)', v_name, p_from, p_to
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.touched_columns(p_run uuid, p_relation oid)
 RETURNS text[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT COALESCE(array_agg(c.value), '{}'::text[]) AS "coalesce" FROM ((audit.restore_runs r CROSS JOIN LATERAL jsonb_array_elements(r.tables) t(value)) CROSS JOIN LATERAL jsonb_array_elements_text((t.value -> 'touch'::text)) c(value)) WHERE ((r.id = touched_columns.p_run) AND (((t.value ->> 'relation'::text))::oid = touched_columns.p_relation) AND (c.value IN (SELECT k.name FROM audit.restore_columns(touched_columns.p_relation) k(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE k.is_writable))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.trace_back(p_schema text, p_table text, p_at timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if not exists (
    select from audit.audit_logs l
    where l.table_schema = p_schema and l.table_name = p_table and l.new_record_id is not null and l.created_at > p_at
  ) then
    return;
  end if;
  with recursive back as (
    select g.id as of_id, g.record_id as key, g.id
    from pg_temp.restore_gone g
    union all
    select b.of_id, o.record_id, o.id
    from back b
    cross join lateral (
      select l.record_id, l.id
      from audit.audit_logs l
      where l.table_schema = p_schema and l.table_name = p_table and l.new_record_id = b.key and l.created_at > p_at and l.id < b.id
      order by l.id desc
      limit 1
    ) o
  )
  update pg_temp.restore_gone g
  set origin_key = b.key
  from (select distinct on (of_id) of_id, key from back order by of_id, id) b
  where g.id = b.of_id and b.key <> g.record_id;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.trace_records(p_relation oid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_entry record;
  v_first bigint;
begin
  create temp table restore_moves on commit drop as
  select record_id as key from pg_temp.restore_entries where relation = p_relation and new_record_id is not null
  union
  select new_record_id from pg_temp.restore_entries where relation = p_relation and new_record_id is not null;
  create temp table restore_traces (first_id bigint primary key, origin text not null, is_there boolean not null, key text not null, is_live boolean not null)
  on commit drop;
  create index on pg_temp.restore_traces (key);
  create index on pg_temp.restore_traces (origin);
  create index if not exists restore_entries_id on pg_temp.restore_entries (id);
  for v_entry in
    select e.*
    from pg_temp.restore_entries e
    where e.relation = p_relation and e.record_id in (select m.key from pg_temp.restore_moves m)
    order by e.id
  loop
    select first_id into v_first from pg_temp.restore_traces where key = v_entry.record_id and is_live;
    if v_first is null then
      -- The same key again after its row went: one record.
      select first_id into v_first from pg_temp.restore_traces where origin = v_entry.record_id and is_there and not is_live;
    end if;
    if v_first is null then
      v_first := v_entry.id;
      insert into pg_temp.restore_traces values (v_first, v_entry.record_id, v_entry.action <> 'INSERT', v_entry.record_id, true);
    end if;
    update pg_temp.restore_traces
    set key = coalesce(v_entry.new_record_id, v_entry.record_id), is_live = v_entry.action not in ('DELETE', 'TRUNCATE')
    where first_id = v_first;
    update pg_temp.restore_entries
    set first_id = v_first
    where id = v_entry.id;
  end loop;
  drop table pg_temp.restore_moves, pg_temp.restore_traces;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.track(p_table regclass, exclude text[] DEFAULT '{}'::text[], redact text[] DEFAULT '{}'::text[], ignore text[] DEFAULT '{}'::text[], on_error text DEFAULT 'block'::text, as_events jsonb DEFAULT NULL::jsonb)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_class pg_class;
  v_key constant text[] := audit.key_of(p_table);
  v_name constant text := p_table::text;
  v_column text;
  v_relation oid;
  v_count int := 0;
begin
  select * into strict v_class from pg_class where oid = p_table;
  if v_class.relkind not in ('r', 'p') or v_class.relpersistence = 't' or v_class.relnamespace in ('audit'::regnamespace, 'pg_catalog'::regnamespace) then
    raise exception '% cannot be tracked', v_name
      using errcode = 'wrong_object_type', hint = 'Track ordinary and partitioned tables of the application.';
  end if;
  if v_class.relispartition then
    raise exception '% is a partition', v_name
      using errcode = 'wrong_object_type',
            hint = format('Track the whole: select audit.track(%L).', (select pg_partition_root(p_table)::text));
  end if;
  if v_class.relkind = 'r' and exists (select from pg_inherits where inhparent = p_table or inhrelid = p_table) then
    raise exception '% inherits, or is inherited from', v_name
      using errcode = 'feature_not_supported', hint = 'Its rows have several shapes; make it partitioned to track it.';
  end if;
  if v_key is null then
    raise exception '% has no key', v_name
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Its rows cannot be told apart. Give it a primary key, or a unique index over NOT NULL columns, without arrays, composites and jsonb.';
  end if;
  if on_error is null or on_error not in ('block', 'warn') then
    raise exception 'on_error is %, but must be block or warn', coalesce(quote_literal(on_error), 'null')
      using errcode = 'invalid_parameter_value';
  end if;
  foreach v_column in array exclude || redact || ignore loop
    if cardinality(audit.column_numbers(p_table, array[v_column])) = 0 then
      raise exception 'Column % does not exist in %', quote_ident(v_column), v_name using errcode = 'undefined_column';
    end if;
    if v_column = any (v_key) then
      raise exception 'Column % belongs to the key of %', quote_ident(v_column), v_name
        using errcode = 'invalid_parameter_value', hint = 'Without it no row could be found again.';
    end if;
  end loop;
  perform audit.check_as_events(p_table, as_events);
  if exists (
    select from pg_attribute
    where attrelid = p_table and attnum > 0 and attname ~ '^__(o|n|i|j|s|e|position|old|new|before|after|user|request|restore|fields|values|key|new_key|image|exact)$'
  ) then
    raise exception '% has a column whose name the capture needs', v_name
      using errcode = 'duplicate_column', hint = 'Rename columns that begin with two underscores.';
  end if;
  if not pg_has_role(v_class.relowner, 'usage') then
    raise exception '% belongs to %', v_name, v_class.relowner::regrole
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the table, or as a member of it.';
  end if;

  -- TRUNCATE is recorded by reading the table before; a restore writes to it.
  execute format('grant usage on schema %s to audit_recorder, audit_worker', v_class.relnamespace::regnamespace);
  for v_relation in
    select audit.note_tracked(p_table, v_key, exclude, redact, ignore, on_error, as_events)
  loop
    execute format('grant select on %s to audit_recorder', v_relation::regclass);
    execute format('grant select, insert, update, delete on %s to audit_worker', v_relation::regclass);
    perform audit.let_through_policies(v_relation);
    perform audit.make_capture_triggers(v_relation);
    v_count := v_count + 1;
  end loop;
  for v_relation in
    select s.oid
    from pg_depend d
    join pg_class s on s.oid = d.objid and s.relkind = 'S'
    where d.refobjid = p_table and d.deptype in ('a', 'i') and d.classid = 'pg_class'::regclass
  loop
    execute format('grant select, update on sequence %s to audit_worker', v_relation::regclass);
  end loop;
  return v_count;
end
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.trail_contribution(t audit.audit_trails)
 RETURNS jsonb
 LANGUAGE sql
 STABLE PARALLEL SAFE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select to_jsonb(w) from audit.trail_worth(t) w
$function$;

-- owner: audit_keeper
CREATE OR REPLACE FUNCTION audit.trail_worth(t audit.audit_trails)
 RETURNS TABLE(bucket_start timestamp with time zone, model text, message_count integer, complete_count integer, failed_count integer, unpriced_count integer, prompt_tokens integer, completion_tokens integer, total_tokens integer, cached_tokens integer, reasoning_tokens integer, prompt_cost numeric, completion_cost numeric, total_cost numeric)
 LANGUAGE sql
 STABLE PARALLEL SAFE
AS $function$
  select
    pg_catalog.date_bin('15 minutes', t.timestamp, pg_catalog.timestamptz '2000-01-01 00:00:00+00'), t.model, 1,
    (t.status = 'complete')::pg_catalog.int4, (t.status = 'failed')::pg_catalog.int4,
    (t.status = 'complete' and t.total_cost is null)::pg_catalog.int4, coalesce(t.prompt_tokens, 0),
    coalesce(t.completion_tokens, 0), coalesce(t.total_tokens, 0), coalesce(t.cached_tokens, 0),
    coalesce(t.reasoning_tokens, 0), coalesce(t.prompt_cost, 0), coalesce(t.completion_cost, 0), coalesce(t.total_cost, 0)
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.truncated_by(p_relation oid)
 RETURNS oid[]
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT array_agg((t.relid)::oid) AS array_agg FROM pg_partition_tree((truncated_by.p_relation)::regclass) t(relid, parentrelid, isleaf, level) WHERE (t.isleaf AND (NOT (EXISTS (SELECT FROM (pg_partition_ancestors(t.relid) a(relid) JOIN pg_trigger g ON (((g.tgrelid = (a.relid)::oid) AND (g.tgname = 'audit_truncate'::name) AND (g.tgenabled = ANY (ARRAY['O'::"char", 'A'::"char"]))))) WHERE (((a.relid)::oid <> truncated_by.p_relation) AND (NOT ((a.relid)::oid IN (SELECT pg_partition_ancestors.relid FROM pg_partition_ancestors((truncated_by.p_relation)::regclass) pg_partition_ancestors(relid))))))))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.tune_month(p_name name)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  execute format(
    'alter table audit.%I set (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0.01, '
    'autovacuum_analyze_scale_factor = 0.005)',
    p_name
  );
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.txid_of(p_xid xid)
 RETURNS bigint
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT (n.txid - ((n.txid - ((txid_of.p_xid)::text)::bigint) & '4294967295'::bigint)) FROM (SELECT ((pg_snapshot_xmax(pg_current_snapshot()))::text)::bigint AS txid) n);

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.unarchive_audit_event(p_id uuid, p_keep_days integer DEFAULT 30, p_user_id text DEFAULT NULL::text, p_reason text DEFAULT NULL::text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  c_keep_days_max constant int := 3650;
  v_user constant text := coalesce(
    p_user_id, nullif(current_setting('app.user_id', true), ''), 'database:' || session_user
  );
  v_event record;
  v_until timestamptz;
begin
  if p_keep_days is null or p_keep_days not between 1 and c_keep_days_max then
    raise exception 'p_keep_days is %, but must be from 1 to %', coalesce(p_keep_days::text, 'null'), c_keep_days_max
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.lock_archiver();
  select e.created_at, e.workspace_id, e.archived_at is not null as is_archived into v_event
  from audit.every_event e
  where e.id = p_id
  order by e.created_at
  limit 1;
  if not found then
    raise exception 'No event in hot storage or the archive has this id' using
      errcode = 'no_data_found',
      hint = case when exists (
        select from audit.cold_months f
        where f.dropped_at is not null and f.purged_at is null and p_id between f.min_id and f.max_id
      ) then 'It may be in a cold file, which POST /api/audit/events/{id}/unarchive reads.' else '' end;
  end if;
  delete from audit.audit_archive_pins k where k.pinned_until <= now();
  insert into audit.audit_archive_pins as k (
    event_id, event_created_at, workspace_id, pinned_until, pinned_by_user_id, reason
  ) values (
    p_id, v_event.created_at, v_event.workspace_id, now() + make_interval(days => p_keep_days), v_user, p_reason
  )
  on conflict (event_created_at, event_id) do update
    set pinned_until = excluded.pinned_until,
        pinned_at = clock_timestamp(),
        pinned_by_user_id = excluded.pinned_by_user_id,
        reason = excluded.reason
    -- Somebody else may need it longer.
    where k.pinned_until < excluded.pinned_until;
  select k.pinned_until into strict v_until
  from audit.audit_archive_pins k
  where k.event_created_at = v_event.created_at and k.event_id = p_id;
  if v_event.is_archived then
    perform audit.add_month_for_rows('audit_events', v_event.created_at::date);
    perform audit.move_rows_from_archive(v_event.created_at, v_event.created_at + interval '1 microsecond', p_id, 1);
    perform audit.log_return(p_id, v_event.workspace_id, 'audit_events_archive', v_until, v_user, p_reason);
  end if;
  perform audit.insert_service_event(jsonb_build_object(
    'action_type', 'UNARCHIVE_AUDIT_EVENT',
    'resource_type', 'audit_event',
    'resource_id', p_id,
    'workspace_id', v_event.workspace_id,
    'created_by_user_id', v_user,
    'request_id', nullif(current_setting('app.request_id', true), ''),
    'new_values', jsonb_strip_nulls(jsonb_build_object('staysUntil', v_until, 'reason', p_reason)),
    'metadata', jsonb_build_object('login', session_user)
  ));
  return v_until;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.unarchive_cold_event(p_file uuid, p_row integer, p_line text, p_digests bytea, p_keep_days integer, p_user_id text, p_reason text)
 RETURNS timestamp with time zone
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
  c_digest constant int := 32;
  v_file record;
  v_line jsonb;
  v_id uuid;
  v_created_at timestamptz;
begin
  perform audit.lock_archiver();
  -- Against a purge that begins now.
  select f.object_key, f.row_count, f.rows_digest into v_file
  from audit.cold_months f
  where f.id = p_file and f.dropped_at is not null and f.purged_at is null
  for share;
  if not found then
    raise exception 'This cold file is not there any more' using errcode = 'no_data_found';
  end if;
  if (
    p_row between 1 and v_file.row_count
    and length(p_digests) = c_digest * v_file.row_count
    and sha256(p_digests) = v_file.rows_digest
    and substr(p_digests, c_digest * (p_row - 1) + 1, c_digest) = sha256(convert_to(p_line, 'UTF8'))
  ) is not true then
    raise exception 'This is no event of the cold file' using errcode = 'insufficient_privilege';
  end if;
  v_line := p_line::jsonb;
  v_id := v_line ->> 0;
  v_created_at := audit.from_micros(v_line ->> 1);
  if not exists (select from audit.every_event e where e.id = v_id and e.created_at = v_created_at) then
    -- With an entry, and not in the database, it was removed there.
    insert into audit.cold_returns (file_id, event_created_at, event_id, content_digest)
    values (p_file, v_created_at, v_id, audit.content_digest(p_line));
    perform audit.add_month_for_rows('audit_events', v_created_at::date);
    perform audit.store_archived_line(v_line);
    perform audit.log_return(
      v_id, v_line ->> 4, v_file.object_key, now() + make_interval(days => p_keep_days), p_user_id, p_reason
    );
  end if;
  return audit.unarchive_audit_event(v_id, p_keep_days, p_user_id, p_reason);
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.undo_each()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_entry record;
  v_draft record;
  -- Before the first change of the whole row; which columns were changed until then, and what they held.
  v_is_past boolean;
  v_firsts jsonb;
  v_firsts_exact jsonb;
  v_old_exact jsonb;
  v_new_exact jsonb;
  v_columns text[];
begin
  for v_entry in
    select p.draft_id, e.*, row_number() over w = 1 as is_first, lead(e.id) over w is null as is_last
    from pg_temp.restore_parts p
    join pg_temp.restore_entries e on e.id = p.id
    window w as (partition by p.draft_id order by e.id)
    order by p.draft_id, e.id
  loop
    v_old_exact := coalesce(nullif(v_entry.exact_values -> 'old', 'null'), '{}');
    v_new_exact := coalesce(nullif(v_entry.exact_values -> 'new', 'null'), '{}');
    if v_entry.is_first then
      select * into v_draft from pg_temp.restore_draft where draft_id = v_entry.draft_id;
      v_draft.fields := '{}';
      v_draft.left_image := null;
      v_draft.left_exact := '{}';
      v_is_past := false;
      v_firsts := '{}';
      v_firsts_exact := '{}';
    elsif (v_draft.left_image = 'null') <> (v_entry.action = 'INSERT')
      or v_draft.left_image <> 'null' and exists (
        select from jsonb_each(v_draft.left_image) f
        where (v_entry.action <> 'UPDATE' or f.key = any (v_entry.changed_fields)) and f.value::text is distinct from (v_entry.old_values -> f.key)::text
      )
    then
      v_draft.conflict := 'changed_since';
    end if;
    if not v_is_past and v_entry.action <> 'INSERT' then
      v_columns := array(select c from unnest(v_entry.changed_fields) c where not v_firsts ? c);
      v_firsts := v_firsts || audit.some_of_image(v_entry.old_values, v_columns);
      v_firsts_exact := v_firsts_exact || audit.some_of_image(v_old_exact, v_columns);
      v_draft.target := v_entry.old_values || v_firsts;
      v_draft.exact := jsonb_strip_nulls(v_old_exact || v_firsts_exact);
      v_draft.fields := v_draft.fields || v_columns;
    end if;
    if v_entry.action <> 'UPDATE' then
      v_is_past := true;
      v_draft.fields := null;
    end if;
    v_draft.left_exact := case
      when v_entry.action = 'UPDATE' then v_draft.left_exact || audit.some_of_image(v_new_exact, v_entry.changed_fields)
      else v_new_exact
    end;
    v_draft.left_image := audit.overlay_image(v_draft.left_image, coalesce(v_entry.new_values, 'null'));
    if v_entry.is_last then
      update pg_temp.restore_draft
      set
        target = v_draft.target, exact = nullif(v_draft.exact, '{}'), fields = v_draft.fields, conflict = v_draft.conflict,
        left_image = v_draft.left_image, left_exact = nullif(jsonb_strip_nulls(v_draft.left_exact), '{}')
      where draft_id = v_entry.draft_id;
    end if;
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.untrack(p_table regclass)
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_relation oid;
  v_trigger name;
  v_count int := 0;
begin
  if not pg_has_role((select relowner from pg_class where oid = p_table), 'usage') then
    raise exception '% belongs to another role', p_table
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the table, or as a member of it.';
  end if;
  for v_relation in
    select t.relation from audit.tracked_tables t join pg_class c on c.oid = t.relation where t.root = p_table
  loop
    for v_trigger in
      select tgname from pg_trigger where tgrelid = v_relation and tgname in ('audit_insert', 'audit_update', 'audit_delete', 'audit_truncate')
    loop
      execute format('drop trigger %I on %s', v_trigger, v_relation::regclass);
    end loop;
    execute format('revoke all on %s from audit_recorder, audit_worker', v_relation::regclass);
    execute format('drop policy if exists audit_recorder_reads on %s', v_relation::regclass);
    execute format('drop policy if exists audit_worker_restores on %s', v_relation::regclass);
    v_count := v_count + 1;
  end loop;
  perform audit.forget_tracked(p_table);
  return v_count;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.update_sql(p_relation oid, p_mine text, p_columns text[], p_touch text[], p_key text DEFAULT 'coalesce(__i.live_record_id, __i.record_id)'::text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('with __w as (update %s as __t set %s from pg_temp.restore_chunk __i cross join lateral jsonb_to_record(__i.target) as %s where %s and __i.target is not null and %s returning __i.position as __position, %s as __digest) insert into audit.restore_outcomes (run_id, position, outcome, digest) select $1, __w.__position, ''applied'', __w.__digest from __w'::text, (update_sql.p_relation)::regclass, string_agg(CASE WHEN (u.c = ANY (update_sql.p_touch)) THEN format('%I = now()'::text, u.c) ELSE format('%1$I = case when (__i.columns is null or %1$L = any (__i.columns)) and __i.target ? %1$L then %2$s else __t.%1$I end'::text, u.c, audit.image_value_sql(update_sql.p_relation, u.c, '__i.target_exact'::text)) END, ', '::text ORDER BY u.c), audit.image_record_sql(update_sql.p_relation, update_sql.p_columns), update_sql.p_mine, audit.key_match_sql(update_sql.p_relation, '__t'::text, update_sql.p_key), audit.row_digest_sql('__t'::text)) AS format FROM (SELECT c.c FROM unnest(update_sql.p_columns) c(c) UNION SELECT unnest(update_sql.p_touch) AS unnest) u WHERE (NOT (u.c IN (SELECT i.name FROM audit.restore_columns(update_sql.p_relation) i(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE i.is_fixed_identity))));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.uuid_v7()
 RETURNS uuid
 LANGUAGE sql
 PARALLEL SAFE
RETURN (encode(set_bit(set_bit(OVERLAY(uuid_send(gen_random_uuid()) PLACING SUBSTRING(int8send(((EXTRACT(epoch FROM clock_timestamp()) * (1000)::numeric))::bigint) FROM 3) FROM 1 FOR 6), (52)::bigint, 1), (53)::bigint, 1), 'hex'::text))::uuid;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.uuid_v7_time(p_id uuid)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (substr((p_id)::text, 15, 1) = '7'::text) THEN to_timestamp((((((('x'::text || substr(replace((p_id)::text, '-'::text, ''::text), 1, 12)))::bit(48))::bigint)::numeric / 1000.0))::double precision) ELSE NULL::timestamp with time zone END;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.verification_sql(p_run uuid, p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('
with recorded as materialized (
  select l.record_id
  from audit.audit_logs l
  where l.txid = $4 and l.restore_id = $1 and l.table_name = %1$L and l.table_schema = %2$L
), read as materialized (
  select
    __i.position, __i.record_id, __i.live_record_id,
    case
      when __i.action = ''delete'' then case when __l.image is not null and not exists (
        -- Another row has taken its key.
        select from audit.restore_items o
        where o.run_id = $1 and o.relation = %10$s and o.record_id = __i.record_id and o.action <> ''delete''
      ) then ''{}''::text[] end
      when __l.image is null then ''{}''
      -- The same bits are the same to the last digit; column by column costs thirty times as much.
      when record_image_eq(row(__i.target%3$s, __i.target_exact), row(__l.image%4$s, __l.exact)) then null
      else nullif(audit.image_difference(__i.target%3$s, __i.target_exact, __l.image, __l.exact, __i.columns), ''{}'')
    end as columns,
    -- A write that left the row as it was, or changed nothing but ignored columns, has no entry.
    __i.record_id not in (select r.record_id from recorded r)
      and coalesce(__i.live_record_id, __i.record_id) not in (select r.record_id from recorded r)
      and not coalesce(__i.columns <@ %5$L::text[], false)
      and (select o.digest from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position) is distinct from coalesce(
        (select s.digest from audit.restore_snapshot_rows s where s.run_id = $1 and s.position = __i.position), __i.live_digest
      )
      -- An earlier chunk may have changed it already, by a cascade.
      and not exists (
        select from audit.audit_logs l
        where l.table_name = %1$L and l.table_schema = %2$L and l.record_id in (__i.record_id, __i.live_record_id) and l.restore_id = $1
      ) as is_unrecorded
  from audit.restore_items __i
  left join lateral (select %6$s as image, %7$s as exact from %8$s __t where %9$s offset 0) __l on true
  where __i.run_id = $1 and __i.position between $2 and $3 and __i.relation = %10$s and __i.position not in (
    select o.position from audit.restore_outcomes o where o.run_id = $1 and o.position between $2 and $3 and o.outcome <> ''applied''
  )
)
select
  r.position, %10$s::oid, r.record_id,
  case
    when l.is_after then ''changed_since''
    when l.is_own and r.columns <> ''{}'' and $6 then ''trigger''
    else ''wrong''
  end,
  r.columns
from read r
left join lateral (
  -- The row is locked from the restore''s write to its commit, so who changed it since has later entries.
  select l.txid = $4 as is_own, l.txid <> $4 and (o.id is not null or l.created_at > $5) as is_after
  from audit.audit_logs l
  left join lateral (
    select o.id from audit.audit_logs o
    where o.table_name = %1$L and o.table_schema = %2$L and o.record_id in (r.record_id, r.live_record_id) and o.txid = $4
    limit 1
  ) o on true
  where l.table_name = %1$L and l.table_schema = %2$L and l.record_id in (r.record_id, r.live_record_id)
  order by l.id desc
  limit 1
) l on true
where r.columns is not null
union all
select r.position, %10$s::oid, r.record_id, ''unrecorded'', ''{}''
from read r
where r.is_unrecorded
'::text, t.table_name, t.table_schema, audit.without_sql(audit.touched_columns(verification_sql.p_run, verification_sql.p_relation)), audit.without_sql(ARRAY(SELECT c.name FROM audit.restore_columns(verification_sql.p_relation) c(name, type, fidelity, key_position, is_writable, is_hidden, is_fixed_identity, is_required) WHERE (NOT c.is_writable) UNION SELECT unnest(audit.touched_columns(verification_sql.p_run, verification_sql.p_relation)) AS unnest)), audit.ignored_names(verification_sql.p_relation), audit.image_sql(verification_sql.p_relation, '__t'::text), COALESCE(audit.exact_sql(verification_sql.p_relation, '__t'::text), 'null::jsonb'::text), (verification_sql.p_relation)::regclass, audit.key_match_sql(verification_sql.p_relation, '__t'::text, '__i.record_id'::text), verification_sql.p_relation) AS format FROM audit.tracked_tables t WHERE (t.relation = verification_sql.p_relation));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.verified_columns(p_relation oid)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT jsonb_object_agg(c.name, jsonb_build_object('type', a.atttypid, 'ignored', c.is_ignored, 'altered', GREATEST(audit.txid_of(a.xmin), (SELECT max(audit.txid_of(e.xmin)) AS max FROM pg_enum e WHERE (e.enumtypid = a.atttypid))))) AS jsonb_object_agg FROM (audit.captured_columns(verified_columns.p_relation) c(name, fidelity, key_position, is_excluded, is_redacted, is_ignored) JOIN pg_attribute a ON (((a.attrelid = verified_columns.p_relation) AND (a.attname = c.name)))) WHERE (NOT c.is_excluded));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.verify_restore_rows(p_run uuid, p_chunk integer)
 RETURNS TABLE("position" integer, relation oid, record_id text, cause text, columns text[])
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_memoize TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_run audit.restore_runs;
  v_done audit.restore_chunks;
  v_first int;
  v_last int;
  v_relation oid;
begin
  perform audit.pin_restore_session();
  select * into strict v_run from audit.restore_runs where id = p_run;
  select * into v_done from audit.restore_chunks where run_id = p_run and chunk = p_chunk;
  if not found then
    return;
  end if;
  v_first := v_run.chunk_starts[p_chunk];
  v_last := coalesce(v_run.chunk_starts[p_chunk + 1] - 1, v_run.item_count);
  for v_relation in
    select distinct i.relation from audit.restore_items i where i.run_id = p_run and i.position between v_first and v_last order by 1
  loop
    return query execute audit.verification_sql(p_run, v_relation)
    using p_run, v_first, v_last, v_done.txid, v_done.applied_at, audit.has_own_triggers(p_run);
  end loop;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.warning_code(p_relation oid)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN (SELECT format('exception
  when others then
    raise warning ''The row history of %% misses a change (%%)'', %1$L, sqlstate;
    begin
      insert into audit.capture_gaps (relation, table_schema, table_name, reason, began_at, ended_at, detail, noted_by)
      select %2$s, %3$L, %4$L, ''error'', t, t, sqlstate, session_user
      from clock_timestamp() t
      where not exists (
        select from audit.capture_gaps g
        where g.relation = %2$s and g.reason = ''error'' and g.began_at > t - interval ''1 minute''
      );
    exception
      when others then
        raise warning ''The gap could not be noted (%%)'', sqlstate;
    end;
    return null;
'::text, format('%I.%I'::text, t.table_schema, t.table_name), warning_code.p_relation, t.table_schema, t.table_name) AS format FROM audit.tracked_tables t WHERE (t.relation = warning_code.p_relation));

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.widen_rollback(p_run uuid)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  create temp table restore_left on commit drop as
  select i.relation, i.record_id, o.digest
  from audit.restore_items i
  join lateral (
    select o.digest from audit.restore_outcomes o where o.run_id = i.run_id and o.position = i.position offset 0
  ) o on true
  where i.run_id = p_run and i.action = 'update';
  analyze pg_temp.restore_left;
  update pg_temp.restore_draft d
  set fields = null
  from pg_temp.restore_live l, pg_temp.restore_left r
  where d.is_there and d.fields is not null and l.draft_id = d.draft_id
    and r.relation = d.relation and r.record_id = d.live_record_id and r.digest = l.digest;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.without_sql(p_columns text[])
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
RETURN CASE WHEN (p_columns = '{}'::text[]) THEN ''::text ELSE format(' - %L::text[]'::text, p_columns) END;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.write_capture_function(p_relation oid)
 RETURNS regprocedure
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_name constant name := 'capture_' || p_relation;
  v_body constant text := audit.capture_body(p_relation);
begin
  update audit.tracked_tables set body_md5 = md5(v_body) where relation = p_relation;
  execute format(
    E'create or replace function audit.%I() returns trigger\nlanguage plpgsql security definer\n'
    'set search_path = pg_catalog, pg_temp\n%sas %L',
    v_name, audit.image_settings(p_relation), v_body
  );
  execute format('comment on function audit.%I() is %L', v_name,
    (select format('Trigger: records the changes of %I.%I.', t.table_schema, t.table_name) from audit.tracked_tables t where t.relation = p_relation));
  return format('audit.%I()', v_name)::regprocedure;
end
$function$;

-- owner: audit_owner
CREATE OR REPLACE FUNCTION audit.write_statements(p_run uuid, p_relation oid, p_action text, p_first integer, p_last integer, p_conflicts integer[], p_overwrite boolean)
 RETURNS SETOF text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_regular constant text := '__i.position between $2 and $3 and __i.position <> all ($4)';
  v_conflict constant text := '__i.position between $2 and $3 and __i.position = any ($4)';
  v_live constant text := audit.key_match_sql(p_relation, '__t', 'coalesce(__i.live_record_id, __i.record_id)');
  v_name constant text := p_relation::regclass;
  v_touch constant text[] := audit.touched_columns(p_run, p_relation);
  v_columns text[];
  v_shape record;
begin
  if p_overwrite and exists (select from unnest(p_conflicts) c where c between p_first and p_last) then
    return next 'delete from audit.restore_snapshot_rows s where s.run_id = $1 and s.position between $2 and $3 and s.position = any ($4)';
    return next format(
      'insert into audit.restore_snapshot_rows (run_id, position, image, exact, digest) select __i.run_id, __i.position, %s, %s, %s '
      'from pg_temp.restore_chunk __i join %s __t on %s where %s',
      audit.image_sql(p_relation, '__t'), coalesce(audit.exact_sql(p_relation, '__t'), 'null::jsonb'), audit.row_digest_sql('__t'),
      v_name, v_live, v_conflict
    );
    if p_action = 'delete' then
      return next audit.delete_sql(p_relation, v_conflict);
    else
      v_columns := array(
        select distinct k from pg_temp.restore_chunk i cross join jsonb_object_keys(i.target) k
        where i.position = any (p_conflicts) and i.position between p_first and p_last
      );
      return next audit.update_sql(p_relation, v_conflict, v_columns, v_touch);
      for v_shape in select * from audit.image_shapes(p_first, p_last) loop
        return next audit.insert_sql(
          p_relation,
          concat_ws(' and ', v_conflict, v_shape.condition, 'not exists (select from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position)'),
          v_shape.names, v_touch
        );
      end loop;
    end if;
    return next 'insert into audit.restore_outcomes (run_id, position, outcome, detail) '
      'select __i.run_id, __i.position, ''skipped'', ''gone already'' from pg_temp.restore_chunk __i where ' || v_conflict
      || ' and __i.action = ''delete'' on conflict do nothing';
  end if;

  if p_action = 'delete' then
    return next audit.delete_sql(p_relation, v_regular);
  elsif p_action = 'update' then
    v_columns := array(
      select distinct c from pg_temp.restore_chunk i cross join unnest(i.columns) c where i.position between p_first and p_last
    );
    return next audit.update_sql(p_relation, v_regular, v_columns, v_touch);
    if exists (
      select from pg_temp.restore_chunk i where i.position between p_first and p_last and i.record_id <> i.live_record_id
    ) then
      -- Its key went with that of a row which it references.
      return next audit.update_sql(
        p_relation,
        v_regular || ' and __i.record_id <> __i.live_record_id and '
          'not exists (select from audit.restore_outcomes o where o.run_id = $1 and o.position = __i.position)',
        v_columns, v_touch, '__i.record_id'
      );
    end if;
  else
    for v_shape in select * from audit.image_shapes(p_first, p_last) loop
      return next audit.insert_sql(p_relation, concat_ws(' and ', v_regular, v_shape.condition), v_shape.names, v_touch);
    end loop;
  end if;
end
$function$;

-- Triggers

CREATE TRIGGER audit_deletion_log_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.audit_deletion_log FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change('Entries of the deletion log');
CREATE TRIGGER audit_event_keys_immutable BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.audit_event_keys FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change('Audit event keys');
CREATE TRIGGER audit_events_changed_fields BEFORE INSERT ON audit.audit_events FOR EACH ROW WHEN (((new.changed_fields IS NULL) AND (new.old_values IS NOT NULL) AND (new.new_values IS NOT NULL))) EXECUTE FUNCTION audit.fill_changed_fields();
CREATE TRIGGER audit_events_chronology BEFORE INSERT ON audit.audit_events FOR EACH ROW WHEN ((CURRENT_USER <> 'audit_keeper'::name)) EXECUTE FUNCTION audit.check_event_chronology();
CREATE TRIGGER audit_events_immutable BEFORE DELETE OR UPDATE ON audit.audit_events FOR EACH ROW EXECUTE FUNCTION audit.refuse_event_change();
CREATE TRIGGER audit_events_immutable_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.audit_events FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change();
CREATE TRIGGER check_audit_workspace_membership BEFORE INSERT ON audit.audit_events FOR EACH ROW WHEN ((CURRENT_USER <> 'audit_keeper'::name)) EXECUTE FUNCTION audit.check_workspace_membership(); -- disabled
CREATE TRIGGER audit_events_archive_immutable BEFORE DELETE OR UPDATE ON audit.audit_events_archive FOR EACH ROW EXECUTE FUNCTION audit.refuse_event_change();
CREATE TRIGGER audit_events_archive_immutable_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.audit_events_archive FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change();
CREATE TRIGGER audit_logs_immutable BEFORE DELETE OR UPDATE ON audit.audit_logs FOR EACH ROW EXECUTE FUNCTION audit.refuse_event_change('Entries of the row history');
CREATE TRIGGER audit_logs_immutable_statement BEFORE DELETE OR UPDATE OR TRUNCATE ON audit.audit_logs FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change('Entries of the row history');
CREATE TRIGGER audit_retention_policies_log AFTER INSERT OR DELETE OR UPDATE ON audit.audit_retention_policies FOR EACH ROW EXECUTE FUNCTION audit.log_retention_change();
CREATE TRIGGER audit_retention_policies_stamp BEFORE INSERT OR UPDATE ON audit.audit_retention_policies FOR EACH ROW EXECUTE FUNCTION audit.stamp_retention_policy();
CREATE TRIGGER audit_retention_policies_stay BEFORE TRUNCATE ON audit.audit_retention_policies FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change('Retention policies');
CREATE TRIGGER audit_trails_changed BEFORE UPDATE ON audit.audit_trails FOR EACH ROW WHEN (((NOT new.rollup_due) AND (((((((((((old.status IS DISTINCT FROM new.status) OR (old."timestamp" IS DISTINCT FROM new."timestamp")) OR (old.model IS DISTINCT FROM new.model)) OR (old.prompt_tokens IS DISTINCT FROM new.prompt_tokens)) OR (old.completion_tokens IS DISTINCT FROM new.completion_tokens)) OR (old.total_tokens IS DISTINCT FROM new.total_tokens)) OR (old.cached_tokens IS DISTINCT FROM new.cached_tokens)) OR (old.reasoning_tokens IS DISTINCT FROM new.reasoning_tokens)) OR (old.prompt_cost IS DISTINCT FROM new.prompt_cost)) OR (old.completion_cost IS DISTINCT FROM new.completion_cost)) OR (old.total_cost IS DISTINCT FROM new.total_cost)))) EXECUTE FUNCTION audit.mark_rollup_due();
CREATE TRIGGER audit_trails_digests BEFORE UPDATE ON audit.audit_trails FOR EACH ROW WHEN ((((old.prompt_digest IS NOT NULL) AND (new.prompt_digest IS DISTINCT FROM old.prompt_digest)) OR ((old.context_digest IS NOT NULL) AND (new.context_digest IS DISTINCT FROM old.context_digest)) OR ((old.policy_digest IS NOT NULL) AND (new.policy_digest IS DISTINCT FROM old.policy_digest)))) EXECUTE FUNCTION audit.keep_trail_digests();
CREATE TRIGGER legal_holds_change BEFORE UPDATE ON audit.legal_holds FOR EACH ROW EXECUTE FUNCTION audit.check_hold_change();
CREATE TRIGGER legal_holds_log AFTER INSERT OR UPDATE ON audit.legal_holds FOR EACH ROW EXECUTE FUNCTION audit.log_hold_change();
CREATE TRIGGER legal_holds_stay BEFORE DELETE OR TRUNCATE ON audit.legal_holds FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_event_change('Legal holds');

-- Views

create view audit.archive_lines as
 SELECT workspace_id,
    created_at,
    id,
    line,
    mark,
    (id = ANY ((ARRAY( SELECT r.event_id
           FROM audit.cold_returns r)))) AND (EXISTS ( SELECT
           FROM audit.cold_returns r
          WHERE r.event_id = l.id AND r.event_created_at = l.created_at AND r.content_digest = audit.content_digest(l.line))) AS is_in_file
   FROM ( SELECT a.workspace_id,
            a.created_at,
            a.id,
            array_to_json(ARRAY[a.id::text, (EXTRACT(epoch FROM a.created_at) * 1000000::numeric)::bigint::text, (EXTRACT(epoch FROM a.occurred_at) * 1000000::numeric)::bigint::text, a.event_id, a.workspace_id, a.created_by_user_id, a.action_type, a.resource_type, a.resource_id, a.old_values::text, a.new_values::text, to_jsonb(a.changed_fields)::text, textin(inet_out(a.ip_address)), a.user_agent, a.request_id, to_jsonb(a.tags)::text, a.metadata::text, a.txid::text, (EXTRACT(epoch FROM a.deleted_at) * 1000000::numeric)::bigint::text, a.deleted_by_user_id, a.deletion_reason, (EXTRACT(epoch FROM a.archived_at) * 1000000::numeric)::bigint::text])::text AS line,
            hashtextextended((a.id::text || ' '::text) || a.xmin::text, 0::bigint) AS mark
           FROM audit.audit_events_archive a) l;

create view audit.audit_log as
 SELECT l.user_id AS actor,
    l.table_name ||
        CASE l.action
            WHEN 'INSERT'::text THEN '_inserted'::text
            WHEN 'UPDATE'::text THEN '_updated'::text
            WHEN 'DELETE'::text THEN '_deleted'::text
            ELSE '_truncated'::text
        END AS event,
    l.table_name AS entity,
    l.record_id AS entity_id,
    l.created_at,
    jsonb_build_object('old', l.old_values, 'new', l.new_values, 'request_id', l.request_id, 'txid', l.txid) AS meta
   FROM audit.audit_logs l
UNION ALL
 SELECT e.created_by_user_id AS actor,
    e.action_type AS event,
    e.resource_type AS entity,
    e.resource_id AS entity_id,
    e.created_at,
    jsonb_build_object('old', e.old_values, 'new', e.new_values, 'request_id', e.request_id, 'txid', e.txid) || COALESCE(e.metadata, '{}'::jsonb) AS meta
   FROM audit.every_event e
  WHERE e.deleted_at IS NULL;

create view audit.every_event as
 SELECT e.id,
    e.created_at,
    e.occurred_at,
    e.event_id,
    e.workspace_id,
    e.created_by_user_id,
    e.action_type,
    e.resource_type,
    e.resource_id,
    e.old_values,
    e.new_values,
    e.changed_fields,
    e.ip_address,
    e.user_agent,
    e.request_id,
    e.tags,
    e.metadata,
    e.txid,
    e.deleted_at,
    e.deleted_by_user_id,
    e.deletion_reason,
    NULL::timestamp with time zone AS archived_at
   FROM audit.audit_events e
UNION ALL
 SELECT a.id,
    a.created_at,
    a.occurred_at,
    a.event_id,
    a.workspace_id,
    a.created_by_user_id,
    a.action_type,
    a.resource_type,
    a.resource_id,
    a.old_values,
    a.new_values,
    a.changed_fields,
    a.ip_address,
    a.user_agent,
    a.request_id,
    a.tags,
    a.metadata,
    a.txid,
    a.deleted_at,
    a.deleted_by_user_id,
    a.deletion_reason,
    a.archived_at
   FROM audit.audit_events_archive a;

create view audit.guard_functions as
 SELECT f.guard,
    found.fingerprint,
    found.fingerprint = f.fingerprint AS as_made
   FROM ( VALUES ('audit.refuse_event_change()'::regprocedure,'c09748e51f229057a941012f786423a98bd542da8a7d9e499e494a0b4b0ac334'::text), ('audit.check_event_chronology()'::regprocedure,'4f90d489681a31644b848ef6f18b1e3fcc1735242859ed3e20873c5ab4143ab2'::text), ('audit.check_workspace_membership()'::regprocedure,'e937e0364e5fc80ec794f26bddc761a419e1ef7067160feb46e0600462d32a99'::text)) f(guard, fingerprint)
     JOIN pg_proc p ON p.oid = f.guard::oid
     CROSS JOIN LATERAL ( SELECT encode(sha256(convert_to(concat_ws(' '::text, p.proowner::regrole, p.prosecdef, p.proconfig, p.prosrc), 'UTF8'::name)), 'hex'::text) AS fingerprint) found;

create view audit.partition_guards as
 WITH triggers AS (
         SELECT t.tgrelid,
            t.tgfoid AS guard,
            t.tgtype::integer & 63 AS bits,
            t.tgqual IS NULL AND t.tgattr::text = ''::text AS always,
            POSITION(('WHEN ((CURRENT_USER <> ''audit_keeper''::name))'::text) IN (pg_get_triggerdef(t.oid))) > 0 AS for_all_but_keeper
           FROM pg_trigger t
             JOIN audit.guard_functions f ON f.guard::oid = t.tgfoid AND f.as_made
          WHERE t.tgenabled = ANY (ARRAY['O'::"char", 'A'::"char"])
        ), guards AS (
         SELECT t.tgrelid,
            t.guard = 'audit.refuse_event_change()'::regprocedure::oid AND t.bits = 27 AND t.always AS guards_rows,
            t.guard = 'audit.refuse_event_change()'::regprocedure::oid AND t.bits = 58 AND t.always AS guards_statements,
            t.guard = 'audit.check_event_chronology()'::regprocedure::oid AND t.bits = 7 AND t.for_all_but_keeper AS checks_chronology,
            t.guard = 'audit.check_workspace_membership()'::regprocedure::oid AND t.bits = 7 AND t.for_all_but_keeper AS checks_membership
           FROM triggers t
        ), tables(id, has_months, holds_events) AS (
         VALUES ('audit.audit_events'::regclass,true,true), ('audit.audit_events_archive'::regclass,true,false), ('audit.audit_logs'::regclass,true,false), ('audit.audit_event_keys'::regclass,false,false), ('audit.audit_deletion_log'::regclass,false,false)
        UNION ALL
         SELECT i.inhrelid,
            true,
            i.inhparent = 'audit.audit_events'::regclass::oid
           FROM pg_inherits i
          WHERE i.inhparent = ANY (ARRAY['audit.audit_events'::regclass::oid, 'audit.audit_events_archive'::regclass::oid, 'audit.audit_logs'::regclass::oid])
        )
 SELECT c.relname AS table_name,
        CASE
            WHEN s.has_months THEN COALESCE(bool_or(g.guards_rows), false)
            ELSE NULL::boolean
        END AS rows_guarded,
    COALESCE(bool_or(g.guards_statements), false) AS statements_guarded,
        CASE
            WHEN s.holds_events THEN COALESCE(bool_or(g.checks_chronology), false)
            ELSE NULL::boolean
        END AS chronology_checked,
        CASE
            WHEN s.holds_events AND (EXISTS ( SELECT
               FROM audit.membership_source)) THEN COALESCE(bool_or(g.checks_membership), false)
            ELSE NULL::boolean
        END AS membership_checked
   FROM tables s
     JOIN pg_class c ON c.oid = s.id::oid
     LEFT JOIN guards g ON g.tgrelid = s.id::oid
  GROUP BY c.relname, s.has_months, s.holds_events;

create view audit.partition_schedule as
 WITH months AS (
         SELECT m_1.table_name,
            m_1.partition_name,
            (m_1.month_start AT TIME ZONE 'UTC'::text) AS starts,
            (m_1.month_end AT TIME ZONE 'UTC'::text) AS ends
           FROM audit.month_partitions() m_1(table_name, partition_name, month_start, month_end)
        ), clock AS (
         SELECT (now() AT TIME ZONE 'UTC'::text) AS "time",
            date_trunc('month'::text, (now() AT TIME ZONE 'UTC'::text)) AS month
        ), missing AS (
         SELECT p.table_name,
            min(s.month) AS month
           FROM audit.partitioned_tables() p(table_name)
             CROSS JOIN clock clock_1
             CROSS JOIN LATERAL ( SELECT clock_1.month
                UNION ALL
                 SELECT m_1.ends
                   FROM months m_1
                  WHERE m_1.table_name = p.table_name AND m_1.ends > clock_1.month) s
          WHERE NOT (EXISTS ( SELECT
                   FROM months m_1
                  WHERE m_1.table_name = p.table_name AND m_1.starts <= s.month AND m_1.ends >= (s.month + '1 mon'::interval)))
          GROUP BY p.table_name
        )
 SELECT f.table_name,
    count(m.partition_name)::integer AS partition_count,
    max(m.partition_name::text) AS newest_partition,
    (f.month AT TIME ZONE 'UTC'::text) AS next_partition_date,
    GREATEST(0, (EXTRACT(year FROM age(f.month, clock.month)) * 12::numeric + EXTRACT(month FROM age(f.month, clock.month)))::integer - 1) AS months_ahead,
    COALESCE(bool_or(m.starts <= clock."time" AND clock."time" < m.ends), false) AS covers_now
   FROM missing f
     CROSS JOIN clock
     LEFT JOIN months m ON m.table_name = f.table_name
  GROUP BY f.table_name, f.month, clock.month;

create view audit.trail_totals as
 SELECT r.project_id,
    r.bucket_start,
    r.model,
    r.message_count,
    r.complete_count,
    r.failed_count,
    r.unpriced_count,
    r.prompt_tokens,
    r.completion_tokens,
    r.total_tokens,
    r.cached_tokens,
    r.reasoning_tokens,
    r.prompt_cost,
    r.completion_cost,
    r.total_cost
   FROM audit.audit_trail_rollup r
UNION ALL
 SELECT t.project_id,
    w.bucket_start,
    w.model,
    w.message_count,
    w.complete_count,
    w.failed_count,
    w.unpriced_count,
    w.prompt_tokens,
    w.completion_tokens,
    w.total_tokens,
    w.cached_tokens,
    w.reasoning_tokens,
    w.prompt_cost,
    w.completion_cost,
    w.total_cost
   FROM audit.audit_trails t
     CROSS JOIN LATERAL audit.trail_worth(t.*) w(bucket_start, model, message_count, complete_count, failed_count, unpriced_count, prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, prompt_cost, completion_cost, total_cost)
  WHERE t.rollup_due
UNION ALL
 SELECT t.project_id,
    c.bucket_start,
    c.model,
    - c.message_count AS message_count,
    - c.complete_count AS complete_count,
    - c.failed_count AS failed_count,
    - c.unpriced_count AS unpriced_count,
    - c.prompt_tokens AS prompt_tokens,
    - c.completion_tokens AS completion_tokens,
    - c.total_tokens AS total_tokens,
    - c.cached_tokens AS cached_tokens,
    - c.reasoning_tokens AS reasoning_tokens,
    - c.prompt_cost AS prompt_cost,
    - c.completion_cost AS completion_cost,
    - c.total_cost AS total_cost
   FROM audit.audit_trails t
     CROSS JOIN LATERAL jsonb_populate_record(NULL::audit.audit_trail_rollup, t.counted) c(project_id, bucket_start, model, message_count, complete_count, failed_count, unpriced_count, prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, prompt_cost, completion_cost, total_cost)
  WHERE t.rollup_due AND t.counted IS NOT NULL;

create view audit.vw_security_audit as
 SELECT id,
    created_at,
    occurred_at,
    workspace_id,
    created_by_user_id,
    action_type,
    resource_type,
    resource_id,
    old_values,
    new_values,
    changed_fields,
    ip_address,
    user_agent,
    request_id,
    tags,
    metadata
   FROM audit.every_event e
  WHERE deleted_at IS NULL AND audit.is_security_action(action_type);

-- Grants; whatever is not named here is refused

grant execute on function audit.analyze_month(date) to audit_worker;
grant execute on function audit.apply_restore_chunk(uuid,integer,integer) to audit_worker;
grant execute on function audit.archive_month(date) to audit_worker;
grant execute on function audit.archive_old_audit_events(integer) to admin;
grant execute on function audit.archive_old_audit_events(integer) to audit_worker;
grant execute on function audit.archive_plan(integer) to audit_worker;
grant execute on function audit.archive_rows(date,text,integer) to audit_worker;
grant execute on function audit.as_events_sql(oid,text) to audit_recorder;
grant execute on function audit.begin_file_purge(uuid,uuid,uuid[]) to audit_worker;
grant execute on function audit.begin_idempotent(uuid,text,bytea) to audit_app;
grant execute on function audit.begin_restore_draft() to audit_worker;
grant execute on function audit.capture_problems() to admin;
grant execute on function audit.capture_problems() to audit_app;
grant execute on function audit.capture_problems() to audit_worker;
grant execute on function audit.capture_source(oid,text,boolean) to audit_recorder;
grant execute on function audit.capture_sql(oid,text,text,boolean) to audit_recorder;
grant execute on function audit.captured_columns(oid) to admin;
grant execute on function audit.captured_columns(oid) to audit_recorder;
grant execute on function audit.captured_columns(oid) to audit_worker;
grant execute on function audit.changed_by_others(uuid,integer[]) to audit_worker;
grant execute on function audit.changed_keys(jsonb,jsonb) to admin;
grant execute on function audit.changed_keys(jsonb,jsonb) to audit_app;
grant execute on function audit.changed_keys(jsonb,jsonb) to audit_keeper;
grant execute on function audit.changed_keys(jsonb,jsonb) to audit_worker;
grant execute on function audit.check_access(oid[],timestamp with time zone) to audit_worker;
grant execute on function audit.check_as_events(regclass,jsonb) to admin;
grant execute on function audit.check_constraints() to audit_worker;
grant execute on function audit.check_dependents() to audit_worker;
grant execute on function audit.check_holds() to audit_worker;
grant execute on function audit.check_lost_children() to audit_worker;
grant execute on function audit.check_unique() to audit_worker;
grant execute on function audit.cleanup_children(oid) to audit_worker;
grant execute on function audit.cleanup_due_sql(jsonb,timestamp with time zone) to audit_worker;
grant execute on function audit.cleanup_faults(jsonb) to audit_worker;
grant execute on function audit.cleanup_hides_rows(oid) to audit_worker;
grant execute on function audit.cleanup_relation(text) to audit_worker;
grant execute on function audit.cleanup_statements(jsonb,timestamp with time zone,jsonb,integer) to audit_worker;
grant execute on function audit.cleanup_value_fits(text,text) to audit_worker;
grant execute on function audit.cleanup_workspace_sql(jsonb) to audit_worker;
grant execute on function audit.column_numbers(oid,text[]) to admin;
grant execute on function audit.columns_of(oid) to audit_recorder;
grant execute on function audit.compared_columns_sql(oid,text,text,boolean) to audit_recorder;
grant execute on function audit.content_digest(text) to admin;
grant execute on function audit.content_digest(text) to audit_app;
grant execute on function audit.content_digest(text) to audit_keeper;
grant execute on function audit.content_digest(text) to audit_worker;
grant execute on function audit.create_monthly_audit_partition(integer) to admin;
grant execute on function audit.create_monthly_audit_partition(integer) to audit_worker;
grant execute on function audit.current_name(oid,text) to audit_recorder;
grant execute on function audit.day_begins(date,text) to admin;
grant execute on function audit.day_begins(date,text) to audit_app;
grant execute on function audit.decide_actions(boolean) to audit_worker;
grant execute on function audit.default_retention_values() to admin;
grant execute on function audit.default_retention_values() to audit_app;
grant execute on function audit.default_retention_values() to audit_keeper;
grant execute on function audit.default_retention_values() to audit_worker;
grant execute on function audit.delete_due_trails(integer) to audit_worker;
grant execute on function audit.delete_sql(oid,text) to audit_worker;
grant execute on function audit.delete_trails_of_deleted_projects(integer) to audit_worker;
grant execute on function audit.deletion_stops(text,text,text,text,boolean) to admin;
grant execute on function audit.deletion_stops(text,text,text,text,boolean) to audit_app;
grant execute on function audit.deletion_stops(text,text,text,text,boolean) to audit_keeper;
grant execute on function audit.deletion_stops(text,text,text,text,boolean) to audit_worker;
grant execute on function audit.differs_sql(oid,text,text,text) to audit_recorder;
grant execute on function audit.discard_cold_files(date) to audit_worker;
grant execute on function audit.draft_actor(text,timestamp with time zone,timestamp with time zone,oid[]) to audit_worker;
grant execute on function audit.draft_children(timestamp with time zone) to audit_worker;
grant execute on function audit.draft_parents(timestamp with time zone) to audit_worker;
grant execute on function audit.draft_record(oid,text,bigint,timestamp with time zone) to audit_worker;
grant execute on function audit.draft_rollback(uuid) to audit_worker;
grant execute on function audit.draft_rows(boolean) to audit_worker;
grant execute on function audit.draft_since(oid,timestamp with time zone) to audit_worker;
grant execute on function audit.draft_transaction(xid8) to audit_worker;
grant execute on function audit.drop_cold_month(date) to audit_worker;
grant execute on function audit.drop_history_month(text,integer) to audit_worker;
grant execute on function audit.due_cold_files() to audit_worker;
grant execute on function audit.due_cold_months() to audit_worker;
grant execute on function audit.ensure_retention_policy(text) to audit_keeper;
grant execute on function audit.event_payload_hash(jsonb) to admin;
grant execute on function audit.event_payload_hash(jsonb) to audit_app;
grant execute on function audit.event_payload_hash(jsonb) to audit_keeper;
grant execute on function audit.event_payload_hash(jsonb) to audit_worker;
grant execute on function audit.exact_sql(oid,text) to admin;
grant execute on function audit.exact_sql(oid,text) to audit_recorder;
grant execute on function audit.exact_sql(oid,text) to audit_worker;
grant execute on function audit.exact_values_sql(oid,text,text,text) to audit_recorder;
grant execute on function audit.field_sql(text,text) to admin;
grant execute on function audit.field_sql(text,text) to audit_recorder;
grant execute on function audit.field_sql(text,text) to audit_worker;
grant execute on function audit.filter_column(oid,text,text,jsonb) to audit_worker;
grant execute on function audit.filter_draft(jsonb) to audit_worker;
grant execute on function audit.filter_values(oid,text,jsonb) to audit_worker;
grant execute on function audit.find_missing_parents(oid,text[],oid,text[]) to audit_worker;
grant execute on function audit.finish_idempotent(uuid,text,bytea,integer,jsonb) to audit_app;
grant execute on function audit.fit_each_left(oid) to audit_worker;
grant execute on function audit.fit_each_target(oid) to audit_worker;
grant execute on function audit.fit_images(oid,boolean) to audit_worker;
grant execute on function audit.fitted_sql(oid,text[],text,text) to audit_worker;
grant execute on function audit.foreign_keys_of(oid[]) to audit_worker;
grant execute on function audit.forget_dropped() to admin;
grant execute on function audit.forget_tracked(regclass) to admin;
grant execute on function audit.forgive_changes_of(uuid) to audit_worker;
grant execute on function audit.from_micros(text) to admin;
grant execute on function audit.from_micros(text) to audit_app;
grant execute on function audit.from_micros(text) to audit_keeper;
grant execute on function audit.from_micros(text) to audit_worker;
grant execute on function audit.get_audit_trail(text,text,text,integer,integer) to admin;
grant execute on function audit.get_audit_trail(text,text,text,integer,integer) to audit_app;
grant execute on function audit.get_audit_trail(text,text,text,integer,integer) to audit_worker;
grant execute on function audit.get_audit_trail(text,text,uuid,integer,integer) to admin;
grant execute on function audit.get_audit_trail(text,text,uuid,integer,integer) to audit_app;
grant execute on function audit.get_audit_trail(text,text,uuid,integer,integer) to audit_worker;
grant execute on function audit.get_audit_trail(uuid,text,text,integer,integer) to admin;
grant execute on function audit.get_audit_trail(uuid,text,text,integer,integer) to audit_app;
grant execute on function audit.get_audit_trail(uuid,text,text,integer,integer) to audit_worker;
grant execute on function audit.get_audit_trail(uuid,text,uuid,integer,integer) to admin;
grant execute on function audit.get_audit_trail(uuid,text,uuid,integer,integer) to audit_app;
grant execute on function audit.get_audit_trail(uuid,text,uuid,integer,integer) to audit_worker;
grant execute on function audit.has_columns(regclass,jsonb) to audit_recorder;
grant execute on function audit.has_own_triggers(uuid) to audit_worker;
grant execute on function audit.held_deletions(integer[]) to audit_worker;
grant execute on function audit.held_keys(oid,text[]) to audit_worker;
grant execute on function audit.held_sql(oid,text,text) to audit_worker;
grant execute on function audit.history_breaks(regclass,text[],bigint) to admin;
grant execute on function audit.history_breaks(regclass,text[],bigint) to audit_worker;
grant execute on function audit.holds_on_file(uuid) to audit_worker;
grant execute on function audit.ignored_names(oid) to audit_recorder;
grant execute on function audit.ignored_names(oid) to audit_worker;
grant execute on function audit.image_columns_sql(oid,text,text) to audit_recorder;
grant execute on function audit.image_difference(jsonb,jsonb,jsonb,jsonb,text[]) to audit_worker;
grant execute on function audit.image_fidelity(oid) to admin;
grant execute on function audit.image_fidelity(oid) to audit_recorder;
grant execute on function audit.image_fidelity(oid) to audit_worker;
grant execute on function audit.image_record_sql(oid,text[]) to audit_worker;
grant execute on function audit.image_shapes(integer,integer) to audit_worker;
grant execute on function audit.image_sql(oid,text) to admin;
grant execute on function audit.image_sql(oid,text) to audit_worker;
grant execute on function audit.image_value_sql(oid,text,text) to audit_worker;
grant execute on function audit.inexact_columns(oid,text) to admin;
grant execute on function audit.inexact_columns(oid,text) to audit_recorder;
grant execute on function audit.inexact_columns(oid,text) to audit_worker;
grant execute on function audit.ingest_audit_events(jsonb,uuid,text,bytea) to audit_app;
grant execute on function audit.insert_audit_event(text,text,text,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,text,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,text,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,text,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,text,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,text,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,text,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,text,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,text,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,text,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,text,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,text,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,uuid,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,uuid,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,uuid,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,uuid,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,uuid,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,uuid,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to admin;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_app;
grant execute on function audit.insert_audit_event(text,text,uuid,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) to audit_worker;
grant execute on function audit.insert_audit_events(jsonb) to admin;
grant execute on function audit.insert_audit_events(jsonb) to audit_app;
grant execute on function audit.insert_audit_events(jsonb) to audit_keeper;
grant execute on function audit.insert_audit_events(jsonb) to audit_worker;
grant execute on function audit.insert_captured_events(oid,text,jsonb) to audit_recorder;
grant execute on function audit.insert_service_event(jsonb) to audit_app;
grant execute on function audit.insert_service_event(jsonb) to audit_owner;
grant execute on function audit.insert_service_event(jsonb) to audit_worker;
grant execute on function audit.insert_sql(oid,text,text[],text[]) to audit_worker;
grant execute on function audit.is_branch() to admin;
grant execute on function audit.is_branch() to audit_app;
grant execute on function audit.is_branch() to audit_keeper;
grant execute on function audit.is_branch() to audit_worker;
grant execute on function audit.is_lost_sql(oid,text) to audit_recorder;
grant execute on function audit.is_security_action(text) to admin;
grant execute on function audit.is_security_action(text) to audit_app;
grant execute on function audit.is_security_action(text) to audit_keeper;
grant execute on function audit.is_security_action(text) to audit_worker;
grant execute on function audit.is_whole_file_held(uuid) to audit_worker;
grant execute on function audit.items_digest(uuid) to audit_worker;
grant execute on function audit.keep_parents(integer[]) to audit_worker;
grant execute on function audit.keep_true_edges(oid[]) to audit_worker;
grant execute on function audit.key_match_sql(oid,text,text) to audit_worker;
grant execute on function audit.key_of(regclass) to admin;
grant execute on function audit.key_of(regclass) to audit_worker;
grant execute on function audit.keys_are_known_free(oid,text[]) to audit_worker;
grant execute on function audit.keys_change_hands() to audit_worker;
grant execute on function audit.let_through_policies(oid) to admin;
grant execute on function audit.level_circle(integer) to audit_worker;
grant execute on function audit.level_knot(integer,integer) to audit_worker;
grant execute on function audit.level_texts(oid) to audit_worker;
grant execute on function audit.lock_holds() to audit_keeper;
grant execute on function audit.lock_holds() to audit_worker;
grant execute on function audit.lock_restore_rows(uuid,text) to audit_worker;
grant execute on function audit.look_back(text,text,text,text,timestamp with time zone,integer) to admin;
grant execute on function audit.look_back(text,text,text,text,timestamp with time zone,integer) to audit_app;
grant execute on function audit.look_back(text,text,text,text,timestamp with time zone,integer) to audit_keeper;
grant execute on function audit.look_back(text,text,text,text,timestamp with time zone,integer) to audit_worker;
grant execute on function audit.make_capture_triggers(oid) to admin;
grant execute on function audit.map_columns(text[]) to audit_worker;
grant execute on function audit.mark_changed_since() to audit_worker;
grant execute on function audit.match_live_rows() to audit_worker;
grant execute on function audit.matches_sql(text,text[],text,text[]) to audit_worker;
grant execute on function audit.may_be_held_sql(oid) to audit_worker;
grant execute on function audit.month_partitions() to admin;
grant execute on function audit.month_partitions() to audit_app;
grant execute on function audit.month_partitions() to audit_keeper;
grant execute on function audit.month_partitions() to audit_worker;
grant execute on function audit.move_rows_from_archive(timestamp with time zone,timestamp with time zone,uuid,integer) to audit_owner;
grant execute on function audit.move_rows_to_archive(timestamp with time zone,timestamp with time zone,boolean,integer) to audit_owner;
grant execute on function audit.move_sequences() to audit_worker;
grant execute on function audit.note_cold_file(jsonb) to audit_worker;
grant execute on function audit.note_file_removed(uuid) to audit_worker;
grant execute on function audit.note_holders(oid,text,text[],boolean,boolean) to audit_worker;
grant execute on function audit.note_tracked(regclass,text[],text[],text[],text[],text,jsonb) to admin;
grant execute on function audit.note_waits() to audit_worker;
grant execute on function audit.order_draft(integer) to audit_worker;
grant execute on function audit.order_rows() to audit_worker;
grant execute on function audit.overlapping_restore(uuid) to audit_app;
grant execute on function audit.overlapping_restore(uuid) to audit_worker;
grant execute on function audit.overlay_image(jsonb,jsonb) to audit_worker;
grant execute on function audit.parent_key_sql(text[],text[],text[]) to audit_worker;
grant execute on function audit.partitioned_tables() to admin;
grant execute on function audit.partitioned_tables() to audit_app;
grant execute on function audit.partitioned_tables() to audit_keeper;
grant execute on function audit.partitioned_tables() to audit_worker;
grant execute on function audit.pin_restore_session() to audit_worker;
grant execute on function audit.rank_coming(boolean) to audit_worker;
grant execute on function audit.rank_going(boolean) to audit_worker;
grant execute on function audit.rank_parents_first(oid[],text) to audit_worker;
grant execute on function audit.record_key_sql(oid,text) to admin;
grant execute on function audit.record_key_sql(oid,text) to audit_recorder;
grant execute on function audit.record_key_sql(oid,text) to audit_worker;
grant execute on function audit.reference_sql(text,text[],text,text[]) to audit_worker;
grant execute on function audit.referenced_sql(oid,text) to audit_worker;
grant execute on function audit.references_to(oid) to audit_worker;
grant execute on function audit.relations_of(regclass) to admin;
grant execute on function audit.relations_of(regclass) to audit_worker;
grant execute on function audit.restore_columns(oid) to audit_worker;
grant execute on function audit.restore_of_session() to audit_recorder;
grant execute on function audit.retention_values(audit.audit_retention_policies) to admin;
grant execute on function audit.retention_values(audit.audit_retention_policies) to audit_app;
grant execute on function audit.retention_values(audit.audit_retention_policies) to audit_keeper;
grant execute on function audit.retention_values(audit.audit_retention_policies) to audit_worker;
grant execute on function audit.roll_up_trails(integer) to audit_worker;
grant execute on function audit.row_by_key_sql(oid,text) to admin;
grant execute on function audit.row_by_key_sql(oid,text) to audit_worker;
grant execute on function audit.row_digest_sql(text) to audit_worker;
grant execute on function audit.row_key_sql(oid,text) to audit_worker;
grant execute on function audit.row_names(oid) to audit_worker;
grant execute on function audit.same_value(oid,text,text) to admin;
grant execute on function audit.same_value(oid,text,text) to audit_worker;
grant execute on function audit.set_membership_source(regclass,name,name) to admin;
grant execute on function audit.snapshot_restore(uuid) to audit_worker;
grant execute on function audit.some_of_image(jsonb,text[]) to audit_worker;
grant execute on function audit.spread_clashes() to audit_worker;
grant execute on function audit.stopped_by(text,integer[]) to audit_worker;
grant execute on function audit.store_archived_line(jsonb) to audit_owner;
grant execute on function audit.store_items(uuid,integer) to audit_worker;
grant execute on function audit.sweep_idempotency_keys(integer) to audit_worker;
grant execute on function audit.switch_capture(boolean) to admin;
grant execute on function audit.switch_membership_check(regclass,name,name) to admin;
grant execute on function audit.touched_columns(uuid,oid) to audit_worker;
grant execute on function audit.trace_back(text,text,timestamp with time zone) to audit_worker;
grant execute on function audit.trace_records(oid) to audit_worker;
grant execute on function audit.track(regclass,text[],text[],text[],text,jsonb) to admin;
grant execute on function audit.trail_worth(audit.audit_trails) to admin;
grant execute on function audit.trail_worth(audit.audit_trails) to audit_app;
grant execute on function audit.truncated_by(oid) to audit_recorder;
grant execute on function audit.txid_of(xid) to admin;
grant execute on function audit.txid_of(xid) to audit_worker;
grant execute on function audit.unarchive_audit_event(uuid,integer,text,text) to admin;
grant execute on function audit.unarchive_audit_event(uuid,integer,text,text) to audit_app;
grant execute on function audit.unarchive_cold_event(uuid,integer,text,bytea,integer,text,text) to audit_app;
grant execute on function audit.undo_each() to audit_worker;
grant execute on function audit.untrack(regclass) to admin;
grant execute on function audit.update_sql(oid,text,text[],text[],text) to audit_worker;
grant execute on function audit.uuid_v7() to admin;
grant execute on function audit.uuid_v7() to audit_app;
grant execute on function audit.uuid_v7() to audit_keeper;
grant execute on function audit.uuid_v7() to audit_worker;
grant execute on function audit.uuid_v7_time(uuid) to admin;
grant execute on function audit.uuid_v7_time(uuid) to audit_app;
grant execute on function audit.uuid_v7_time(uuid) to audit_keeper;
grant execute on function audit.uuid_v7_time(uuid) to audit_worker;
grant execute on function audit.verification_sql(uuid,oid) to audit_worker;
grant execute on function audit.verified_columns(oid) to admin;
grant execute on function audit.verified_columns(oid) to audit_worker;
grant execute on function audit.verify_restore_rows(uuid,integer) to audit_worker;
grant execute on function audit.widen_rollback(uuid) to audit_worker;
grant execute on function audit.without_sql(text[]) to audit_worker;
grant execute on function audit.write_statements(uuid,oid,text,integer,integer,integer[],boolean) to audit_worker;
grant usage on schema audit to admin;
grant usage on schema audit to audit_app;
grant usage on schema audit to audit_keeper;
grant usage on schema audit to audit_lookup;
grant usage on schema audit to audit_recorder;
grant usage on schema audit to audit_worker;
grant select on table audit.alert_channels to admin;
grant select on table audit.alert_channels to audit_app;
grant select on table audit.alert_channels to audit_keeper;
grant insert, select, update on table audit.alert_channels to audit_worker;
grant select on table audit.alert_notifications to admin;
grant select on table audit.alert_notifications to audit_app;
grant select on table audit.alert_notifications to audit_keeper;
grant insert, select, update on table audit.alert_notifications to audit_worker;
grant select on table audit.alerts to admin;
grant insert, select, update on table audit.alerts to audit_app;
grant select on table audit.alerts to audit_keeper;
grant insert, select, update on table audit.alerts to audit_worker;
grant select on table audit.api_keys to admin;
grant insert, select, update on table audit.api_keys to audit_app;
grant select on table audit.archive_lines to admin;
grant select on table audit.archive_lines to audit_app;
grant select on table audit.archive_lines to audit_keeper;
grant select on table audit.archive_lines to audit_worker;
grant select on table audit.audit_archive_pins to admin;
grant select on table audit.audit_archive_pins to audit_app;
grant select on table audit.audit_archive_pins to audit_keeper;
grant select on table audit.audit_archive_pins to audit_worker;
grant select on table audit.audit_deletion_log to admin;
grant insert, select on table audit.audit_deletion_log to audit_app;
grant insert, select on table audit.audit_deletion_log to audit_keeper;
grant insert, select on table audit.audit_deletion_log to audit_worker;
grant insert, select on table audit.audit_event_keys to admin;
grant insert, select on table audit.audit_event_keys to audit_app;
grant insert, select on table audit.audit_event_keys to audit_keeper;
grant insert, select on table audit.audit_event_keys to audit_worker;
grant insert, select on table audit.audit_event_sequence to admin;
grant select on table audit.audit_event_sequence to audit_app;
grant select on table audit.audit_event_sequence to audit_keeper;
grant select on table audit.audit_event_sequence to audit_worker;
grant delete, insert (action_type, changed_fields, created_at, created_by_user_id, event_id, id, ip_address, metadata, new_values, occurred_at, old_values, request_id, resource_id, resource_type, tags, user_agent, workspace_id), select, truncate, update on table audit.audit_events to admin;
grant insert (action_type, changed_fields, created_at, created_by_user_id, event_id, id, ip_address, metadata, new_values, occurred_at, old_values, request_id, resource_id, resource_type, tags, user_agent, workspace_id), select on table audit.audit_events to audit_app;
grant delete, insert, insert (action_type, changed_fields, created_at, created_by_user_id, event_id, id, ip_address, metadata, new_values, occurred_at, old_values, request_id, resource_id, resource_type, tags, user_agent, workspace_id), select, update on table audit.audit_events to audit_keeper;
grant insert (action_type, changed_fields, created_at, created_by_user_id, event_id, id, ip_address, metadata, new_values, occurred_at, old_values, request_id, resource_id, resource_type, tags, user_agent, workspace_id), select on table audit.audit_events to audit_worker;
grant select on table audit.audit_events_archive to admin;
grant select on table audit.audit_events_archive to audit_app;
grant delete, insert, select on table audit.audit_events_archive to audit_keeper;
grant select on table audit.audit_events_archive to audit_worker;
grant select on table audit.audit_log to admin;
grant select on table audit.audit_log to audit_app;
grant select on table audit.audit_log to audit_keeper;
grant select on table audit.audit_log to audit_worker;
grant select on table audit.audit_logs to admin;
grant select on table audit.audit_logs to audit_app;
grant select on table audit.audit_logs to audit_keeper;
grant insert (action, changed_fields, exact_values, new_record_id, new_values, old_values, record_id, request_id, restore_id, table_name, table_schema, user_id) on table audit.audit_logs to audit_recorder;
grant select on table audit.audit_logs to audit_worker;
grant insert, select, update on table audit.audit_retention_policies to admin;
grant insert, select, update on table audit.audit_retention_policies to audit_app;
grant insert, select on table audit.audit_retention_policies to audit_keeper;
grant select on table audit.audit_retention_policies to audit_worker;
grant select on table audit.audit_trail_rollup to admin;
grant select on table audit.audit_trail_rollup to audit_app;
grant insert, select, update on table audit.audit_trail_rollup to audit_keeper;
grant select on table audit.audit_trail_rollup to audit_worker;
grant select on table audit.audit_trails to admin;
grant insert, select, update on table audit.audit_trails to audit_app;
grant delete, select, update on table audit.audit_trails to audit_keeper;
grant select on table audit.audit_trails to audit_worker;
grant select on table audit.capture_gaps to admin;
grant select on table audit.capture_gaps to audit_app;
grant select on table audit.capture_gaps to audit_keeper;
grant insert, select on table audit.capture_gaps to audit_recorder;
grant select on table audit.capture_gaps to audit_worker;
grant select on table audit.cold_months to admin;
grant select on table audit.cold_months to audit_app;
grant select on table audit.cold_months to audit_keeper;
grant select on table audit.cold_months to audit_worker;
grant select on table audit.cold_objects to admin;
grant select on table audit.cold_objects to audit_app;
grant select on table audit.cold_objects to audit_keeper;
grant delete, insert (month, object_key), select on table audit.cold_objects to audit_worker;
grant select on table audit.cold_returns to admin;
grant select on table audit.cold_returns to audit_app;
grant select on table audit.cold_returns to audit_keeper;
grant select on table audit.cold_returns to audit_worker;
grant select on table audit.database_home to admin;
grant select on table audit.database_home to audit_app;
grant select on table audit.database_home to audit_keeper;
grant select on table audit.database_home to audit_worker;
grant select on table audit.every_event to admin;
grant select on table audit.every_event to audit_app;
grant select on table audit.every_event to audit_keeper;
grant select on table audit.every_event to audit_worker;
grant select on table audit.guard_functions to admin;
grant select on table audit.guard_functions to audit_app;
grant select on table audit.guard_functions to audit_keeper;
grant select on table audit.guard_functions to audit_worker;
grant select on table audit.history_floor to admin;
grant select on table audit.history_floor to audit_app;
grant select on table audit.history_floor to audit_keeper;
grant select on table audit.history_floor to audit_worker;
grant select on table audit.idempotency_keys to admin;
grant delete, insert, select on table audit.idempotency_keys to audit_app;
grant select on table audit.installation to admin;
grant select on table audit.installation to audit_app;
grant select on table audit.installation to audit_keeper;
grant select on table audit.installation to audit_worker;
grant select on table audit.job_runs to admin;
grant insert, select, update on table audit.job_runs to audit_app;
grant select on table audit.job_runs to audit_keeper;
grant insert, select, update on table audit.job_runs to audit_worker;
grant select on table audit.job_schedules to admin;
grant select, update on table audit.job_schedules to audit_app;
grant select on table audit.job_schedules to audit_keeper;
grant insert, select, update on table audit.job_schedules to audit_worker;
grant insert, select, update (release_reason, released_at, released_by_user_id) on table audit.legal_holds to admin;
grant insert, select, update (release_reason, released_at, released_by_user_id) on table audit.legal_holds to audit_app;
grant select on table audit.legal_holds to audit_keeper;
grant select on table audit.legal_holds to audit_worker;
grant select on table audit.membership_source to admin;
grant select on table audit.membership_source to audit_app;
grant select on table audit.membership_source to audit_keeper;
grant select on table audit.membership_source to audit_lookup;
grant select on table audit.membership_source to audit_worker;
grant select on table audit.partition_guards to admin;
grant select on table audit.partition_guards to audit_app;
grant select on table audit.partition_guards to audit_keeper;
grant select on table audit.partition_guards to audit_worker;
grant select on table audit.partition_schedule to admin;
grant select on table audit.partition_schedule to audit_app;
grant select on table audit.partition_schedule to audit_keeper;
grant select on table audit.partition_schedule to audit_worker;
grant select on table audit.projects to admin;
grant insert, select, update on table audit.projects to audit_app;
grant delete, select, update on table audit.projects to audit_keeper;
grant select on table audit.projects to audit_worker;
grant select on table audit.purges to admin;
grant select, update (decided_at, decided_by_key_id, decided_by_user_id, decision, decision_note, status) on table audit.purges to audit_app;
grant select on table audit.purges to audit_keeper;
grant insert (expires_at, files, requested_by_user_id, summary), select, update (ended_at, report, status) on table audit.purges to audit_worker;
grant select on table audit.restore_chunks to admin;
grant select on table audit.restore_chunks to audit_app;
grant select on table audit.restore_chunks to audit_keeper;
grant insert, select on table audit.restore_chunks to audit_worker;
grant select on table audit.restore_effects to admin;
grant select on table audit.restore_effects to audit_app;
grant select on table audit.restore_effects to audit_keeper;
grant insert, select, update on table audit.restore_effects to audit_worker;
grant select on table audit.restore_items to admin;
grant select on table audit.restore_items to audit_app;
grant select on table audit.restore_items to audit_keeper;
grant delete, insert, select on table audit.restore_items to audit_worker;
grant select on table audit.restore_outcomes to admin;
grant select on table audit.restore_outcomes to audit_app;
grant select on table audit.restore_outcomes to audit_keeper;
grant insert, select on table audit.restore_outcomes to audit_worker;
grant select on table audit.restore_runs to admin;
grant select, update on table audit.restore_runs to audit_app;
grant select on table audit.restore_runs to audit_keeper;
grant delete, insert, select, update on table audit.restore_runs to audit_worker;
grant select on table audit.restore_snapshot_rows to admin;
grant select on table audit.restore_snapshot_rows to audit_app;
grant select on table audit.restore_snapshot_rows to audit_keeper;
grant delete, insert, select, update on table audit.restore_snapshot_rows to audit_worker;
grant select on table audit.restore_steps to admin;
grant select on table audit.restore_steps to audit_app;
grant select on table audit.restore_steps to audit_keeper;
grant insert, select, update on table audit.restore_steps to audit_worker;
grant select on table audit.retention_cleanups to admin;
grant select on table audit.retention_cleanups to audit_app;
grant select on table audit.retention_cleanups to audit_keeper;
grant insert, select, update (batch, deleted_count, finished_at, kept_count, last_key, problem, remaining_count) on table audit.retention_cleanups to audit_worker;
grant select on table audit.schema_versions to admin;
grant select on table audit.schema_versions to audit_app;
grant select on table audit.schema_versions to audit_keeper;
grant select on table audit.schema_versions to audit_worker;
grant select on table audit.tracked_tables to admin;
grant select on table audit.tracked_tables to audit_app;
grant select on table audit.tracked_tables to audit_keeper;
grant select on table audit.tracked_tables to audit_recorder;
grant select on table audit.tracked_tables to audit_worker;
grant select on table audit.trail_totals to admin;
grant select on table audit.trail_totals to audit_app;
grant select on table audit.trail_totals to audit_keeper;
grant select on table audit.trail_totals to audit_worker;
grant select on table audit.untracked_tables to admin;
grant select on table audit.untracked_tables to audit_app;
grant select on table audit.untracked_tables to audit_keeper;
grant select on table audit.untracked_tables to audit_worker;
grant select on table audit.vw_security_audit to admin;
grant select on table audit.vw_security_audit to audit_app;
grant select on table audit.vw_security_audit to audit_keeper;
grant select on table audit.vw_security_audit to audit_worker;
grant select on table audit.weekly_reports to admin;
grant select on table audit.weekly_reports to audit_app;
grant select on table audit.weekly_reports to audit_keeper;
grant insert, select, update (mailed_at) on table audit.weekly_reports to audit_worker;
grant select on table audit.workflow_requests to admin;
grant insert, select, update on table audit.workflow_requests to audit_app;
grant select on table audit.workflow_requests to audit_keeper;
grant insert, select, update on table audit.workflow_requests to audit_worker;

-- Comments

comment on column audit.alert_channels.disabled_at is 'Nothing is sent there until a test message arrives.';
comment on column audit.alert_channels.failing_since is 'First failure since the last message that arrived.';
comment on column audit.alert_notifications.given_up_at is 'When its last attempt had failed, or its channel was off.';
comment on column audit.alert_notifications.id is 'The receiver''s key to tell a repeated delivery: webhook-id.';
comment on column audit.alert_notifications.request_id is 'The workflow request that asked for it.';
comment on column audit.alerts.code is 'What kind of trouble.';
comment on column audit.alerts.notified_at is 'When a message about it was last asked for; null until then.';
comment on column audit.alerts.subject is 'What it is about; one open alert per code and subject.';
comment on column audit.api_keys.projects is 'Projects it may see; null means all.';
comment on column audit.api_keys.rotated_from is 'The key that it replaces; both work until the old one expires.';
comment on column audit.api_keys.secret_hash is 'SHA-256 of the secret.';
comment on column audit.api_keys.secret_prefix is 'First characters of the secret, to tell keys apart in a list.';
comment on column audit.api_keys.user_id is 'The person it acts for; an approval needs another one.';
comment on column audit.api_keys.workspaces is 'Workspaces it may see; null means all.';
comment on column audit.audit_deletion_log.approval_ticket_id is 'Where its approval is written down.';
comment on column audit.audit_deletion_log.deletion_authority is 'The law or rule it was removed under, such as GDPR.';
comment on column audit.audit_deletion_log.subject_id is 'Which one.';
comment on column audit.audit_deletion_log.subject_type is 'What was removed: a project, a user''s events, a month.';
comment on column audit.audit_event_keys.id is 'The event that was stored under this key first.';
comment on column audit.audit_event_keys.payload_hash is 'SHA-256 of what that event said, to tell a retry from a clash.';
comment on column audit.audit_event_sequence.last_created_at is 'Never later than the clock was.';
comment on column audit.audit_events.changed_fields is 'Top-level keys in which old and new values differ; computed when the caller gives none.';
comment on column audit.audit_events.created_at is 'When the server stored it: the partition key and the order of events.';
comment on column audit.audit_events.deleted_at is 'Set when an approved erasure hid the event; reads leave it out.';
comment on column audit.audit_events.event_id is 'The caller''s natural key, unique in its workspace by audit_event_keys.';
comment on column audit.audit_events.id is 'UUIDv7 of ours; unique as made by the insert functions.';
comment on column audit.audit_events.occurred_at is 'When the caller says it happened.';
comment on column audit.audit_events.txid is 'The transaction that wrote it, set by the database: readers that must miss nothing go by it.';
comment on column audit.audit_events_archive.archived_at is 'When it came here; the same for all events of a month that moved whole.';
comment on column audit.audit_events_archive.deleted_at is 'Set when an approved erasure hid the event; archiving does not set it, and reads leave such events out.';
comment on column audit.audit_logs.exact_values is 'Texts of the values in old and new that JSON cannot bring back bit for bit, by side and column; null when there are none.';
comment on column audit.audit_logs.id is 'In the order in which the changes of a row were made.';
comment on column audit.audit_logs.new_record_id is 'The new key, where an UPDATE changed it.';
comment on column audit.audit_logs.new_values is 'The whole row after an INSERT, the changed columns alone after an UPDATE.';
comment on column audit.audit_logs.old_values is 'The whole row before; what to_jsonb() makes of it, without excluded columns.';
comment on column audit.audit_logs.record_id is 'The row''s key: its text, or the JSON array of a composite one; the old key of an UPDATE.';
comment on column audit.audit_logs.request_id is 'In which request: app.request_id of the same transaction.';
comment on column audit.audit_logs.restore_id is 'The restore that did it, if one did.';
comment on column audit.audit_logs.txid is 'The transaction that made the change.';
comment on column audit.audit_logs.user_id is 'Who did it: app.user_id of the same transaction.';
comment on column audit.audit_retention_policies.cold_retention_days is 'Age at which their purge may be proposed.';
comment on column audit.audit_retention_policies.hot_retention_days is 'Age at which events may go into the archive.';
comment on column audit.audit_retention_policies.is_compliance_mode is 'Nothing of the workspace is deleted without an approval.';
comment on column audit.audit_retention_policies.updated_by_user_id is 'app.user_id of the transaction, or the login; null while nobody has changed the defaults.';
comment on column audit.audit_retention_policies.warm_archive_days is 'Age at which they may go into cold files.';
comment on column audit.audit_trail_rollup.bucket_start is 'First moment of the 15 minutes.';
comment on column audit.audit_trail_rollup.unpriced_count is 'Complete messages without a total cost.';
comment on column audit.audit_trails."timestamp" is 'When the message was answered: retention and roll-up go by it.';
comment on column audit.audit_trails.completion_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.audit_trails.context_digest is 'Hash of the context.';
comment on column audit.audit_trails.context_layers is 'How many layers of context went into the prompt.';
comment on column audit.audit_trails.counted is 'What the roll-up has counted of it, so that a change adds the difference.';
comment on column audit.audit_trails.imported_at is 'When it came from a file, if it did: retention counts from then.';
comment on column audit.audit_trails.message_id is 'The caller''s id, unique in its project.';
comment on column audit.audit_trails.policy_digest is 'Hash of the policy the model ran under.';
comment on column audit.audit_trails.prompt_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.audit_trails.prompt_digest is 'Hash of the prompt, kept instead of its text.';
comment on column audit.audit_trails.rollup_due is 'New or changed since it was counted; such a trail is never deleted.';
comment on column audit.audit_trails.status is 'placeholder until tokens and cost are known, then complete or failed.';
comment on column audit.audit_trails.total_cost is 'In the caller''s currency; null means unpriced, which is not zero.';
comment on column audit.capture_gaps.detail is 'The error''s SQLSTATE.';
comment on column audit.capture_gaps.ended_at is 'Null while it lasts.';
comment on column audit.capture_gaps.noted_by is 'The login that switched it off, or that wrote.';
comment on column audit.capture_gaps.reason is 'off: switched off by hand; error: a change could not be recorded and was let through.';
comment on column audit.cold_months.chunk_digests is 'SHA-256 of each chunk_bytes of the object, one after the other: a range is checked without the rest.';
comment on column audit.cold_months.dropped_at is 'When the table of the month was dropped: from then on searches read the file.';
comment on column audit.cold_months.encryption is 'Algorithm and name of the key; null when the object is not encrypted.';
comment on column audit.cold_months.last_workspace_id is 'With last_created_at and last_id the key of its last row: the next part begins after it.';
comment on column audit.cold_months.min_workspace_id is 'The least by code points, as max_workspace_id is the greatest.';
comment on column audit.cold_months.object_key is 'Where it lies below ARCHIVE_URL.';
comment on column audit.cold_months.part is 'Files of a month are numbered as they were written; a month with late events goes on counting.';
comment on column audit.cold_months.purged_at is 'When an approved purge took it from readers.';
comment on column audit.cold_months.removed_at is 'When its object was gone from the storage.';
comment on column audit.cold_months.row_marks is 'The sum of archive_lines.mark when it was verified.';
comment on column audit.cold_months.rows_digest is 'SHA-256 over the SHA-256 of each line of archive_lines, in the order of the file.';
comment on column audit.cold_months.schema_version is 'What services/cold/columns.ts called its columns then.';
comment on column audit.cold_months.sha256 is 'Of the object as stored.';
comment on column audit.cold_months.workspaces is 'All that have an event in it: a hold on one of them may concern the file.';
comment on column audit.cold_returns.content_digest is 'audit.content_digest() of its line in the file: an event that is still the same need not be written again.';
comment on column audit.history_floor.deletion_id is 'The entry in the deletion log of the month that was dropped last.';
comment on column audit.history_floor.is_only is 'Always true: there is one row at most.';
comment on column audit.history_floor.split_transactions is 'Transactions of which a part lies before the floor: they cannot be undone whole.';
comment on column audit.idempotency_keys.body is 'The body that was answered.';
comment on column audit.idempotency_keys.request_hash is 'SHA-256 of the request, to refuse the key for another one.';
comment on column audit.idempotency_keys.status is 'The HTTP status that was answered.';
comment on column audit.job_runs.engine_run_id is 'The workflow engine''s id of the run.';
comment on column audit.job_schedules.late_after_seconds is 'Without a success for so long the schedule is late.';
comment on column audit.job_schedules.watched_since is 'Before its first success, lateness counts from here.';
comment on column audit.legal_holds.subject_user_id is 'Fits what this user did, and resources with this id.';
comment on column audit.membership_source.id is 'Always the same value: there is one row at most.';
comment on column audit.membership_source.set_by is 'The login that switched the check on.';
comment on column audit.membership_source.source_table is 'Schema and table, quoted as SQL wants them.';
comment on column audit.projects.trail_retention_days is 'Days after which its trails are deleted; the roll-up stays.';
comment on column audit.purges.decision is 'The API writes it, which no workflow can: status alone lets nothing go.';
comment on column audit.purges.files is 'The cold_months that it names; never changed.';
comment on column audit.purges.report is 'What became of each file.';
comment on column audit.purges.requested_by_user_id is 'Who had it proposed; null when the schedule did.';
comment on column audit.restore_effects.repeat is '0 for the restore itself, one more for each time that its side effects were asked for again.';
comment on column audit.restore_items.columns is 'The columns that an UPDATE sets; the whole image otherwise.';
comment on column audit.restore_items.live_digest is 'SHA-256 of the whole live row, hidden columns included: it is written only while it is still so.';
comment on column audit.restore_items.live_record_id is 'The key of the row that is there now; null where there is none.';
comment on column audit.restore_items.origin is 'Asked for (target), went with a row that comes back (child), or referenced by one (parent).';
comment on column audit.restore_items.target is 'The row as it is to be, its columns as they are today; null where it is to go.';
comment on column audit.restore_outcomes.digest is 'SHA-256 of the row as the statement left it.';
comment on column audit.restore_runs.chunk_starts is 'The position of each chunk''s first item; a chunk is one transaction.';
comment on column audit.restore_runs.digest is 'SHA-256 of all that the plan rests on: starting it asks for it.';
comment on column audit.restore_runs.effects_repeat is 'How often its side effects were asked for again.';
comment on column audit.restore_runs.epoch is 'Counted up when the run is resumed or abandoned: a workflow of an earlier epoch stops.';
comment on column audit.restore_runs.heartbeat_at is 'When a step of it last began; long ago means that nobody works on it.';
comment on column audit.restore_runs.tables is 'Per table: its relation, its name, how many rows are inserted, updated and deleted, the columns that get the time of the restore.';
comment on column audit.retention_cleanups.as_of is 'The time from which the run counts ages.';
comment on column audit.retention_cleanups.deletion_id is 'Its entry in the deletion log; null where nothing was due.';
comment on column audit.retention_cleanups.due_count is 'Rows that were due when the run began, up to a million and one.';
comment on column audit.retention_cleanups.kept_count is 'Due rows that stay, because rows of other tables reference them.';
comment on column audit.retention_cleanups.last_key is 'The key of the last row that was looked at.';
comment on column audit.retention_cleanups.problem is 'What kept the rule from being carried out, in words.';
comment on column audit.retention_cleanups.rule is 'The rule in words.';
comment on column audit.retention_cleanups.rule_digest is 'SHA-256 of the rule: a run ends with a rule that is no longer so.';
comment on column audit.schema_versions.name is 'The file, as a path below db/.';
comment on column audit.tracked_tables.as_events is 'The workspace events that a change also writes; null for none.';
comment on column audit.tracked_tables.body_md5 is 'MD5 of its trigger function as it was written: another one has replaced it.';
comment on column audit.tracked_tables.columns is 'The columns at tracking time: name to number and type.';
comment on column audit.tracked_tables.excluded_columns is 'Numbers of the columns that never reach the history.';
comment on column audit.tracked_tables.ignored_columns is 'Numbers of the columns whose changes alone are not recorded.';
comment on column audit.tracked_tables.is_on is 'Whether the trigger function records, or does nothing.';
comment on column audit.tracked_tables.key_columns is 'Numbers of the columns that make up record_id, in order.';
comment on column audit.tracked_tables.on_error is 'block: a change that cannot be recorded is refused; warn: it is let through.';
comment on column audit.tracked_tables.redacted_columns is 'Numbers of the columns whose changes are recorded without their values.';
comment on column audit.tracked_tables.relation is 'The table or partition, by its oid: names change.';
comment on column audit.tracked_tables.root is 'The table that was tracked: itself, or the one it is a partition of.';
comment on column audit.tracked_tables.table_name is 'The root''s name when its tracking began, under which its history stands.';
comment on column audit.untracked_tables.relation is 'The table, by its oid at that time.';
comment on column audit.untracked_tables.table_name is 'The name under which its history stands.';
comment on column audit.untracked_tables.tracked_at is 'Since when there is history.';
comment on column audit.weekly_reports.id is 'The Message-ID of its mail, however often that is sent.';
comment on column audit.weekly_reports.week is 'An ISO week, Monday to Sunday (UTC): 2026-W47.';
comment on column audit.workflow_requests.event_id is 'Sent again under the same id until a workflow has picked it up.';
comment on column audit.workflow_requests.picked_up_at is 'When a workflow said that it has it.';
comment on function audit.add_month_for_rows(name,date) is 'As add_month_partition(), for a month that gets rows in the same transaction, which then has to end within 200 ms of idleness. 55P03: busy, ask again.';
comment on function audit.add_month_partition(name,date) is 'Gives a table partitioned by created_at the month of p_month, again if it was detached; false when it has it already.';
comment on function audit.analyze_month(date) is 'Gathers statistics of a month after a move, hot and archived.';
comment on function audit.apply_restore_chunk(uuid,integer,integer) is 'Applies a chunk of a restore, once: {state: done | conflict | held | cancelled | superseded, …}. Unless done nothing was changed. Raises AF001 where rows were suppressed, AF002 where the run was taken away meanwhile.';
comment on function audit.archive_month(date) is 'Moves a month whole into the archive, or drops it when it is empty: moved, dropped, gone, not_due, not_merged, or emptied while a table that rows have left waits for VACUUM. 55P03: busy, ask again.';
comment on function audit.archive_old_audit_events(integer) is 'Archives what is due: whole months, and up to p_rows_max events alone. deleted_count: how many left the hot table for it.';
comment on function audit.archive_plan(integer) is 'What is due for the archive: months that move whole (and which side is merged into which first), and months of which rows move alone.';
comment on function audit.archive_rows(date,text,integer) is 'Moves up to p_limit events of a month in one transaction, each logged; returns how many, 0 when none is left to move.';
comment on function audit.as_events_code(oid,boolean) is 'The lines of a trigger function that write workspace events: statements made ready, or made anew for changed columns.';
comment on function audit.as_events_sql(oid,text) is 'SQL, but for its SELECT, that writes the workspace events of an operation; null when it has none.';
comment on function audit.begin_file_purge(uuid,uuid,uuid[]) is 'Marks a cold file of an approved purge as purged and logs it, unless it is held or no longer due: says purged, held or not due.';
comment on function audit.begin_idempotent(uuid,text,bytea) is 'Claims an idempotency key until the end of the transaction, or says what became of its first use.';
comment on function audit.begin_restore_draft() is 'Makes the temporary tables in which a restore is planned; once per transaction.';
comment on function audit.capture_body(oid) is 'The code of the trigger function of a tracked relation, as it should be now.';
comment on function audit.capture_problems() is 'What keeps the changes of tracked tables from being recorded, wholly or quickly, and what to do: triggers, partition, stale, policy or gone.';
comment on function audit.capture_row_code(oid) is 'The statements of plpgsql that record an UPDATE of one row.';
comment on function audit.capture_source(oid,text,boolean) is 'SQL for the FROM of a statement that records: rows __o and __n, and their images __i and __j; by key, those rows alone that have, or for INSERT and DELETE lack, a partner.';
comment on function audit.capture_sql(oid,text,text,boolean) is 'The statement with which a trigger records an INSERT, UPDATE, DELETE or TRUNCATE of a tracked table; p_context is SQL for user, request and restore.';
comment on function audit.captured_columns(oid) is 'The columns of a tracked table as they are called now, and what becomes of each.';
comment on function audit.changed_by_others(uuid,integer[]) is 'Which of a restore''s items concern rows that somebody but the restore itself has changed.';
comment on function audit.changed_keys(jsonb,jsonb) is 'Names of the top-level keys in which two JSON objects differ.';
comment on function audit.check_access(oid[],timestamp with time zone) is 'Notes tables that the worker may not restore, and times in which their history is not whole.';
comment on function audit.check_as_events(regclass,jsonb) is 'Refuses what track() cannot take as as_events, and says why.';
comment on function audit.check_constraints() is 'Notes drafted rows that NOT NULL or a CHECK of today would refuse.';
comment on function audit.check_dependents() is 'Notes rows that keep a row from going, or that would go with it unseen.';
comment on function audit.check_event_chronology() is 'Trigger: refuses an event more than 5 s older than the newest of its workspace, and sets its transaction id.';
comment on function audit.check_hold_change() is 'Trigger: a hold stays as it was placed until it is released.';
comment on function audit.check_holds() is 'Notes drafted deletions of rows that a hold keeps.';
comment on function audit.check_lost_children() is 'Notes tables without a history that may have lost rows together with the rows that come back.';
comment on function audit.check_unique() is 'Notes drafted rows whose unique values other rows hold, and who hands them over to whom.';
comment on function audit.check_workspace_membership() is 'Trigger: refuses an event of a user who is not in the membership source for its workspace.';
comment on function audit.cleanup_children(oid) is 'The tables that reference one, and what becomes of their rows when its rows go: cascade, set null, set default or restrict.';
comment on function audit.cleanup_due_sql(jsonb,timestamp with time zone) is 'SQL that a row t is due by a rule that fits its table, and not held.';
comment on function audit.cleanup_faults(jsonb) is 'What in a rule does not fit the table as it is, or what the caller may do with it, in words that follow its name; nothing when all does.';
comment on function audit.cleanup_hides_rows(oid) is 'Whether row security may hide rows of a table from the caller.';
comment on function audit.cleanup_relation(text) is 'The table of this name, schema.name as the catalog spells it; null when there is none.';
comment on function audit.cleanup_statements(jsonb,timestamp with time zone,jsonb,integer) is 'The statements of a rule: count what is due up to a limit; lock the next rows by key after one; delete rows that are not held by their keys, which stand after the first of its four parts; the third leaves out those that are still referenced.';
comment on function audit.cleanup_value_fits(text,text) is 'Whether a text is a value of a type that can be compared (a label of an enum, say), and stays whole as one.';
comment on function audit.cleanup_workspace_sql(jsonb) is 'SQL for the workspace of a row t: empty when it has none, null when its rule does not say where it stands.';
comment on function audit.column_numbers(oid,text[]) is 'The numbers of columns, which a rename leaves as they are.';
comment on function audit.columns_of(oid) is 'The columns of a relation: name to number and type.';
comment on function audit.compared_columns_sql(oid,text,text,boolean) is 'SQL for the names of the columns that differ between two rows, or that do not.';
comment on function audit.content_digest(text) is 'SHA-256 of a line of archive_lines without its last column, archived_at, which is another after each move.';
comment on function audit.create_month_table(name,name,timestamp with time zone,timestamp with time zone) is 'Makes the table of a month, not attached yet; for add_month_partition().';
comment on function audit.create_monthly_audit_partition(integer) is 'Makes sure that every partitioned table has last month, this month and the months ahead, and attaches again what was detached; returns how many. The archive has the months of the events.';
comment on function audit.current_name(oid,text) is 'What a column that had this name at tracking time is called now; null when there is none.';
comment on function audit.day_begins(date,text) is 'The first quarter of an hour of a day in a time zone; of the next day where the zone left this one out.';
comment on function audit.decide_actions(boolean) is 'Leaves only the drafted rows for which there is something to do, and says what.';
comment on function audit.default_retention_values() is 'What holds for a workspace without a policy of its own, as JSON.';
comment on function audit.delete_due_trails(integer) is 'Deletes up to p_limit trails past their project''s retention, which counts from the import of what was imported, never one that is held or not rolled up; returns how many.';
comment on function audit.delete_sql(oid,text) is 'Deletes the rows of items.';
comment on function audit.delete_trails_of_deleted_projects(integer) is 'Deletes up to p_limit trails of deleted projects, but not what is held, and the projects once nothing is left of them; returns how many trails.';
comment on function audit.deletion_stops(text,text,text,text,boolean) is 'What keeps a record (workspace, resource, user) from being deleted: holds, and compliance mode where nobody approved it.';
comment on function audit.differs_sql(oid,text,text,text) is 'SQL for whether a column differs between two rows.';
comment on function audit.discard_cold_files(date) is 'Forgets the files of a month that is to be exported anew, and names them; those of a dropped month stay.';
comment on function audit.draft_actor(text,timestamp with time zone,timestamp with time zone,oid[]) is 'Drafts to undo what one user did in a window of time.';
comment on function audit.draft_children(timestamp with time zone) is 'Drafts what went with the drafted rows by ON DELETE CASCADE, SET NULL and SET DEFAULT; as of a time, or before the transaction that took it away.';
comment on function audit.draft_parents(timestamp with time zone) is 'Drafts the missing parents of drafted rows from their own history; notes those that cannot be had as problems.';
comment on function audit.draft_record(oid,text,bigint,timestamp with time zone) is 'Drafts to undo a record''s changes from a point on; returns its key at the point, null when the history has no such change.';
comment on function audit.draft_rollback(uuid) is 'Drafts to undo what a restore applied, from its snapshot; returns how many rows.';
comment on function audit.draft_rows(boolean) is 'Makes of the drafted entries one row per record: its state before the first of them.';
comment on function audit.draft_since(oid,timestamp with time zone) is 'Drafts to undo every change of a table after a time.';
comment on function audit.draft_transaction(xid8) is 'Drafts to undo what one transaction did.';
comment on function audit.drop_capture_function(oid) is 'Drops the trigger function of a relation that is no longer tracked.';
comment on function audit.drop_cold_month(date) is 'Drops a month of the archive whose every row is in noted cold files; says dropped, gone, or changed and then drops nothing.';
comment on function audit.drop_history_month(text,integer) is 'Drops the oldest month of the row history that is past its time, and logs it first: dropped, held or none. 55P03: busy, ask again.';
comment on function audit.due_cold_files() is 'Cold files in which every event is past its workspace''s cold retention.';
comment on function audit.due_cold_months() is 'Months of the archive in which every event is past its warm time, oldest first.';
comment on function audit.ensure_policies_of_month(timestamp with time zone,timestamp with time zone) is 'Gives every workspace with hot events in a month the default policy if it has none.';
comment on function audit.ensure_retention_policy(text) is 'Gives a workspace the default policy if it has none; leaves it to a later event rather than wait.';
comment on function audit.event_payload_hash(jsonb) is 'SHA-256 of what an event says, without request_id, which changes with every retry.';
comment on function audit.exact_sql(oid,text) is 'SQL for the texts of those values that an image cannot bring back bit for bit; null when the table has no such column.';
comment on function audit.exact_values_sql(oid,text,text,text) is 'SQL for exact_values of an entry; null where the table has no such column.';
comment on function audit.field_sql(text,text) is 'SQL for a column of a row.';
comment on function audit.fill_changed_fields() is 'Trigger: computes changed_fields where the caller gave none.';
comment on function audit.filter_column(oid,text,text,jsonb) is 'Leaves only the drafted rows of a table in which a column, read as a type, has one of some values.';
comment on function audit.filter_draft(jsonb) is 'Leaves only the drafted rows that a filter of columns and values finds.';
comment on function audit.filter_values(oid,text,jsonb) is 'The values of a filter as texts of images; null where one does not fit the column''s type.';
comment on function audit.find_missing_parents(oid,text[],oid,text[]) is 'Makes restore_missing: the drafted rows of a child whose parent is neither there nor drafted.';
comment on function audit.finish_idempotent(uuid,text,bytea,integer,jsonb) is 'Keeps the answer of a finished request; commits with what the request wrote.';
comment on function audit.fit_each_left(oid) is 'Fits what undone changes left, column by column; for fit_images().';
comment on function audit.fit_each_target(oid) is 'Fits what rows are to hold, column by column; for fit_images().';
comment on function audit.fit_images(oid,boolean) is 'Makes of the drafted images what the columns of today hold; notes columns whose values do not fit, or come out changed.';
comment on function audit.fitted_sql(oid,text[],text,text) is 'SQL for the image that values of an image have in the types of today.';
comment on function audit.foreign_keys_of(oid[]) is 'The foreign keys from and to tables, with their columns in pairs.';
comment on function audit.forget_dropped() is 'Ends the tracking of tables and partitions that were dropped; their history stays. Returns how many there were.';
comment on function audit.forget_tracked(regclass) is 'The half of untrack() that writes into the schema audit: notes when the tracking ended, so that the history is still found.';
comment on function audit.forgive_changes_of(uuid) is 'Takes the mark off rows that nothing but this restore has changed.';
comment on function audit.from_micros(text) is 'The time of so many microseconds since 1970.';
comment on function audit.get_audit_trail(text,text,text,integer,integer) is 'The newest events of a workspace, or of one resource in it, hot or archived: 30 days back and 100 at most unless said otherwise.';
comment on function audit.get_audit_trail(text,text,uuid,integer,integer) is 'get_audit_trail() for a resource whose id is a UUID.';
comment on function audit.get_audit_trail(uuid,text,text,integer,integer) is 'get_audit_trail() for a workspace whose id is a UUID.';
comment on function audit.get_audit_trail(uuid,text,uuid,integer,integer) is 'get_audit_trail() for a workspace and a resource whose ids are UUIDs.';
comment on function audit.guard_month(name,name) is 'Gives the table of a month the guard that is not cloned to it.';
comment on function audit.has_columns(regclass,jsonb) is 'Whether a table has exactly these columns, of these types; for the trigger functions'' plans alone.';
comment on function audit.has_own_triggers(uuid) is 'Whether the application has triggers on a table that a restore changes.';
comment on function audit.held_deletions(integer[]) is 'The positions of rows that a chunk would delete and a hold keeps; no hold is placed from here to its commit.';
comment on function audit.held_keys(oid,text[]) is 'Which rows of a tracked table, by their keys, holds keep from being deleted, and the ids of those.';
comment on function audit.held_sql(oid,text,text) is 'SQL that a row in a workspace (itself SQL) is held, or one that would go with it by cascade.';
comment on function audit.history_breaks(regclass,text[],bigint) is 'Where the chain of images of these records of a tracked table breaks, from the entry p_since on: gap (an entry is missing), image (it found another row than the one before left), live (the row of today is another than the last left) or order (entries of one transaction stand in another order than its changes); explained_by says off, error or columns where a gap in the capture or an altered column explains it.';
comment on function audit.history_month_is_held(timestamp with time zone,timestamp with time zone,uuid[]) is 'Whether a hold keeps an entry of the row history of this time from being deleted.';
comment on function audit.history_names(text,text) is 'The names by which a hold may mean a table, given the one of its history; those of its partitions as well.';
comment on function audit.holds_on_file(uuid) is 'Holds that could concern an event in a cold file.';
comment on function audit.hot_months(timestamp with time zone) is 'Months of audit_events up to now, or one of them, and until when something in them is to stay hot; null when nothing is.';
comment on function audit.ignored_names(oid) is 'The columns of a tracked relation whose changes alone are not recorded.';
comment on function audit.image_columns_sql(oid,text,text) is 'A select list of which to_jsonb() makes a row''s image; with another row, only what differs from it has values.';
comment on function audit.image_difference(jsonb,jsonb,jsonb,jsonb,text[]) is 'The columns in which a row differs from what it is to be, to the last digit.';
comment on function audit.image_fidelity(oid) is 'What of a type''s values a JSON image loses: exact, text, jsonb, float or array.';
comment on function audit.image_record_sql(oid,text[]) is 'The column list that jsonb_to_record() needs for an image of a table.';
comment on function audit.image_settings(oid) is 'The settings that the capture function of a table pins, if its types need any.';
comment on function audit.image_shapes(integer,integer) is 'The sets of columns that the images of a batch have, and SQL for whether __i has one; null where all do.';
comment on function audit.image_sql(oid,text) is 'SQL for a row''s image: its columns as JSON, without the excluded, with the redacted hidden.';
comment on function audit.image_value_sql(oid,text,text) is 'SQL for the value of a column: from the record __r, or its exact text.';
comment on function audit.inexact_columns(oid,text) is 'The columns of which an image may lose something: SQL for the text of a row''s value, and for whether this one is lost.';
comment on function audit.ingest_audit_events(jsonb,uuid,text,bytea) is 'Appends events under an idempotency key in one statement; SQLSTATE AF409 when an event_id holds another event.';
comment on function audit.insert_audit_event(text,text,text,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'Appends one event and returns its id.';
comment on function audit.insert_audit_event(text,text,text,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,text,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,text,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,uuid,text,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,uuid,text,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,uuid,uuid,text,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_event(text,text,uuid,uuid,uuid,jsonb,jsonb,text,text,text[],jsonb,text,timestamp with time zone,text) is 'insert_audit_event() for ids of which some are UUIDs.';
comment on function audit.insert_audit_events(jsonb) is 'Appends an array of events (keys are column names), all or nothing; an event_id stored before is not stored again.';
comment on function audit.insert_captured_events(oid,text,jsonb) is 'Appends the workspace events of rows that a statement changed, for trigger functions of tables with as_events.';
comment on function audit.insert_service_event(jsonb) is 'Appends an event of the service itself, marked by metadata.source = afterimage; membership is not asked.';
comment on function audit.insert_sql(oid,text,text[],text[]) is 'Inserts items whose images have exactly these columns.';
comment on function audit.is_branch() is 'Whether this is a Neon branch or restored copy of the database that is at home elsewhere: no schedule runs on it.';
comment on function audit.is_lost_sql(oid,text) is 'SQL for whether a row''s image loses anything; null when the table has no column of which it may.';
comment on function audit.is_security_action(text) is 'Sign-ins; keys and secrets; roles, permissions and membership; exports; deletions; refused and failed actions.';
comment on function audit.is_whole_file_held(uuid) is 'Whether a hold names a workspace of a cold file and nothing else, so that the file need not be read to know.';
comment on function audit.items_digest(uuid) is 'SHA-256 over all items of a run, in order.';
comment on function audit.keep_name(oid) is 'Notes the name under which the history of a table stands that is no longer tracked.';
comment on function audit.keep_parents(integer[]) is 'Adds to the rows of a chunk that are not as planned those whose deletion would take, or change, a row that stays.';
comment on function audit.keep_trail_digests() is 'Trigger: what a message was answered from is written down once.';
comment on function audit.keep_true_edges(oid[]) is 'Takes out the edges along which no row references another. For rank_coming().';
comment on function audit.key_match_sql(oid,text,text) is 'SQL that is true where a row has the key that a record_id says; an index on the key serves it.';
comment on function audit.key_of(regclass) is 'The columns of a table''s primary key, or of a unique index without nulls; null when it has neither.';
comment on function audit.keys_are_known_free(oid,text[]) is 'Whether a unique index on the key can hold no surprise for the drafted rows.';
comment on function audit.keys_change_hands() is 'Whether drafted rows hand over unique values, or change keys that other drafted rows may reference.';
comment on function audit.let_through_policies(oid) is 'Lets the service see and restore the rows of a table with row-level security; without it TRUNCATE would be recorded as nothing.';
comment on function audit.level_circle(integer) is 'Gives rows that wait for each other their levels, as deferred constraints allow; for order_rows().';
comment on function audit.level_knot(integer,integer) is 'Gives rows that one statement has to write one level; for level_circle().';
comment on function audit.level_texts(oid) is 'Writes the times and bytes in drafted entries as this session does, so that they can be compared.';
comment on function audit.lock_archiver() is 'One move at a time, until the transaction ends.';
comment on function audit.lock_holds() is 'Keeps holds from being placed or released until the transaction ends, so that an answer of deletion_stops() stays true. 55P03: busy, ask again.';
comment on function audit.lock_restore_rows(uuid,text) is 'Locks the rows that a chunk writes and finds those that changed since the plan (or had a conflict in it, unless that is overwritten).';
comment on function audit.log_hold_change() is 'Trigger: placing and releasing a hold are events.';
comment on function audit.log_month_move(timestamp with time zone,bigint) is 'Writes down that a month moved whole.';
comment on function audit.log_move(text,text,text,jsonb) is 'Writes down that events left a table for another one, in the transaction that moves them.';
comment on function audit.log_retention_change() is 'Trigger: writes an event with a policy before and after, in the transaction that changes it.';
comment on function audit.log_return(uuid,text,text,timestamp with time zone,text,text) is 'Writes down that an event came back to hot storage.';
comment on function audit.look_back(text,text,text,text,timestamp with time zone,integer) is 'How many events (p_limit at most) a workspace has before a time, of a resource or a user if given, and when the oldest of these was.';
comment on function audit.lost_rows_code(oid) is 'The lines of a partitioned table''s trigger function for an UPDATE that lost rows on their way to another partition.';
comment on function audit.make_capture_triggers(oid) is 'Makes the triggers of a tracked relation; for track().';
comment on function audit.make_home() is 'Makes this branch or restored copy the home, so that schedules and alarms run here; null where Neon is not.';
comment on function audit.map_columns(text[]) is 'Maps the images to the columns of today and notes what is lost; p_only restricts a restore to these columns of rows that are there.';
comment on function audit.mark_changed_since() is 'Marks the drafted rows that somebody changed after the changes that are to be undone.';
comment on function audit.mark_rollup_due() is 'Trigger: a trail whose amounts changed is counted again.';
comment on function audit.match_live_rows() is 'Looks up the live row of each drafted record that was not looked up yet.';
comment on function audit.matches_sql(text,text[],text,text[]) is 'SQL that a row of one alias references that of another.';
comment on function audit.may_be_held_sql(oid) is 'SQL that there is a hold which could concern a row of a table, or one that would go with it by cascade.';
comment on function audit.month_partitions() is 'The partitions of the tables of this schema, with their bounds.';
comment on function audit.move_rows_from_archive(timestamp with time zone,timestamp with time zone,uuid,integer) is 'Moves up to p_limit archived events of a month back into hot storage, or the one with an id.';
comment on function audit.move_rows_to_archive(timestamp with time zone,timestamp with time zone,boolean,integer) is 'Moves up to p_limit events of a month into the archive: those that are due, or all; never one that is pinned.';
comment on function audit.move_sequences() is 'Moves the sequences of restored columns past what was restored.';
comment on function audit.note_cold_file(jsonb) is 'Notes the next file of a month, with counts, bounds and marks taken from its table; false when the file''s rows are not the table''s. 23505: this part is noted already.';
comment on function audit.note_file_removed(uuid) is 'Notes that the object of a purged file is gone from the storage.';
comment on function audit.note_holders(oid,text,text[],boolean,boolean) is 'Notes who holds what drafted rows are to have under a unique index, or who gives it to whom; for check_unique().';
comment on function audit.note_tracked(regclass,text[],text[],text[],text[],text,jsonb) is 'The half of track() that writes into the schema audit; returns the relations that need triggers.';
comment on function audit.note_waits() is 'Notes which drafted row waits for which, by foreign keys and unique values; for order_rows().';
comment on function audit.order_draft(integer) is 'Orders the drafted rows so that foreign keys hold after every statement.';
comment on function audit.order_rows() is 'Orders drafted rows by what each waits for; a circle that nothing can defer is a problem, with its names.';
comment on function audit.overlapping_restore(uuid) is 'A restore under way that concerns some of the same rows, if there is one.';
comment on function audit.overlay_image(jsonb,jsonb) is 'An image with the columns of another laid over it; JSON null is no row.';
comment on function audit.own_capture_function(oid) is 'Makes the trigger function of a tracked relation, and hands it to audit_recorder.';
comment on function audit.parent_key_sql(text[],text[],text[]) is 'SQL for the record_ids of the parents in restore_missing, by a foreign key to their key.';
comment on function audit.partitioned_tables() is 'The tables of this schema that need a partition for each month ahead.';
comment on function audit.pin_restore_session() is 'Sets, for this transaction, what the text of a value depends on.';
comment on function audit.prepare_month(date) is 'Looks whether a month can move whole: ready, empty, emptied, not_due, not_merged or gone; its writers wait until the transaction ends.';
comment on function audit.rank_coming(boolean) is 'Ranks the tables in which rows come, parents first; for order_draft().';
comment on function audit.rank_going(boolean) is 'Ranks the tables in which rows go, children first; for order_draft().';
comment on function audit.rank_parents_first(oid[],text) is 'Ranks tables by restore_edges; returns those that a circle keeps from a rank. For rank_coming().';
comment on function audit.record_key_sql(oid,text) is 'SQL for a row''s record_id: its key as text, or the JSON array of a composite one.';
comment on function audit.reference_sql(text,text[],text,text[]) is 'SQL that an image references another by a foreign key.';
comment on function audit.referenced_sql(oid,text) is 'SQL that rows which do not go with a row reference it, or one that goes with it by cascade; null when no foreign key could.';
comment on function audit.references_to(oid) is 'The foreign keys that lead to a table, and what becomes of their rows when its rows go: cascade, set null, set default or restrict.';
comment on function audit.refuse_event_change() is 'Trigger: refuses UPDATE, DELETE and TRUNCATE of audit events, or of what its argument names.';
comment on function audit.relations_of(regclass) is 'A table and all its partitions: each fires only its own triggers when it is written to directly.';
comment on function audit.restore_columns(oid) is 'The columns of a tracked table for a restore: which can be written, which the history hides, which an INSERT must name.';
comment on function audit.restore_of_session() is 'The restore that this transaction belongs to, if it is one.';
comment on function audit.retention_values(audit.audit_retention_policies) is 'What a retention policy says, as JSON.';
comment on function audit.roll_up_trails(integer) is 'Counts up to p_limit new or changed trails of closed 15-minute buckets; returns how many.';
comment on function audit.row_by_key_sql(oid,text) is 'SQL of a from clause that finds the row __t of a record_id by the table''s index.';
comment on function audit.row_digest_sql(text) is 'SQL for a digest of a whole row, hidden columns included: whether it is still the one that was looked at.';
comment on function audit.row_is_held(text,text,text) is 'Whether a hold keeps a row of the application (schema.name, its key as the row history writes it), or its history, from being deleted.';
comment on function audit.row_key_sql(oid,text) is 'SQL for the key of a row as text, or as the JSON array of a composite one; null when the table has none.';
comment on function audit.row_names(oid) is 'The names by which a hold may mean a row of a table: its own, those of the tables that it is a partition of, those of its history.';
comment on function audit.same_value(oid,text,text) is 'Whether two texts are the same value of a type; false where one is none.';
comment on function audit.set_membership_source(regclass,name,name) is 'Switches the membership check on, naming the table and its columns for workspace and user; off with nulls. The caller owns that table.';
comment on function audit.snapshot_restore(uuid) is 'Keeps the rows that a restore will change as they are; each is changed only while it is still so. Returns how many.';
comment on function audit.some_of_image(jsonb,text[]) is 'These columns of an image alone; null where it does not have one.';
comment on function audit.spread_clashes() is 'Marks rows whose parent a unique value keeps from coming back.';
comment on function audit.stamp_retention_policy() is 'Trigger: notes when a policy was changed and by whom.';
comment on function audit.stopped_by(text,integer[]) is 'Says that a chunk was not applied, because of how many rows, and names the first of them.';
comment on function audit.store_archived_line(jsonb) is 'Stores an event in hot storage as a cold file holds it; its month is there.';
comment on function audit.store_items(uuid,integer) is 'Writes the drafted rows down as a run''s items.';
comment on function audit.sweep_idempotency_keys(integer) is 'Removes answers older than 24 hours, at most p_limit of them.';
comment on function audit.switch_capture(boolean) is 'Switches the recording of all tracked tables off, noting the gap, or on again; returns how many relations changed.';
comment on function audit.switch_membership_check(regclass,name,name) is 'The half of set_membership_source() that needs the rights of the owner of audit_events.';
comment on function audit.switch_month(name,name,timestamp with time zone,timestamp with time zone,boolean) is 'Makes the hot table of a month the archive''s in a few milliseconds, or drops it when it is empty.';
comment on function audit.touched_columns(uuid,oid) is 'The columns that get the time of the restore, as the configuration said when it was planned.';
comment on function audit.trace_back(text,text,timestamp with time zone) is 'Finds the keys that the rows in restore_gone had at a time; for draft_children().';
comment on function audit.trace_records(oid) is 'Says of each drafted entry of a record whose key changed which record it belongs to.';
comment on function audit.track(regclass,text[],text[],text[],text,jsonb) is 'Records every change of a table from now on; called again it takes up changed columns, new partitions and other options. The caller owns the table. Returns how many relations it covers.';
comment on function audit.trail_contribution(audit.audit_trails) is 'The same as an object: what a trail keeps as counted.';
comment on function audit.trail_worth(audit.audit_trails) is 'What one message trail adds to the roll-up: its bucket, model and amounts.';
comment on function audit.truncated_by(oid) is 'The partitions whose rows the TRUNCATE trigger of a partitioned table records, because nothing nearer does.';
comment on function audit.tune_month(name) is 'Sets when autovacuum looks after the table of a month.';
comment on function audit.txid_of(xid) is 'The 64-bit number of a past transaction from the 32 bits that a catalog row keeps; too late by a multiple of 2^32 for a very old one.';
comment on function audit.unarchive_audit_event(uuid,integer,text,text) is 'Brings an archived event back into hot storage, or keeps a hot one there, for some days, and says until when it stays, which is later where somebody asked for longer; P0002 when none has this id.';
comment on function audit.unarchive_cold_event(uuid,integer,text,bytea,integer,text,text) is 'Brings an event back from a cold file into hot storage: its line (row p_row from 1) and the digests of all rows prove that the file holds it. P0002 when the file was purged, 42501 when it does not hold it.';
comment on function audit.undo_each() is 'Undoes the changes of records that were changed several times, column by column; for draft_rows().';
comment on function audit.untrack(regclass) is 'Ends the recording of a table''s changes; its history stays. Returns how many relations it covered.';
comment on function audit.update_sql(oid,text,text[],text[],text) is 'Sets the columns that each item names; all of its image where it names none.';
comment on function audit.uuid_v7() is 'A time-ordered UUID, version 7.';
comment on function audit.uuid_v7_time(uuid) is 'The time in a UUID of version 7, in milliseconds; null for any other.';
comment on function audit.verification_sql(uuid,oid) is 'The statement that reads the rows of one table again and finds those that are not what they were to be, or not in the history.';
comment on function audit.verified_columns(oid) is 'Per recorded column its type, whether changes of it alone go unrecorded, and the transaction that altered it last.';
comment on function audit.verify_restore_rows(uuid,integer) is 'Applied items of a chunk whose rows are not what they were to be, with the cause, and those that the history does not show.';
comment on function audit.warning_code(oid) is 'What a trigger function does under on_error = warn when it cannot record: the write goes through, the gap is noted.';
comment on function audit.widen_rollback(uuid) is 'Lets a rollback set back whole rows that nobody has touched since the restore.';
comment on function audit.without_sql(text[]) is 'SQL that takes columns out of the image before it.';
comment on function audit.write_capture_function(oid) is 'Makes the trigger function that records the changes of a tracked table as its columns are now.';
comment on function audit.write_statements(uuid,oid,text,integer,integer,integer[],boolean) is 'The statements that write one batch of a restore.';
comment on table audit.alert_channels is 'How each way out has done: mail, or a webhook by the digest of its URL.';
comment on table audit.alert_notifications is 'One message about an alert to one channel, with its attempts.';
comment on table audit.alerts is 'What an operator must know; an open alert is raised again, not twice.';
comment on table audit.api_keys is 'API keys: the secret is shown once and kept only as its SHA-256.';
comment on table audit.audit_archive_pins is 'Events that somebody brought back from the archive: they stay hot until pinned_until.';
comment on table audit.audit_deletion_log is 'Every removal, written before anything is removed. Append-only.';
comment on table audit.audit_event_keys is 'Natural keys in use: a partitioned table cannot promise that they are unique. Append-only.';
comment on table audit.audit_event_sequence is 'A watermark per workspace: no event may be dated more than 5 s before it. Advanced at most once a second.';
comment on table audit.audit_events is 'Workspace events: who did what to which resource, and when. Append-only, one partition a month (UTC).';
comment on table audit.audit_events_archive is 'Events past their workspace''s hot retention, with the columns of audit_events. Append-only, one partition a month (UTC).';
comment on table audit.audit_logs is 'Row history: one row per change of a row in a tracked table, written by the capture triggers alone. Append-only, one partition a month.';
comment on table audit.audit_retention_policies is 'How long events stay where, per workspace. Ages count from created_at; every change is an event of the workspace.';
comment on table audit.audit_trail_rollup is 'Totals per 15 minutes (UTC), project and model; kept for ever, so that a day is right in any time zone.';
comment on table audit.audit_trails is 'One row per AI message: what answered, with how much context, tokens and money.';
comment on table audit.capture_gaps is 'Times in which changes of a tracked table went unrecorded; at most one row a minute for failures.';
comment on table audit.cold_months is 'Files that months of the archive were written to: read from dropped_at until purged_at. The numbers are those of the verification.';
comment on table audit.cold_objects is 'Objects that were written for cold files, or are just being written: noted before. What no file needs is removed when its month is done; nothing else is.';
comment on table audit.cold_returns is 'Events that came back from a cold file to hot storage: the file''s copy is not shown while an entry is here.';
comment on table audit.database_home is 'Which Neon timeline is at home here; one row at most. A branch carries a copy of it.';
comment on table audit.history_floor is 'Since when the row history is kept: one row, none until its first month was dropped.';
comment on table audit.idempotency_keys is 'Answers of finished writes, kept 24 hours; each commits with its write.';
comment on table audit.installation is 'The id of this installation, in one row: its objects lie below it, so that several may share a storage.';
comment on table audit.job_runs is 'Runs of scheduled workflows, by the clock or by hand.';
comment on table audit.job_schedules is 'One row per schedule: what the dead-man''s switch compares with the clock.';
comment on table audit.legal_holds is 'What may not be deleted until the hold is released. All that a hold names has to fit; what is null fits everything.';
comment on table audit.membership_source is 'Where the membership check looks, as audit.set_membership_source() left it: no row means that it is off.';
comment on table audit.projects is 'Projects that may own message trails. A deleted one is hidden at once and swept in batches.';
comment on table audit.purges is 'Proposals to remove cold files for good: another person decides, once.';
comment on table audit.restore_chunks is 'Chunks that are applied; the row commits with the chunk, so a retry finds it done.';
comment on table audit.restore_effects is 'Cache keys flushed, jobs enqueued and addresses checked after a restore, so that a repeated step does none twice.';
comment on table audit.restore_items is 'What a restore does, row by row, in the order in which it does it. Written once, with the plan.';
comment on table audit.restore_outcomes is 'What became of an item, written in the transaction that did it.';
comment on table audit.restore_runs is 'Restores and rollbacks. A preview is a run with status planned; starting it moves the same row on.';
comment on table audit.restore_snapshot_rows is 'Rows as they were before a restore; a row that was not there has no entry.';
comment on table audit.restore_steps is 'Each attempt of each step of a restore: when it began and ended, and what came of it.';
comment on table audit.retention_cleanups is 'How far each rule of the retention came in each run of retention-cleanup: a repeated step goes on where the last one ended.';
comment on table audit.schema_versions is 'Which migrations and SQL files this database has, by SHA-256 of their text.';
comment on table audit.tracked_tables is 'Tables whose changes are captured, and each of their partitions, with how.';
comment on table audit.untracked_tables is 'Tables that were tracked once, dropped ones too: their history is still found by its name.';
comment on table audit.weekly_reports is 'What happened in a week, as it was counted on the Monday after; it does not change later.';
comment on table audit.workflow_requests is 'Events for the workflow engine, each committed with the row that asks for the workflow.';
comment on trigger audit_deletion_log_immutable on audit.audit_deletion_log is 'The record of removals only grows.';
comment on trigger audit_event_keys_immutable on audit.audit_event_keys is 'A natural key stays taken: without it a late retry would store its event again.';
comment on trigger audit_events_archive_immutable on audit.audit_events_archive is 'No archived event is changed or removed.';
comment on trigger audit_events_archive_immutable_statement on audit.audit_events_archive is 'No archived event is changed or removed, not even by a statement that matches none.';
comment on trigger audit_events_changed_fields on audit.audit_events is 'changed_fields follows from old and new values.';
comment on trigger audit_events_chronology on audit.audit_events is 'Events of a workspace come in order.';
comment on trigger audit_events_immutable on audit.audit_events is 'No event is changed or removed.';
comment on trigger audit_events_immutable_statement on audit.audit_events is 'No event is changed or removed, not even by a statement that matches none.';
comment on trigger audit_logs_immutable on audit.audit_logs is 'What happened to a row stays as it was recorded.';
comment on trigger audit_logs_immutable_statement on audit.audit_logs is 'What happened to a row stays as it was recorded; also refuses a statement that matches none.';
comment on trigger audit_retention_policies_log on audit.audit_retention_policies is 'Every change of a policy is an event of its workspace.';
comment on trigger audit_retention_policies_stamp on audit.audit_retention_policies is 'Who changed a policy is whoever did.';
comment on trigger audit_retention_policies_stay on audit.audit_retention_policies is 'Policies do not go all at once, which no log would show.';
comment on trigger audit_trails_changed on audit.audit_trails is 'The roll-up counts what a trail is worth now.';
comment on trigger audit_trails_digests on audit.audit_trails is 'Digests of prompt, context and policy stay as they were set.';
comment on trigger check_audit_workspace_membership on audit.audit_events is 'Only members write events of a workspace; off until audit.set_membership_source() names where members are.';
comment on trigger legal_holds_change on audit.legal_holds is 'A hold is released, not changed.';
comment on trigger legal_holds_log on audit.legal_holds is 'Placing and releasing a hold are events.';
comment on trigger legal_holds_stay on audit.legal_holds is 'Released holds stay on record.';
comment on view audit.archive_lines is 'Archived events as the text that cold files hold; mark names the version of a row, to see whether it changed; is_in_file: it came back from a file that still holds it.';
comment on view audit.audit_log is 'Row history and events as one list: who, what, to which record, when.';
comment on view audit.every_event is 'Every event in the database once, hot or archived; archived_at is null while it is hot.';
comment on view audit.guard_functions is 'Whether the functions that guard events are as the files of this version make them.';
comment on view audit.partition_guards is 'Whether the guards of the append-only tables are on and as they were made; null where one is not meant to be.';
comment on view audit.partition_schedule is 'Per partitioned table: its newest month, the first one missing from now on, how many whole months after this one it has without a gap, and whether it has this moment.';
comment on view audit.trail_totals is 'Totals per 15 minutes (UTC), project and model, as they are now: the roll-up, and of each trail that changed since the difference. Sum over it.';
comment on view audit.vw_security_audit is 'Events that matter to security, hot or archived, as audit.is_security_action() defines them.';
