import { JsonError, parseStorableJson } from "../../lib/json.ts";
import { largestField, type LargestField } from "./largest-field.ts";
import { invalidField, ServiceError } from "../../services/errors.ts";

/**
 * Reads a JSON body of at most `maxBytes`. Of a larger one no more than `explainedBytes` are ever read into memory: where it
 * ends within them, the refusal names its largest field.
 */
export async function readJsonBody(
  request: Request,
  maxBytes: number,
  explainedBytes = maxBytes,
): Promise<{ text: string; value: unknown }> {
  const type = request.headers.get("content-type")?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") {
    throw new ServiceError(
      "unsupported_media_type",
      "Send the body as JSON with Content-Type: application/json.",
      { errors: [{ path: "header.Content-Type", code: "unsupported", message: "must be application/json" }] },
    );
  }
  const bytes = await readBytes(request, explainedBytes, maxBytes);
  const text = decode(bytes);
  if (bytes.byteLength > maxBytes) throw tooLarge(maxBytes, largestField(text, maxBytes));
  try {
    return { text, value: parseStorableJson(text) };
  } catch (error) {
    if (error instanceof JsonError) {
      throw invalidField(error.path === "" ? "body" : `body.${error.path}`, error.code, error.message);
    }
    throw error;
  }
}

const EMPTY_BODY_BYTES = 64;

/** For writes that take none: nothing, or the `{}` that some clients always send. */
export async function refuseBody(request: Request): Promise<void> {
  const text = decode(await readBytes(request, EMPTY_BODY_BYTES)).trim();
  if (text !== "" && text !== "{}") throw invalidField("body", "unexpected", "This request takes no body.");
}

async function readBytes(request: Request, maxBytes: number, allowedBytes = maxBytes): Promise<Uint8Array> {
  const announced = request.headers.get("content-length");
  if (Number(announced ?? 0) > maxBytes) throw tooLarge(allowedBytes);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of announced === null ? pieces(request) : whole(request)) {
    size += chunk.byteLength;
    if (size > maxBytes) throw tooLarge(allowedBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(maxBytes: number, largest: LargestField | null = null): ServiceError {
  const most = largest && ` Its largest field is ${largest.path}, with ${largest.bytes}.`;
  const message = `The body may have ${maxBytes} bytes at most; send less or in parts.${most ?? ""}`;
  return new ServiceError("payload_too_large", message, {
    errors: [{ path: largest?.path ?? "body", code: "too_large", message }],
  });
}

// A sender that goes away is not a database that went away, though both may say ECONNRESET.
const brokenOff = () => invalidField("body", "incomplete", "The body broke off before its end.");

async function* pieces(request: Request): AsyncGenerator<Uint8Array> {
  try {
    yield* request.body ?? [];
  } catch {
    throw brokenOff();
  }
}

// No server hands over more than was announced, and the whole costs the process far less than a stream does.
async function* whole(request: Request): AsyncGenerator<Uint8Array> {
  const bytes = await request.arrayBuffer().catch(() => {
    throw brokenOff();
  });
  yield new Uint8Array(bytes);
}

function decode(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw invalidField("body", "malformed_utf8", "The body is not valid UTF-8.");
  }
}
