-- Who may send as whom.
-- Of an alias or group: whoever it leads to alone, if it is an alias (0); all it leads to (1);
-- nobody (2).
ALTER TABLE addresses ADD COLUMN senders smallint NOT NULL DEFAULT 0 CHECK (senders IN (0, 1, 2));

-- An account may use another's addresses: in From alone, or beside itself in Sender.
CREATE TABLE rights (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	owner_id     bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	user_id      bigint NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
	kind         smallint NOT NULL CHECK (kind IN (1, 2)), -- send as, on behalf
	created      timestamptz NOT NULL DEFAULT now(),
	UNIQUE (owner_id, user_id),
	CHECK (owner_id <> user_id)
);
CREATE INDEX rights_user ON rights (user_id);

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON rights
	FOR EACH ROW EXECUTE FUNCTION dir_changed('right', 'id');
