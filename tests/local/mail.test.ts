import { spawn, type ChildProcess } from "node:child_process";
import fs from "node:fs";
import net from "node:net";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import PostalMime from "postal-mime";
import { afterAll, describe, expect, test } from "vitest";
import { createMailer } from "../../lib/mail.ts";
import { startMail, type LocalMail } from "../../local/mail/index.ts";
import { waitForExit } from "../../local/processes.ts";

const root = path.resolve(import.meta.dirname, "../..");
const folders: string[] = [];
const running: LocalMail[] = [];
const children: ChildProcess[] = [];
afterAll(async () => {
  for (const mail of running) await mail.stop();
  for (const child of children) child.kill("SIGKILL");
  for (const folder of folders) fs.rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "afterimage-mail-"));
  folders.push(folder);
  return folder;
}

async function start(dataDir = newFolder(), port = 0) {
  const mail = await startMail({ dataDir, port });
  running.push(mail);
  const mailer = createMailer({ url: mail.url, from: "Afterimage <afterimage@localhost>" });
  const send = (subject: string, text = "x") =>
    mailer.send({ id: "id-1", to: "operator@localhost", subject, text });
  return { mail, send, files: () => fs.readdirSync(mail.dir).toSorted() };
}

describe("the mail catcher", () => {
  test("keeps what the mailer sends as a file for its owner only, before it acknowledges", async () => {
    const { mail, send, files } = await start();
    await send("Grüße", "Zeile\n");
    const [name = "", ...others] = files();
    expect(others).toEqual([]);
    expect(name).toMatch(/^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z-[\da-f-]{36}\.eml$/);
    const file = path.join(mail.dir, name);
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    expect(await PostalMime.parse(fs.readFileSync(file))).toMatchObject({
      subject: "Grüße",
      text: "Zeile\n",
    });
  });

  test("keeps the newest two hundred", async () => {
    const { mail, send, files } = await start();
    for (let n = 0; n < 205; n++)
      fs.writeFileSync(path.join(mail.dir, `2026-01-01T00-00-00-${String(n).padStart(3, "0")}Z-x.eml`), "x");
    await send("the newest");
    const kept = files();
    expect(kept).toHaveLength(200);
    expect(kept[0]).toContain("-006Z-");
    expect(fs.readFileSync(path.join(mail.dir, kept.at(-1) ?? ""), "utf8")).toContain("the newest");
  });

  test("refuses a message over 1 MiB, and goes on", async () => {
    const { send, files } = await start();
    await expect(send("big", "x".repeat(1_024 * 1_024))).rejects.toThrow("refused by the SMTP server (552)");
    expect(files()).toEqual([]);
    await send("small");
    expect(files()).toHaveLength(1);
  });

  test("keeps nothing of a message whose sender breaks off", async () => {
    const { mail, send, files } = await start();
    const socket = net.connect(Number(new URL(mail.url).port), "127.0.0.1");
    let heard = "";
    socket.setEncoding("latin1").on("data", (text: string) => (heard += text));
    await expect.poll(() => heard, { timeout: 10_000 }).toContain("220");
    socket.write("EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n");
    await expect.poll(() => heard, { timeout: 10_000 }).toContain("354");
    socket.end("Subject: half\r\n\r\nhalf");
    await new Promise((resolve) => socket.once("close", resolve));
    await send("whole");
    expect(files()).toHaveLength(1);
  });

  test("listens on loopback, and on another port when the wanted one is taken", async () => {
    const first = await start();
    const second = await start(newFolder(), Number(new URL(first.mail.url).port));
    expect(second.mail.url).toMatch(/^smtp:\/\/127\.0\.0\.1:\d+$/);
    expect(second.mail.url).not.toBe(first.mail.url);
  });

  test("killed while it writes leaves a draft that the next one removes; its mail stays", async () => {
    const dataDir = newFolder();
    const dir = path.join(dataDir, "mail");
    const { child, url } = await startProcess(dataDir);
    await createMailer({ url, from: "a@localhost" }).send({
      id: "1",
      to: "b@localhost",
      subject: "s",
      text: "t",
    });
    child.kill("SIGKILL");
    await waitForExit(child.pid ?? 0, 10_000);
    const [kept] = fs.readdirSync(dir);
    fs.writeFileSync(path.join(dir, "2026-01-01T00-00-00-000Z-x.eml.123"), "Subj");
    await start(dataDir);
    expect(fs.readdirSync(dir)).toEqual([kept]);
  });

  test.each(["SIGTERM", "disconnect"])("as a process ends on %s", async (way) => {
    const { child } = await startProcess(newFolder());
    if (way === "disconnect") child.disconnect();
    else child.kill("SIGTERM");
    expect(await waitForExit(child.pid ?? 0, 10_000)).toBe(true);
  });
});

/** The part as `npm start` runs it. */
async function startProcess(dataDir: string): Promise<{ child: ChildProcess; url: string }> {
  const command = ["--import", "tsx", path.join(root, "local/mail/main.ts"), "--data", dataDir];
  const child = spawn(process.execPath, command, { cwd: root, stdio: ["ignore", "pipe", "inherit", "ipc"] });
  children.push(child);
  const lines = readline.createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const line = await new Promise<string>((resolve) => lines.once("line", resolve));
  return { child, url: (JSON.parse(line) as { url: string }).url };
}
