-- What each role may do; everything not granted here is refused with 42501.
grant usage on schema audit to audit_app, audit_worker, audit_keeper, session_user;

-- First everything is taken back, so that a grant that leaves this file leaves the database.
revoke all on all tables in schema audit from audit_app, audit_worker, audit_keeper, session_user;
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc p
    where p.pronamespace = 'audit'::regnamespace and p.proowner = 'audit_owner'::regrole
  loop
    execute format('revoke all on function %s from audit_app, audit_worker, audit_keeper, session_user', v_function);
  end loop;
end
$$;

grant select on all tables in schema audit to audit_app, audit_worker, audit_keeper, session_user;
-- Partitions are read through their parents, where the guards and the grants are; the admin may look at each.
do $$
declare
  v_partition regclass;
begin
  for v_partition in
    select c.oid
    from pg_catalog.pg_class c
    where c.relnamespace = 'audit'::regnamespace and c.relispartition and c.relkind = 'r'
  loop
    execute format('revoke all on %s from audit_app, audit_worker, audit_keeper', v_partition);
  end loop;
end
$$;

grant insert (
  id, created_at, occurred_at, event_id, workspace_id, created_by_user_id, action_type, resource_type, resource_id,
  old_values, new_values, changed_fields, ip_address, user_agent, request_id, tags, metadata
) on audit.audit_events to audit_app, audit_worker, audit_keeper, session_user;
grant insert on audit.audit_event_keys to audit_app, audit_worker, audit_keeper, session_user;
-- What moves between hot storage and the archive keeps what it was written with, its transaction and its erasure included.
grant insert, update, delete on audit.audit_events to audit_keeper;
grant insert, delete on audit.audit_events_archive to audit_keeper;
grant insert on audit.audit_retention_policies to audit_keeper;

grant insert on audit.audit_deletion_log to audit_app, audit_keeper, audit_worker;
-- Each change is an event by a trigger, so the operators' SQL may make it, too.
grant insert, update on audit.audit_retention_policies to audit_app, session_user;
grant insert on audit.legal_holds to audit_app, session_user;
grant update (released_at, released_by_user_id, release_reason) on audit.legal_holds to audit_app, session_user;
-- The rules of retention-cleanup run with the worker's own rights on the application's tables.
grant insert on audit.retention_cleanups to audit_worker;
grant update (batch, last_key, deleted_count, kept_count, remaining_count, problem, finished_at) on audit.retention_cleanups to audit_worker;
grant insert on audit.weekly_reports to audit_worker;
grant update (mailed_at) on audit.weekly_reports to audit_worker;
grant execute on function
  audit.row_key_sql(oid, text), audit.row_names(oid), audit.references_to(oid),
  audit.matches_sql(text, text[], text, text[]), audit.held_sql(oid, text, text), audit.may_be_held_sql(oid), audit.referenced_sql(oid, text),
  audit.relations_of(regclass), audit.cleanup_relation(text), audit.cleanup_value_fits(text, text), audit.cleanup_faults(jsonb),
  audit.cleanup_hides_rows(oid), audit.cleanup_workspace_sql(jsonb), audit.cleanup_due_sql(jsonb, timestamptz),
  audit.cleanup_statements(jsonb, timestamptz, jsonb, int), audit.cleanup_children(oid),
  audit.key_of(regclass), audit.drop_history_month(text, int)
to audit_worker;
grant insert, update on audit.projects, audit.audit_trails, audit.api_keys to audit_app;
grant insert, delete on audit.idempotency_keys to audit_app;
grant insert, update on audit.job_runs, audit.workflow_requests, audit.alerts to audit_app, audit_worker;
-- A plan and what was done are written once; a run moves on, an effect is marked as done, and a plan that expired is removed.
grant insert on audit.restore_runs, audit.restore_items, audit.restore_outcomes, audit.restore_chunks, audit.restore_snapshot_rows,
  audit.restore_steps, audit.restore_effects to audit_worker;
