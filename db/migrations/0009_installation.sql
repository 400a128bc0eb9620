CREATE TABLE "audit"."cold_objects" (
	"object_key" text PRIMARY KEY NOT NULL,
	"month" date NOT NULL,
	"named_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit"."installation" (
	"is_one" boolean PRIMARY KEY DEFAULT true NOT NULL,
	"id" uuid DEFAULT gen_random_uuid() NOT NULL,
	CONSTRAINT "check_installation_one_row" CHECK (is_one)
);
--> statement-breakpoint
ALTER TABLE "audit"."purges" ALTER COLUMN "status" SET DEFAULT 'awaiting_approval';