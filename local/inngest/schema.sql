-- Tables of the local executor. Payloads are JSON kept as text: byte for byte what the SDK sent, with
-- its key order, and free of jsonb's refusal of \u0000.

create schema if not exists inngest;

create table if not exists inngest.apps (
  id text primary key,
  url text not null,
  checksum text not null,
  synced_at timestamptz not null default now()
);

create table if not exists inngest.functions (
  id text primary key,
  app_id text not null references inngest.apps on delete cascade,
  config text not null,
  removed_at timestamptz
);

create table if not exists inngest.crons (
  function_id text not null references inngest.functions on delete cascade,
  expression text not null,
  next_at timestamptz not null,
  primary key (function_id, expression)
);
create index if not exists crons_next_at on inngest.crons (next_at);

create table if not exists inngest.events (
  internal_id text primary key,
  position bigint generated always as identity,
  name text not null,
  payload text not null,
  received_at timestamptz not null default clock_timestamp(),
  handled_at timestamptz,
  failure text
);
create index if not exists events_unhandled on inngest.events (position) where handled_at is null;
create index if not exists events_received_at on inngest.events (received_at);

-- What may happen once per period: an event id, a function's idempotency key. Keys are SHA-256.
create table if not exists inngest.keys (
  scope text not null,
  key text not null,
  target text not null,
  expires_at timestamptz not null,
  primary key (scope, key)
);

create table if not exists inngest.runs (
  id text primary key,
  function_id text not null,
  event_internal_id text not null,
  event text not null,
  status text not null default 'Running' check (status in ('Running', 'Completed', 'Failed', 'Cancelled')),
  output text,
  correlation_id text,
  plan_steps boolean not null default false,
  slots text[] not null default '{}',
  limits int[] not null default '{}',
  deadline timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz,
  unique (function_id, event_internal_id)
);
create index if not exists runs_event on inngest.runs (event_internal_id);
create index if not exists runs_deadline on inngest.runs (deadline) where status = 'Running';
create index if not exists runs_ended_at on inngest.runs (ended_at) where ended_at is not null;

-- Memoized results: {"data": …} or {"error": …}. A row here means the step never runs again.
create table if not exists inngest.steps (
  run_id text not null references inngest.runs on delete cascade,
  step_id text not null,
  position bigint generated always as identity,
  name text,
  result text not null,
  stored_at timestamptz not null default clock_timestamp(),
  primary key (run_id, step_id)
);

-- Calls to make. step_id 'step' discovers what comes next; any other runs that planned step.
-- generation counts dispatches and reclaims: an answer with an older one comes from the past.
create table if not exists inngest.jobs (
  id bigint generated always as identity primary key,
  run_id text not null references inngest.runs on delete cascade,
  step_id text not null,
  attempt int not null default 0,
  generation int not null default 0,
  run_at timestamptz not null default now(),
  claimed_by text,
  race boolean not null default false,
  again boolean not null default false,
  unique (run_id, step_id)
);
create index if not exists jobs_due on inngest.jobs (run_at, id) where claimed_by is null;

-- What a run is waiting for. 'cancel' rows are its cancelOn conditions and hold nothing up.
create table if not exists inngest.waits (
  run_id text not null references inngest.runs on delete cascade,
  step_id text not null,
  kind text not null check (kind in ('sleep', 'event', 'invoke', 'cancel')),
  name text,
  event_name text,
  expression text,
  due_at timestamptz,
  race boolean not null default false,
  primary key (run_id, step_id)
);
create index if not exists waits_event_name on inngest.waits (event_name) where event_name is not null;
create index if not exists waits_due_at on inngest.waits (due_at) where due_at is not null;
