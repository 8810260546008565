-- When a partition's data were first made on its owner. A folder that is missing later is a volume
-- that is not mounted, or lost: it must not begin anew as an empty one.
ALTER TABLE partitions ADD COLUMN made timestamptz;
