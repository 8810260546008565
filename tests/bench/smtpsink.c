/*
 * smtpsink: another system's mail server that takes everything and keeps nothing, with STARTTLS
 * where it has a certificate (Postfix's smtp-sink has none). A thread a session. One dot goes to
 * standard output for each message, when its 250 is on the way.
 *
 *   smtpsink HOST PORT [CERT KEY]
 */
#define _GNU_SOURCE
#include <netdb.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BLOCK 65536

static SSL_CTX *tls;

struct session {
	int fd;
	SSL *ssl;
	char buf[BLOCK];
	size_t at, n; /* what is read and not yet used: buf[at..n] */
};

static bool fill(struct session *s)
{
	ssize_t got = s->ssl != NULL ? SSL_read(s->ssl, s->buf, sizeof s->buf)
				     : read(s->fd, s->buf, sizeof s->buf);

	s->at = 0;
	s->n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

static bool say(struct session *s, const char *text)
{
	int n = (int)strlen(text);

	return s->ssl != NULL ? SSL_write(s->ssl, text, n) == n : write(s->fd, text, n) == n;
}

/* A command's line without its end; what is longer is cut. */
static bool line(struct session *s, char *out, size_t cap)
{
	size_t n = 0;

	for (;;) {
		if (s->at == s->n && !fill(s))
			return false;
		char c = s->buf[s->at++];
		if (c == '\n')
			break;
		if (c != '\r' && n + 1 < cap)
			out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

/* Up to and with CRLF.CRLF, which the line before begins. */
static bool message(struct session *s)
{
	static const char end[] = "\r\n.\r\n";
	size_t have = 2;

	while (have < 5) {
		if (s->at == s->n && !fill(s))
			return false;
		char c = s->buf[s->at];
		if (have == 0) {
			char *cr = memchr(s->buf + s->at, '\r', s->n - s->at);
			s->at = cr != NULL ? (size_t)(cr - s->buf) + 1 : s->n;
			have = cr != NULL;
			continue;
		}
		have = c == end[have] ? have + 1 : c == '\r';
		s->at++;
	}
	return true;
}

static bool block(struct session *s, size_t left)
{
	while (left > 0) {
		if (s->at == s->n && !fill(s))
			return false;
		size_t n = s->n - s->at < left ? s->n - s->at : left;
		s->at += n;
		left -= n;
	}
	return true;
}

static bool taken(struct session *s)
{
	return say(s, "250 2.0.0 taken\r\n") && write(STDOUT_FILENO, ".", 1) == 1;
}

static bool start_tls(struct session *s)
{
	if (!say(s, "220 2.0.0 go on\r\n") || s->at != s->n)
		return false;
	s->ssl = SSL_new(tls);
	return s->ssl != NULL && SSL_set_fd(s->ssl, s->fd) == 1 && SSL_accept(s->ssl) == 1;
}

static bool answer(struct session *s, const char *command)
{
	char last[8] = "";
	size_t n = 0;

	if (strncasecmp(command, "EHLO", 4) == 0)
		return say(s, tls != NULL && s->ssl == NULL
				      ? "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
					"250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n"
				      : "250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n"
					"250 ENHANCEDSTATUSCODES\r\n");
	if (strncasecmp(command, "STARTTLS", 8) == 0 && tls != NULL && s->ssl == NULL)
		return start_tls(s);
	if (strncasecmp(command, "DATA", 4) == 0)
		return say(s, "354 go on\r\n") && message(s) && taken(s);
	if (sscanf(command, "%*4s %zu %7s", &n, last) >= 1 && strncasecmp(command, "BDAT", 4) == 0)
		return block(s, n) && (last[0] != '\0' ? taken(s) : say(s, "250 2.0.0 more\r\n"));
	if (strncasecmp(command, "QUIT", 4) == 0)
		return say(s, "221 2.0.0 bye\r\n") && false;
	return say(s, "250 2.0.0 yes\r\n");
}

static void *serve(void *arg)
{
	struct session *s = arg;
	char command[1024];

	if (say(s, "220 sink\r\n")) {
		while (line(s, command, sizeof command) && answer(s, command))
			;
	}
	SSL_free(s->ssl);
	close(s->fd);
	free(s);
	return NULL;
}

static void set_tls(const char *cert, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (tls == NULL || SSL_CTX_use_certificate_chain_file(tls, cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) {
		ERR_print_errors_fp(stderr);
		exit(1);
	}
}

static int listen_at(const char *host, const char *port)
{
	const struct addrinfo hints = {.ai_family = AF_INET,
				       .ai_socktype = SOCK_STREAM,
				       .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *at;
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (getaddrinfo(host, port, &hints, &at) != 0) {
		fprintf(stderr, "smtpsink: %s:%s is no address with a port\n", host, port);
		exit(1);
	}
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
	    bind(fd, at->ai_addr, at->ai_addrlen) != 0 || listen(fd, 500) != 0) {
		perror("smtpsink");
		exit(1);
	}
	freeaddrinfo(at);
	return fd;
}

int main(int argc, char **argv)
{
	int fd, one = 1;
	pthread_attr_t attr;

	if (argc != 3 && argc != 5) {
		fprintf(stderr, "usage: smtpsink HOST PORT [CERT KEY]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	if (argc == 5)
		set_tls(argv[3], argv[4]);
	fd = listen_at(argv[1], argv[2]);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 256 * 1024);
	for (;;) {
		struct session *s = calloc(1, sizeof *s);
		pthread_t t;

		if (s == NULL || (s->fd = accept(fd, NULL, NULL)) < 0)
			return 1;
		setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (pthread_create(&t, &attr, serve, s) != 0)
			return 1;
	}
}
