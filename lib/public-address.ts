import { BlockList, isIP } from "node:net";

/**
 * IPv4 that no message goes to: what IANA's IPv4 Special-Purpose Address Registry
 * (https://www.iana.org/assignments/iana-ipv4-special-registry) does not call globally reachable, and multicast.
 */
const IPV4_SPECIAL: readonly (readonly [network: string, bits: number])[] = [
  ["0.0.0.0", 8], // this network, unspecified
  ["10.0.0.0", 8], // private
  ["100.64.0.0", 10], // carrier-grade NAT
  ["127.0.0.0", 8], // loopback
  ["169.254.0.0", 16], // link-local, clouds' metadata
  ["172.16.0.0", 12], // private
  ["192.0.0.0", 24], // IETF protocol assignments
  ["192.0.2.0", 24], // documentation
  ["192.88.99.0", 24], // 6to4 relays, deprecated
  ["192.168.0.0", 16], // private
  ["198.18.0.0", 15], // benchmarks
  ["198.51.100.0", 24], // documentation
  ["203.0.113.0", 24], // documentation
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, broadcast
  ["168.63.129.16", 32], // not in the registry: Azure's platform endpoint, which every machine there reaches
];

/**
 * IPv6 that carries messages: global unicast (https://www.iana.org/assignments/ipv6-address-space), and the two forms
 * of an IPv4 address, whose IPv4 is then looked at. All else is loopback, local, multicast or unassigned.
 */
const IPV4_FORMS = ["::ffff:", "64:ff9b::"];
const IPV4_FORM_BITS = 96;
const IPV6_GLOBAL = ["2000::", 3] as const;

/** Exceptions within global unicast: https://www.iana.org/assignments/iana-ipv6-special-registry. */
const IPV6_SPECIAL: readonly (readonly [network: string, bits: number])[] = [
  ["2001::", 23], // IETF protocol assignments, Teredo
  ["2001:db8::", 32], // documentation
  ["2002::", 16], // 6to4: an IPv4 address of any kind, deprecated
  ["3fff::", 20], // documentation
];

const special = new BlockList();
const carrying = new BlockList();

for (const [network, bits] of IPV4_SPECIAL) {
  special.addSubnet(network, bits, "ipv4");
  for (const form of IPV4_FORMS) special.addSubnet(`${form}${network}`, IPV4_FORM_BITS + bits, "ipv6");
}
for (const [network, bits] of IPV6_SPECIAL) special.addSubnet(network, bits, "ipv6");
carrying.addSubnet(...IPV6_GLOBAL, "ipv6");
for (const form of IPV4_FORMS) carrying.addSubnet(`${form}0.0.0.0`, IPV4_FORM_BITS, "ipv6");

/**
 * Whether a numeric address is one of the public Internet. False for every address that leads to this machine, its
 * network or its cloud's, for IPv4 inside IPv6, for a zone id (`fe80::1%eth0`), and for what is no numeric address.
 */
export function isPublicAddress(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, "ipv4");
  if (isIP(address) !== 6 || address.includes("%")) return false;
  return carrying.check(address, "ipv6") && !special.check(address, "ipv6");
}
