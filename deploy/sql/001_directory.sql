-- The directory. Applied by a back-end at start, in one transaction, under an advisory lock. Names
-- are stored in the form in which they are compared: domains as IDNA ASCII in lower case, local
-- parts with ASCII letters in lower case.

CREATE TABLE dir_meta (
	one          boolean PRIMARY KEY DEFAULT true CHECK (one),
	-- Drawn once: a copy that was made from another directory is not ours.
	id           uuid NOT NULL DEFAULT gen_random_uuid(),
	-- Salts of names that do not exist are derived from it; the same on every node.
	secret       bytea NOT NULL CHECK (octet_length(secret) = 32),
	-- Changes of transactions below this one have been pruned from dir_change.
	pruned_txid  xid8 NOT NULL DEFAULT '0'
);
INSERT INTO dir_meta (secret)
	VALUES (sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
		|| uuid_send(gen_random_uuid())));

CREATE TABLE nodes (
	name         text PRIMARY KEY CHECK (name ~ '^[a-z0-9-]{1,63}$'),
	address      text NOT NULL CHECK (length(address) BETWEEN 1 AND 255),
	port         integer NOT NULL CHECK (port BETWEEN 1 AND 65535),
	public_key   bytea NOT NULL CHECK (octet_length(public_key) = 32),
	registered   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE partitions (
	id           integer PRIMARY KEY CHECK (id BETWEEN 0 AND 65535),
	node         text REFERENCES nodes (name),
	epoch        bigint NOT NULL DEFAULT 1
);

CREATE TABLE domains (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	name         text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 255),
	kind         smallint NOT NULL CHECK (kind IN (1, 2, 3)), -- local, alias, remote
	target       bigint REFERENCES domains (id),
	catch_all    text NOT NULL DEFAULT '' CHECK (length(catch_all) <= 320),
	accounts_max bigint NOT NULL DEFAULT 0 CHECK (accounts_max >= 0),
	quota_bytes  bigint NOT NULL DEFAULT 0 CHECK (quota_bytes >= 0),
	state        smallint NOT NULL DEFAULT 1 CHECK (state = 1),
	created      timestamptz NOT NULL DEFAULT now(),
	CHECK ((kind = 2) = (target IS NOT NULL)),
	CHECK (kind = 1 OR catch_all = '')
);
CREATE INDEX domains_target ON domains (target);
-- Lists are in this order, page by page.
CREATE INDEX domains_order ON domains (name COLLATE "C");

CREATE TABLE accounts (
	id             bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	domain_id      bigint REFERENCES domains (id), -- null once it is removed
	local          text NOT NULL CHECK (octet_length(local) BETWEEN 1 AND 64),
	address        text NOT NULL, -- also of a removed one
	kind           smallint NOT NULL DEFAULT 1 CHECK (kind = 1), -- user
	state          smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)), -- active, locked, removed
	quota_bytes    bigint NOT NULL DEFAULT 0 CHECK (quota_bytes >= 0),
	quota_messages bigint NOT NULL DEFAULT 0 CHECK (quota_messages >= 0),
	partition      integer NOT NULL REFERENCES partitions (id),
	epoch          integer NOT NULL DEFAULT 1,
	display_name   text NOT NULL DEFAULT '' CHECK (length(display_name) <= 200),
	created        timestamptz NOT NULL DEFAULT now(),
	CHECK ((state = 3) = (domain_id IS NULL))
);
CREATE INDEX accounts_partition ON accounts (partition);
CREATE UNIQUE INDEX accounts_name ON accounts (domain_id, local COLLATE "C");

-- Every name that takes mail, so that one key keeps accounts and aliases apart.
CREATE TABLE addresses (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	domain_id    bigint NOT NULL REFERENCES domains (id),
	local        text NOT NULL CHECK (octet_length(local) BETWEEN 1 AND 64),
	kind         smallint NOT NULL CHECK (kind IN (1, 2, 3)), -- account, alias, group
	account_id   bigint REFERENCES accounts (id),
	-- Full addresses, ours or outside ones, in the order given.
	members      text[] NOT NULL DEFAULT '{}' CHECK (cardinality(members) <= 1000
		AND array_to_string(members, '') !~ '[[:cntrl:]]'),
	enabled      boolean NOT NULL DEFAULT true,
	created      timestamptz NOT NULL DEFAULT now(),
	CHECK ((kind = 1) = (account_id IS NOT NULL)),
	CHECK ((kind = 1) = (cardinality(members) = 0))
);
CREATE UNIQUE INDEX addresses_name ON addresses (domain_id, local COLLATE "C");
CREATE INDEX addresses_account ON addresses (account_id);

