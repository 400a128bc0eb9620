create or replace function audit.log_move(p_subject_type text, p_subject_id text, p_reason text, p_details jsonb) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
  insert into audit.audit_deletion_log (
    deleted_by_user_id, subject_type, subject_id, deletion_authority, deletion_reason, is_irrevocable, details
  ) values (
    coalesce(nullif(current_setting('app.user_id', true), ''), 'database:' || session_user),
    p_subject_type, p_subject_id, 'retention policy', p_reason, false, p_details
  )
$$;
comment on function audit.log_move(text, text, text, jsonb) is
  'Writes down that events left a table for another one, in the transaction that moves them.';

create or replace function audit.lock_archiver() returns void
language sql
set search_path = pg_catalog, pg_temp
return pg_advisory_xact_lock(hashtextextended('audit.archive', 0));
comment on function audit.lock_archiver() is 'One move at a time, until the transaction ends.';

-- p_how: 'due' moves what is due alone, 'to_archive' whatever is hot (a merge into the archive), 'to_hot' whatever is archived.
create or replace function audit.archive_rows(p_month date, p_how text, p_limit int default 5000) returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
as $$
declare
  c_limit_max constant int := 50000;
  v_from constant timestamptz := date_trunc('month', p_month::timestamp);
  v_to constant timestamptz := date_trunc('month', p_month::timestamp) + interval '1 month';
  v_moved record;
begin
  if p_how is null or p_how not in ('due', 'to_archive', 'to_hot') then
    raise exception 'p_how is %, but must be due, to_archive or to_hot', coalesce(p_how, 'null')
      using errcode = 'invalid_parameter_value';
  elsif p_limit is null or p_limit not between 1 and c_limit_max then
    raise exception 'p_limit is %, but must be from 1 to %', coalesce(p_limit::text, 'null'), c_limit_max
      using errcode = 'invalid_parameter_value';
  end if;
  perform audit.lock_archiver();
  -- Whoever may call this may not choose what moves: a merge is for a month that is due as a whole.
  if not exists (
    select from audit.hot_months(v_from) m where p_how = 'due' or m.is_old and m.stays_until is null
  ) then
    return 0;
  end if;
  if p_how = 'to_hot' then
    select * into v_moved from audit.move_rows_from_archive(v_from, v_to, null, p_limit);
  else
    perform audit.add_month_for_rows('audit_events_archive', v_from::date);
    select * into v_moved from audit.move_rows_to_archive(v_from, v_to, p_how = 'to_archive', p_limit);
  end if;
  if v_moved.moved > 0 then
    perform audit.log_move(
      'audit_events', to_char(v_from, 'YYYY-MM'),
      case p_how when 'to_hot' then 'Back for a moment, so that the month moves as a whole' else 'Past the hot retention' end,
      jsonb_build_object(
        'move', 'rows',
        'from', case p_how when 'to_hot' then 'audit_events_archive' else 'audit_events' end,
        'to', case p_how when 'to_hot' then 'audit_events' else 'audit_events_archive' end,
        'rowCount', v_moved.moved, 'oldest', v_moved.oldest, 'newest', v_moved.newest
      )
    );
  end if;
  return v_moved.moved;
end
$$;
comment on function audit.archive_rows(date, text, int) is
  'Moves up to p_limit events of a month in one transaction, each logged; returns how many, 0 when none is left to move.';

