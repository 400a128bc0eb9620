import { isIPv4, isIPv6 } from "node:net";
import { typesOf, type Schema } from "./openapi.ts";

const FORMATS: Record<string, (text: string) => boolean> = {
  uuid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  "date-time": isDateTime,
  ipv4: isIPv4,
  ipv6: isIPv6,
};

/** RFC 3339, but for leap seconds, on days that exist. */
function isDateTime(text: string): boolean {
  const parts = /^(\d{4}-\d\d-\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?([Zz]|[+-](\d\d):(\d\d))$/.exec(text);
  if (!parts) return false;
  const [, day = "", hour, minute, second, , , zoneHour = "0", zoneMinute = "0"] = parts;
  const at = Date.parse(`${day}T00:00:00Z`);
  return (
    !Number.isNaN(at) &&
    new Date(at).toISOString().startsWith(day) &&
    Number(hour) < 24 &&
    Number(minute) < 60 &&
    Number(second) < 60 &&
    Number(zoneHour) < 24 &&
    Number(zoneMinute) < 60
  );
}

/** What of a value breaks a schema, each as `path: why`; empty when it fits. Lengths are in code points. */
export function violations(schema: Schema, value: unknown, path = "$"): string[] {
  const { anyOf, allOf } = schema;
  if (anyOf && !anyOf.some((one) => violations(one, value, path).length === 0)) {
    return [`${path}: fits none of its alternatives`];
  }
  if (allOf) return allOf.flatMap((one) => violations(one, value, path));
  const types = typesOf(schema);
  if (types.length > 0 && !types.some((type) => isOfType(type, value))) {
    return [`${path}: is no ${types.join(" or ")}`];
  }
  if (schema.enum && !schema.enum.includes(value)) return [`${path}: is none of the listed values`];
  if (typeof value === "string") return ofText(schema, value).map((why) => `${path}: ${why}`);
  if (typeof value === "number") {
    const { minimum = -Infinity, maximum = Infinity } = schema;
    return value < minimum || value > maximum ? [`${path}: is not within ${minimum} and ${maximum}`] : [];
  }
  if (Array.isArray(value)) return ofList(schema, value, path);
  if (typeof value === "object" && value !== null) return ofFields(schema, value, path);
  return [];
}

function isOfType(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    case "integer":
      return Number.isSafeInteger(value);
    case "number":
      return Number.isFinite(value);
    default:
      return typeof value === type;
  }
}

function ofText(schema: Schema, text: string): string[] {
  const length = [...text].length;
  const { minLength = 0, maxLength = Infinity, pattern, format = "" } = schema;
  return [
    length < minLength || length > maxLength ? `has ${length} characters` : "",
    pattern !== undefined && !new RegExp(pattern, "u").test(text) ? `does not match ${pattern}` : "",
    FORMATS[format] && !FORMATS[format](text) ? `is no ${format}` : "",
  ].filter(Boolean);
}

function ofList(schema: Schema, list: unknown[], path: string): string[] {
  const { minItems = 0, maxItems = Infinity, items } = schema;
  if (list.length < minItems || list.length > maxItems) return [`${path}: has ${list.length} items`];
  return items ? list.flatMap((one, i) => violations(items, one, `${path}[${i}]`)) : [];
}

function ofFields(schema: Schema, value: object, path: string): string[] {
  const { properties = {}, required = [], additionalProperties, propertyNames } = schema;
  const others = typeof additionalProperties === "object" ? additionalProperties : undefined;
  const fields = Object.entries(value);
  const missing = required.filter((name) => !Object.hasOwn(value, name));
  const unknown =
    additionalProperties === false ? fields.filter(([name]) => !Object.hasOwn(properties, name)) : [];
  return [
    ...missing.map((name) => `${path}.${name}: is missing`),
    ...unknown.map(([name]) => `${path}.${name}: is no such field`),
    ...fields.flatMap(([name, inner]) => {
      const own = Object.hasOwn(properties, name) ? properties[name] : others;
      return [
        ...(propertyNames ? violations(propertyNames, name, `${path}.${name}`) : []),
        ...(own ? violations(own, inner, `${path}.${name}`) : []),
      ];
    }),
  ];
}
