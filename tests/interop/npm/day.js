// An ordinary day of imapflow and nodemailer: send, list, fetch, flags, move, delete, hear of mail.
// Prints "ok" at its end; anything else is a failure. Arguments: a JSON object.
"use strict";
const assert = require("assert");
const { ImapFlow } = require("imapflow");
const nodemailer = require("nodemailer");

const o = JSON.parse(process.argv[2]);
const tls = { rejectUnauthorized: false };

async function send(port, secure, subject) {
	const transport = nodemailer.createTransport({
		host: o.host, port, secure, requireTLS: !secure, tls,
		auth: { user: o.from.address, pass: o.from.password },
	});
	const sent = await transport.sendMail({
		from: o.from.address, to: o.to.address, subject,
		text: "Grüße aus Köln\n", html: "<p>Grüße aus <b>Köln</b></p>",
		attachments: [{ filename: "zahlen.txt", content: Buffer.alloc(200000, "0123456789\n") }],
	});
	assert.deepStrictEqual(sent.accepted, [o.to.address]);
	transport.close();
}

function connect(port, secure) {
	return new ImapFlow({
		host: o.host, port, secure, tls, logger: false,
		auth: { user: o.to.address, pass: o.to.password },
	});
}

async function day() {
	const subject = "day " + process.pid + " " + Date.now();
	await send(o.submissions, true, subject + " one");

	const client = connect(o.imaps, true);
	await client.connect();
	const names = (await client.list()).map((m) => m.path);
	for (const name of ["INBOX", "Drafts", "Sent", "Junk", "Trash"]) {
		assert(names.includes(name), name + " is not in " + names);
	}
	await client.mailboxOpen("INBOX");
	const [uid] = await client.search({ header: { subject: subject + " one" } }, { uid: true });
	assert(uid > 0);
	const message = await client.fetchOne(uid, {
		envelope: true, bodyStructure: true, flags: true, source: true, size: true,
	}, { uid: true });
	assert.strictEqual(message.envelope.subject, subject + " one");
	assert.strictEqual(message.source.length, message.size);
	assert.strictEqual(message.bodyStructure.type, "multipart/mixed");
	const part = await client.download(uid, "2", { uid: true });
	let bytes = 0;
	for await (const chunk of part.content) {
		bytes += chunk.length;
	}
	assert.strictEqual(bytes, 200000);

	await client.messageFlagsAdd(uid, ["\\Flagged", "work"], { uid: true });
	const flagged = await client.fetchOne(uid, { flags: true }, { uid: true });
	assert(flagged.flags.has("\\Flagged") && flagged.flags.has("work"));

	const folder = "Projects-" + process.pid + "-" + Date.now();
	await client.mailboxCreate(folder);
	const moved = await client.messageMove(uid, folder, { uid: true });
	assert.strictEqual(moved.uidMap.size, 1);
	const appended = await client.append(folder, "Subject: kept\r\n\r\nkept\r\n", ["\\Seen"]);
	assert(appended.uid > 0);
	const status = await client.status(folder, { messages: true, unseen: true, uidNext: true });
	assert.strictEqual(status.messages, 2);

	// New mail is told while the client waits.
	const heard = new Promise((resolve) => client.once("exists", resolve));
	const waiting = client.idle();
	await send(o.submission, false, subject + " two");
	await heard;
	const two = await client.search({ header: { subject: subject + " two" } }, { uid: true });
	await waiting;
	assert.strictEqual(two.length, 1);
	await client.messageDelete(two, { uid: true });
	assert.deepStrictEqual(
		await client.search({ header: { subject: subject + " two" } }, { uid: true }), []);

	// Any bytes, in and out.
	const any = Buffer.from([0, 10, 13, 255, 0]);
	const head = Buffer.from("Subject: any\r\nContent-Transfer-Encoding: binary\r\n\r\n");
	const binary = await client.append(folder, Buffer.concat([head, any]));
	await client.mailboxOpen(folder);
	const back = await client.fetchOne(binary.uid, { bodyParts: ["1"] },
		{ uid: true, binary: true });
	assert(back.bodyParts.get("1").equals(any));

	await client.mailboxClose();
	await client.mailboxRename(folder, folder + "-old");
	await client.mailboxDelete(folder + "-old");
	await client.logout();

	const plain = connect(o.imap, false);
	await plain.connect();
	assert(plain.secureConnection);
	await plain.logout();
}

day().then(() => console.log("ok"), (e) => {
	console.error(e);
	process.exit(1);
});
