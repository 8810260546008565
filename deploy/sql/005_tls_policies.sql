-- What is demanded of other systems' servers before mail goes to them, by destination.
CREATE TABLE tls_policies (
	-- A domain, .suffix (all below a domain), [host] or [host]:port of a route, or *
	destination  text PRIMARY KEY CHECK (length(destination) BETWEEN 1 AND 255),
	-- none, may, encrypt, verify, dane, dane-only, pinned
	level        smallint NOT NULL CHECK (level BETWEEN 1 AND 7),
	-- verify: names; pinned: SHA-256 in hex
	peers        text[] NOT NULL DEFAULT '{}' CHECK (cardinality(peers) <= 16),
	changed      timestamptz NOT NULL DEFAULT now(),
	CHECK ((level = 7) <= (cardinality(peers) > 0)),
	CHECK (level IN (4, 7) OR cardinality(peers) = 0)
);
-- Lists are in this order, page by page.
CREATE UNIQUE INDEX tls_policies_name ON tls_policies (destination COLLATE "C");

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON tls_policies
	FOR EACH ROW EXECUTE FUNCTION dir_changed('tls', 'destination');
