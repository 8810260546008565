-- Keys that sign mail of a domain (RFC 6376). The private key lies here only in boxes that a
-- back-end's own key opens, one for each node; one that lacks a box gets it from another.
CREATE TABLE dkim_keys (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	domain_id    bigint NOT NULL REFERENCES domains (id) ON DELETE CASCADE,
	selector     text NOT NULL CHECK (selector ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
	algorithm    smallint NOT NULL CHECK (algorithm IN (1, 2)), -- rsa-sha256, ed25519-sha256
	public_key   bytea NOT NULL CHECK (octet_length(public_key) BETWEEN 32 AND 1024),
	-- new, published (seen in DNS), active, retired
	state        smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3, 4)),
	created      timestamptz NOT NULL DEFAULT now(),
	published    timestamptz,
	activated    timestamptz,
	retired      timestamptz
);
-- Lists are in this order, page by page.
CREATE UNIQUE INDEX dkim_keys_name ON dkim_keys (domain_id, selector COLLATE "C");

CREATE TABLE dkim_boxes (
	key_id       bigint NOT NULL REFERENCES dkim_keys (id) ON DELETE CASCADE,
	node         text NOT NULL REFERENCES nodes (name) ON DELETE CASCADE,
	sealed       bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 4096),
	PRIMARY KEY (key_id, node)
);

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON dkim_keys
	FOR EACH ROW EXECUTE FUNCTION dir_changed('dkim', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON dkim_boxes
	FOR EACH ROW EXECUTE FUNCTION dir_changed('dkim', 'key_id');
