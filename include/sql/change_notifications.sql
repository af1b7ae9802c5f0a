-- For real time: triggers that record each change of what the exports send, and tell odp_realtime at once. Without them the
-- replica is asked every few seconds what was modified, which needs no right but to read.
--
-- Where the replica allows triggers, run this once with any client, as the owner of Commerce's tables, and again after an
-- upgrade or when a table was created anew; for a physical standby, run it on the primary. Then let the role of the exports
-- read what is recorded:
--
--   GRANT USAGE ON SCHEMA odp_changes TO exports;
--   GRANT SELECT ON odp_changes.change TO exports;
--
-- The schema of Commerce's tables is dbo. To name another one, remove the dashes of the next line.
-- SET odp.source_schema = 'my_schema';
--
-- Each change costs one row in odp_changes.change, written in the transaction that makes the change; rows older than seven
-- days go by themselves. An UPDATE that changes nothing records nothing. The triggers fire as well for rows that logical
-- replication applies, or a tool with session_replication_role = replica. A line, an image or the like that is deleted counts
-- as a change of what it belonged to, which no ModifiedOn shows.
--
-- To remove all of it, triggers included: DROP SCHEMA odp_changes CASCADE;

CREATE SCHEMA IF NOT EXISTS odp_changes;

CREATE TABLE IF NOT EXISTS odp_changes.change (
    -- The transaction: by it a reader knows exactly what it has not seen yet, in whatever order transactions are committed.
    xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
    export text NOT NULL,
    entity_id text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS change_xid ON odp_changes.change (xid);

-- Removes those of the ten thousand oldest rows that are past their age, without waiting for anybody who does the same.
CREATE OR REPLACE FUNCTION odp_changes.remove_old() RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = odp_changes, pg_temp AS $body$
    DELETE FROM change WHERE ctid = ANY(ARRAY(
        SELECT c.ctid
        FROM change c
        WHERE c.changed_at < now() - interval '7 days'
            AND c.xid <= (SELECT max(oldest.xid) FROM (SELECT o.xid FROM change o ORDER BY o.xid LIMIT 10000) AS oldest)
        FOR UPDATE SKIP LOCKED
    ))
$body$;

DO $script$
DECLARE
    source_schema constant text := coalesce(nullif(current_setting('odp.source_schema', true), ''), 'dbo');
    watched record;
    source record;
    export text;
    installed integer := 0;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = source_schema) THEN
        RAISE EXCEPTION 'Schema % does not exist. Name the schema of the Commerce tables: SET odp.source_schema = ''...''',
            source_schema;
    END IF;
    -- As the mapping files do: an entity has changed when its own row has, or one that belongs to it.
    FOR watched IN
        SELECT * FROM (VALUES
            ('product', 'id', 'product_odp_export', true),
            ('productimage', 'productid', 'product_odp_export', false),
            ('categoryproduct', 'productid', 'product_odp_export', false),
            ('warehouse', 'id', 'warehouse_odp_export', true),
            ('customer', 'id', 'customer_odp_export', true),
            ('userprofile', 'id', 'user_profile_odp_export', true),
            ('customeruserprofile', 'id', 'customer_to_user_mapping_odp_export', true),
            ('customerorder', 'id', 'order_odp_export', true),
            ('orderline', 'customerorderid', 'order_odp_export', false),
            ('customerorderpromotion', 'customerorderid', 'order_odp_export', false),
            -- Which export its row belongs to is in its ParentTable.
            ('customproperty', 'parentid', NULL, false)
        ) AS w (table_name, id_column, export, is_entity)
    LOOP
        FOR source IN
            SELECT
                c.oid::regclass AS relation,
                max(a.attname) FILTER (WHERE lower(a.attname) = watched.id_column) AS id_column,
                max(a.attname) FILTER (WHERE lower(a.attname) = 'parenttable') AS parent_table
            FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            WHERE n.nspname = source_schema AND c.relkind IN ('r', 'p') AND lower(c.relname) = watched.table_name
            GROUP BY c.oid
        LOOP
            export := CASE WHEN watched.export IS NOT NULL THEN quote_literal(watched.export) ELSE format(
                'CASE changed.%I'
                ' WHEN ''Product'' THEN ''product_odp_export'''
                ' WHEN ''Warehouse'' THEN ''warehouse_odp_export'''
                ' WHEN ''Customer'' THEN ''customer_odp_export'''
                ' WHEN ''UserProfile'' THEN ''user_profile_odp_export'''
                ' WHEN ''CustomerUserProfile'' THEN ''customer_to_user_mapping_odp_export'''
                ' WHEN ''CustomerOrder'' THEN ''order_odp_export'' END', source.parent_table) END;
            -- As its owner, so that whoever writes to Commerce's tables needs no right on what is recorded.
            EXECUTE format($function$
                CREATE OR REPLACE FUNCTION odp_changes.%1$I() RETURNS trigger
                LANGUAGE plpgsql SECURITY DEFINER SET search_path = odp_changes, pg_temp AS $body$
                DECLARE
                    changed record;
                    export text;
                BEGIN
                    IF TG_OP = 'UPDATE' AND OLD *= NEW THEN
                        RETURN NULL;
                    END IF;
                    IF TG_OP = 'DELETE' THEN
                        changed := OLD;
                    ELSE
                        changed := NEW;
                    END IF;
                    export := %3$s;
                    IF export IS NOT NULL AND changed.%2$I IS NOT NULL THEN
                        INSERT INTO change (export, entity_id) VALUES (export, changed.%2$I::text);
                        IF TG_OP = 'UPDATE' AND OLD.%2$I <> changed.%2$I THEN
                            INSERT INTO change (export, entity_id) VALUES (export, OLD.%2$I::text);
                        END IF;
                        PERFORM pg_notify('odp_change', '');
                    END IF;
                    IF random() < 0.001 THEN
                        PERFORM remove_old();
                    END IF;
                    RETURN NULL;
                END
                $body$
            $function$, watched.table_name, source.id_column, export);
            EXECUTE format('DROP TRIGGER IF EXISTS odp_change ON %s', source.relation);
            EXECUTE format('CREATE TRIGGER odp_change AFTER INSERT OR UPDATE%s ON %s'
                ' FOR EACH ROW EXECUTE FUNCTION odp_changes.%I()',
                -- An entity that is gone cannot be sent.
                CASE WHEN watched.is_entity THEN '' ELSE ' OR DELETE' END, source.relation, watched.table_name);
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER odp_change', source.relation);
            installed := installed + 1;
        END LOOP;
    END LOOP;
    IF installed = 0 THEN
        RAISE EXCEPTION 'Schema % holds no Commerce table. Name the right one: SET odp.source_schema = ''...''',
            source_schema;
    END IF;
    RAISE NOTICE 'The changes of % tables in schema % are recorded', installed, source_schema;
END
$script$;
