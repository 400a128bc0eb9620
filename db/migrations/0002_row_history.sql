CREATE SEQUENCE "audit"."audit_logs_id_seq" AS bigint;
--> statement-breakpoint
CREATE TABLE "audit"."audit_logs" (
	"id" bigint DEFAULT nextval('audit.audit_logs_id_seq') NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"table_schema" text NOT NULL,
	"table_name" text NOT NULL,
	"record_id" text NOT NULL,
	"new_record_id" text,
	"action" text NOT NULL,
	"old_values" jsonb,
	"new_values" jsonb,
	"changed_fields" text[],
	"exact_values" jsonb,
	"user_id" text,
	"request_id" text,
	"restore_id" uuid,
	"txid" "xid8" DEFAULT pg_current_xact_id() NOT NULL
) PARTITION BY RANGE ("created_at");
--> statement-breakpoint
CREATE TABLE "audit"."capture_gaps" (
	"relation" "oid" NOT NULL,
	"table_schema" text NOT NULL,
	"table_name" text NOT NULL,
	"reason" text NOT NULL,
	"began_at" timestamp with time zone NOT NULL,
	"ended_at" timestamp with time zone,
	"detail" text,
	"noted_by" text NOT NULL,
	CONSTRAINT "capture_gaps_pkey" PRIMARY KEY("relation","reason","began_at"),
	CONSTRAINT "check_gap_reason" CHECK (reason in ('off', 'error'))
);
--> statement-breakpoint
CREATE TABLE "audit"."tracked_tables" (
	"relation" "oid" PRIMARY KEY NOT NULL,
	"root" "oid" NOT NULL,
	"table_schema" text NOT NULL,
	"table_name" text NOT NULL,
	"key_columns" smallint[] NOT NULL,
	"excluded_columns" smallint[] NOT NULL,
	"redacted_columns" smallint[] NOT NULL,
	"ignored_columns" smallint[] NOT NULL,
	"on_error" text NOT NULL,
	"is_on" boolean DEFAULT true NOT NULL,
	"tracked_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"tracked_by" text NOT NULL,
	CONSTRAINT "check_tracked_on_error" CHECK (on_error in ('block', 'warn'))
);
--> statement-breakpoint
CREATE INDEX "audit_logs_record" ON "audit"."audit_logs" USING btree ("table_name","record_id","id");--> statement-breakpoint
CREATE INDEX "audit_logs_new_record" ON "audit"."audit_logs" USING btree ("table_name","new_record_id","id") WHERE new_record_id is not null;--> statement-breakpoint
CREATE INDEX "audit_logs_transaction" ON "audit"."audit_logs" USING btree ("txid");--> statement-breakpoint
CREATE INDEX "audit_logs_created" ON "audit"."audit_logs" USING brin ("created_at");--> statement-breakpoint
CREATE INDEX "tracked_tables_root" ON "audit"."tracked_tables" USING btree ("root");