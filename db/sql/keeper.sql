-- role: audit_keeper
alter default privileges revoke execute on functions from public;
