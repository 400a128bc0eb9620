CREATE TABLE "audit"."audit_archive_pins" (
	"event_id" uuid NOT NULL,
	"event_created_at" timestamp with time zone NOT NULL,
	"workspace_id" text NOT NULL,
	"pinned_until" timestamp with time zone NOT NULL,
	"pinned_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"pinned_by_user_id" text NOT NULL,
	"reason" text,
	CONSTRAINT "audit_archive_pins_pkey" PRIMARY KEY("event_created_at","event_id")
);
--> statement-breakpoint
CREATE TABLE "audit"."audit_events_archive" (
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
	"archived_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_events_archive_pkey" PRIMARY KEY("id","created_at"),
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
CREATE TABLE "audit"."audit_retention_policies" (
	"workspace_id" text PRIMARY KEY NOT NULL,
	"hot_retention_days" integer DEFAULT 90 NOT NULL,
	"warm_archive_days" integer DEFAULT 365 NOT NULL,
	"cold_retention_days" integer DEFAULT 2555 NOT NULL,
	"is_compliance_mode" boolean DEFAULT false NOT NULL,
	"compliance_reason" text,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"updated_by_user_id" text,
	CONSTRAINT "check_retention_days" CHECK (hot_retention_days >= 1 and hot_retention_days < warm_archive_days and warm_archive_days < cold_retention_days and cold_retention_days <= 36500),
	CONSTRAINT "check_compliance_reason" CHECK (compliance_reason is null or (btrim(compliance_reason) <> '' and length(compliance_reason) <= 1000))
);
--> statement-breakpoint
CREATE TABLE "audit"."legal_holds" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"workspace_id" text,
	"resource_type" text,
	"resource_id" text,
	"subject_user_id" text,
	"reason" text NOT NULL,
	"placed_by_user_id" text NOT NULL,
	"placed_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"released_by_user_id" text,
	"released_at" timestamp with time zone,
	"release_reason" text,
	CONSTRAINT "check_hold_names_something" CHECK (coalesce(workspace_id, resource_type, subject_user_id) is not null),
	CONSTRAINT "check_hold_resource" CHECK (resource_id is null or resource_type is not null),
	CONSTRAINT "check_hold_reason" CHECK (btrim(reason) <> ''),
	CONSTRAINT "check_hold_release" CHECK ((released_at is null) = (released_by_user_id is null))
);
--> statement-breakpoint
CREATE INDEX "audit_events_archive_created" ON "audit"."audit_events_archive" USING btree ("created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_archive_workspace" ON "audit"."audit_events_archive" USING btree ("workspace_id","created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_archive_resource" ON "audit"."audit_events_archive" USING btree ("workspace_id","resource_type","resource_id","created_at","id");--> statement-breakpoint
CREATE INDEX "audit_events_archive_actor" ON "audit"."audit_events_archive" USING btree ("workspace_id","created_by_user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "legal_holds_active" ON "audit"."legal_holds" USING btree ("workspace_id") WHERE released_at is null;
--> statement-breakpoint
INSERT INTO "audit"."audit_retention_policies" ("workspace_id") SELECT "workspace_id" FROM "audit"."audit_event_sequence" ON CONFLICT DO NOTHING;
