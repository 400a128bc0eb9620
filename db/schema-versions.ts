export const schemaVersions: Record<string, string> = {};
