-- The back office of a karaoke chain: customers, their venues, who sings there and what.
drop table if exists song_requests, singers, venues, customer_profiles cascade;
drop type if exists karaoke_plan;

create type karaoke_plan as enum ('trial', 'house', 'chain');

create table customer_profiles (
  customer_profiles_id uuid primary key default gen_random_uuid(),
  display_name text not null,
  contact_email text not null unique,
  plan karaoke_plan not null default 'trial',
  stripe_customer_id text unique,
  settings jsonb not null default '{}',
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

create table venues (
  venue_id int generated always as identity primary key,
  customer_profiles_id uuid not null references customer_profiles on delete cascade,
  name text not null,
  city text not null,
  hourly_price numeric(8, 2) not null check (hourly_price > 0),
  rooms text[] not null default '{}',
  updated_at timestamptz not null default now(),
  unique (customer_profiles_id, name)
);
create index on venues (customer_profiles_id);

create table singers (
  singer_id bigint generated always as identity primary key,
  venue_id int not null references venues on delete cascade,
  stage_name text not null,
  birthday date
);
create index on singers (venue_id);

create table song_requests (
  song_request_id bigint generated always as identity primary key,
  singer_id bigint not null references singers on delete cascade,
  song text not null,
  requested_at timestamptz not null default now()
);
create index on song_requests (singer_id);

create or replace function touch_updated_at() returns trigger
language plpgsql
as $$
begin
  new.updated_at := now();
  return new;
end
$$;

create trigger touch before update on customer_profiles for each row execute function touch_updated_at();
create trigger touch before update on venues for each row execute function touch_updated_at();
