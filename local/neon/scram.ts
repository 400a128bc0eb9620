import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import { ProtocolError } from "./messages.ts";

export const MECHANISM = "SCRAM-SHA-256";

const NONCE_BYTES = 18;
const KEY_BYTES = 32;
// Postgres' own default is 4,096; a server may not make its client work for ever.
const ITERATIONS_MAX = 100_000;
// "n,,": no channel binding, no other identity; "biws" is its base64.
const GS2_HEADER = "n,,";

const derive = promisify(pbkdf2);
const hmac = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();

/** The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677); Postgres takes the user from the startup message. */
export class Scram {
  readonly #password: string;
  readonly #clientFirst = `n=,r=${randomBytes(NONCE_BYTES).toString("base64")}`;
  #serverSignature: Buffer | undefined;

  constructor(password: string) {
    this.#password = password;
  }

  first(): string {
    return GS2_HEADER + this.#clientFirst;
  }

  /** Answers the server's challenge; throws ProtocolError when it does not fit what was sent. */
  async final(serverFirst: string): Promise<string> {
    const { r: nonce = "", s: salt = "", i = "" } = attributes(serverFirst);
    const iterations = Number(i);
    const isOurs = nonce.startsWith(this.#clientFirst.slice("n=,r=".length));
    if (!isOurs || salt === "" || !(iterations >= 1 && iterations <= ITERATIONS_MAX))
      throw new ProtocolError("a SCRAM challenge that does not fit");
    const salted = await derive(
      this.#password.normalize("NFKC"),
      Buffer.from(salt, "base64"),
      iterations,
      KEY_BYTES,
      "sha256",
    );
    const withoutProof = `c=${Buffer.from(GS2_HEADER).toString("base64")},r=${nonce}`;
    const signed = `${this.#clientFirst},${serverFirst},${withoutProof}`;
    const clientKey = hmac(salted, "Client Key");
    const signature = hmac(createHash("sha256").update(clientKey).digest(), signed);
    const proof = clientKey.map((byte, at) => byte ^ (signature[at] as number));
    this.#serverSignature = hmac(hmac(salted, "Server Key"), signed);
    return `${withoutProof},p=${Buffer.from(proof).toString("base64")}`;
  }

  /** Throws ProtocolError unless the server has proven that it knows the password, too. */
  verify(serverFinal: string): void {
    const given = Buffer.from(attributes(serverFinal).v ?? "", "base64");
    const expected = this.#serverSignature;
    if (!expected || given.length !== expected.length || !timingSafeEqual(given, expected))
      throw new ProtocolError("the server does not know the password");
  }
}

function attributes(text: string): Record<string, string | undefined> {
  return Object.fromEntries(text.split(",").map((part) => [part.slice(0, 1), part.slice(2)]));
}
