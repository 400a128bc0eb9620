create schema if not exists audit authorization audit_owner;
comment on schema audit is 'Afterimage: audit trails you can restore from.';

-- Nobody may call what grants.sql does not name; without this every new function would be open to all.
alter default privileges revoke execute on functions from public;

-- PostgreSQL 15 to 17 have no uuidv7(): 48 bits of Unix milliseconds, then random bits (RFC 9562, section 5.7).
-- The body is parsed when it is made, so it needs no search_path of its own and is inlined where it is a default.
create or replace function audit.uuid_v7() returns uuid
language sql volatile parallel safe
return encode(
  set_bit(
    set_bit(
      overlay(
        uuid_send(gen_random_uuid())
        placing substring(int8send((extract(epoch from clock_timestamp()) * 1000)::bigint) from 3)
        from 1 for 6
      ),
      52, 1),
    53, 1),
  'hex')::uuid;
comment on function audit.uuid_v7() is 'A time-ordered UUID, version 7.';
