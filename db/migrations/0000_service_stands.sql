CREATE TABLE "audit"."audit_deletion_log" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"deleted_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"deleted_by_user_id" text NOT NULL,
	"subject_type" text NOT NULL,
	"subject_id" text NOT NULL,
	"deletion_authority" text,
	"deletion_reason" text,
	"approval_ticket_id" text,
	"is_irrevocable" boolean DEFAULT true NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	CONSTRAINT "check_deletion_subject_not_empty" CHECK (subject_type <> '' and subject_id <> '')
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_event_keys" (
	"workspace_id" text NOT NULL,
	"event_id" text NOT NULL,
	"id" uuid NOT NULL,
	"payload_hash" "bytea" NOT NULL,
	CONSTRAINT "audit_event_keys_pkey" PRIMARY KEY("workspace_id","event_id")
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_event_sequence" (
	"workspace_id" text PRIMARY KEY NOT NULL,
	"last_event_id" uuid,
	"last_created_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_events" (
	"id" uuid DEFAULT audit.uuid_v7() NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"occurred_at" timestamp with time zone,
	"event_id" text,
	"workspace_id" text,
	"created_by_user_id" text,
	"action_type" text NOT NULL,
	"resource_type" text NOT NULL,
	"resource_id" text NOT NULL,
	"old_values" jsonb,
	"new_values" jsonb,
	"changed_fields" text[],
	"ip_address" "inet",
	"user_agent" text,
	"request_id" text,
	"tags" text[],
	"metadata" jsonb,
	"txid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"deleted_at" timestamp with time zone,
	"deleted_by_user_id" text,
	"deletion_reason" text,
	CONSTRAINT "audit_events_pkey" PRIMARY KEY("id","created_at"),
	CONSTRAINT "check_action_type_not_empty" CHECK (btrim(action_type) <> ''),
	CONSTRAINT "check_resource_type_not_empty" CHECK (btrim(resource_type) <> ''),
	CONSTRAINT "check_workspace_id_not_null" CHECK (workspace_id is not null and workspace_id <> ''),
	CONSTRAINT "check_created_by_user_id_not_null" CHECK (created_by_user_id is not null and created_by_user_id <> ''),
	CONSTRAINT "check_created_at_not_future" CHECK (created_at <= clock_timestamp() + interval '1 minute'),
	CONSTRAINT "check_occurred_at_finite" CHECK (isfinite(occurred_at)),
	CONSTRAINT "check_old_values_not_empty" CHECK (old_values is null or (jsonb_typeof(old_values) = 'object' and old_values <> '{}'::jsonb)),
	CONSTRAINT "check_new_values_not_empty" CHECK (new_values is null or (jsonb_typeof(new_values) = 'object' and new_values <> '{}'::jsonb)),
	CONSTRAINT "check_id_lengths" CHECK (greatest(length(action_type), length(resource_type), length(resource_id), length(workspace_id), length(created_by_user_id), length(event_id)) <= 200 and resource_id <> '')
) PARTITION BY RANGE ("created_at");
--> statement-breakpoint
CREATE TABLE "audit"."membership_source" (
	"id" text PRIMARY KEY DEFAULT 'the one' NOT NULL,
	"source_table" text NOT NULL,
	"workspace_column" text NOT NULL,
	"user_column" text NOT NULL,
	"set_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"set_by" text DEFAULT session_user NOT NULL,
	CONSTRAINT "check_membership_source_single" CHECK (id = 'the one')
);
--> statement-breakpoint
CREATE TABLE "audit"."alerts" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"code" text NOT NULL,
	"subject" text NOT NULL,
	"severity" text NOT NULL,
	"message" text NOT NULL,
	"details" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"raised_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_raised_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"raise_count" integer DEFAULT 1 NOT NULL,
	"acknowledged_at" timestamp with time zone,
	"acknowledged_by_user_id" text,
	"resolved_at" timestamp with time zone,
	CONSTRAINT "check_alert_severity" CHECK (severity in ('warning', 'critical'))
);
--> statement-breakpoint
CREATE TABLE "audit"."job_runs" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"job_id" text NOT NULL,
	"trigger" text NOT NULL,
	"status" text NOT NULL,
	"engine_run_id" text,
	"requested_by_user_id" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"started_at" timestamp with time zone,
	"finished_at" timestamp with time zone,
	"result" jsonb,
	"error" text,
	CONSTRAINT "check_job_run_status" CHECK (status in ('requested', 'running', 'completed', 'failed', 'skipped')),
	CONSTRAINT "check_job_run_trigger" CHECK (trigger in ('schedule', 'manual'))
);
--> statement-breakpoint
CREATE TABLE "audit"."job_schedules" (
	"job_id" text PRIMARY KEY NOT NULL,
	"cron" text NOT NULL,
	"late_after_seconds" integer NOT NULL,
	"watched_since" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"last_success_at" timestamp with time zone,
	"paused_at" timestamp with time zone,
	"paused_by_user_id" text
);
--> statement-breakpoint
CREATE TABLE "audit"."workflow_requests" (
	"event_id" uuid PRIMARY KEY NOT NULL,
	"event_name" text NOT NULL,
	"data" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"send_count" integer DEFAULT 0 NOT NULL,
	"last_sent_at" timestamp with time zone,
	"picked_up_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "audit"."api_keys" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"name" text NOT NULL,
	"user_id" text NOT NULL,
	"secret_hash" "bytea" NOT NULL,
	"secret_prefix" text NOT NULL,
	"scopes" text[] NOT NULL,
	"workspaces" text[],
	"projects" text[],
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"created_by_user_id" text NOT NULL,
	"expires_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	"last_used_at" timestamp with time zone,
	"rotated_from" uuid,
	CONSTRAINT "check_key_owner_length" CHECK (length(user_id) between 1 and 200),
	CONSTRAINT "check_key_scopes_not_empty" CHECK (cardinality(scopes) > 0),
	CONSTRAINT "check_key_secret_hash_length" CHECK (octet_length(secret_hash) = 32)
);
--> statement-breakpoint
CREATE TABLE "audit"."idempotency_keys" (
	"key_id" uuid NOT NULL,
	"idempotency_key" text NOT NULL,
	"request_hash" "bytea" NOT NULL,
	"status" integer NOT NULL,
	"body" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "idempotency_keys_pkey" PRIMARY KEY("key_id","idempotency_key"),
	CONSTRAINT "check_idempotency_key_length" CHECK (length(idempotency_key) between 1 and 200)
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_trail_rollup" (
	"project_id" text NOT NULL,
	"bucket_start" timestamp with time zone NOT NULL,
	"model" text NOT NULL,
	"message_count" bigint DEFAULT 0 NOT NULL,
	"complete_count" bigint DEFAULT 0 NOT NULL,
	"failed_count" bigint DEFAULT 0 NOT NULL,
	"unpriced_count" bigint DEFAULT 0 NOT NULL,
	"prompt_tokens" bigint DEFAULT 0 NOT NULL,
	"completion_tokens" bigint DEFAULT 0 NOT NULL,
	"total_tokens" bigint DEFAULT 0 NOT NULL,
	"cached_tokens" bigint DEFAULT 0 NOT NULL,
	"reasoning_tokens" bigint DEFAULT 0 NOT NULL,
	"prompt_cost" numeric DEFAULT 0 NOT NULL,
	"completion_cost" numeric DEFAULT 0 NOT NULL,
	"total_cost" numeric DEFAULT 0 NOT NULL,
	CONSTRAINT "audit_trail_rollup_pkey" PRIMARY KEY("project_id","bucket_start","model"),
	CONSTRAINT "check_bucket_start" CHECK (date_bin('15 minutes', bucket_start, timestamptz '2000-01-01 00:00:00+00') = bucket_start)
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_trails" (
	"project_id" text NOT NULL,
	"message_id" text NOT NULL,
	"id" uuid DEFAULT audit.uuid_v7() NOT NULL,
	"status" text NOT NULL,
	"timestamp" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"model" text NOT NULL,
	"reasoning" jsonb,
	"context_layers" integer NOT NULL,
	"prompt_tokens" integer,
	"completion_tokens" integer,
	"total_tokens" integer,
	"cached_tokens" integer,
	"reasoning_tokens" integer,
	"prompt_cost" numeric,
	"completion_cost" numeric,
	"total_cost" numeric,
	"latency_ms" integer,
	"prompt_digest" text,
	"context_digest" text,
	"policy_digest" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"completed_at" timestamp with time zone,
	"counted" jsonb,
	"rollup_due" boolean DEFAULT true NOT NULL,
	CONSTRAINT "audit_trails_pkey" PRIMARY KEY("project_id","message_id"),
	CONSTRAINT "check_message_id_length" CHECK (length(message_id) between 1 and 200),
	CONSTRAINT "check_trail_status" CHECK (status in ('placeholder', 'complete', 'failed')),
	CONSTRAINT "check_trail_model_length" CHECK (length(model) between 1 and 200),
	CONSTRAINT "check_context_layers" CHECK (context_layers >= 0),
	CONSTRAINT "check_trail_tokens" CHECK (least(prompt_tokens, completion_tokens, total_tokens, cached_tokens, reasoning_tokens, latency_ms) >= 0),
	CONSTRAINT "check_trail_costs" CHECK (least(prompt_cost, completion_cost, total_cost) >= 0 and greatest(prompt_cost, completion_cost, total_cost) < 'Infinity'),
	CONSTRAINT "check_trail_timestamp" CHECK ("timestamp" >= timestamptz '2000-01-01 00:00:00+00' and "timestamp" < timestamptz '2200-01-01 00:00:00+00'),
	CONSTRAINT "check_trail_completed_at" CHECK ((status = 'placeholder') = (completed_at is null))
);
--> statement-breakpoint
CREATE TABLE "audit"."projects" (
	"project_id" text PRIMARY KEY NOT NULL,
	"trail_retention_days" integer DEFAULT 7 NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"created_by_user_id" text NOT NULL,
	"deleted_at" timestamp with time zone,
	CONSTRAINT "check_project_id_length" CHECK (length(project_id) between 1 and 200),
	CONSTRAINT "check_trail_retention_days" CHECK (trail_retention_days between 1 and 3650)
);
--> statement-breakpoint
ALTER TABLE "audit"."idempotency_keys" ADD CONSTRAINT "idempotency_keys_key" FOREIGN KEY ("key_id") REFERENCES "audit"."api_keys"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "audit"."audit_trail_rollup" ADD CONSTRAINT "audit_trail_rollup_project" FOREIGN KEY ("project_id") REFERENCES "audit"."projects"("project_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "audit"."audit_trails" ADD CONSTRAINT "audit_trails_project" FOREIGN KEY ("project_id") REFERENCES "audit"."projects"("project_id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_deletion_log_deleted_at" ON "audit"."audit_deletion_log" USING btree ("deleted_at");--> statement-breakpoint
CREATE INDEX "audit_events_created" ON "audit"."audit_events" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_workspace" ON "audit"."audit_events" USING btree ("workspace_id","created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_resource" ON "audit"."audit_events" USING btree ("workspace_id","resource_type","resource_id","created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_actor" ON "audit"."audit_events" USING btree ("workspace_id","created_by_user_id","created_at","id");--> statement-breakpoint
CREATE UNIQUE INDEX "alerts_open" ON "audit"."alerts" USING btree ("code","subject") WHERE resolved_at is null;--> statement-breakpoint
CREATE INDEX "alerts_raised_at" ON "audit"."alerts" USING btree ("raised_at");--> statement-breakpoint
CREATE INDEX "job_runs_job" ON "audit"."job_runs" USING btree ("job_id","created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "job_runs_engine_run" ON "audit"."job_runs" USING btree ("engine_run_id");--> statement-breakpoint
CREATE INDEX "workflow_requests_waiting" ON "audit"."workflow_requests" USING btree ("created_at") WHERE picked_up_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "api_keys_secret_hash" ON "audit"."api_keys" USING btree ("secret_hash");--> statement-breakpoint
CREATE INDEX "idempotency_keys_created_at" ON "audit"."idempotency_keys" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "audit_trails_message" ON "audit"."audit_trails" USING btree ("message_id");--> statement-breakpoint
CREATE INDEX "audit_trails_project_time" ON "audit"."audit_trails" USING btree ("project_id","timestamp","id");--> statement-breakpoint
CREATE INDEX "audit_trails_time" ON "audit"."audit_trails" USING btree ("timestamp");--> statement-breakpoint
CREATE INDEX "audit_trails_rollup_due" ON "audit"."audit_trails" USING btree ("timestamp") WHERE rollup_due;