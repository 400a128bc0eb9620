import { defineConfig } from "../../../lib/config.ts";

/** The rules that operators asked for first. */
export const config = defineConfig({
  tables: {},
  retention: [
    { table: "public.wa_media_signatures", where: [{ column: "expires_at", olderThan: "1 day" }] },
    {
      table: "public.wa_automation_flows",
      where: [
        { column: "status", in: ["completed"] },
        { column: "updated_at", olderThan: "30 days" },
      ],
    },
    {
      table: "public.siren_events",
      where: [
        { column: "status", in: ["sent", "failed", "cancelled"] },
        { column: "created_at", olderThan: "90 days" },
      ],
    },
  ],
});

export const SCHEMA = `
  create type siren_status as enum ('queued', 'sent', 'failed', 'cancelled');
  create table wa_media_signatures (id uuid primary key default gen_random_uuid(), expires_at timestamptz not null);
  create table wa_automation_flows (
    tenant text, flow int, status text not null, updated_at timestamp not null, primary key (tenant, flow)
  );
  create table siren_events (id bigint primary key, status siren_status not null, created_at timestamptz not null, note text);
  create table siren_deliveries (id int primary key, event_id bigint references siren_events on delete cascade);
  create table siren_escalations (id int primary key, event_id bigint references siren_events);
  grant usage on schema public to audit_worker;
  grant select, update, delete on wa_media_signatures, wa_automation_flows to audit_worker;
  select audit.track('public.siren_events'), audit.track('public.siren_deliveries');
`;
