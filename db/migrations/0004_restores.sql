CREATE TABLE "audit"."untracked_tables" (
	"relation" "oid" PRIMARY KEY NOT NULL,
	"table_schema" text NOT NULL,
	"table_name" text NOT NULL,
	"tracked_at" timestamp with time zone NOT NULL,
	"untracked_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_chunks" (
	"run_id" uuid NOT NULL,
	"chunk" integer NOT NULL,
	"txid" "xid8" DEFAULT pg_current_xact_id() NOT NULL,
	"applied_count" integer NOT NULL,
	"skipped_count" integer NOT NULL,
	"applied_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "restore_chunks_pkey" PRIMARY KEY("run_id","chunk")
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_effects" (
	"run_id" uuid NOT NULL,
	"repeat" integer DEFAULT 0 NOT NULL,
	"kind" text NOT NULL,
	"name" text NOT NULL,
	"is_done" boolean DEFAULT false NOT NULL,
	"detail" jsonb,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"done_at" timestamp with time zone,
	CONSTRAINT "restore_effects_pkey" PRIMARY KEY("run_id","repeat","kind","name"),
	CONSTRAINT "check_restore_effect_kind" CHECK (kind in ('flush', 'enqueue', 'check'))
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_items" (
	"run_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"chunk" integer NOT NULL,
	"batch" integer NOT NULL,
	"relation" "oid" NOT NULL,
	"record_id" text NOT NULL,
	"live_record_id" text,
	"action" text NOT NULL,
	"origin" text NOT NULL,
	"entry_id" bigint,
	"columns" text[],
	"target" jsonb,
	"target_exact" jsonb,
	"live" jsonb,
	"live_exact" jsonb,
	"live_digest" "bytea",
	"conflict" text,
	CONSTRAINT "restore_items_pkey" PRIMARY KEY("run_id","position"),
	CONSTRAINT "check_restore_action" CHECK (action in ('insert', 'update', 'delete')),
	CONSTRAINT "check_restore_target" CHECK ((action = 'delete') = (target is null)),
	CONSTRAINT "check_restore_live" CHECK ((action = 'insert') = (live_record_id is null))
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_outcomes" (
	"run_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"outcome" text NOT NULL,
	"digest" "bytea",
	"detail" text,
	CONSTRAINT "restore_outcomes_pkey" PRIMARY KEY("run_id","position"),
	CONSTRAINT "check_restore_outcome" CHECK (outcome in ('applied', 'skipped'))
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_runs" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"rollback_of" uuid,
	"status" text NOT NULL,
	"target" jsonb NOT NULL,
	"options" jsonb NOT NULL,
	"reason" text NOT NULL,
	"incident" text,
	"digest" text NOT NULL,
	"tables" jsonb NOT NULL,
	"problems" jsonb NOT NULL,
	"item_count" integer NOT NULL,
	"chunk_starts" integer[] NOT NULL,
	"requested_by_user_id" text NOT NULL,
	"requested_by_key_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	"approval_needed" text,
	"approval_expires_at" timestamp with time zone,
	"decision" text,
	"decided_by_user_id" text,
	"decided_at" timestamp with time zone,
	"decision_note" text,
	"cancel_requested_at" timestamp with time zone,
	"cancel_requested_by_user_id" text,
	"epoch" integer DEFAULT 1 NOT NULL,
	"heartbeat_at" timestamp with time zone,
	"snapshot_id" uuid,
	"effects_repeat" integer DEFAULT 0 NOT NULL,
	"error" text,
	"report" jsonb,
	CONSTRAINT "check_restore_status" CHECK (status in ('planned', 'awaiting_approval', 'running', 'completed', 'needs_attention', 'failed', 'cancelled', 'rejected', 'expired', 'rolling_back', 'rolled_back')),
	CONSTRAINT "check_restore_reason" CHECK (length(reason) between 1 and 2000),
	CONSTRAINT "check_restore_decision" CHECK (decision in ('approved', 'rejected')),
	CONSTRAINT "check_restore_decided" CHECK ((decision is null) = (decided_by_user_id is null)),
	CONSTRAINT "check_restore_epoch" CHECK (epoch >= 1)
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_snapshot_rows" (
	"run_id" uuid NOT NULL,
	"position" integer NOT NULL,
	"image" jsonb NOT NULL,
	"exact" jsonb,
	"digest" "bytea" NOT NULL,
	CONSTRAINT "restore_snapshot_rows_pkey" PRIMARY KEY("run_id","position")
);
--> statement-breakpoint
CREATE TABLE "audit"."restore_steps" (
	"run_id" uuid NOT NULL,
	"step" text NOT NULL,
	"attempt" integer NOT NULL,
	"started_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"ended_at" timestamp with time zone,
	"outcome" text,
	"detail" jsonb,
	CONSTRAINT "restore_steps_pkey" PRIMARY KEY("run_id","step","attempt"),
	CONSTRAINT "check_restore_step_outcome" CHECK (outcome in ('done', 'failed'))
);
--> statement-breakpoint
ALTER TABLE "audit"."tracked_tables" ADD COLUMN "columns" jsonb DEFAULT '{}' NOT NULL;--> statement-breakpoint
ALTER TABLE "audit"."tracked_tables" ADD COLUMN "as_events" jsonb;--> statement-breakpoint
ALTER TABLE "audit"."tracked_tables" ADD COLUMN "body_md5" text;--> statement-breakpoint
CREATE INDEX "restore_runs_status" ON "audit"."restore_runs" USING btree ("status","id");--> statement-breakpoint
CREATE INDEX "restore_runs_rollback_of" ON "audit"."restore_runs" USING btree ("rollback_of") WHERE rollback_of is not null;