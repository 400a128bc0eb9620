/** JSON text that no value of ours has: `NaN`, `1e400`, a key given twice, half of a surrogate pair. */
export class Raw {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** An object with one more member, whose text stands as it is. */
export class WithMember {
  readonly value: unknown;
  readonly member: string;
  constructor(value: unknown, member: string) {
    this.value = value;
    this.member = member;
  }
}

/** A field that is left out. */
export const LEFT_OUT = Symbol("left out");

/** A value that is known only while the attack runs: the nth of those learned under a name. */
export class Learned {
  readonly name: string;
  readonly nth: number;
  /** Stands for it as long as nothing was learned. */
  readonly fallback: string;
  constructor(name: string, nth: number, fallback: string) {
    this.name = name;
    this.nth = nth;
    this.fallback = fallback;
  }
}

/** As JSON.stringify, but Raw stands as it is and fields that are left out are. */
export function toJson(value: unknown): string {
  if (value instanceof Raw) return value.text;
  if (value instanceof WithMember)
    return toJson(value.value).replace(/}$/, (end) => separated(value) + value.member + end);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const fields = Object.entries(value).filter(([, inner]) => inner !== LEFT_OUT && inner !== undefined);
  return `{${fields.map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner)}`).join(",")}}`;
}

const separated = ({ value }: WithMember) => (toJson(value) === "{}" ? "" : ",");

/** A tree with every Learned replaced. */
export function resolveLearned(value: unknown, look: (one: Learned) => unknown): unknown {
  if (value instanceof Learned) return look(value);
  if (value instanceof WithMember) return new WithMember(resolveLearned(value.value, look), value.member);
  if (value instanceof Raw || typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => resolveLearned(one, look));
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolveLearned(inner, look)]));
}
