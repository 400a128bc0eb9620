CREATE TABLE "audit"."history_floor" (
	"is_only" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"begins_at" timestamp with time zone NOT NULL,
	"split_transactions" "xid8"[] NOT NULL,
	"deletion_id" uuid NOT NULL,
	CONSTRAINT "check_history_floor_one_row" CHECK (is_only)
);
--> statement-breakpoint
CREATE TABLE "audit"."retention_cleanups" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"run_id" uuid NOT NULL,
	"rule_digest" text NOT NULL,
	"rule" text NOT NULL,
	"table_name" text NOT NULL,
	"as_of" timestamp with time zone NOT NULL,
	"due_count" bigint NOT NULL,
	"batches_max" integer NOT NULL,
	"deletion_id" uuid,
	"batch" integer DEFAULT 0 NOT NULL,
	"last_key" jsonb,
	"deleted_count" bigint DEFAULT 0 NOT NULL,
	"kept_count" bigint DEFAULT 0 NOT NULL,
	"remaining_count" bigint,
	"problem" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"finished_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "audit"."weekly_reports" (
	"week" text PRIMARY KEY NOT NULL,
	"id" uuid DEFAULT audit.uuid_v7() NOT NULL,
	"starts_at" timestamp with time zone NOT NULL,
	"ends_at" timestamp with time zone NOT NULL,
	"figures" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"mailed_at" timestamp with time zone,
	CONSTRAINT "check_report_week" CHECK (week ~ '^\d{4}-W\d{2}$')
);
--> statement-breakpoint
CREATE UNIQUE INDEX "retention_cleanups_rule" ON "audit"."retention_cleanups" USING btree ("run_id","rule_digest");