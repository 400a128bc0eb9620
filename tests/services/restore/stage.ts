import { expect } from "vitest";
import { useRestores, type RestoreStage } from "../../support/restores.ts";

type Row = Record<string, unknown>;

export interface PlanStage extends RestoreStage {
  /** A moment between the changes made so far and those that follow. */
  moment(): Promise<string>;
  /** Statements in one transaction by a user; returns its id. */
  as(user: string, statements: string): Promise<string>;
  /** The rows of a table as text, by key. */
  table(name: string): Promise<string[]>;
  /** Starts what it previews, and expects that all of it is applied and verified; `items` are the preview's. */
  restored(target: unknown, options?: unknown): Promise<Row>;
  /** The codes of a preview's problems, with their severity. */
  problems(target: unknown, options?: unknown): Promise<string[]>;
}

export function usePlans(): PlanStage {
  const stage = useRestores() as PlanStage;
  stage.moment = async () => {
    const rows = await stage.sql("select clock_timestamp() as at from pg_sleep(0.002)");
    await stage.sql("select pg_sleep(0.002)");
    return (rows as { at: Date }[]).map(({ at }) => at.toISOString()).join("");
  };
  stage.as = async (user, statements) => {
    const client = await stage.db.pool("admin").connect();
    try {
      await client.query("begin");
      await client.query("select set_config('app.user_id', $1, true)", [user]);
      await client.query(statements);
      const { rows } = await client.query<{ id: string }>("select pg_current_xact_id()::text as id");
      await client.query("commit");
      return (rows[0] as { id: string }).id;
    } catch (error) {
      await client.query("rollback");
      throw error;
    } finally {
      client.release();
    }
  };
  stage.table = async (name) => {
    const rows = await stage.sql(`select t::text as row from ${name} t order by 1`);
    return rows.map(({ row }) => row as string);
  };
  stage.restored = async (target, options = {}) => {
    const preview = await stage.preview(target, options);
    expect(preview.body).toMatchObject({ status: "planned" });
    const items = await stage.items(preview.body.id);
    const started = await stage.call("POST", "/restores", {
      body: { planId: preview.body.id, digest: preview.body.digest },
    });
    expect(started.body).toMatchObject({ id: preview.body.id });
    const run = await stage.ended(preview.body.id);
    expect(run, JSON.stringify(run.report)).toMatchObject({ status: "completed", error: null });
    expect(run.appliedCount).toBe(preview.body.itemCount);
    return { ...run, items };
  };
  stage.problems = async (target, options) => {
    const { body, status } = await stage.preview(target, options);
    expect(status).toBe(201);
    return (body.problems as { severity: string; code: string }[]).map(
      ({ severity, code }) => `${severity} ${code}`,
    );
  };
  return stage;
}
