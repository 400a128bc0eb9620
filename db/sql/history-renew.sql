-- Trigger functions that an earlier version made record as they did; from here on they are as this one makes them.
do $$
begin
  update audit.tracked_tables set columns = audit.columns_of(relation)
  where columns = '{}' and exists (select from pg_class where oid = relation);
  perform audit.own_capture_function(t.relation)
  from audit.tracked_tables t
  where exists (select from pg_class where oid = t.relation);
end
$$;
