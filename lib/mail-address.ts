const RECIPIENTS_MAX = 20;
const NAME_CHARACTERS_MAX = 100;

// The dot-atom form of RFC 5321, section 4.1.2, in ASCII: nothing in it can end a header or begin another address.
const ADDRESS = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
const NAMED = /^(?<name>[^<>"\p{C}\p{Zl}\p{Zp}]+|"[^<>"\p{C}\p{Zl}\p{Zp}]+")\s*<(?<address>[^<>]+)>$/u;

interface Mailbox {
  name: string;
  address: string;
}

/** Reads `someone@host` or `Name <someone@host>`; throws an Error that quotes nothing of it. */
export function parseMailbox(text: string): Mailbox {
  const { name = "", address = text.trim() } = NAMED.exec(text.trim())?.groups ?? {};
  if (!ADDRESS.test(address) || name.length > NAME_CHARACTERS_MAX)
    throw new Error("is an address such as alerts@example.com or Alerts <alerts@example.com>");
  return { name: name.replaceAll('"', "").trim(), address };
}

/** Reads a comma-separated list of 1 to 20 addresses; throws an Error that quotes nothing of it. */
export function parseRecipients(text: string): string[] {
  const addresses = text.split(",").map((one) => one.trim());
  if (addresses.length > RECIPIENTS_MAX || !addresses.every((one) => ADDRESS.test(one)))
    throw new Error(`is 1 to ${RECIPIENTS_MAX} addresses such as someone@example.com, separated by commas`);
  return addresses;
}
