-- Neon names the timeline that a connection sees; a branch, and a copy restored from the past, have one of their own.
insert into audit.database_home (timeline_id)
select current_setting('neon.timeline_id', true)
where nullif(current_setting('neon.timeline_id', true), '') is not null
on conflict do nothing;

insert into audit.installation default values on conflict do nothing;

create or replace function audit.is_branch() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return exists (
  select from audit.database_home h
  where h.timeline_id is distinct from nullif(current_setting('neon.timeline_id', true), '')
);
comment on function audit.is_branch() is
  'Whether this is a Neon branch or restored copy of the database that is at home elsewhere: no schedule runs on it.';

create or replace function audit.make_home() returns text
language sql
set search_path = pg_catalog, pg_temp
as $$
  delete from audit.database_home;
  insert into audit.database_home (timeline_id)
  select current_setting('neon.timeline_id', true)
  where nullif(current_setting('neon.timeline_id', true), '') is not null
  returning timeline_id;
$$;
comment on function audit.make_home() is
  'Makes this branch or restored copy the home, so that schedules and alarms run here; null where Neon is not.';
