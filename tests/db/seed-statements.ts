/** A statement of the operators' guide, word for word, in the order in which the guide has it. */
export interface SeedStatement {
  section: string;
  sql: string;
  /** The guide says that it fails, and names this. */
  fails?: string;
  /** Why only the owner of the tables may run it, so that the admin must say SET ROLE audit_owner first. */
  needsOwner?: string;
  /** Why it cannot run as written, what it fails with then, and what is run in its place. */
  exception?: { reason: string; code: string; codeOn15?: string; instead?: string };
}

const NO_RELNAME = "pg_partitioned_table has no relname: it knows its table as partrelid";
const EVENT_ID = "ids of events are UUIDs, and 'event-123' is none";
const LEAVES = "storage parameters go on leaves; every month is made with these";
const CRON = "pg_cron is job_runs here";
const ALTER_TABLE = "ALTER TABLE is the owner's";
const LATER = "arrives with erasure";
const NO_DELETE = "an event moves by the keeper's functions alone, and ids of events are UUIDs";

const EXISTING = "(select id from audit_events order by created_at limit 1)";

export const seedStatements: SeedStatement[] = [
  {
    section: "Step 1.2",
    sql: `SELECT * FROM information_schema.tables 
WHERE table_name = 'audit_events';`,
  },
  {
    section: "Step 1.2",
    sql: `SELECT * FROM pg_partitioned_table 
WHERE relname = 'audit_events';`,
    exception: {
      reason: NO_RELNAME,
      code: "42703",
      instead: "select * from pg_partitioned_table where partrelid = 'audit_events'::regclass",
    },
  },
  {
    section: "Step 1.2",
    sql: `SELECT * FROM pg_indexes 
WHERE tablename LIKE 'audit_events%';`,
  },
  {
    section: "Step 2.1",
    sql: `SELECT constraint_name, constraint_type
FROM information_schema.table_constraints
WHERE table_name = 'audit_events';`,
  },
  {
    section: "Step 2.2",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, 
  resource_id, workspace_id
) VALUES (
  'user-123'::uuid, '', 'workspace', 
  'ws-123'::uuid, 'ws-456'::uuid
);`,
    fails: "check_action_type_not_empty",
  },
  {
    section: "Step 2.2",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, 
  resource_id, workspace_id, created_at
) VALUES (
  'user-123'::uuid, 'TEST', 'workspace', 
  'ws-123'::uuid, 'ws-456'::uuid,
  NOW() + INTERVAL '1 hour'
);`,
    fails: "check_created_at_not_future",
  },
  {
    section: "Step 2.2",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, 
  resource_id, workspace_id
) VALUES (
  'user-123'::uuid, 'CREATE_WORKSPACE', 'workspace', 
  'ws-123'::uuid, 'ws-456'::uuid
) RETURNING id;`,
  },
  {
    section: "Step 2.3",
    sql: `UPDATE audit_events SET action_type = 'MODIFIED' WHERE id = 'event-123'::uuid;`,
    fails: "Audit events are immutable",
    exception: {
      reason: EVENT_ID,
      code: "22P02",
      instead: `UPDATE audit_events SET action_type = 'MODIFIED' WHERE id = ${EXISTING};`,
    },
  },
  {
    section: "Step 2.3",
    sql: `DELETE FROM audit_events WHERE id = 'event-123'::uuid;`,
    fails: "Audit events are immutable",
    exception: {
      reason: EVENT_ID,
      code: "22P02",
      instead: `DELETE FROM audit_events WHERE id = ${EXISTING};`,
    },
  },
  {
    section: "Step 2.3",
    sql: `SELECT delete_user_audit_events_compliant(
  p_user_id := 'user-123'::uuid,
  p_workspace_id := 'ws-456'::uuid,
  p_authority := 'GDPR',
  p_approval_ticket_id := 'ticket-789'::uuid
);`,
    exception: { reason: LATER, code: "42883" },
  },
  {
    section: "Step 2.4",
    sql: `INSERT INTO audit_event_sequence (workspace_id, last_event_id, last_created_at)
