create or replace function audit.mark_rollup_due() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  new.rollup_due := true;
  return new;
end
$$;
comment on function audit.mark_rollup_due() is 'Trigger: a trail whose amounts changed is counted again.';

-- Here and not in each writer: a change that nobody marked would be missing from the totals for good.
create or replace trigger audit_trails_changed
  before update on audit.audit_trails
  for each row when (
    not new.rollup_due
    and (
      old.status, old.timestamp, old.model, old.prompt_tokens, old.completion_tokens, old.total_tokens,
      old.cached_tokens, old.reasoning_tokens, old.prompt_cost, old.completion_cost, old.total_cost
    ) is distinct from (
      new.status, new.timestamp, new.model, new.prompt_tokens, new.completion_tokens, new.total_tokens,
      new.cached_tokens, new.reasoning_tokens, new.prompt_cost, new.completion_cost, new.total_cost
    )
  )
  execute function audit.mark_rollup_due();
comment on trigger audit_trails_changed on audit.audit_trails is 'The roll-up counts what a trail is worth now.';
