CREATE TABLE "audit"."cold_returns" (
	"file_id" uuid NOT NULL,
	"event_created_at" timestamp with time zone NOT NULL,
	"event_id" uuid NOT NULL,
	"content_digest" "bytea" NOT NULL,
	"returned_at" timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
	CONSTRAINT "cold_returns_pkey" PRIMARY KEY("file_id","event_created_at","event_id"),
	CONSTRAINT "check_return_digest" CHECK (length(content_digest) = 32)
);
--> statement-breakpoint
ALTER TABLE "audit"."cold_returns" ADD CONSTRAINT "cold_returns_file_id_cold_months_id_fk" FOREIGN KEY ("file_id") REFERENCES "audit"."cold_months"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "cold_returns_event" ON "audit"."cold_returns" USING btree ("event_id");