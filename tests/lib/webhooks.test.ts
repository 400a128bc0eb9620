import { randomBytes } from "node:crypto";
import http from "node:http";
import https from "node:https";
import net, { type AddressInfo, type LookupFunction } from "node:net";
import fc from "fast-check";
import tlsOptions from "smtp-server/lib/tls-options.js";
import { Webhook as Reference } from "standardwebhooks";
import { afterAll, describe, expect, test } from "vitest";
import { DeliveryError } from "../../lib/delivery.ts";
import { createWebhookSender, parseWebhookSecrets, signWebhook } from "../../lib/webhooks.ts";

const id = "01998d8e-0000-7000-8000-000000000001";
const body = JSON.stringify({ type: "alert.raised", data: { message: "Überfällig 😀" } });
const newSecret = (bytes = 32) => `whsec_${randomBytes(bytes).toString("base64")}`;
const secrets = [newSecret()];
const local = createWebhookSender({ allowPrivate: true, timeoutMs: 1_000 });
/** Waits longer than a test may take: something else than its time has to end it, on a busy machine as well. */
const patient = createWebhookSender({ allowPrivate: true, timeoutMs: 60_000 });
const guarded = createWebhookSender({ allowPrivate: false, timeoutMs: 60_000 });

const closers: (() => void)[] = [];
afterAll(() => {
  for (const close of closers) close();
});