grant update on audit.restore_runs, audit.restore_steps, audit.restore_effects, audit.restore_snapshot_rows to audit_worker;
grant delete on audit.restore_runs, audit.restore_items, audit.restore_snapshot_rows to audit_worker;
grant update on audit.restore_runs to audit_app;
grant insert (
  table_schema, table_name, record_id, new_record_id, action, old_values, new_values, changed_fields, exact_values, user_id,
  request_id, restore_id
) on audit.audit_logs to audit_recorder;
grant usage on schema audit to audit_recorder;
grant usage on sequence audit.audit_logs_id_seq to audit_recorder;
grant select on audit.tracked_tables to audit_recorder;
grant select, insert on audit.capture_gaps to audit_recorder;
grant execute on function
  audit.capture_sql(oid, text, text, boolean), audit.capture_source(oid, text, boolean), audit.captured_columns(oid), audit.image_fidelity(oid),
  audit.record_key_sql(oid, text), audit.image_columns_sql(oid, text, text), audit.exact_sql(oid, text),
  audit.exact_values_sql(oid, text, text, text), audit.inexact_columns(oid, text), audit.is_lost_sql(oid, text),
  audit.differs_sql(oid, text, text, text), audit.field_sql(text, text),
  audit.compared_columns_sql(oid, text, text, boolean), audit.ignored_names(oid), audit.truncated_by(oid),
  audit.has_columns(regclass, jsonb), audit.columns_of(oid), audit.as_events_sql(oid, text), audit.current_name(oid, text), audit.restore_of_session()
to audit_recorder;
grant execute on function
  audit.track(regclass, text[], text[], text[], text, jsonb), audit.untrack(regclass), audit.key_of(regclass),
  audit.column_numbers(oid, text[]), audit.relations_of(regclass), audit.let_through_policies(oid), audit.make_capture_triggers(oid),
  audit.note_tracked(regclass, text[], text[], text[], text[], text, jsonb), audit.forget_tracked(regclass),
  audit.forget_dropped(), audit.check_as_events(regclass, jsonb), audit.switch_capture(boolean)
to session_user;
-- Planning and applying a restore runs with the worker's own rights on the application's tables.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc p
    where p.pronamespace = 'audit'::regnamespace and p.proname in (
      'begin_restore_draft', 'pin_restore_session', 'key_match_sql', 'restore_columns', 'draft_since', 'draft_transaction',
      'draft_actor', 'draft_record', 'draft_rows', 'trace_records', 'level_texts', 'undo_each', 'overlay_image', 'some_of_image',
      'draft_rollback', 'match_live_rows', 'row_digest_sql',
      'mark_changed_since', 'forgive_changes_of', 'foreign_keys_of', 'reference_sql', 'draft_children', 'trace_back', 'draft_parents',
      'parent_key_sql', 'find_missing_parents',
      'map_columns', 'image_record_sql', 'image_value_sql', 'fitted_sql', 'fit_images', 'fit_each_target', 'fit_each_left', 'check_unique', 'keys_are_known_free', 'note_holders',
      'check_constraints', 'check_dependents', 'check_lost_children', 'spread_clashes', 'widen_rollback', 'check_access', 'filter_values',
      'filter_draft', 'filter_column', 'image_difference', 'decide_actions', 'order_draft', 'keys_change_hands', 'rank_coming', 'rank_going', 'rank_parents_first', 'keep_true_edges',
      'order_rows', 'note_waits', 'level_circle', 'level_knot', 'store_items', 'items_digest',
      'held_keys', 'check_holds', 'held_deletions', 'stopped_by',
      'apply_restore_chunk', 'lock_restore_rows', 'write_statements', 'touched_columns', 'insert_sql', 'update_sql', 'delete_sql',
      'changed_by_others', 'keep_parents', 'move_sequences', 'snapshot_restore', 'verify_restore_rows', 'overlapping_restore',
      'image_shapes', 'has_own_triggers', 'verification_sql', 'without_sql', 'ignored_names',
      'captured_columns', 'image_fidelity', 'record_key_sql', 'image_sql', 'inexact_columns', 'exact_sql'
    )
  loop
    execute format('grant execute on function %s to audit_worker', v_function);
  end loop;
end
$$;
grant execute on function audit.overlapping_restore(uuid) to audit_app;
grant execute on function audit.day_begins(date, text) to audit_app, session_user;
-- The chain of images is checked against the tables as they are now, which the API's role does not read.
grant execute on function
  audit.history_breaks(regclass, text[], bigint), audit.same_value(oid, text, text), audit.row_by_key_sql(oid, text),
  audit.verified_columns(oid), audit.txid_of(xid),
  audit.captured_columns(oid), audit.image_fidelity(oid), audit.record_key_sql(oid, text), audit.image_sql(oid, text),
  audit.inexact_columns(oid, text), audit.exact_sql(oid, text)
