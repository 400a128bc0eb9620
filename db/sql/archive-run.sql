-- A function is one transaction, so rows move first and the months at its end, when nothing follows that readers would wait for.
create or replace function audit.archive_old_audit_events(p_rows_max int default 100000)
returns table (archived_count bigint, deleted_count bigint)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_batch constant int := 5000;
  v_plan record;
  v_month record;
  v_left int := p_rows_max;
  v_moved int;
  v_ready date[] := '{}';
  v_rows bigint := 0;
  v_switched bigint := 0;
begin
  perform audit.lock_archiver();
  for v_plan in select * from audit.archive_plan(p_rows_max) loop
    loop
      exit when v_left <= 0 or v_plan.kind = 'month' and v_plan.merge is null;
      v_moved := audit.archive_rows(v_plan.month, coalesce(v_plan.merge, 'due'), least(v_left, c_batch));
      exit when v_moved = 0;
      v_left := v_left - v_moved;
      v_rows := v_rows + case v_plan.merge when 'to_hot' then -v_moved else v_moved end;
    end loop;
    if v_plan.kind = 'month' then
      v_ready := v_ready || v_plan.month;
    end if;
  end loop;
  begin
    -- Counted all before the first of them is locked.
    for v_month in
      select p.* from unnest(v_ready) m (month) cross join lateral audit.prepare_month(m.month) p
      where p.state in ('ready', 'empty')
      order by p.month_start
    loop
      if v_month.state = 'ready' then
        perform audit.log_month_move(v_month.month_start, v_month.row_count);
        v_switched := v_switched + v_month.row_count;
      end if;
      perform audit.switch_month(
        v_month.hot, v_month.archived, v_month.month_start, v_month.month_end, v_month.state = 'empty'
      );
    end loop;
  exception
    when lock_not_available then
      v_switched := 0;
      raise notice 'The tables are busy: whole months are left for the next call';
  end;
  archived_count := greatest(v_rows + v_switched, 0);
  deleted_count := archived_count;
  return next;
end
$$;
comment on function audit.archive_old_audit_events(int) is
  'Archives what is due: whole months, and up to p_rows_max events alone. deleted_count: how many left the hot table for it.';
