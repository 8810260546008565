-- Where mail for other systems goes, instead of where DNS says. A password for a relay lies here only
-- in boxes that a back-end's own key opens, one for each node; one that lacks a box gets it from
-- another.
CREATE TABLE routes (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	-- Of the recipient: a domain, .suffix, or *
	domain       text NOT NULL CHECK (length(domain) BETWEEN 1 AND 256),
	-- Of the reverse-path: nothing, @domain, or an address
	sender       text NOT NULL DEFAULT '' CHECK (length(sender) <= 320),
	action       smallint NOT NULL CHECK (action IN (1, 2, 3, 4, 5)), -- mx, relay, lmtp, hold, reject
	-- host[:port] of a relay (in brackets: without a look at its MX) or of LMTP; reject: what is said
	target       text NOT NULL DEFAULT '' CHECK (octet_length(target) <= 300),
	-- none of its own, none, may, encrypt, verify, dane
	tls          smallint NOT NULL DEFAULT 0 CHECK (tls BETWEEN 0 AND 5),
	username     text NOT NULL DEFAULT '' CHECK (octet_length(username) <= 255),
	direct       boolean NOT NULL DEFAULT false,
	connections  integer NOT NULL DEFAULT 0 CHECK (connections BETWEEN 0 AND 100),
	helo         text NOT NULL DEFAULT '' CHECK (length(helo) <= 255),
	source4      text NOT NULL DEFAULT '' CHECK (length(source4) <= 45),
	source6      text NOT NULL DEFAULT '' CHECK (length(source6) <= 45),
	created      timestamptz NOT NULL DEFAULT now(),
	CHECK ((action IN (2, 3, 5)) = (target <> '')),
	CHECK (NOT direct OR action = 2)
);
-- Lists are in this order, page by page.
CREATE UNIQUE INDEX routes_name ON routes (domain COLLATE "C", sender COLLATE "C");

CREATE TABLE route_boxes (
	route_id     bigint NOT NULL REFERENCES routes (id) ON DELETE CASCADE,
	node         text NOT NULL REFERENCES nodes (name) ON DELETE CASCADE,
	sealed       bytea NOT NULL CHECK (octet_length(sealed) BETWEEN 1 AND 512),
	PRIMARY KEY (route_id, node)
);

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON routes
	FOR EACH ROW EXECUTE FUNCTION dir_changed('route', 'id');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON route_boxes
	FOR EACH ROW EXECUTE FUNCTION dir_changed('route', 'route_id');