to audit_worker, session_user;
grant execute on function audit.capture_problems() to audit_app, audit_worker, session_user;
grant execute on function audit.field_sql(text, text) to audit_worker, session_user;
grant insert, update on audit.alert_notifications, audit.alert_channels to audit_worker;
grant update on audit.job_schedules to audit_app, audit_worker;
grant insert on audit.job_schedules to audit_worker;
revoke select on audit.api_keys, audit.idempotency_keys from audit_worker, audit_keeper;
grant update, delete on audit.audit_trails, audit.projects to audit_keeper;
grant insert, update on audit.audit_trail_rollup to audit_keeper;

grant execute on function
  audit.uuid_v7(), audit.changed_keys(jsonb, jsonb), audit.event_payload_hash(jsonb), audit.insert_audit_events(jsonb),
  audit.is_security_action(text), audit.is_branch(), audit.partitioned_tables(), audit.month_partitions(),
  audit.content_digest(text), audit.from_micros(text),
  audit.look_back(text, text, text, text, timestamptz, int), audit.uuid_v7_time(uuid), audit.retention_values(audit.audit_retention_policies), audit.default_retention_values(),
  audit.deletion_stops(text, text, text, text, boolean)
to audit_app, audit_worker, audit_keeper, session_user;
grant execute on function audit.ensure_retention_policy(text) to audit_keeper;
grant execute on function audit.lock_holds() to audit_worker, audit_keeper;
grant execute on function audit.unarchive_audit_event(uuid, int, text, text) to audit_app, session_user;
grant execute on function audit.unarchive_cold_event(uuid, int, text, bytea, int, text, text) to audit_app;
grant execute on function
  audit.archive_plan(int), audit.archive_rows(date, text, int), audit.archive_month(date), audit.analyze_month(date)
to audit_worker;
grant execute on function audit.archive_old_audit_events(int) to audit_worker, session_user;
grant execute on function
  audit.begin_idempotent(uuid, text, bytea),
  audit.finish_idempotent(uuid, text, bytea, int, jsonb),
  audit.ingest_audit_events(jsonb, uuid, text, bytea)
to audit_app;
grant execute on function audit.create_monthly_audit_partition(int), audit.sweep_idempotency_keys(int) to audit_worker;

grant insert (object_key, month), delete on audit.cold_objects to audit_worker;
-- It proposes; the decision is the API's to write.
grant insert (files, summary, expires_at, requested_by_user_id) on audit.purges to audit_worker;
grant update (status, ended_at, report) on audit.purges to audit_worker;
grant update (status, decision, decided_by_user_id, decided_by_key_id, decided_at, decision_note) on audit.purges to audit_app;
grant execute on function
  audit.due_cold_months(), audit.note_cold_file(jsonb), audit.drop_cold_month(date), audit.discard_cold_files(date), audit.due_cold_files(),
  audit.holds_on_file(uuid), audit.is_whole_file_held(uuid), audit.begin_file_purge(uuid, uuid, uuid[]), audit.note_file_removed(uuid)
to audit_worker;

-- The admin that migrates looks at everything, writes events as the API does and switches the membership check. It may
-- ask to change events, so that the guard answers and not a missing right; to change anything it must SET ROLE.
grant insert on audit.audit_event_sequence to session_user;
grant update, delete, truncate on audit.audit_events to session_user;
grant execute on function
  audit.create_monthly_audit_partition(int),
  audit.set_membership_source(regclass, name, name),
  audit.switch_membership_check(regclass, name, name)
to session_user;

-- Every overload, so that none is forgotten.
do $$
declare
  v_function regprocedure;
begin
  for v_function in
    select p.oid
    from pg_catalog.pg_proc p
    where p.pronamespace = 'audit'::regnamespace and p.proname in ('insert_audit_event', 'get_audit_trail')
  loop
    execute format('grant execute on function %s to audit_app, audit_worker, session_user', v_function);
  end loop;
end
$$;