VALUES ('ws-123'::uuid, gen_random_uuid(), NOW());`,
  },
  {
    section: "Step 2.4",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, resource_id,
  workspace_id, created_at
) VALUES (
  'user-123'::uuid, 'LATE_EVENT', 'test', gen_random_uuid(),
  'ws-123'::uuid, NOW() - INTERVAL '1 hour'
);`,
    fails: "Audit event timestamp is before last event",
  },
  {
    section: "Step 3.1",
    sql: `UPDATE audit_retention_policies
SET hot_retention_days = 90, warm_archive_days = 365
WHERE workspace_id = 'ws-123'::uuid;`,
  },
  { section: "Step 3.1", sql: "SELECT * FROM audit_retention_policies;" },
  {
    section: "Step 3.1",
    sql: `UPDATE audit_retention_policies
SET is_compliance_mode = TRUE, compliance_reason = 'GDPR'
WHERE workspace_id = 'ws-compliance'::uuid;`,
  },
  {
    section: "Step 3.2",
    sql: `SELECT cron.schedule(
  'archive_old_audit_events',
  '0 2 * * *',
  'SELECT archive_old_audit_events()'
);`,
    exception: {
      reason: CRON,
      code: "3F000",
      instead: "select cron from job_schedules where job_id = 'archive-events'",
    },
  },
  { section: "Step 3.3", sql: "SELECT COUNT(*) as hot_events FROM audit_events;" },
  { section: "Step 3.3", sql: "SELECT COUNT(*) as archived_events FROM audit_events_archive;" },
  {
    section: "Step 3.3",
    sql: `SELECT
  workspace_id,
  COUNT(*) as archived_events,
  MAX(created_at) as newest_archived,
  MIN(created_at) as oldest_archived
FROM audit_events_archive
GROUP BY workspace_id;`,
  },
  { section: "Step 3.3", sql: "SELECT * FROM audit_deletion_log ORDER BY deleted_at DESC LIMIT 10;" },
  {
    section: "Step 3.4",
    sql: `WITH restored AS (
  DELETE FROM audit_events_archive
  WHERE id = 'event-123'::uuid
  RETURNING *
)
INSERT INTO audit_events (
  id, created_at, created_by_user_id, action_type, resource_type,
  resource_id, workspace_id, old_values, new_values, changed_fields,
  ip_address, user_agent, request_id, tags, metadata
)
SELECT 
  id, created_at, created_by_user_id, action_type, resource_type,
  resource_id, workspace_id, old_values, new_values, changed_fields,
  ip_address, user_agent, request_id, tags, metadata
FROM restored;`,
    exception: {
      reason: NO_DELETE,
      code: "22P02",
      instead: `select unarchive_audit_event(${EXISTING})`,
    },
  },
  {
    section: "Step 4.1",
    sql: `SELECT schemaname, tablename 
FROM pg_tables 
WHERE tablename LIKE 'audit_events%'
ORDER BY tablename;`,
  },
  {
    section: "Step 4.3",
    sql: `SELECT
  schemaname,
  tablename,
  pg_size_pretty(pg_total_relation_size(schemaname||'.'||tablename)) as size
FROM pg_tables
WHERE tablename LIKE 'audit_events%'
ORDER BY tablename;`,
  },
  {
    section: "Step 4.3",
    sql: `SELECT
  schemaname,
  tablename,
  n_live_tup as live_rows,
  n_dead_tup as dead_rows
FROM pg_stat_user_tables
WHERE tablename LIKE 'audit_events%';`,
    exception: {
      reason: "pg_stat_user_tables calls the column relname",
      code: "42703",
      instead:
        "select schemaname, relname, n_live_tup, n_dead_tup from pg_stat_user_tables where relname like 'audit_events%'",
    },
  },
  {
    section: "Step 4.4",
    sql: `ALTER TABLE audit_events SET (
  autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_analyze_scale_factor = 0.005
);`,
    needsOwner: ALTER_TABLE,
    exception: {
      reason: LEAVES,
      code: "42809",
      codeOn15: "22023",
      instead: `do $$ begin execute format('alter table %s set (autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.005)',
        (select min(inhrelid)::regclass from pg_inherits where inhparent = 'audit_events'::regclass)); end $$`,
    },
  },
  {
    section: "Test 1",
    sql: `SELECT * FROM audit_events 
WHERE action_type = 'TEST_EVENT'
ORDER BY created_at DESC LIMIT 1;`,
  },
  {
    section: "Test 3",
    sql: "SELECT archive_old_audit_events();",
  },
  {
    section: "Test 3",
    sql: "SELECT COUNT(*) as archived_count FROM audit_events_archive;",
  },
  { section: "Test 3", sql: "SELECT * FROM audit_deletion_log ORDER BY deleted_at DESC LIMIT 1;" },
  {
    section: "Test 4",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, 
  resource_id, workspace_id
) VALUES (
  'test-user'::uuid, 'TEST_DELETE', 'workspace',
  gen_random_uuid(), 'ws-123'::uuid
);`,
  },
  {
    section: "Test 4",
    sql: `SELECT delete_user_audit_events_compliant(
  p_user_id := 'test-user'::uuid,
  p_workspace_id := 'ws-123'::uuid,
  p_authority := 'GDPR',
  p_approval_ticket_id := 'GDPR-2026-001'::uuid
);`,
    exception: { reason: LATER, code: "42883" },
  },
  {
    section: "Test 4",
    sql: `SELECT deleted_at, deletion_reason FROM audit_events 
