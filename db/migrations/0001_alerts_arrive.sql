CREATE TABLE "audit"."alert_channels" (
	"channel" text PRIMARY KEY NOT NULL,
	"last_delivered_at" timestamp with time zone,
	"failing_since" timestamp with time zone,
	"last_error" text,
	"disabled_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "audit"."alert_notifications" (
	"id" uuid PRIMARY KEY DEFAULT audit.uuid_v7() NOT NULL,
	"request_id" uuid NOT NULL,
	"channel" text NOT NULL,
	"alert_id" uuid NOT NULL,
	"kind" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_attempt_at" timestamp with time zone,
	"last_error" text,
	"delivered_at" timestamp with time zone,
	"given_up_at" timestamp with time zone,
	CONSTRAINT "check_notification_kind" CHECK (kind in ('raised', 'reminded', 'resolved'))
);
--> statement-breakpoint
CREATE TABLE "audit"."database_home" (
	"is_home" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"timeline_id" text NOT NULL,
	"noted_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "check_database_home_one_row" CHECK (is_home)
);
--> statement-breakpoint
ALTER TABLE "audit"."alerts" ADD COLUMN "notified_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "audit"."alert_notifications" ADD CONSTRAINT "alert_notifications_alert_id_alerts_id_fk" FOREIGN KEY ("alert_id") REFERENCES "audit"."alerts"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "alert_notifications_once" ON "audit"."alert_notifications" USING btree ("request_id","channel");--> statement-breakpoint
CREATE INDEX "alert_notifications_alert" ON "audit"."alert_notifications" USING btree ("alert_id","created_at");