#include "frontend/rpc/client_facts.h"

void client_facts(const struct session *s, Postern__ClientFacts *m)
{
	const struct ipaddr *peer = stream_peer(s->stream);
	const struct tls_facts *f = stream_is_tls(s->stream) ? stream_tls(s->stream) : NULL;

	postern__client_facts__init(m);
	m->ip.data = (uint8_t *)(uintptr_t)peer->b;
	m->ip.len = peer->family == 6 ? 16 : peer->family == 4 ? 4 : 0;
	m->port = stream_peer_port(s->stream);
	m->local_port = stream_local_port(s->stream);
	if (f == NULL)
		return;
	m->tls = true;
	m->tls_version = (char *)(uintptr_t)f->version;
	m->tls_cipher = (char *)(uintptr_t)f->cipher;
	/* RFC 9266: tls-exporter needs TLS 1.3 (or an extended master secret, which we do not ask
	 * for). */
	if (strcmp(f->version, "TLSv1.3") == 0)
		m->channel_binding =
			(ProtobufCBinaryData){f->exporter.n, (uint8_t *)(uintptr_t)f->exporter.p};
}