WHERE created_by_user_id = 'test-user'::uuid;`,
  },
  { section: "Test 4", sql: "SELECT * FROM audit_deletion_log WHERE deletion_authority = 'GDPR';" },
  {
    section: "Daily Checks",
    sql: `SELECT 
  DATE(created_at) as date,
  COUNT(*) as daily_events
FROM audit_events
WHERE created_at > NOW() - INTERVAL '30 days'
GROUP BY DATE(created_at)
ORDER BY date DESC;`,
  },
  {
    section: "Daily Checks",
    sql: `SELECT * FROM pg_stat_user_tables
WHERE relname = 'audit_events'
ORDER BY seq_scan DESC;`,
  },
  {
    section: "Daily Checks",
    sql: `SELECT * FROM cron.job_run_details
WHERE jobid = (SELECT jobid FROM cron.job WHERE jobname = 'archive_old_audit_events')
ORDER BY start_time DESC LIMIT 1;`,
    exception: {
      reason: CRON,
      code: "42P01",
      instead: "select * from job_runs where job_id = 'create-partitions' order by started_at desc limit 1",
    },
  },
  {
    section: "Weekly Reports",
    sql: `SELECT action_type, COUNT(*) as count
FROM audit_events
WHERE created_at > NOW() - INTERVAL '7 days'
GROUP BY action_type
ORDER BY count DESC;`,
  },
  {
    section: "Weekly Reports",
    sql: `SELECT created_by_user_id, COUNT(*) as action_count
FROM audit_events
WHERE created_at > NOW() - INTERVAL '7 days'
GROUP BY created_by_user_id
ORDER BY action_count DESC
LIMIT 10;`,
  },
  {
    section: "Weekly Reports",
    sql: `SELECT * FROM vw_security_audit
WHERE created_at > NOW() - INTERVAL '7 days'
ORDER BY created_at DESC;`,
  },
  {
    section: "Monthly Maintenance",
    sql: "SELECT * FROM partition_schedule ORDER BY next_partition_date DESC;",
  },
  {
    section: "Monthly Maintenance",
    sql: "SELECT archive_old_audit_events();",
  },
  {
    section: "Monthly Maintenance",
    sql: "ANALYZE audit_events;",
    needsOwner: "for anybody else ANALYZE warns and does nothing",
  },
  {
    section: "Monthly Maintenance",
    sql: "REINDEX TABLE CONCURRENTLY audit_events;",
    needsOwner: "REINDEX is the owner's",
  },
  { section: "Archive Job Not Running", sql: "SELECT * FROM pg_extension WHERE extname = 'pg_cron';" },
  {
    section: "Archive Job Not Running",
    sql: "SELECT * FROM cron.job WHERE jobname = 'archive_old_audit_events';",
    exception: { reason: CRON, code: "42P01", instead: "select * from job_schedules" },
  },
  {
    section: "Archive Job Not Running",
    sql: `SELECT * FROM cron.job_run_details
WHERE jobid = (SELECT jobid FROM cron.job WHERE jobname = 'archive_old_audit_events')
ORDER BY start_time DESC LIMIT 5;`,
    exception: {
      reason: CRON,
      code: "42P01",
      instead: "select * from job_runs where status = 'failed' order by started_at desc limit 5",
    },
  },
  {
    section: "Events Not Being Logged",
    sql: `SELECT insert_audit_event(
  'TEST', 'workspace', gen_random_uuid(), 
  'ws-123'::uuid, 'user-123'::uuid
);`,
  },
  { section: "Events Not Being Logged", sql: "SELECT * FROM pg_trigger WHERE tgname LIKE 'audit%';" },
  {
    section: "Events Not Being Logged",
    sql: `INSERT INTO audit_events (
  created_by_user_id, action_type, resource_type, resource_id, workspace_id
) VALUES ('user-123'::uuid, 'TEST', 'ws', gen_random_uuid(), 'ws-123'::uuid);`,
  },
  {
    section: "Events Not Being Logged",
    sql: "SELECT COUNT(*) FROM audit_events WHERE action_type = 'TEST';",
  },
  {
    section: "Constraints Too Strict",
    sql: "ALTER TABLE audit_events DISABLE TRIGGER check_audit_workspace_membership;",
    needsOwner: ALTER_TABLE,
  },
  {
    section: "Constraints Too Strict",
    sql: "ALTER TABLE audit_events ENABLE TRIGGER check_audit_workspace_membership;",
    needsOwner: ALTER_TABLE,
  },
];