async function listen(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on("connection", (socket: net.Socket) => sockets.add(socket.on("error", () => undefined)));
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  closers.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

interface Call {
  headers: Record<string, string>;
  body: string;
  method: string | undefined;
}

/** Answers when a request is whole. */
async function startReceiver(answer: http.RequestListener = (_, response) => response.end()) {
  const calls: Call[] = [];
  const server = http.createServer((request, response) => {
    let text = "";
    request.setEncoding("utf8");
    request.on("data", (chunk: string) => (text += chunk));
    request.on("end", () => {
      calls.push({ headers: request.headers as Record<string, string>, body: text, method: request.method });
      answer(request, response);
    });
  });
  const port = await listen(server);
  const open = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
  return { url: `http://127.0.0.1:${port}/hook`, calls, open };
}

async function failureOf(sending: Promise<void>): Promise<DeliveryError> {
  const error = await sending.then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(DeliveryError);
  return error as DeliveryError;
}

const reasonFor = async (sender: typeof local, url: string) =>
  (await failureOf(sender.send({ url, secrets, id, body }))).reason;

describe("a webhook's signature", () => {
  test("is the one that the reference implementations' published example has", () => {
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const content = {
      id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
      timestamp: 1_614_265_330,
      body: '{"test": 2432232314}',
    };
    expect(signWebhook(secret, content)).toBe("v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
  });

  test("is taken by the reference implementation for each of the secrets, and for no other", async () => {
    const { url, calls } = await startReceiver();
    const both = [newSecret(24), newSecret(64)];
    await patient.send({ url, secrets: both, id, body });
    const [call = expect.fail()] = calls;
    for (const secret of both)
      expect(new Reference(secret).verify(call.body, call.headers)).toEqual(JSON.parse(body));
    expect(() => new Reference(newSecret()).verify(call.body, call.headers)).toThrow(/signature/);
    expect(call.method).toBe("POST");
    expect(call.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "afterimage",
      "webhook-id": id,
      "webhook-timestamp": expect.stringMatching(/^\d{10}$/),
      "webhook-signature": expect.stringMatching(/^v1,[\w+/]{43}= v1,[\w+/]{43}=$/),
    });
  });

  test.each([
    "",
    "whsec_",
    newSecret(23),
    newSecret(65),
    newSecret().slice(6),
    `${newSecret()}!`,
    "whsec_not base64!",
    "whsk_hunter2",
  ])("is not made with %j, of which nothing is quoted", (secret) => {
    const sign = () => signWebhook(secret, { id, timestamp: 0, body });
    expect(sign).toThrow(/^is whsec_ and the base64 of 24 to 64 random bytes/);
    expect(sign).not.toThrow(/hunter2|not base64/);
    expect(() => parseWebhookSecrets(`${newSecret()} ${secret || "x"}`)).toThrow(/^is whsec_/);
  });

  test("has secrets that come as a list with spaces, one to five of them", () => {
    const five = Array.from({ length: 5 }, () => newSecret());
    expect(parseWebhookSecrets(` ${five.join(" \n")} `)).toEqual(five);
    expect(() => parseWebhookSecrets([...five, newSecret()].join(" "))).toThrow(/1 to 5/);
    expect(() => parseWebhookSecrets(" ")).toThrow(/1 to 5/);
  });

  test.each(["a.b", "", "a\r\nx: y", "é"])("is not made for the id %j", async (bad) => {
    await expect(local.send({ url: "http://127.0.0.1:9", secrets, id: bad, body })).rejects.toThrow(
      TypeError,
    );
  });
});

describe("a webhook's answer", () => {
  test.each([200, 201, 204, 299])("of %i is a delivery", async (status) => {
    const { url, calls } = await startReceiver((_, response) => response.writeHead(status).end());
    await patient.send({ url, secrets, id, body });
    expect(calls).toHaveLength(1);
  });

  test("ends the connection, so that none is left for a request with other rules", async () => {
    const { url, open } = await startReceiver((_, response) => response.end("x"));
    await patient.send({ url, secrets, id, body });
    await expect.poll(open, { timeout: 10_000 }).toBe(0);
  });

  test.each([300, 304, 400, 401, 404, 500, 502, 504])(
    "of %i is a failure to be tried again",
    async (status) => {
      const { url } = await startReceiver((_, response) => response.writeHead(status).end("hunter2"));
      const { reason, permanent } = await failureOf(patient.send({ url, secrets, id, body }));
      expect({ reason, permanent }).toEqual({ reason: `HTTP ${status}`, permanent: false });
    },
  );

  test.each([301, 302, 303, 307, 308])("of %i is not followed", async (status) => {
    const other = await startReceiver();
    const { url } = await startReceiver((_, response) =>
      response.writeHead(status, { location: other.url }).end(),
    );
    expect(await reasonFor(patient, url)).toBe(`HTTP ${status}`);
    expect(other.calls).toEqual([]);
  });

  test("of 410 is permanent", async () => {
    const { url } = await startReceiver((_, response) => response.writeHead(410).end());
    expect(await failureOf(patient.send({ url, secrets, id, body }))).toMatchObject({
      reason: "HTTP 410",
      permanent: true,
    });
  });

  const inAMinute = () => new Date(Date.now() + 60_000).toUTCString();
  test.each([
    [429, "120", 120, 120],
    [503, "0", 0, 0],
    [503, "999999999999999999999999", 86_400, 86_400],
    [429, inAMinute, 55, 61],
    [429, "Wed, 21 Oct 2015 07:28:00 GMT", 0, 0],
    [503, "Wed, 21 Oct 2200 07:28:00 GMT", 86_400, 86_400],
  ])("of %i with Retry-After %s names the wait", async (status, text, least, most) => {
    const value = typeof text === "string" ? text : text();
    const { url } = await startReceiver((_, response) =>
      response.writeHead(status, { "retry-after": value }).end(),
    );
    const { retryAfterSeconds } = await failureOf(patient.send({ url, secrets, id, body }));
    expect(retryAfterSeconds).toBeGreaterThanOrEqual(least);
    expect(retryAfterSeconds).toBeLessThanOrEqual(most);
  });

  test.each([
    [503, "soon"],
    [503, "-1"],
    [503, "1.5"],
    [503, ""],
    [500, "120"],
  ])("of %i with Retry-After %j names none", async (status, text) => {
    const { url } = await startReceiver((_, response) =>
      response.writeHead(status, { "retry-after": text }).end(),
    );
    expect((await failureOf(patient.send({ url, secrets, id, body }))).retryAfterSeconds).toBeUndefined();
  });

  test("is not read beyond a few KiB, and its status counts", async () => {
    let written = 0;
    let isBroken = false;
    const { url } = await startReceiver((_, response) => {
      response.on("close", () => (isBroken = true));
      const pour = () => {
        while (!isBroken && written < 64 * 1_024 * 1_024) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return void response.once("drain", pour);
        }
      };
      pour();
    });
    await patient.send({ url, secrets, id, body });
    await expect.poll(() => isBroken, { timeout: 10_000 }).toBe(true);
    expect(written).toBeLessThan(16 * 1_024 * 1_024);
  });

  test.each([
    [200, null],
    [500, "HTTP 500"],
  ])(
    "of %i whose body trickles is waited for until the time is over, and its status counts",
    async (status, reason) => {
      let isBroken = false;
      const { url } = await startReceiver((_, response) => {
        response.writeHead(status);
        const timer = setInterval(() => response.write("."), 20);
        response.on("close", () => (clearInterval(timer), (isBroken = true)));
      });
      const sending = local.send({ url, secrets, id, body });
      if (reason === null) await sending;
      else expect((await failureOf(sending)).reason).toBe(reason);
      await expect.poll(() => isBroken, { timeout: 10_000 }).toBe(true);
    },
  );

  const stalls: [stage: string, onConnection: (socket: net.Socket) => void][] = [
    ["never comes", () => undefined],
    ["trickles in its head", (socket) => trickle(socket, "HTTP/1.1 200 OK\r\n", "x: y\r\n")],
    ["is preceded by endless others", (socket) => trickle(socket, "", "HTTP/1.1 103 Early Hints\r\n\r\n")],
  ];
  test.each(stalls)("that %s fails in time", async (_, onConnection) => {
    const port = await listen(net.createServer(onConnection));
    expect(await reasonFor(local, `http://127.0.0.1:${port}`)).toBe("no answer within 1 s");
  });

  test("that a resolver keeps away fails in time", async () => {
    const silent = createWebhookSender({ allowPrivate: false, timeoutMs: 100, lookup: () => undefined });
    expect(await reasonFor(silent, "https://receiver.example")).toBe("no answer within 0.1 s");
  });

  test.each([
    ["nobody", null, /^ECONNREFUSED$/],
    ["one that hangs up", "", /^ECONNRESET$/],
    ["one that speaks no HTTP", "hunter2\r\n\r\n", /^HPE_[A-Z_]+$/],
    [
      "one that changes protocols",
      "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
      /^the request failed$/,
    ],
    [
      "one with an endless head",
      `HTTP/1.1 200 OK\r\n${"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(2_000)}`,
      /^HPE_HEADER_OVERFLOW$/,
    ],
  ])("by %s fails with a code", async (_, text, reason) => {
    const server = net.createServer((socket) => {
      socket.once("data", () => socket.end(text ?? ""));
    });
    const port = text === null ? 9 : await listen(server);
    expect(await reasonFor(patient, `http://127.0.0.1:${port}`)).toMatch(reason);
  });

  test("comes over TLS that somebody vouches for, whatever the environment says", async () => {
    const { key, cert } = tlsOptions();
    const port = await listen(https.createServer({ key, cert }, (_, response) => response.end()));
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = "0";
    const reason = await reasonFor(patient, `https://localhost:${port}`).finally(() => {
      delete process.env.NODE_TLS_REJECT_UNAUTHORIZED;
    });
    expect(reason).toMatch(/^(CERT|DEPTH|SELF|UNABLE)_/);
  });
});

