create or replace function audit.keep_trail_digests() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception 'A digest of a trail cannot change once it is set'
    using errcode = 'check_violation',
      constraint = 'trail_digests_pinned',
      column = case
        when old.prompt_digest is distinct from new.prompt_digest and old.prompt_digest is not null then 'prompt_digest'
        when old.context_digest is distinct from new.context_digest and old.context_digest is not null then 'context_digest'
        else 'policy_digest'
      end;
end
$$;
comment on function audit.keep_trail_digests() is 'Trigger: what a message was answered from is written down once.';

create or replace trigger audit_trails_digests
  before update on audit.audit_trails
  for each row when (
    (old.prompt_digest is not null and new.prompt_digest is distinct from old.prompt_digest)
    or (old.context_digest is not null and new.context_digest is distinct from old.context_digest)
    or (old.policy_digest is not null and new.policy_digest is distinct from old.policy_digest)
  )
  execute function audit.keep_trail_digests();
comment on trigger audit_trails_digests on audit.audit_trails is 'Digests of prompt, context and policy stay as they were set.';
