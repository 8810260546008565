#include "frontend/outbound/turn.h"

#include "common/loop/fiber.h"
#include "frontend/outbound/reports.h"
#include "frontend/outbound/send.h"
#include "frontend/rpc/rpc_client.h"

#define TOLD_MS 5000 /* for the last reports; later ones find nobody's lease */

/* ---- asking ---- */

/* What all back-ends say, one after the other: the account's right is the same everywhere. */
struct asking {
	bool granted, denied;
	size_t lost;
};

WAITS static void ask_one(struct turn *t, struct rpc_link *l, struct ticket *ticket,
			  char *const *domains, size_t n, struct asking *a)
{
	struct call_turn *part = &t->parts[t->n];
	enum err e = call_turn_open(l, ticket, domains, n, part);

	if (e == E_NOT_FOUND || e == E_DENIED) {
		a->denied = true;
	} else if (e != E_OK) {
		a->lost++;
	} else {
		a->granted = true;
		if (part->waiting != 0)
			t->n++;
		else
			call_turn_close(part);
	}
}

WAITS enum turn_answer turn_ask(struct turn *t, struct ticket *ticket, char *const *domains,
				size_t n)
{
	struct rpc_link *links[TURN_BACKENDS_MAX];
	size_t nlinks = rpc_client_links(links, TURN_BACKENDS_MAX);
	struct asking a = {.lost = nlinks == 0};

	*t = (struct turn){.n = 0};
	for (size_t i = 0; i < nlinks; i++)
		rpc_link_ref(links[i]);
	for (size_t i = 0; i < nlinks; i++) {
		if (!a.denied && !fiber_cancelled())
			ask_one(t, links[i], ticket, domains, n, &a);
		rpc_link_unref(&links[i]);
	}
	if (a.denied)
		return TURN_DENIED;
	if (t->n != 0)
		return TURN_READY;
	return a.granted && a.lost == 0 ? TURN_EMPTY : TURN_LATER;
}

/* ---- sending ---- */

struct line {
	struct turn *turn;
	struct smtp_client *client;
	char remote[OUTBOUND_REMOTE_STR];
};

/* False: the connection is over. Who ends the session does so in the middle of a message, too: it
 * has no answer, so it comes again. */
WAITS static bool send(struct line *l, struct outbound_job *j)
{
	struct smtp_result why;
	enum err e;

	if (j->kind != OUTBOUND_SEND) {
		reports_put_untried(j);
		return true;
	}
	e = send_job(l->client, l->remote, j, &why);
	if (e == E_NOT_FOUND)
		reports_put_untried(j);
	else
		l->turn->sent++;
	return e == E_OK && smtp_client_usable(l->client);
}

/* One back-end after the other; one that goes away meanwhile does not keep the next from it. */
WAITS static void send_all(struct line *l)
{
	for (size_t i = 0; i < l->turn->n; i++) {
		struct outbound_job *j;

		while (call_turn_next(&l->turn->parts[i], &j) == E_OK) {
			if (!send(l, j) || fiber_cancelled())
				return;
		}
	}
}

WAITS void turn_run(struct turn *t, struct session *s, const char *helo)
{
	char own[SMTP_PEER_NAME_MAX + 1]; /* the setting may change while the other side greets */
	struct smtp_client_opts opts = {
		.addr = *stream_peer(s->stream),
		.port = stream_peer_port(s->stream),
		.helo = own,
		.log = &s->log,
	};
	struct host h = {.name = "", .addr = opts.addr};
	struct line l = {.turn = t};
	struct smtp_client_why why;

	invariant(slice_to_str(slice_str(helo), own, sizeof own));
	if (smtp_client_adopt(s->stream, &opts, &l.client, &why) != E_OK)
		return;
	send_remote_name(l.client, &h, l.remote);
	send_all(&l);
	if (smtp_client_usable(l.client))
		smtp_client_quit(l.client);
	smtp_client_free(&l.client);
	/* Also of a session that was ended: nothing is worse than a message twice. */
	fiber_shield_begin();
	reports_flush(deadline_in(TOLD_MS));
	fiber_shield_end();
}

void turn_end(struct turn *t)
{
	for (size_t i = 0; i < t->n; i++)
		call_turn_close(&t->parts[i]);
	t->n = 0;
}
