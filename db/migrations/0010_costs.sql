ALTER TABLE "audit"."audit_trails" ADD COLUMN IF NOT EXISTS "imported_at" timestamp with time zone;--> statement-breakpoint
-- An index whose building ahead broke off (docs/DEPLOY.md) serves no query: it gives way to the one below.
DO $$
DECLARE
  v_index regclass;
BEGIN
  FOR v_index IN SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = 'audit.audit_trails'::regclass AND NOT i.indisvalid LOOP
    EXECUTE format('DROP INDEX %s', v_index);
  END LOOP;
END
$$;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "audit_deletion_log_subject" ON "audit"."audit_deletion_log" USING btree ("subject_id","subject_type");--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "audit_trail_rollup_unpriced" ON "audit"."audit_trail_rollup" USING btree ("bucket_start") WHERE unpriced_count > 0;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "audit_trails_project_due" ON "audit"."audit_trails" USING btree ("project_id") WHERE rollup_due;--> statement-breakpoint
CREATE INDEX IF NOT EXISTS "audit_trails_past" ON "audit"."audit_trails" USING btree ("project_id",greatest("timestamp", imported_at)) WHERE not rollup_due;