describe("a webhook to a private address", () => {
  test("is sent where that is allowed, by http as well", async () => {
    const { url, calls } = await startReceiver();
    await patient.send({ url, secrets, id, body });
    expect(calls).toHaveLength(1);
  });

  test.each([
    "https://127.0.0.1/",
    "https://127.1/",
    "https://0x7f000001/",
    "https://017700000001/",
    "https://2130706433/",
    "https://127.0.0.1./",
    "https://①②⑦.0.0.1/",
    "https://%31%32%37.0.0.1/",
    "https://0/",
    "https://10.0.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.100.100.200/",
    "https://168.63.129.16/",
    "https://192.0.0.192/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:a9fe:a9fe]/",
    "https://[::127.0.0.1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::10.0.0.1]/",
    "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[fd00:ec2::254]/",
    "https://[ff02::1]/",
    "https://[2001:db8::1]/",
    "https://[3fff::1]/",
    "https://[100::1]/",
    "https://[5f00::1]/",
  ])("is refused: %s", async (url) => {
    expect(await reasonFor(guarded, url)).toBe("the address is private");
  });

  test.each([
    ["http://example.com/", "the URL does not begin with https"],
    ["HTTP://127.0.0.1/", "the URL does not begin with https"],
    ["ftp://example.com/", "the URL does not begin with https"],
    ["file:///etc/passwd", "the URL does not begin with https"],
    ["https://user:hunter2@example.com/", "the URL holds a user name or a password"],
    ["https://user@example.com/", "the URL holds a user name or a password"],
    ["https://:hunter2@example.com/", "the URL holds a user name or a password"],
    ["https://[fe80::1%25eth0]/", "the URL is not valid"],
    ["https://1.2.3.4.5/", "the URL is not valid"],
    ["https://256.256.256.256/", "the URL is not valid"],
    ["https://", "the URL is not valid"],
    ["//127.0.0.1", "the URL is not valid"],
  ])("or a URL that hides one is refused: %s", async (url, reason) => {
    expect(await reasonFor(guarded, url)).toBe(reason);
  });

  test("is refused where the name leads there by the system's own resolver", async () => {
    expect(await reasonFor(guarded, "https://localhost/")).toBe("the address is private");
  });

  const resolverOf = (...answers: string[][]) => {
    let asked = 0;
    const lookup: LookupFunction = (_host, options, callback) => {
      const found = answers[Math.min(asked++, answers.length - 1)] as string[];
      const all = found.map((address) => ({ address, family: net.isIP(address) }));
      if (options.all) callback(null, all);
      else callback(null, all[0]?.address ?? "", all[0]?.family);
    };
    return { lookup, asked: () => asked };
  };
  /** Global unicast that IANA has given to nobody, so that nothing leaves the test. */
  const NOWHERE = "2d00::1";

  test.each([[["127.0.0.1"]], [["8.8.8.8", "10.0.0.1"]], [["::1", "8.8.8.8"]], [[]]])(
    "is refused where one of the name's addresses is private: %j",
    async (addresses) => {
      const { lookup } = resolverOf(addresses);
      const sender = createWebhookSender({ allowPrivate: false, lookup, timeoutMs: 60_000 });
      expect(await reasonFor(sender, "https://rebind.example/")).toBe("the address is private");
    },
  );

  test("is not reached by a name whose second answer is private: it is asked once, and that is where it connects", async () => {
    let connections = 0;
    const port = await listen(net.createServer(() => connections++));
    const { lookup, asked } = resolverOf([NOWHERE], ["127.0.0.1"]);
    const sender = createWebhookSender({ allowPrivate: false, lookup, timeoutMs: 400 });
    expect(await reasonFor(sender, `https://rebind.example:${port}/`)).not.toBe("the address is private");
    expect({ asked: asked(), connections }).toEqual({ asked: 1, connections: 0 });
  });

  test("is refused as a number in any notation", async () => {
    const part = (value: number, base: number) =>
      ({ 8: `0${value.toString(8)}`, 16: `0x${value.toString(16)}` })[base] ?? String(value);
    const base = fc.constantFrom(8, 10, 16);
    const write = (value: number, parts: number, bases: number[]) => {
      const bytes = [24, 16, 8].slice(0, parts - 1).map((shift) => (value >>> shift) & 255);
      const rest = parts === 1 ? value : value % 2 ** (8 * (5 - parts));
      return [...bytes, rest].map((one, index) => part(one, bases[index] as number)).join(".");
    };
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...PRIVATE),
        fc.nat(2 ** 32 - 1),
        fc.integer({ min: 1, max: 4 }),
        fc.tuple(base, base, base, base),
        async ([network, bits], random, parts, bases) => {
          const address = network + (random % 2 ** (32 - bits));
          const hex = `${(address >>> 16).toString(16)}:${(address % 65_536).toString(16)}`;
          const hosts = [
            write(address, parts, bases),
            `[::ffff:${hex}]`,
            `[64:ff9b::${hex}]`,
            `[2002:${hex}::]`,
          ];
          for (const host of hosts)
            expect(await reasonFor(guarded, `https://${host}/`), host).toBe("the address is private");
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** First address and length of what is not for everybody, written down here a second time. */
const PRIVATE: [network: number, bits: number][] = [
  [0, 8],
  [0x0a_00_00_00, 8],
  [0x64_40_00_00, 10],
  [0x7f_00_00_00, 8],
  [0xa9_fe_00_00, 16],
  [0xac_10_00_00, 12],
  [0xc0_00_00_00, 24],
  [0xc0_00_02_00, 24],
  [0xc0_58_63_00, 24],
  [0xc0_a8_00_00, 16],
  [0xc6_12_00_00, 15],
  [0xc6_33_64_00, 24],
  [0xcb_00_71_00, 24],
  [0xe0_00_00_00, 4],
  [0xf0_00_00_00, 4],
];

function trickle(socket: net.Socket, first: string, then: string): void {
  socket.write(first);
  const timer = setInterval(() => socket.write(then), 20);
  socket.on("close", () => clearInterval(timer));
}
