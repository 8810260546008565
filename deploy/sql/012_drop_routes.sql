-- Mail for a domain that is written into a virtual server's drop folder.
ALTER TABLE routes DROP CONSTRAINT routes_action_check;
ALTER TABLE routes ADD CONSTRAINT routes_action_check CHECK (action IN (1, 2, 3, 4, 5, 6)); -- drop
-- The server's name is the target.
ALTER TABLE routes DROP CONSTRAINT routes_check;
ALTER TABLE routes ADD CONSTRAINT routes_check CHECK ((action IN (2, 3, 5, 6)) = (target <> ''));
