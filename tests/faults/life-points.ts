/** The class of the advisory lock that whoever is to be held waits for. */
export const LOCK_CLASS = 7_002;
/** Connections of the suite itself, which no fault ends. */
export const SUITE = "faults";

/**
 * Named points in the life of events, each `<phase>: <what>`: triggers call faults.reach(), which waits for a lock where the run
 * is to be held. `stored <workflow> <step>` is the boundary after a step (the engine is about to note it), `row <side> <month>
 * <n>` the nth row of a batch, `ddl <month> <n>` the nth statement of a month's move or drop, `log <what>` the end of a move, a
 * drop or a purge before it commits, `note <month> <part>` a file that was read back, `propose` and `removed` a purge's ends.
 * Those of the storage are in life-storage.ts.
 */
export const POINTS = `
  create schema faults;
  create table faults.plan (phase text not null, point text);
  create table faults.passed (number bigint generated always as identity, point text not null);
  create table faults.storage (mode text not null);
  grant usage on schema faults to public;

  -- A point of null notes what is passed, so that a later run can be held there.
  create function faults.reach(p_point text) returns void
  language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = 0 as $$
  declare
    v_plan faults.plan;
  begin
    select * into v_plan from faults.plan;
    if not found then return; end if;
    if v_plan.point is null then
      insert into faults.passed (point) values (v_plan.phase || ': ' || p_point);
    elsif v_plan.point = v_plan.phase || ': ' || p_point then
      perform pg_advisory_xact_lock_shared(${LOCK_CLASS}, 0);
    end if;
  end $$;

  create function faults.reach_storage(p_point text) returns text language plpgsql as $$
  begin
    perform faults.reach(p_point);
    return (select mode from faults.storage);
  end $$;

  create function faults.count(p_name text) returns int language sql as $$
    select set_config('faults.' || p_name, (coalesce(nullif(current_setting('faults.' || p_name, true), ''), '0')::int + 1)::text, true)::int
  $$;

  create function faults.on_step() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_workflow text := (select substr(function_id, 12) from inngest.runs where id = new.run_id);
  begin
    if v_workflow in ('archive-events', 'purge-cold', 'purge-files') then
      perform faults.reach(format('stored %s %s', v_workflow, new.name));
    end if;
    return null;
  end $$;
  create trigger faults_pause after insert on inngest.steps for each row execute function faults.on_step();

  create function faults.on_row() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(format('row %s %s %s', tg_argv[0], to_char(new.created_at, 'YYYY-MM'), faults.count('row')));
    return null;
  end $$;
  create trigger faults_pause_hot after insert on audit.audit_events
    for each row when (current_user = 'audit_keeper') execute function faults.on_row('hot');
  create trigger faults_pause_archive after insert on audit.audit_events_archive
    for each row when (current_user = 'audit_keeper') execute function faults.on_row('archive');

  create function faults.on_log() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  declare
    v_what text := format(
      '%s %s', coalesce(new.details ->> 'move', new.subject_type),
      coalesce(new.details ->> 'month', case new.subject_type when 'audit_event' then 'one' else new.subject_id end)
    );
  begin
    perform set_config('faults.moving', v_what, true);
    perform faults.reach('log ' || v_what);
    return null;
  end $$;
  create trigger faults_pause after insert on audit.audit_deletion_log for each row execute function faults.on_log();

  create function faults.on_ddl() returns event_trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(
      format('ddl %s %s', coalesce(nullif(current_setting('faults.moving', true), ''), 'drop'), faults.count('ddl'))
    );
  end $$;
  create event trigger faults_pause on ddl_command_end when tag in ('ALTER TABLE', 'CREATE TABLE', 'DROP TABLE')
    execute function faults.on_ddl();

  create function faults.on_file() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach(format('%s %s part-%s', tg_argv[0], to_char(new.month, 'YYYY-MM'), new.part));
    return null;
  end $$;
  create trigger faults_pause after insert on audit.cold_months for each row execute function faults.on_file('note');
  create trigger faults_pause_removed after update of removed_at on audit.cold_months
    for each row execute function faults.on_file('removed');

  create function faults.on_proposal() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
  begin
    perform faults.reach('propose');
    return null;
  end $$;
  create trigger faults_pause after insert on audit.purges for each row execute function faults.on_proposal();
`;
