-- Belongs to audit_recorder, which may append to the history and nothing else: it runs in every session that writes.
create or replace function audit.own_capture_function(p_relation oid) returns regprocedure
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_function regprocedure;
begin
  -- Only the owner of a function may replace it.
  if to_regprocedure(format('audit.capture_%s()', p_relation)) is not null then
    execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  end if;
  v_function := audit.write_capture_function(p_relation);
  grant create on schema audit to audit_recorder;
  execute format('alter function %s owner to audit_recorder', v_function);
  revoke create on schema audit from audit_recorder;
  return v_function;
end
$$;
comment on function audit.own_capture_function(oid) is 'Makes the trigger function of a tracked relation, and hands it to audit_recorder.';

create or replace function audit.drop_capture_function(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  execute format('alter function audit.capture_%s() owner to audit_owner', p_relation);
  execute format('drop function audit.capture_%s()', p_relation);
end
$$;
comment on function audit.drop_capture_function(oid) is 'Drops the trigger function of a relation that is no longer tracked.';

create or replace function audit.let_through_policies(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  if not (select relrowsecurity from pg_class where oid = p_relation) then
    return;
  end if;
  if not exists (select from pg_policy where polrelid = p_relation and polname = 'audit_recorder_reads') then
    execute format('create policy audit_recorder_reads on %s for select to audit_recorder using (true)', p_relation::regclass);
    execute format('create policy audit_worker_restores on %s to audit_worker using (true) with check (true)', p_relation::regclass);
  end if;
end
$$;
comment on function audit.let_through_policies(oid) is
  'Lets the service see and restore the rows of a table with row-level security; without it TRUNCATE would be recorded as nothing.';

create or replace function audit.make_capture_triggers(p_relation oid) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_form constant text := 'create or replace trigger %I %s on %s %s for each statement execute function audit.%I()';
  v_function constant text := 'capture_' || p_relation;
begin
  execute format(v_form, 'audit_insert', 'after insert', p_relation::regclass, 'referencing new table as __new', v_function);
  execute format(v_form, 'audit_update', 'after update', p_relation::regclass, 'referencing old table as __old new table as __new', v_function);
  execute format(v_form, 'audit_delete', 'after delete', p_relation::regclass, 'referencing old table as __old', v_function);
  execute format(v_form, 'audit_truncate', 'before truncate', p_relation::regclass, '', v_function);
end
$$;
comment on function audit.make_capture_triggers(oid) is 'Makes the triggers of a tracked relation; for track().';
