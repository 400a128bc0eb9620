-- Belongs to audit_lookup, which may read the membership source and nothing else: that table is the application's, and
-- what hangs on it (a view's functions, a column's cast) runs with the rights of whoever reads it.
create or replace function audit.check_workspace_membership() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  v_source audit.membership_source;
  v_member boolean;
begin
  select * into v_source from audit.membership_source;
  if not found then
    return new;
  end if;
  execute format(
    'select exists (select from %s where %I::text = $1 and %I::text = $2)',
    v_source.source_table, v_source.workspace_column, v_source.user_column
  )
  into v_member
  using new.workspace_id, new.created_by_user_id;
  if not v_member then
    raise exception 'User is not a member of the workspace'
      using errcode = 'check_violation',
            constraint = 'check_audit_workspace_membership',
            detail = format('%s has no row for this user and workspace.', v_source.source_table),
            hint = 'Add the membership first, or log the event as a member.';
  end if;
  return new;
end
$$;
comment on function audit.check_workspace_membership() is
  'Trigger: refuses an event of a user who is not in the membership source for its workspace.';

grant usage, create on schema audit to audit_lookup;
grant select on audit.membership_source to audit_lookup;
alter function audit.check_workspace_membership() owner to audit_lookup;
revoke create on schema audit from audit_lookup;

-- Off until set_membership_source() switches it on: a disabled trigger costs nothing.
do $$
begin
  if not exists (
    select from pg_trigger
    where tgrelid = 'audit.audit_events'::regclass and tgname = 'check_audit_workspace_membership'
  ) then
    create trigger check_audit_workspace_membership
      before insert on audit.audit_events
      for each row when (current_user <> 'audit_keeper')
      execute function audit.check_workspace_membership();
    alter table audit.audit_events disable trigger check_audit_workspace_membership;
  end if;
end
$$;
comment on trigger check_audit_workspace_membership on audit.audit_events is
  'Only members write events of a workspace; off until audit.set_membership_source() names where members are.';

create or replace function audit.switch_membership_check(
  p_table regclass, p_workspace_column name, p_user_column name
) returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
begin
  delete from audit.membership_source;
  if p_table is null then
    alter table audit.audit_events disable trigger check_audit_workspace_membership;
    return;
  end if;
  -- Quoted here and not by the caller: the trigger pastes it into its query.
  insert into audit.membership_source (source_table, workspace_column, user_column)
  select format('%I.%I', n.nspname, c.relname), p_workspace_column, p_user_column
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_table;
  alter table audit.audit_events enable trigger check_audit_workspace_membership;
end
$$;
comment on function audit.switch_membership_check(regclass, name, name) is
  'The half of set_membership_source() that needs the rights of the owner of audit_events.';

-- Runs with the caller's rights: the caller owns the membership table and lets audit_lookup read it.
create or replace function audit.set_membership_source(p_table regclass, p_workspace_column name, p_user_column name)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
  v_column name;
  v_table text;
  v_schema name;
begin
  if p_table is null then
    perform audit.switch_membership_check(null, null, null);
    return;
  end if;
  select n.nspname, format('%I.%I', n.nspname, c.relname)
  into v_schema, v_table
  from pg_class c
  join pg_namespace n on n.oid = c.relnamespace
  where c.oid = p_table;
  foreach v_column in array array[p_workspace_column, p_user_column] loop
    if not exists (
      select from pg_attribute
      where attrelid = p_table and attname = v_column and attnum > 0 and not attisdropped
    ) then
      raise exception 'Column % does not exist in %', coalesce(quote_ident(v_column), 'null'), v_table
        using errcode = 'undefined_column', hint = 'Name the columns that hold the workspace id and the user id.';
    end if;
  end loop;
  if (select relrowsecurity from pg_class where oid = p_table) then
    raise exception '% has row-level security, so the membership check would see no members', v_table
      using errcode = 'object_not_in_prerequisite_state',
            hint = 'Name a view or table that audit_lookup may read in full.';
  end if;
  if not has_schema_privilege('audit_lookup', v_schema, 'usage') then
    execute format('grant usage on schema %I to audit_lookup', v_schema);
  end if;
  execute format('grant select on %s to audit_lookup', v_table);
  -- GRANT by someone who may not grant is only a warning; the check would then refuse every event.
  if not has_schema_privilege('audit_lookup', v_schema, 'usage') or not has_table_privilege('audit_lookup', p_table, 'select') then
    raise exception 'audit_lookup may not read %', v_table
      using errcode = 'insufficient_privilege', hint = 'Call this as the owner of the membership table.';
  end if;
  perform audit.switch_membership_check(p_table, p_workspace_column, p_user_column);
end
$$;
comment on function audit.set_membership_source(regclass, name, name) is
  'Switches the membership check on, naming the table and its columns for workspace and user; off with nulls. The caller owns that table.';
