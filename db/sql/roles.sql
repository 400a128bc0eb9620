-- Run as the admin (CREATEROLE, no superuser) at every migration. Roles belong to the whole cluster, so each may exist.
do $$
declare
  v_role text;
begin
  foreach v_role in array array['audit_owner', 'audit_keeper', 'audit_lookup', 'audit_recorder'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I nologin', v_role);
    end if;
  end loop;
  foreach v_role in array array['audit_app', 'audit_worker'] loop
    if not exists (select from pg_roles where rolname = v_role) then
      execute format('create role %I login', v_role);
    end if;
  end loop;
end
$$;

-- Settings of the role hold on every driver and through every pooler; those that a client sends may be dropped. Statements are
-- short or written anew: compiling one that asks holds over nested tables took PostgreSQL 15 half a minute.
do $$
declare
  v_role text;
  v_name text;
  v_value text;
begin
  for v_role, v_name, v_value in
    values
      ('audit_app', 'search_path', 'audit, public'),
      ('audit_app', 'TimeZone', 'UTC'),
      ('audit_app', 'lock_timeout', '5s'),
      ('audit_app', 'statement_timeout', '10s'),
      ('audit_app', 'idle_in_transaction_session_timeout', '15s'),
      ('audit_app', 'jit', 'off'),
      ('audit_worker', 'search_path', 'audit, public'),
      ('audit_worker', 'TimeZone', 'UTC'),
      ('audit_worker', 'lock_timeout', '5s'),
      ('audit_worker', 'statement_timeout', '60s'),
      ('audit_worker', 'idle_in_transaction_session_timeout', '60s'),
      ('audit_worker', 'jit', 'off')
  loop
    -- Only where it differs: two databases of one cluster may be migrated at the same time.
    if not exists (
      select from pg_roles
      where rolname = v_role and v_name || '=' || v_value = any (rolconfig)
    ) then
      execute format('alter role %I set %I to %s', v_role, v_name,
        case when v_name = 'search_path' then v_value else quote_literal(v_value) end);
    end if;
  end loop;
end
$$;

-- Without INHERIT the admin's own statements meet the same refusals as anyone's; to act as the owner it must say
-- SET ROLE audit_owner. PostgreSQL 15 cannot grant so, but a role between the two that does not inherit does the same.
-- Nobody stands in audit_keeper, which the guards let through: `migrate` enters it for the length of its transaction.
do $$
begin
  if current_setting('is_superuser') = 'on' then
    null;
  elsif current_setting('server_version_num')::int < 160000 then
    if not exists (select from pg_roles where rolname = 'audit_gate') then
      create role audit_gate nologin noinherit;
    end if;
    grant audit_owner to audit_gate;
    execute format('grant audit_gate to %I', current_user);
  elsif not pg_has_role('audit_owner', 'set') then
    execute format('grant audit_owner to %I with inherit false, set true', current_user);
  end if;
  -- The owner may hand its membership check to a role without rights; that role can do nothing for the owner.
  if not pg_has_role('audit_owner', 'audit_lookup', 'member') then
    grant audit_lookup to audit_owner;
  end if;
  -- The same for the functions that record row changes.
  if not pg_has_role('audit_owner', 'audit_recorder', 'member') then
    grant audit_recorder to audit_owner;
  end if;
  execute format('grant create on database %I to audit_owner', current_database());
end
$$;
