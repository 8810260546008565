-- Virtual SMTP servers (proto/servers.h). Listeners, settings (KEY=VALUE) and operators are in the
-- form in which the back-end has checked them.
CREATE TABLE smtp_servers (
	id           bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
	name         text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9-]{1,63}$'),
	service      smallint NOT NULL CHECK (service IN (1, 2)), -- smtp, submission
	state        smallint NOT NULL DEFAULT 1 CHECK (state IN (1, 2, 3)), -- running, paused, stopped
	listeners    text[] NOT NULL CHECK (cardinality(listeners) <= 32
		AND array_to_string(listeners, '') !~ '[[:cntrl:]]'),
	settings     text[] NOT NULL DEFAULT '{}' CHECK (cardinality(settings) <= 32
		AND array_to_string(settings, '') !~ '[[:cntrl:]]'),
	operators    text[] NOT NULL DEFAULT '{}' CHECK (cardinality(operators) <= 32
		AND array_to_string(operators, '') !~ '[[:cntrl:]]'),
	-- Raised by every change, so that two people do not overwrite each other.
	version      bigint NOT NULL DEFAULT 1
);
-- Of each service one answers for what no other does.
CREATE UNIQUE INDEX smtp_servers_default ON smtp_servers (service) WHERE listeners = '{}';

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON smtp_servers
	FOR EACH ROW EXECUTE FUNCTION dir_changed('server', 'id');

INSERT INTO smtp_servers (name, service, listeners)
	VALUES ('default-smtp', 1, '{}'), ('default-submission', 2, '{}');
