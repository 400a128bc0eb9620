interface SmtpServer {
  host: string;
  /** Undefined: 587, or 465 where TLS comes first. */
  port: number | undefined;
  /** TLS from the first byte (smtps). */
  secure: boolean;
  /** Nothing is sent before STARTTLS. */
  requireTLS: boolean;
  auth: { user: string; pass: string } | undefined;
}

const SHAPE = "is smtp://host:port or smtps://user:password@host:port, the password percent-encoded";

/**
 * Reads smtp://user:password@host:port?requireTLS=true. TLS is used where the server offers it, and required with
 * smtps, with requireTLS=true, and before a password is sent unless the URL says requireTLS=false.
 * Throws an Error that quotes nothing of the URL.
 */
export function parseSmtpUrl(text: string): SmtpServer {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || !/^smtps?:$/.test(url.protocol) || url.hostname === "") throw new Error(SHAPE);
  const asked = url.searchParams.get("requireTLS");
  const unknown = [...url.searchParams.keys()].some((name) => name !== "requireTLS");
  if (unknown || (asked !== null && asked !== "true" && asked !== "false"))
    throw new Error("takes one option: requireTLS=true or requireTLS=false");
  const hasPassword = url.password !== "";
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, "$1"),
    port: url.port === "" ? undefined : Number(url.port),
    secure: url.protocol === "smtps:",
    requireTLS: asked === null ? hasPassword : asked === "true",
    auth: hasPassword ? { user: decode(url.username), pass: decode(url.password) } : undefined,
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error(SHAPE);
  }
}
