-- A watermark per workspace, advanced at most once a second and never waited for. A row lock per event would make a
-- busy workspace five times slower; SKIP LOCKED alone still waits for the first row of a new workspace.
create or replace function audit.check_event_chronology() returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  c_tolerance constant interval := '5 seconds';
  c_lock_space constant int := 1097622048;
  v_now constant timestamptz := clock_timestamp();
  v_watermark timestamptz;
begin
  -- Readers find what is new by this column, so nobody chooses it, the owner included.
  new.txid := pg_current_xact_id();

  select s.last_created_at
  into v_watermark
  from audit.audit_event_sequence s
  where s.workspace_id = new.workspace_id;

  -- A watermark ahead of the clock (the clock was set back) must not refuse the server's own time.
  if new.created_at < least(v_watermark, v_now) - c_tolerance and v_watermark is not null then
    raise exception 'Audit event timestamp is before last event'
      using errcode = 'check_violation',
            detail = format('created_at is %s, the last event of this workspace is of %s.', new.created_at, v_watermark),
            hint = 'Leave created_at to the server and put the time of the deed into occurred_at.';
  end if;

  -- The watermark never passes the clock, so an event dated ahead cannot block its workspace.
  if (v_watermark is null or v_watermark < least(new.created_at, v_now) - interval '1 second')
    and new.workspace_id is not null
    and current_setting('transaction_isolation') = 'read committed'
    and pg_try_advisory_xact_lock(c_lock_space, hashtext(new.workspace_id))
  then
    insert into audit.audit_event_sequence as s (workspace_id, last_event_id, last_created_at)
    values (new.workspace_id, new.id, least(new.created_at, v_now))
    on conflict (workspace_id) do update
      set last_event_id = excluded.last_event_id,
          last_created_at = excluded.last_created_at
      where s.last_created_at < excluded.last_created_at;
    -- The workspace's first event, under the same lock, so that this waits for nobody either.
    if v_watermark is null then
      insert into audit.audit_retention_policies (workspace_id) values (new.workspace_id) on conflict do nothing;
    end if;
  end if;
  return new;
end
$$;
comment on function audit.check_event_chronology() is
  'Trigger: refuses an event more than 5 s older than the newest of its workspace, and sets its transaction id.';

create or replace trigger audit_events_chronology
  before insert on audit.audit_events
  for each row when (current_user <> 'audit_keeper')
  execute function audit.check_event_chronology();
comment on trigger audit_events_chronology on audit.audit_events is 'Events of a workspace come in order.';