CREATE TABLE credentials (
	account_id   bigint PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
	kind         smallint NOT NULL CHECK (kind IN (1, 2)), -- SCRAM-SHA-256, Argon2id
	verifier     text NOT NULL CHECK (length(verifier) BETWEEN 1 AND 256),
	changed      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE settings (
	key          text PRIMARY KEY CHECK (key ~ '^[a-z0-9_.-]{1,128}$'),
	value        text NOT NULL CHECK (octet_length(value) <= 4096)
);

CREATE TABLE certificates (
	serial       text PRIMARY KEY CHECK (serial ~ '^[0-9a-f]{1,40}$'),
	name         text NOT NULL,
	issued       timestamptz NOT NULL DEFAULT now(),
	expires      timestamptz,
	revoked      timestamptz
);
CREATE INDEX certificates_revoked ON certificates (serial) WHERE revoked IS NOT NULL;

CREATE SEQUENCE ticket_key_id AS integer;
CREATE TABLE ticket_keys (
	id           integer NOT NULL,
	node         text NOT NULL REFERENCES nodes (name) ON DELETE CASCADE,
	sealed       bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 256),
	created      timestamptz NOT NULL,
	not_after    timestamptz NOT NULL,
	PRIMARY KEY (id, node)
);

CREATE TABLE ended_sessions (
	id           bytea PRIMARY KEY CHECK (octet_length(id) = 16),
	until        timestamptz NOT NULL
);
CREATE INDEX ended_sessions_until ON ended_sessions (until);

CREATE TABLE audit (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	at           timestamptz NOT NULL DEFAULT clock_timestamp(),
	who          text NOT NULL,
	origin       text NOT NULL DEFAULT '',
	method       text NOT NULL,
	target       text NOT NULL DEFAULT '',
	result       text NOT NULL,
	detail       text NOT NULL DEFAULT ''
);

-- What changed. Readers go on from (txid, serial) and read only transactions below
-- pg_snapshot_xmin(pg_current_snapshot()): below it all have ended, so nothing can appear behind a
-- reader's back.
CREATE TABLE dir_change (
	serial       bigint GENERATED ALWAYS AS IDENTITY,
	txid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
	kind         text NOT NULL,
	id           text NOT NULL,
	at           timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (txid, serial)
);

-- TG_ARGV[0]: kind; TG_ARGV[1]: the key's column.
CREATE FUNCTION dir_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
	r jsonb;
BEGIN
	IF TG_OP = 'DELETE' THEN
		r := to_jsonb(OLD);
	ELSE
		r := to_jsonb(NEW);
	END IF;
	INSERT INTO dir_change (kind, id) VALUES (TG_ARGV[0], r ->> TG_ARGV[1]);
	NOTIFY postern_dir;
	RETURN NULL;
END
$$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON nodes
	FOR EACH ROW EXECUTE FUNCTION dir_changed('node', 'name');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON partitions
	FOR EACH ROW EXECUTE FUNCTION dir_changed('partition', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON domains
	FOR EACH ROW EXECUTE FUNCTION dir_changed('domain', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON accounts
	FOR EACH ROW EXECUTE FUNCTION dir_changed('account', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON addresses
	FOR EACH ROW EXECUTE FUNCTION dir_changed('address', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON settings
	FOR EACH ROW EXECUTE FUNCTION dir_changed('setting', 'key');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON certificates
	FOR EACH ROW EXECUTE FUNCTION dir_changed('cert', 'serial');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON ticket_keys
	FOR EACH ROW EXECUTE FUNCTION dir_changed('key', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON ended_sessions
	FOR EACH ROW EXECUTE FUNCTION dir_changed('session', 'id');
