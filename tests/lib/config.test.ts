import { describe, expect, test } from "vitest";
import shipped from "../../afterimage.config.ts";
import { approvalNeeded } from "../../lib/approval-rules.ts";
import { checkConfig, tablesOf, variablesOf } from "../../lib/config-check.ts";
import { defineConfig } from "../../lib/config.ts";
import { envSecret } from "../../lib/env.ts";

type Input = Parameters<typeof defineConfig>[0];

const karaoke: Input = {
  tables: {
    "public.venues": {
      cache: ["customer:venues:{customer_profiles_id}", "search:{country}:*", "{{tag}}:{*}:{venues_id}"],
      jobs: [
        {
          event: "songs/index.refresh",
          data: { id: "{venues_id}", full: false },
          key: "{customer_profiles_id}",
        },
        { url: "https://billing.example.com/jobs", secretEnv: "STRIPE_SYNC_SECRET", data: {} },
      ],
      check: {
        url: "https://app.example.com/venues/{venues_id}",
        headers: { authorization: { env: "CHECK_TOKEN" } },
      },
      touch: ["updated_at"],
    },
  },
  restores: { approval: [{ tables: ["public.customer_profiles"], rowsOver: 10 }], approvalHours: 24 },
};

describe("a configuration", () => {
  test("the one that is shipped names no table and asks for no approval", () => {
    expect(shipped).toEqual({ tables: {}, restores: { approvalHours: 72 }, retention: [] });
  });

  test("with every field comes back as it was written", () => {
    expect(defineConfig(karaoke)).toEqual({ ...karaoke, retention: [] });
  });

  const inTable = (table: unknown): unknown => ({ tables: { "public.venues": table } });
  const job = (more: object) => inTable({ jobs: [{ event: "e", data: {}, ...more }] });
  const post = { url: "https://example.com/jobs", secretEnv: "SECRET", data: {} };
  test.each<[string, unknown, string]>([
    [
      "an unknown setting",
      { tables: {}, table: {} },
      "(the whole): table: not known here; use tables, restores, retention",
    ],
    [
      "a table without its schema",
      { tables: { venues: {} } },
      "tables.venues: is schema.name: public.venues",
    ],
    [
      "an unknown field of a table",
      inTable({ caches: [] }),
      'tables["public.venues"]: caches: not known here; use cache, jobs, check, touch',
    ],
    [
      "an open brace",
      inTable({ cache: ["ok", "a:{id"] }),
      'tables["public.venues"].cache[1]: has a { without its counterpart; write {{ for a brace',
    ],
    [
      "a closing brace",
      inTable({ cache: ["a:id}"] }),
      "has a } without its counterpart; write }} for a brace",
    ],
    ["braces without a name", inTable({ cache: ["a:{}"] }), "has {} without a column's name"],
    ["an empty key", inTable({ cache: [""] }), "is 1 to 1000 characters"],
    ["a pattern that is a star", inTable({ cache: ["*"] }), "could match every key; begin it with text"],
    [
      "a pattern that begins with a column",
      inTable({ cache: ["{id}:*"] }),
      "could match every key; begin it with text",
    ],
    ["too many stars", inTable({ cache: ["a*b*c*d*e*f*"] }), "has more than 5 *"],
    [
      "a key that is no text",
      inTable({ cache: [7] }),
      "cache[0]: is a key, with columns in braces and * for anything",
    ],
    [
      "an event of the service's own",
      job({ event: "audit/restore.requested" }),
      "jobs[0].event: belongs to the service itself",
    ],
    ["data that is no value", job({ data: { a: null } }), "jobs[0].data.a: is text, a number, true or false"],
    ["data that is a list", job({ data: [] }), "jobs[0].data: is an object"],
    ["a job that is neither", inTable({ jobs: [{ data: {} }] }), "jobs[0].event: is the name of an event"],
    [
      "a post without a secret",
      inTable({ jobs: [{ ...post, secretEnv: undefined }] }),
      "jobs[0].secretEnv: is the name of a variable",
    ],
    [
      "a secret in place of its name",
      inTable({ jobs: [{ ...post, secretEnv: "whsec_abc" }] }),
      "jobs[0].secretEnv: is the name of a variable of the environment (STRIPE_SYNC_SECRET), not its value",
    ],
    [
      "a post over http",
      inTable({ jobs: [{ ...post, url: "http://example.com" }] }),
      "jobs[0].url: is http; write https, or allowPrivate: true",
    ],
    [
      "a post to where a column says",
      inTable({ jobs: [{ ...post, url: "https://example.com/{id}" }] }),
      "jobs[0].url: takes no columns; put them into data",
    ],
    [
      "two jobs that are one",
      inTable({ jobs: [post, post] }),
      "jobs: has two jobs of the same event or URL and key",
    ],
    [
      "a check whose host a column says",
      inTable({ check: { url: "https://{host}/" } }),
      "check.url: is a URL of https",
    ],
    [
      "a check with a user name",
      inTable({ check: { url: "https://me:pw@example.com/" } }),
      "check.url: is a URL of https",
    ],
    [
      "a header's value",
      inTable({ check: { url: "https://example.com", headers: { a: "b" } } }),
      "check.headers.a: is an object with env",
    ],
    [
      "a rule about no target",
      { tables: {}, restores: { approval: [{ targets: ["row"] }] } },
      "restores.approval[0].targets[0]: is record, transaction, actor or tables",
    ],
    [
      "half a row",
      { tables: {}, restores: { approval: [{ rowsOver: 0.5 }] } },
      "restores.approval[0].rowsOver: is a whole number of rows",
    ],
    ["no hours", { tables: {}, restores: { approvalHours: 0 } }, "restores.approvalHours: is 1 to 720 hours"],
  ])("with %s is refused, and the error says what to write", (_what, config, message) => {
    expect(() => defineConfig(config as Input)).toThrow(message);
  });

  test("every fault is named at once", () => {
    const config = { tables: { a: {}, "b.c": { cache: ["*"], touch: [""] } } };
    const error = (() => {
      try {
        return (defineConfig(config), "");
      } catch (fault) {
        return String(fault);
      }
    })();
    expect(error.split("\n")).toHaveLength(5);
    expect(error).toContain("docs/RESTORES.md");
  });
});

