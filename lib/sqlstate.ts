/** The codes of Postgres' errors that are told apart here, by the names that they have in its documentation (appendix A). */
export const INVALID_PARAMETER_VALUE = "22023";
export const RESTRICT_VIOLATION = "23001";
export const FOREIGN_KEY_VIOLATION = "23503";
export const UNIQUE_VIOLATION = "23505";
export const CHECK_VIOLATION = "23514";
export const SERIALIZATION_FAILURE = "40001";
export const DEADLOCK_DETECTED = "40P01";
export const UNDEFINED_TABLE = "42P01";
export const INVALID_NAME = "42602";
export const INVALID_SCHEMA_NAME = "3F000";
export const LOCK_NOT_AVAILABLE = "55P03";
/** Mostly a statement that took longer than its time-out. */
export const QUERY_CANCELED = "57014";
export const NO_DATA_FOUND = "P0002";
export const INTERNAL_ERROR = "XX000";