describe("a configuration beside its database", () => {
  const columns: Record<string, string[]> = {
    "public.venues": ["venues_id", "customer_profiles_id", "country", "updated_at"],
    "public.customer_profiles": ["customer_profiles_id"],
  };
  const problemsWith = (known: Record<string, string[]>) =>
    checkConfig(defineConfig(karaoke), (table) => known[table] ?? null);

  test("fits when every table is tracked and has every column", () => {
    expect(problemsWith(columns)).toEqual([]);
  });

  test("does not when a table is not tracked, those of rules included", () => {
    expect(problemsWith({})).toEqual([
      "public.venues is no tracked table",
      "public.customer_profiles is no tracked table",
    ]);
  });

  test.each(["venues_id", "customer_profiles_id", "country", "updated_at"])(
    "names the column %s once when it is missing",
    (column) => {
      const venues = (columns["public.venues"] ?? []).filter((one) => one !== column);
      expect(problemsWith({ ...columns, "public.venues": venues })).toEqual([
        `public.venues has no column ${column}, or its history does not hold it (excluded or redacted)`,
      ]);
    },
  );

  test("says which tables and variables it needs", () => {
    expect(tablesOf(defineConfig(karaoke))).toEqual(["public.venues", "public.customer_profiles"]);
    expect(variablesOf(defineConfig(karaoke))).toEqual(["STRIPE_SYNC_SECRET", "CHECK_TOKEN"]);
    expect(envSecret("CHECK_TOKEN", { CHECK_TOKEN: "t" })).toBe("t");
    expect(envSecret("CHECK_TOKEN", { CHECK_TOKEN: "" })).toBeUndefined();
  });
});

describe("approval", () => {
  type Rules = NonNullable<NonNullable<Input["restores"]>["approval"]>;
  const of = (approval: Rules, more: object = {}) =>
    approvalNeeded(defineConfig({ tables: {}, restores: { approval } }), {
      target: "record",
      tables: ["public.venues", "public.songs"],
      rowCount: 11,
      ...more,
    });

  test("is not needed without rules, and always by a rule that says nothing", () => {
    expect(
      approvalNeeded(defineConfig({ tables: {} }), { target: "tables", tables: [], rowCount: 1e6 }),
    ).toBeNull();
    expect(of([{}])).toBe("Needs approval because every restore does.");
  });

  test("is needed when all conditions of a rule hold, and the reason names them", () => {
    const rule = { targets: ["record" as const], tables: ["public.venues", "public.x"], rowsOver: 10 };
    expect(of([rule])).toBe(
      "Needs approval because it restores a record and it changes public.venues and it changes 11 rows, more than 10.",
    );
    expect(of([rule], { target: "actor" })).toBeNull();
    expect(of([rule], { tables: ["public.songs"] })).toBeNull();
    expect(of([rule], { rowCount: 10 })).toBeNull();
  });

  test("is needed when any rule asks for it", () => {
    expect(of([{ rowsOver: 100 }, { targets: ["actor", "record"] }])).toBe(
      "Needs approval because it restores a record.",
    );
  });
});
